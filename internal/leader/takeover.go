// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/ledger"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/strategy"
)

// This file is how a leader takes over: from what earlier leaders stored to the first decision of its term.

// restored rebuilds what earlier leaders knew from what they stored.
func (l *Leader) restored(now time.Time, f *Restored) {
	if f.Err != nil {
		l.end(FenceLost, fmt.Errorf("read the assignments: %w", f.Err))
		return
	}
	for _, err := range f.Problems {
		l.report(err)
	}
	if f.Plan.Version < l.cfg.Seen {
		l.end(RolledBack, fmt.Errorf("%w: the plan is at version %d, but version %d was read before", store.ErrRolledBack, f.Plan.Version, l.cfg.Seen))
		return
	}
	l.stored = f.Plan
	l.format = max(f.Format, record.Oldest)
	d := &l.draft
	d.planned, d.members, d.workers = len(f.Plan.Members) > 0, f.Plan.Members, f.Plan.Workers
	d.digest, d.certificate = f.Plan.Digest, f.Plan.Certificate
	l.topo = topology.New(l.cfg.Topology, l.cfg.Joined, d.members, d.planned)
	for _, held := range f.Plan.Damped {
		l.topo.HeldBack(now, held.Worker, held.Until)
	}
	if len(f.Plan.Members) > 0 { // otherwise its version is what its leader had seen, and not what the store knows
		l.newest = f.Plan.Version
	}
	for _, r := range f.Records {
		l.newest = max(l.newest, r.Version)
	}
	l.known = max(l.cfg.Floor, f.Plan.Version, l.newest)
	l.ledger = ledger.New(l.cfg.Term, l.versionsAbove(now))
	for _, r := range f.Records {
		l.ledger.Restore(r)
		l.found[r.Worker] = r.Session
	}
	for _, id := range f.Unreadable {
		l.ledger.Unreadable(id)
		l.found[id] = 0
	}
	var err error
	if l.source.remembered, err = f.remembered(); err != nil {
		l.report(err)
	}
	l.stage = listing
	l.list(true)
}

// versionsAbove returns the version that those of this term continue above: the highest one known and the clock in milliseconds. A
// store that was emptied, or restored from an older copy, does not know the versions, and so the epochs, that were handed out
// since. But no leader makes a thousand versions a second, so the clock is above them.
// Nothing else depends on it: where the clock is wrong, versions grow by one as ever.
func (l *Leader) versionsAbove(now time.Time) int64 {
	return max(l.known, now.UnixMilli())
}

// firstList takes the first list of the term over: nothing moves because of it. Only then are the heartbeats followed.
func (l *Leader) firstList(now time.Time, list *Listing) {
	l.draft.list, l.draft.taken, l.draft.balanced = list, list, list
	l.ledger.SetListing(list.ids, list.partitions)
	holders := slices.Sorted(maps.Keys(l.found))
	owners, home := make([]int, len(list.ids)), make([]int, len(list.ids))
	l.ledger.Fill(holders, nil, owners, home)
	l.ledger.SetTargets(holders, owners)
	l.stage, l.blind = following, now
	l.do(&Follow{})
}

// synced says that all heartbeats are known, again or for the first time. The first time it is to find out how the members
// went that are not there: a clean leave and an expiry mean different things, and nobody of this term saw which it was.
func (l *Leader) synced(now time.Time) {
	l.blind = time.Time{}
	if l.stage != following {
		return
	}
	var absent []string
	for _, id := range l.draft.members {
		if _, here := l.roster.live[id]; !here {
			absent = append(absent, id)
		}
	}
	l.stage = asking
	if len(absent) == 0 {
		l.begin(now)
		return
	}
	l.do(&LookUp{absent})
}

func (l *Leader) lookedUp(now time.Time, f *LookedUp) {
	if l.stage != asking {
		return
	}
	if f.Err != nil {
		l.end(FenceLost, fmt.Errorf("look up absent members: %w", f.Err))
		return
	}
	present := l.roster.newest()
	for _, id := range l.draft.members {
		if _, back := l.roster.live[id]; back {
			continue
		}
		if at, left := f.Left[id]; left {
			l.topo.Left(now, id, max(present.Sub(at), 0))
			l.clock.ended(id, now.Add(-max(present.Sub(at), 0)))
		} else {
			l.topo.Lost(now, id)
			l.clock.ended(id, now.Add(-l.cfg.Topology.HeartbeatTTL)) // at least
		}
	}
	l.begin(now)
}

// begin acts on what the first complete view shows: who of the records is not there any more holds nothing.
func (l *Leader) begin(now time.Time) {
	l.stage = leading
	for id, session := range l.found {
		w, alive := l.roster.live[id]
		if alive && session > 0 && w.session != session {
			l.topo.Replaced(id)
		}
		if alive && w.session < session {
			l.ledger.SessionLower(id)
		}
		if !alive || w.session > session {
			l.ledger.SessionEnded(id, session)
		}
		if _, member := slices.BinarySearch(l.draft.members, id); !member {
			l.goesAway(now, id, w)
		}
	}
	l.ledger.SetMembers(l.draft.members)
	if l.draft.planned { // otherwise they go on until there is a plan
		l.ledger.Forgotten(l.newest, now.UnixMilli(), false)
	}
	// A store that was away shows for a moment what should have expired meanwhile: how old a heartbeat is, its clock says.
	present := l.roster.newest()
	for id, w := range l.roster.live {
		l.topo.Aged(now, id, present.Sub(w.stored))
		w.heard = now.Add(-max(present.Sub(w.stored), 0))
		l.roster.live[id] = w
	}
	l.topo.Begin(now, l.cfg.Session > 0 && l.found[l.cfg.Worker] == l.cfg.Session)
	l.roster.altered = false
	l.compareMembers(now)
	l.pace.changed = now
	l.releases = append(l.releases, release{l.ledger.Version(), now.Add(l.cfg.HandoffTimeout), l.ledger.Records()})
	l.beginWithSource(now)
}

// beginWithSource finds out what is to be planned for because of the list: partitions that nobody has, which are new or were
// in flight when the leader before ended, and weights that are not those of the stored plan.
func (l *Leader) beginWithSource(now time.Time) {
	if !l.draft.planned {
		return
	}
	list := l.source.newest
	if list != l.draft.list { // listed again since the term began
		l.compareSource(now)
	}
	previous, home := make([]int, len(l.draft.list.ids)), make([]int, len(l.draft.list.ids))
	l.ledger.Fill(l.draft.members, nil, previous, home)
	if slices.Contains(previous, strategy.None) {
		l.topo.Unplanned()
	}
	if l.source.pending == topology.None && list.digest != l.stored.Digest {
		kind := topology.Weights // at most: whatever is new has no owner, and whatever is gone is revoked
		if old := l.source.remembered; old != nil && old.sameNames(list) {
			l.draft.balanced = old
		}
		l.changed(now, kind)
	}
}
