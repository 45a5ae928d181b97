// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/strategy"
)

// roster is who lives, and how everybody describes themselves.
type roster struct {
	live    map[string]worker
	former  map[string]worker    // those that went, as last described
	garbled map[string]garble    // those over whose heartbeats somebody wrote what cannot be read
	away    map[string]time.Time // those that were planned for and are no more, since when
	behind  map[string]int64     // versions that workers were reported for not having applied
	stuck   map[string][]string  // what workers say that they wait for past its deadline
	altered bool                 // somebody describes itself differently than before
}

// worker is a worker as its heartbeat describes it.
type worker struct {
	session   uint64
	described bool // a heartbeat of its could be read
	capacity  int64
	labels    map[string]string
	cordoned  bool
	leaving   bool
	reads     int
	stored    time.Time // its last heartbeat, by the store's clock
	heard     time.Time // when that was, by the leader's clock
	line      string    // its part of the description of all
}

// garble is until when a worker counts as alive whose heartbeat was overwritten.
type garble struct {
	revision uint64
	until    time.Time
}

func newRoster() roster {
	return roster{live: map[string]worker{}, former: map[string]worker{}, garbled: map[string]garble{}, away: map[string]time.Time{}, behind: map[string]int64{}, stuck: map[string][]string{}}
}

// like reports whether a heartbeat describes a worker as it is known.
func (w worker) like(f *Beat) bool {
	return w.described && w.capacity == f.Capacity && w.cordoned == f.Cordoned && w.leaving == f.Leaving && w.reads == reads(f) && maps.Equal(w.labels, f.Labels)
}

func reads(f *Beat) int { return max(f.Reads, record.Oldest) }

// lookup returns a worker as its heartbeat describes it, or described it when it was last here: one that is away for a
// moment keeps its share. Nothing is known of one that this leader never saw; it counts as an average worker.
func (r *roster) lookup(id string) worker {
	if w, here := r.live[id]; here {
		return w
	}
	return r.former[id]
}

// descriptions names what a plan depends on of its members, and says whether all of them have described themselves.
func (r *roster) descriptions(members []string) (digest string, complete bool) {
	d, complete := xxhash.New(), true
	for _, id := range members {
		w := r.lookup(id)
		complete = complete && w.described
		if w.line == "" {
			w.line = w.describe(id)
		}
		_, _ = d.WriteString(w.line)
	}
	return hex.EncodeToString(d.Sum(nil)), complete
}

func (w worker) describe(id string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %t %d %t\n", id, w.described, w.capacity, w.cordoned)
	for _, name := range slices.Sorted(maps.Keys(w.labels)) {
		fmt.Fprintf(&b, "%q=%q\n", name, w.labels[name])
	}
	return b.String()
}

// asked is the members as a strategy sees them. Those that are away take nothing new. Where all of the others are cordoned
// none of them is, rather than leave partitions without an owner.
func (r *roster) asked(members []string, away map[string]bool) []strategy.Worker {
	workers := make([]strategy.Worker, len(members))
	all := true
	for i, id := range members {
		w := r.lookup(id)
		workers[i] = strategy.Worker{ID: id, Capacity: w.capacity, Labels: w.labels, Cordoned: w.cordoned}
		all = all && (w.cordoned || away[id])
	}
	for i, id := range members {
		workers[i].Cordoned = away[id] || workers[i].Cordoned && !all
	}
	return workers
}

// takes says that one of the members is there and does not leave: that there is somebody to give anything to.
func (r *roster) takes(members []string, away map[string]bool) bool {
	return slices.ContainsFunc(members, func(id string) bool { return !away[id] && !r.lookup(id).leaving })
}

// open is the members that are not cordoned, and the index of each member among them.
func (r *roster) open(members []string) (workers []strategy.Worker, index []int) {
	index = make([]int, len(members))
	for i, w := range r.asked(members, nil) {
		if index[i] = strategy.None; !w.Cordoned {
			index[i] = len(workers)
			workers = append(workers, w)
		}
	}
	return workers, index
}

// format is the newest record format that everyone reads.
func (r *roster) format() int {
	newest := record.Newest
	for _, w := range r.live {
		if w.described {
			newest = min(newest, w.reads)
		}
	}
	return newest
}

// newest is the present by the store's clock, as far as the heartbeats show it.
func (r *roster) newest() (at time.Time) {
	for _, w := range r.live {
		if w.stored.After(at) {
			at = w.stored
		}
	}
	return at
}

