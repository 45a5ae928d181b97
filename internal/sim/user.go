// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
)

// change is what the user is to run from now on.
type change struct {
	owned      []record.Owned
	everything bool   // all is given up
	shrinks    bool   // only partitions of those that it runs already
	session    uint64 // that asks; 0 where all is given up
	tenure     *tenure
	until      time.Time   // when the context of the hook ends; zero for that of the tenure
	waits      bool        // for handlers, however long they take
	trusted    func() bool // nil where nothing is taken up
	done       func(member.FollowingOutcome, bool)

	hook  *call
	brief timer
}

// tenure is what the contexts of the user's code come from.
type tenure struct{ wound, ended bool }

// user is the user of one worker: its hook, or its handlers. It remembers what was told across sessions. One change is made at
// a time, and at most two wait: one that gives everything up, then one of a follower.
type user struct {
	*Worker
	mood    Mood
	calls   []*call // that have not returned
	queue   []*change
	serving *change
	told    map[string]int64
	ending  map[string]*call // handlers that were told to return
	behind  map[string]int64 // what was granted and waits for one of them
	latest  *change          // that granted
	of      map[string]origin
	said    []string // held, as it was told

	overstayed bool // a call has just returned that did
}

// origin is where what runs comes from.
type origin struct {
	session uint64
	at      time.Time
	tenure  *tenure
}

func newUser(w *Worker) *user {
	return &user{
		Worker: w, mood: Mood{Takes: w.cfg.Hook}, told: map[string]int64{}, ending: map[string]*call{}, behind: map[string]int64{},
		of: map[string]origin{},
	}
}

// ask asks for a change. One that waits is dropped where this one makes it pointless.
func (u *user) ask(c *change) {
	var dropped, keep []*change
	for _, before := range u.queue {
		if c.everything || !before.everything {
			dropped = append(dropped, before)
		} else {
			keep = append(keep, before)
		}
	}
	u.queue = append(keep, c)
	for _, d := range dropped {
		u.tellDone(d, member.FollowingSuperseded, false)
	}
	u.impatient()
	u.serve()
}

func (u *user) tellDone(c *change, o member.FollowingOutcome, failed bool) {
	if c.done != nil && !u.dead {
		c.done(o, failed)
	}
}

func (u *user) serve() {
	for u.serving == nil && len(u.queue) > 0 && !u.dead {
		c := u.queue[0]
		u.queue = u.queue[1:]
		u.change(c)
	}
}

func (u *user) change(c *change) {
	target := map[string]int64{}
	for _, o := range c.owned {
		switch epoch, has := u.told[o.Partition]; {
		case !c.shrinks:
			target[o.Partition] = o.Epoch
		case has:
			target[o.Partition] = epoch
		}
	}
	if !c.shrinks && (grantsMore(u.told, target) || u.begins(target)) && !c.trusted() {
		u.tellDone(c, member.FollowingRefused, false)
		return
	}
	added, removed := lacking(target, u.told), lacking(u.told, target)
	u.serving, u.told = c, target
	if u.cfg.Member.Handled {
		u.handle(c, target)
		return
	}
	for _, p := range slices.Sorted(maps.Keys(target)) {
		u.runs(c, p, target[p])
	}
	if len(added)+len(removed) == 0 {
		u.served(member.FollowingShown, false)
		return
	}
	fails := u.mood.Fails
	c.hook = u.call(nil, func() {
		u.overstayed = c.hook.late && (c.hook.deaf || c.hook.behind)
		defer func() { u.overstayed = false }()
		u.tell(&member.CallEnded{Name: "hook"})
		for _, p := range removed {
			delete(u.Owned, p)
		}
		u.fleet.returned(u.Worker, c.hook)
		u.served(member.FollowingShown, fails)
	})
	c.hook.behind = u.overstayed
	u.tell(&member.CallBegan{Name: "hook", What: "the hook returns", Since: u.client.now, Err: leader.ErrHandoffTimeout})
	switch {
	case !c.until.IsZero():
		c.hook.cancelAt(c.until)
	case c.tenure == nil || c.tenure.wound:
		c.hook.cancel()
	}
}

// served ends a change and goes on with the next.
func (u *user) served(o member.FollowingOutcome, failed bool) {
	c := u.serving
	if c == nil {
		return
	}
	u.serving = nil
	c.brief.stop()
	u.tellDone(c, o, failed)
	u.serve()
}

// runs has a partition run under an epoch from now on.
func (u *user) runs(c *change, partition string, epoch int64) {
	if before, is := u.Owned[partition]; is && before == epoch {
		return
	}
	u.Owned[partition], u.of[partition] = epoch, origin{c.session, u.client.now, c.tenure}
	u.fleet.granted(u.Worker, partition, epoch)
}

// wind ends the contexts of a tenure; void says that handlers may not finish what they have begun either.
func (u *user) wind(t *tenure, void bool) {
	if t == nil {
		return
	}
	t.wound, t.ended = true, t.ended || void
	if c := u.serving; c != nil && c.hook != nil && c.until.IsZero() && c.tenure == t {
		c.hook.cancel()
	}
	if void {
		for _, p := range slices.Sorted(maps.Keys(u.ending)) {
			if u.of[p].tenure == t {
				u.ending[p].cancel()
			}
		}
	}
}

// hurry ends the contexts of hooks that give everything up.
func (u *user) hurry() {
	if c := u.serving; c != nil && c.everything && c.hook != nil {
		c.hook.cancel()
	}
	for _, c := range u.queue {
		if c.everything {
			c.until = u.client.now
		}
	}
}

// grantsMore says that something of a target was not told yet, or under another epoch.
func grantsMore(told, target map[string]int64) bool {
	for p, epoch := range target {
		if before, has := told[p]; !has || before != epoch {
			return true
		}
	}
	return false
}

func lacking(of, in map[string]int64) (ids []string) {
	for p := range of {
		if _, has := in[p]; !has {
			ids = append(ids, p)
		}
	}
	slices.Sort(ids)
	return ids
}
