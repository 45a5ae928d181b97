// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"time"

	"github.com/parti-go/parti/internal/store/model"
)

// ice is what lets a process be frozen: by its operating system, by the machine under it, or in a debugger. A process without ice
// never is. With it goes what else the player has done to the process.
type ice struct {
	frozen bool
	kept   []func()  // what has come meanwhile, in the order in which it came
	froze  time.Time // when the process was frozen last
	woke   time.Time // when the process was thawed last
	dazed  time.Time // until when what it ran may still be returning, if that was too late

	cut    bool      // off from the store
	jammed bool      // its handlers do not return
	leaves bool      // it was asked to
	ended  time.Time // when it was seen that it had ended
}

// pass does something now, or when the process is thawed.
func (i *ice) pass(do func()) {
	if i.frozen {
		i.kept = append(i.kept, do)
		return
	}
	do()
}

// At is [Loop.At] for a process that may be frozen by then.
func (c *connection) At(at time.Time, do func()) timer { return c.set(at, do, c.ice) }

// After is [Loop.After] for a process that may be frozen by then.
func (c *connection) After(d time.Duration, do func()) timer { return c.At(c.now.Add(d), do) }

// await has what comes of a request heard when the process is there to hear it.
func (c *connection) await(id model.ID, h hearer) { c.Loop.await(id, waiter{h, c.ice}) }

// keep is a function of its own so that an event that is heard at once needs no memory.
//
//go:noinline
func (i *ice) keep(h hearer, e model.Event) { i.pass(func() { h.hear(&e) }) }

func (c *connection) freeze() { c.ice.frozen, c.ice.froze = true, c.now }

// thaw lets a process go on with what it missed.
func (c *connection) thaw() {
	c.ice.frozen, c.ice.woke = false, c.now
	for len(c.ice.kept) > 0 && !c.ice.frozen {
		next := c.ice.kept[0]
		c.ice.kept = c.ice.kept[1:]
		next()
	}
}

func (c *connection) frozen() bool { return c.ice != nil && c.ice.frozen }

// overslept says that a process was frozen beyond the end of its trust, or has just woken up from that: it believes for a moment that
// it owns what somebody else runs. Nothing but the epoch protects from that.
func (w *Worker) overslept() bool {
	i := w.client.ice
	switch {
	case i == nil:
		return false
	case i.frozen:
		return !w.client.now.Before(w.trust.LetGo)
	}
	return w.client.now.Before(i.dazed)
}

// slept says that a process was frozen and has been thawed since a time.
func (w *Worker) slept(since time.Time) bool {
	return w.client.ice != nil && w.client.ice.woke.After(since)
}
