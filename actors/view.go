package actors

import (
	"sync/atomic"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/kv"
)

// View is the snapshot that a tree keeps for readers on other goroutines. Its writers are the manager (status, trust, waits)
// and the hook runner (assignment, grants, hook), each its own half.
type View struct {
	status     atomic.Pointer[Status]
	assignment atomic.Pointer[Assignment]
	grants     atomic.Pointer[grants]
	hook       watch
	trust      atomic.Pointer[trust] // of the session; nil for none
	waits      atomic.Pointer[[]awaits]
	store      atomic.Pointer[kv.Store]
	readied    atomic.Bool
	ready      chan struct{}
	done       chan struct{}
	cause      atomic.Pointer[error]
}

func newView() *View {
	v := &View{ready: make(chan struct{}), done: make(chan struct{})}
	v.status.Store(&Status{State: fsm.Init})
	v.assignment.Store(&Assignment{})
	v.grants.Store(&grants{})
	v.waits.Store(&[]awaits{})
	return v
}

// Assignment returns a copy of what the worker owns now.
func (v *View) Assignment() Assignment { return v.assignment.Load().clone() }

// Store is the opened store; nil before.
func (v *View) Store() *kv.Store { return v.store.Load() }

// Ready is closed when the first assignment was applied.
func (v *View) Ready() <-chan struct{} { return v.ready }

// Done is closed when the tree has ended and nothing of it runs any more.
func (v *View) Done() <-chan struct{} { return v.done }

// Err is why the tree ended; nil while it lives and after a clean leave.
func (v *View) Err() error {
	if p := v.cause.Load(); p != nil {
		return *p
	}
	return nil
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
