// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/strategy"
)

// View is the snapshot that a tree keeps for readers on other goroutines. Its writers are the manager (status, trust, waits)
// and the hook runner (assignment, grants, hook), each its own half.
type View struct {
	status     atomic.Pointer[Status]
	assignment atomic.Pointer[Assignment]
	grants     atomic.Pointer[grants]
	hook       watch
	handled    bool                  // partitions have handlers of their own
	trust      atomic.Pointer[trust] // of the session; nil for none
	waits      atomic.Pointer[[]member.Wait]
	store      atomic.Pointer[kv.Store]
	readied    atomic.Bool
	toLeave    atomic.Bool
	drained    atomic.Bool
	ready      chan struct{}
	done       chan struct{}
	removing   atomic.Pointer[[]strategy.Partition] // what the hook is giving up at this moment; nil for nothing
	undrained  atomic.Pointer[[]strategy.Partition] // what was left when a drain was ended early
	cause      atomic.Pointer[error]
	left       atomic.Pointer[error]
}

func newView() *View {
	v := &View{ready: make(chan struct{}), done: make(chan struct{})}
	v.status.Store(&Status{State: fsm.Init})
	v.assignment.Store(&Assignment{})
	v.grants.Store(&grants{})
	v.waits.Store(&[]member.Wait{})
	return v
}

// Drained reports whether everything was handed over before the worker left, or there was nothing to hand over.
func (v *View) Drained() bool { return v.drained.Load() }

// LeaveAsked notes that the tree is asked to leave, in case the manager fails while it handles the message.
func (v *View) LeaveAsked() { v.toLeave.Store(true) }

// Begin sets whether a tree that is not spawned yet begins cordoned.
func (v *View) Begin(cordoned bool) { v.status.Store(&Status{State: fsm.Init, Cordoned: cordoned}) }

// Assignment returns a copy of what the worker owns now.
func (v *View) Assignment() Assignment { return v.assignment.Load().clone() }

// Store returns the opened store; nil before it is open.
func (v *View) Store() *kv.Store { return v.store.Load() }

// Ready returns a channel that is closed when the first assignment is applied.
func (v *View) Ready() <-chan struct{} { return v.ready }

// Done returns a channel that is closed when the tree has ended and nothing of it runs any more.
func (v *View) Done() <-chan struct{} { return v.done }

// held is what the worker has not let go of, sorted by ID: what it owns, what the hook is giving up at this moment, and what
// handlers hold that have not returned.
func (v *View) held(holding []string) []strategy.Partition {
	list := v.Assignment().Partitions
	for _, id := range holding {
		list = append(list, named(id, 0))
	}
	if removing := v.removing.Load(); removing != nil {
		list = append(list, *removing...)
	}
	byID(list)
	return slices.CompactFunc(list, func(a, b strategy.Partition) bool { return a.ID() == b.ID() })
}

// holds counts what held lists.
func (v *View) holds(holding []string) int {
	owned := v.assignment.Load().Partitions
	more := map[string]bool{}
	note := func(id string) {
		if _, is := slices.BinarySearchFunc(owned, id, func(p strategy.Partition, id string) int { return strings.Compare(p.ID(), id) }); !is {
			more[id] = true
		}
	}
	for _, id := range holding {
		note(id)
	}
	if removing := v.removing.Load(); removing != nil {
		for _, p := range *removing {
			note(p.ID())
		}
	}
	return len(owned) + len(more)
}

// Undrained returns the partitions that a worker still had when a Leave ended its drain; nil if that did not happen.
func (v *View) Undrained() []strategy.Partition {
	if p := v.undrained.Load(); p != nil {
		return *p
	}
	return nil
}

// Err returns the reason why the tree ended; nil while it lives and after a clean leave.
func (v *View) Err() error {
	if p := v.cause.Load(); p != nil {
		return *p
	}
	return nil
}

// Left returns what was left of the worker when its tree had ended: entries in the store, a hook that has not returned. It
// is nil before the end, and after an end that left nothing.
func (v *View) Left() error {
	if p := v.left.Load(); p != nil {
		return *p
	}
	return nil
}

// Abandon notes that the tree has not ended in time. An actor of the user that hangs can cause that.
func (v *View) Abandon(timeout time.Duration) {
	err := fmt.Errorf("%w: the actors of the worker have not ended after ShutdownTimeout %s; what is left in the store expires with its TTL",
		ErrShutdownTimeout, timeout)
	v.left.CompareAndSwap(nil, &err)
	v.blame(err)
}

// markReady closes ready, once.
func (v *View) markReady() {
	if v.readied.CompareAndSwap(false, true) {
		close(v.ready)
	}
}

// blame keeps the first cause of the end.
func (v *View) blame(err error) {
	if err != nil {
		v.cause.CompareAndSwap(nil, &err)
	}
}
