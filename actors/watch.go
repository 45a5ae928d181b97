// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/strategy"
)

// watch sees a call of the user's code begin and end. Whoever makes the calls makes one at a time. The manager of the
// moment is told, so that it knows for how long a call has lasted; one that begins while a call lasts looks for itself.
type watch struct {
	now  atomic.Pointer[call] // nil for none
	tell atomic.Pointer[func(message any)]
}

// call is one call of the user's code.
type call struct {
	name           string
	added, removed []strategy.Partition
	since          time.Time
	limit          time.Duration // 0 for HandoffTimeout: a hook
}

type (
	callBegan struct{ call *call }
	callEnded struct{ name string }
)

// during makes the call. It is over as well when it panics.
func (w *watch) during(c call, do func()) {
	c.since = time.Now()
	w.now.Store(&c)
	w.say(&callBegan{&c})
	defer func() {
		w.now.Store(nil)
		w.say(&callEnded{c.name})
	}()
	do()
}

func (w *watch) say(message any) {
	if tell := w.tell.Load(); tell != nil {
		(*tell)(message)
	}
}

// follow has this manager told of calls, the one that lasts included.
func (w *watch) follow(m *manager) {
	tell := m.tell
	w.tell.Store(&tell)
	if c := w.now.Load(); c != nil {
		m.tell(&callBegan{c})
		if w.now.Load() != c {
			m.tell(&callEnded{c.name}) // it may have ended before anybody was told
		}
	}
}

// fact is the beginning of a call. A hook that is told of partitions and lasts too long holds up a handoff; that a strategy
// lasts too long is reported where its answer is missed.
func (c *call) fact() *member.CallBegan {
	what, from := c.name+" returns", " from "
	if len(c.added) > 0 {
		what, from = what+from+"adding "+counted(c.added), " and "
	}
	if len(c.removed) > 0 {
		what += from + "giving up " + counted(c.removed)
	}
	f := &member.CallBegan{Name: c.name, What: what, Since: c.since, Limit: c.limit}
	switch {
	case c.limit > 0:
		f.Err = ErrStrategyFailed
	case len(c.added)+len(c.removed) > 0:
		f.Err = ErrHandoffTimeout
	}
	return f
}

func counted(p []strategy.Partition) string {
	return fmt.Sprintf("%d partitions (%s)", len(p), firstOf(p))
}

// watched is the assignment hook and the publisher of its event as the runner calls them: seen, and with a line in the log.
func watched(v *View, set Settings, publish func(*AssignmentChanged)) (Hooks, func(*AssignmentChanged)) {
	hooks := set.Hooks
	if hook := hooks.OnAssignmentChanged; hook != nil {
		hooks.OnAssignmentChanged = func(ctx context.Context, added, removed []strategy.Partition) (err error) {
			v.hook.during(call{name: "OnAssignmentChanged", added: added, removed: removed}, func() { err = hook(ctx, added, removed) })
			return err
		}
	}
	return hooks, func(e *AssignmentChanged) {
		log := set.Logger.With("worker", e.WorkerID, "version", e.Assignment.Version)
		if len(e.Added) > 0 {
			log.Info("partitions are added", "count", len(e.Added), "first", firstOf(e.Added), "owned", len(e.Assignment.Partitions))
		}
		if len(e.Removed) > 0 {
			log.Info("partitions are given up", "count", len(e.Removed), "first", firstOf(e.Removed), "owned", len(e.Assignment.Partitions))
		}
		v.hook.during(call{name: "a subscriber to AssignmentChanged", added: e.Added, removed: e.Removed}, func() { publish(e) })
	}
}
