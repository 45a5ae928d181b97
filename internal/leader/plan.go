// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/strategy"
)

const (
	strategyRetryFirst = time.Second
	strategyRetryMost  = 30 * time.Second
)

// plan begins to carry out a decision. Where nothing is without an owner and nothing may move there is nothing to ask. Where
// all who are there leave nothing moves: they keep what they have, and get what has no owner.
func (l *Leader) plan(now time.Time) {
	d := l.decision
	list := l.source.newest
	if l.draft.list != list {
		l.draft.list = list
		l.ledger.SetListing(list.ids, list.partitions)
	}
	l.forgetHomes(now)
	away := make(map[string]bool, len(d.Away))
	for _, id := range d.Away {
		away[id] = true
	}
	q := strategy.Question{
		Workers: l.roster.asked(d.Members, away), List: list.prepared,
		Previous: make([]int, len(list.ids)), Home: make([]int, len(list.ids)), Waited: l.waited(now),
	}
	l.ledger.Fill(d.Members, away, q.Previous, q.Home)
	moves := d.Moves && l.roster.takes(d.Members, away)
	a := &Ask{Question: q, Moves: moves, decision: d, list: list, why: l.topo.Explain(d)}
	a.described, _ = l.roster.descriptions(d.Members)
	if !moves && !slices.Contains(q.Previous, strategy.None) {
		l.adopt(now, a, q.Previous, l.draft.certificate)
		return
	}
	a.BuiltIn = !moves && now.Before(l.pace.strategy)
	l.asked++
	a.ID = l.asked
	l.question = a
	l.do(a)
}

// forgetHomes gives up on workers that have been gone for HomeRetention: what they left behind is at home where it is now.
func (l *Leader) forgetHomes(now time.Time) {
	for id, since := range l.roster.away {
		if now.Sub(since) >= l.cfg.HomeRetention {
			delete(l.roster.away, id)
			l.ledger.Forget(id)
		}
	}
}

// waited is for how long each cause has held partitions back.
func (l *Leader) waited(now time.Time) map[string]time.Duration {
	if len(l.pace.waited) == 0 {
		return nil
	}
	waited := make(map[string]time.Duration, len(l.pace.waited))
	for cause, since := range l.pace.waited {
		waited[cause] = now.Sub(since)
	}
	return waited
}

// Answered makes a fact of what a strategy answered: what may not move stays where it is. It may take long and may run
// anywhere.
func Answered(a *Ask, p strategy.Plan, err error) *TargetMade {
	if err != nil {
		return &TargetMade{ID: a.ID, Err: err}
	}
	made := &TargetMade{ID: a.ID, Next: a.present(p.Owners), Waits: p.Waits}
	if !a.Moves {
		made.Next = slices.Clone(made.Next)
		for i, w := range a.Question.Previous {
			if w != strategy.None && made.Next[i] != w {
				made.Next[i], made.Uneven = w, true
			}
		}
	}
	made.Certificate = a.Question.Certify(made.Next)
	return made
}

// present takes back what a strategy gave to members that are away: a strategy from elsewhere need not heed that. Such a
// partition stays where it is, or Sticky places it.
func (a *Ask) present(next []int) []int {
	q := a.Question
	q.Previous, q.Home = slices.Clone(next), nil
	away := make([]bool, len(q.Workers))
	for w := range q.Workers {
		_, away[w] = slices.BinarySearch(a.decision.Away, q.Workers[w].ID)
	}
	var misplaced []int
	for i, w := range next {
		if w == strategy.None || w == a.Question.Previous[i] || !away[w] {
			continue
		}
		if q.Previous[i] = a.Question.Previous[i]; q.Previous[i] == strategy.None {
			misplaced = append(misplaced, i)
		}
	}
	if len(misplaced) == 0 {
		return q.Previous
	}
	p, err := strategy.Ask(strategy.NewSticky(), q)
	for _, i := range misplaced {
		if err == nil {
			q.Previous[i] = p.Owners[i]
		}
	}
	return q.Previous
}

func (l *Leader) targetMade(now time.Time, f *TargetMade) {
	a := l.question
	if a == nil || a.ID != f.ID {
		return
	}
	l.question = nil
	if f.Err != nil {
		l.report(f.Err)
		l.pace.failing = min(max(2*l.pace.failing, strategyRetryFirst), strategyRetryMost)
		l.pace.strategy = now.Add(l.pace.failing)
		// What is optional waits until the strategy is asked again. What is urgent does not.
		l.topo.Postpone(l.pace.strategy)
		l.compareSource(now) // it may have changed meanwhile
		return
	}
	if !a.BuiltIn {
		l.pace.failing, l.pace.strategy = 0, time.Time{}
	}
	if l.anew = !l.anew && l.returned(a.decision.Members); l.anew {
		l.compareSource(now) // it may have changed meanwhile
		return               // topology has seen the member come back, and decides again
	}
	l.adopt(now, a, f.Next, record.Certificate(f.Certificate))
	if a.BuiltIn || f.Uneven {
		l.topo.Uneven(now, true)
	}
	l.unplaced(now, a, f.Waits)
}

