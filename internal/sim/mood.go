// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"
	"time"
)

// Mood is how the user's code of one worker behaves when it is called, or told to return.
type Mood struct {
	Takes time.Duration // at most; longer than any mood lasts is stuck
	Deaf  bool          // it does not heed the end of its context
	Fails bool          // it returns an error, or panics, which is the same to everyone else
}

// Stuck is how long a call takes that does not return before the mood is over.
const Stuck = time.Hour

// heeds is how long the user's code takes at most to return when its context has ended.
const heeds = 20 * time.Millisecond

// call is the user's code at work: a hook that was called, or a handler that was told to return.
type call struct {
	user    *user
	what    []string // the partitions that it holds up; nil for all that run
	began   time.Time
	deaf    bool
	behind  bool // it began only when one had returned that overstayed
	stuck   bool // until the mood is over
	late    bool // its context has ended
	crowded bool // more did not return than are named
	over    bool
	stops   []timer
	ended   func()
}

// call begins a call. ended is called once, when it returns.
func (u *user) call(what []string, ended func()) *call {
	c := &call{user: u, what: what, began: u.client.now, deaf: u.mood.Deaf, stuck: u.mood.Takes >= Stuck, ended: ended}
	u.calls = append(u.calls, c)
	for _, c := range u.calls {
		c.crowded = c.crowded || len(u.calls) > named
	}
	if !c.stuck {
		c.returns(u.mood.Takes)
	}
	return c
}

func (c *call) returns(within time.Duration) {
	c.stops = append(c.stops, c.user.client.After(c.user.client.Spread(within), c.end))
}

func (c *call) end() {
	if c.over || c.user.dead {
		return
	}
	c.over = true
	for _, t := range c.stops {
		t.stop()
	}
	c.user.calls = slices.DeleteFunc(c.user.calls, func(other *call) bool { return other == c })
	c.ended()
}

// cancel ends its context.
func (c *call) cancel() {
	if c.over || c.late {
		return
	}
	c.late = true
	if !c.deaf {
		c.returns(heeds)
	}
}

// cancelAt ends its context at a time.
func (c *call) cancelAt(at time.Time) { c.stops = append(c.stops, c.user.client.At(at, c.cancel)) }

// become changes the mood. What was stuck returns.
func (u *user) become(m Mood) {
	u.mood = m
	for _, c := range slices.Clone(u.calls) {
		if c.stuck {
			c.stuck = false
			c.returns(u.cfg.Hook)
		}
	}
}

// overstays says that a partition runs only because the user's code does not heed the end of its context, or did not and so its next call
// came late, or because the worker keeps serving without the store: whoever else runs it has epochs for that.
func (u *user) overstays(partition string) bool {
	from := u.of[partition]
	carried := from.session != u.session.Number || from.at.Before(u.begun) // after a restore a session may have the number of the one before
	if u.cfg.Member.KeepServing && (carried || !u.client.now.Before(u.trust.Until)) {
		return true
	}
	return slices.ContainsFunc(u.calls, func(c *call) bool {
		return c.late && (c.deaf || c.behind) && (c.what == nil || slices.Contains(c.what, partition))
	})
}
