// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/member"
)

// This file is a user with a handler of each partition: each runs until it is told to return, and one that does not return
// holds up its own partition only.

// brief is how long an acknowledgement waits for handlers that were told to return.
const brief = 20 * time.Millisecond

// begins says that something of a target does not run yet.
func (u *user) begins(target map[string]int64) bool {
	if !u.cfg.Member.Handled {
		return false
	}
	for p, epoch := range target {
		if runs, is := u.Owned[p]; !is || u.ending[p] != nil || runs != epoch {
			return true
		}
	}
	return false
}

func (u *user) handle(c *change, target map[string]int64) {
	for _, p := range slices.Sorted(maps.Keys(u.Owned)) {
		if epoch, stays := target[p]; u.ending[p] == nil && (!stays || epoch != u.Owned[p]) {
			u.stopHandler(c, p)
		}
	}
	maps.DeleteFunc(u.behind, func(p string, _ int64) bool { _, stays := target[p]; return !stays })
	switch {
	case c.everything:
		u.latest = nil
	case c.shrinks: // what is kept was granted to the session before, whose trust is over: nothing begins by that
	default:
		u.latest = c
		for _, p := range slices.Sorted(maps.Keys(target)) {
			if u.ending[p] != nil {
				u.behind[p] = target[p]
			} else {
				delete(u.behind, p) // it waited for the trust alone
				u.runs(c, p, target[p])
			}
		}
	}
	u.tellHeld()
	if len(u.ending) == 0 {
		u.served(member.FollowingShown, false)
		return
	}
	if !c.waits {
		c.brief = u.client.After(brief, func() { u.servedBriefly(c) })
	}
	u.impatient()
}

func (u *user) servedBriefly(c *change) {
	if u.serving == c && !u.dead {
		u.served(member.FollowingShown, false)
	}
}

// stopHandler tells a handler to return. Once its tenure has ended it may not finish what it has begun either.
func (u *user) stopHandler(c *change, partition string) {
	from := u.of[partition]
	ended := u.call([]string{partition}, func() {
		u.fleet.returned(u.Worker, u.ending[partition])
		delete(u.ending, partition)
		delete(u.Owned, partition)
		u.begin(partition)
		u.tellHeld()
		if len(u.ending) == 0 {
			u.served(member.FollowingShown, false)
		}
	})
	u.ending[partition] = ended
	if from.tenure.ended || !c.everything && c.session != from.session {
		ended.cancel()
	}
}

// begin begins what was granted behind a handler that has returned. Where the trust is over it is looked again.
func (u *user) begin(partition string) {
	epoch, waits := u.behind[partition]
	if !waits || u.ending[partition] != nil {
		return
	}
	if u.latest == nil || !u.latest.trusted() {
		u.client.After(100*time.Millisecond, func() {
			if !u.dead {
				u.begin(partition)
			}
		})
		return
	}
	delete(u.behind, partition)
	u.runs(u.latest, partition, epoch)
}

// impatient ends the wait for handlers where another change waits.
func (u *user) impatient() {
	c := u.serving
	if c == nil || !u.cfg.Member.Handled || len(u.ending) == 0 {
		return
	}
	for _, next := range u.queue {
		switch {
		case c.waits && next.everything:
			u.served(member.FollowingSuperseded, false)
			return
		case !c.waits:
			u.served(member.FollowingShown, false)
			return
		}
	}
}

// abandon ends the wait of a change that gives everything up.
func (u *user) abandon() {
	if c := u.serving; c != nil && c.waits && u.cfg.Member.Handled {
		u.served(member.FollowingShown, false)
	}
}

// holding lists the partitions whose handlers have not returned, sorted.
func (u *user) holding() []string {
	if len(u.ending) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(u.ending))
}

func (u *user) tellHeld() {
	if len(u.said)+len(u.ending) == 0 {
		return
	}
	if holding := u.holding(); !slices.Equal(u.said, holding) {
		u.said = holding
		u.tell(&member.Held{Holding: u.said})
	}
}