// overdue lists the workers whose heartbeats were overwritten and who have not been heard of since, sorted.
func (r *roster) overdue(now time.Time) (ids []string) {
	for id, g := range r.garbled {
		if !now.Before(g.until) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (r *roster) nextOverdue() (at time.Time) {
	for _, g := range r.garbled {
		if at.IsZero() || g.until.Before(at) {
			at = g.until
		}
	}
	return at
}

// beat books a heartbeat, and reports whether it says more than that its worker goes on. The sessions of a worker grow, and its
// heartbeats are seen in their order. A lower session means that somebody restored the claims from an older copy or deleted them. One
// that was over means that somebody deleted the heartbeats. This ledger would grant such a session nothing, and count as free what its
// record names. So another leader has to begin without what this one knows.
func (l *Leader) beat(now time.Time, f *Beat) (news bool) {
	r := &l.roster
	if len(r.garbled) > 0 {
		delete(r.garbled, f.Worker)
	}
	known, ok := r.live[f.Worker]
	ended := l.ledger.Ended(f.Worker)
	if before := max(known.session, ended); f.Session < before {
		l.end(LostSight, fmt.Errorf("%w: worker %s lives in session %d, but its session %d was seen before", store.ErrRolledBack, f.Worker, f.Session, before))
		return false
	}
	if f.Session == ended {
		l.end(LostSight, fmt.Errorf("%w: session %d of worker %s lives, but its heartbeat had ended", store.ErrRolledBack, f.Session, f.Worker))
		return false
	}
	if ok && f.Session > known.session {
		l.clock.ended(f.Worker, known.heard)
	}
	l.heardStuck(f)
	if news = !ok || known.session != f.Session || !known.like(f); news {
		l.described(now, f)
	} else {
		known.stored, known.heard = f.Stored, now
		r.live[f.Worker] = known
	}
	newest := l.ledger.Version() + 1 // the next may just be stored
	l.ledger.SessionSeen(f.Worker, f.Session, f.Applied, f.Holding...)
	l.ledger.SessionShown(f.Worker, f.Session, f.Shown)
	if max(f.Applied, f.Shown) > newest && l.stage == leading && l.draft.planned {
		l.ledger.Forgotten(newest, now.UnixMilli(), false)
	}
	l.topo.Seen(now, f.Worker)
	if !ok || known.leaving != f.Leaving {
		l.topo.Leaving(now, f.Worker, f.Leaving)
		l.ledger.Leaving(f.Worker, f.Leaving)
	}
	if f.Failed && known.session != f.Session {
		l.topo.Failed(now, f.Worker)
	}
	return news
}

// described books how a worker describes itself, when that is news.
func (l *Leader) described(now time.Time, f *Beat) {
	r := &l.roster
	w := worker{f.Session, true, f.Capacity, maps.Clone(f.Labels), f.Cordoned, f.Leaving, reads(f), f.Stored, now, ""}
	if _, known := r.live[f.Worker]; !known {
		w.heard = l.heardAt(now, f.Stored)
	}
	w.line = w.describe(f.Worker)
	r.live[f.Worker] = w
	r.altered = true
	if gone, was := r.away[f.Worker]; was && now.Sub(gone) < l.cfg.HomeRetention {
		delete(r.away, f.Worker) // back in time, whenever the plan for it comes
	}
}

// garbled books a heartbeat that cannot be read. The worker whose it was sees that, or is dead. Its session can have lived
// until then, so it can live for HeartbeatTTL from then on, and no expiry will say when it does no more.
func (l *Leader) garbled(now time.Time, f *Garbled) {
	l.report(garbledError(f))
	r := &l.roster
	session, recorded := l.found[f.Worker]
	_, member := slices.BinarySearch(l.draft.members, f.Worker)
	if _, known := r.live[f.Worker]; !known {
		switch {
		case recorded, member:
		case l.draft.planned || !l.cfg.Heir:
			return // nothing is held under that key
		default:
			l.ledger.Unreadable(f.Worker) // what it holds may have been lost with the plan
		}
		r.live[f.Worker] = worker{session: session, stored: f.Stored, heard: now}
		if member {
			l.topo.Seen(now, f.Worker)
		}
	}
	r.garbled[f.Worker] = garble{f.Revision, now.Add(l.cfg.Topology.HeartbeatTTL)}
}

// gone books the end of a heartbeat.
func (l *Leader) gone(now time.Time, id string, clean bool) {
	r := &l.roster
	delete(r.garbled, id)
	delete(r.stuck, id)
	delete(r.behind, id)
	if w, ok := r.live[id]; ok {
		delete(r.live, id)
		r.former[id] = w
		if !clean {
			l.clock.ended(id, w.heard)
		}
		l.ledger.SessionEnded(id, w.session)
		if _, member := slices.BinarySearch(l.draft.members, id); !member {
			l.goesAway(now, id, w)
		}
	}
	if clean {
		l.topo.Left(now, id, 0)
	} else {
		l.topo.Lost(now, id)
	}
	l.breakPromises(id)
}

// goesAway books that a worker is not planned for any more. One that may come back has its place kept, see forgetHomes.
// One that announced that it leaves has none.
func (l *Leader) goesAway(now time.Time, id string, w worker) {
	if !w.leaving {
		l.roster.away[id] = now
		return
	}
	delete(l.roster.away, id)
	l.ledger.Forget(id)
}

// breakPromises plans anew for what a worker that is gone was to get: nobody waits for its return because of that.
func (l *Leader) breakPromises(id string) {
	if l.stage == leading && l.ledger.Promised(id) {
		l.topo.Unplanned()
	}
}

// compareMembers tells the topology whether the members describe themselves differently than when the plan was made: a
// worker can come back under its ID with another capacity, or cordoned no more.
func (l *Leader) compareMembers(now time.Time) {
	is, complete := l.roster.descriptions(l.draft.members)
	l.topo.MembersAltered(now, complete && l.draft.workers != "" && is != l.draft.workers)
}

// tellDampings tells who is held back, and until when.
func (l *Leader) tellDampings(now time.Time) {
	for _, d := range l.topo.Dampings(now) {
		l.reportOnce("damping of "+d.Worker, d.Until, fmt.Errorf("%w: %s failed %d times within ten minutes and is given nothing for %s",
			ErrFlapping, d.Worker, d.Failures, d.Until.Sub(now).Round(time.Millisecond)))
	}
}