// returned says that a member came back that is to be planned without: its partitions would move away, and back to it later. What
// is urgent does not wait for that more than once.
func (l *Leader) returned(members []string) bool {
	for _, id := range l.draft.members {
		w, here := l.roster.live[id]
		if _, stays := slices.BinarySearch(members, id); !stays && here && !w.leaving {
			return true
		}
	}
	return false
}

// adopt makes a target what the ledger works towards. From here on it is the plan, however long storing it takes.
func (l *Leader) adopt(now time.Time, a *Ask, next []int, certificate record.Certificate) {
	d := a.decision
	var gone []string
	for _, id := range l.draft.members {
		if _, stays := slices.BinarySearch(d.Members, id); !stays {
			gone = append(gone, id)
		}
	}
	for _, id := range d.Members {
		delete(l.roster.away, id)
	}
	if !l.draft.planned {
		l.ledger.Forgotten(l.newest, now.UnixMilli(), l.cfg.Heir) // an heir without a plan: it was deleted, or never made
	}
	l.ledger.SetTargets(d.Members, next)
	l.ledger.SetMembers(d.Members)
	for _, id := range gone {
		l.goesAway(now, id, l.roster.lookup(id))
	}
	l.draft.members, l.draft.planned, l.draft.owed, l.draft.phase = d.Members, true, true, d.Phase
	if d.Moves || !l.topo.Altered() { // otherwise that they describe themselves differently is not planned for yet
		l.draft.workers = a.described
	}
	l.draft.taken, l.draft.certificate, l.draft.why = a.list, certificate, a.why
	if d.Moves {
		l.draft.balanced = a.list
	}
	if l.draft.balanced.weighs(a.list) && a.list != l.source.remembered { // otherwise the next leader has to see what is pending
		l.draft.digest = a.list.digest
	}
	l.topo.Planned(now, d)
	for _, id := range d.Members {
		_, here := l.roster.live[id]
		if _, away := slices.BinarySearch(d.Away, id); !here && !away {
			l.breakPromises(id) // it went while the plan was being made
		}
	}
	l.pace.write = time.Time{}
	l.compareSource(now) // these may have changed while the plan was made
	l.roster.altered = true
}

// unplaced remembers since when partitions have waited for a worker that may have them, and tells that once.
func (l *Leader) unplaced(now time.Time, a *Ask, waits []strategy.Wait) {
	still := map[string]time.Time{}
	l.pace.placed = time.Time{}
	for _, w := range waits {
		since, known := l.pace.waited[w.Cause]
		if !known {
			since = now
		}
		still[w.Cause] = since
		if len(w.Partitions) == 0 {
			continue
		}
		if at := since.Add(w.After); w.After > 0 && at.After(now) && (l.pace.placed.IsZero() || at.Before(l.pace.placed)) {
			l.pace.placed = at
		}
		if !known {
			l.report(fmt.Errorf("%w: %s: %s", ErrUnplaced, w.Cause, some(len(w.Partitions), func(i int) string { return a.list.ids[w.Partitions[i]] })))
		}
	}
	l.pace.waited = still
}

// some names the first few of a number of things.
func some(n int, name func(i int) string) string {
	const most = 5
	var names []string
	for i := range min(n, most) {
		names = append(names, name(i))
	}
	text := strings.Join(names, ", ")
	if n > most {
		text = fmt.Sprintf("%s and %d more", text, n-most)
	}
	return text
}

// expire reports let-goes that take too long: one report for each worker, however many partitions it keeps.
func (l *Leader) expire(now time.Time) {
	if !l.pace.placed.IsZero() && !now.Before(l.pace.placed) && l.question == nil {
		l.pace.placed = time.Time{}
		l.topo.Unplanned() // the strategy may now give them to workers that would not have them otherwise
	}
	for len(l.releases) > 0 && !now.Before(l.releases[0].due) {
		r := l.releases[0]
		late := l.ledger.Late(r.version)
		l.releases = l.releases[1:]
		l.reportUnapplied(r)
		for len(late) > 0 {
			w := late[0].Worker
			var names []string
			for _, h := range late {
				if h.Worker == w {
					names = append(names, h.Partition)
				}
			}
			late = slices.DeleteFunc(late, func(h handoff) bool { return h.Worker == w })
			l.report(fmt.Errorf("%w: worker %s has not let go of %d partitions after HandoffTimeout %s: %s",
				ErrHandoffTimeout, w, len(names), l.cfg.HandoffTimeout, some(len(names), func(i int) string { return names[i] })))
		}
		l.reportUnread()
	}
}

func phase(p topology.Phase) record.Phase {
	switch p {
	case topology.Scaling:
		return record.PhaseScaling
	case topology.Rebalancing:
		return record.PhaseRebalancing
	case topology.Emergency:
		return record.PhaseEmergency
	default:
		return record.PhaseIdle
	}
}
