// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/ledger"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/topology"
)

type handoff = ledger.Handoff

const (
	writeRetryFirst = 100 * time.Millisecond
	writeRetryMost  = 5 * time.Second
	// tooLargeMost is the longest pause after a record that the store cannot take at all.
	tooLargeMost = 30 * time.Second
)

// write stores what the ledger proposes together with the plan, if either says anything new. Once nothing of a plan is
// outstanding the topology hears of it, and what that changes is stored as well.
func (l *Leader) write(now time.Time) {
	l.negotiate()
	l.pace.write = time.Time{}
	for {
		w, changed := l.ledger.Propose()
		plan := l.nextPlan(now, w, changed)
		if l.question != nil && !w.Urgent() {
			return // the answer has more to say, and must not wait for this to be stored
		}
		if changed || !samePlan(plan, l.stored) {
			if plan.Partitions > 0 {
				plan.Sample = l.draft.taken.sample.bytes()
			}
			l.written++
			l.writing = &Write{
				ID: l.written, Records: w.Records, Remove: w.Remove, Plan: plan, Format: l.format, Why: l.why(changed),
				By: l.cfg.Worker, At: now, proposal: w, changed: changed,
			}
			l.do(l.writing)
			return
		}
		l.draft.owed = false
		if l.source.pending != topology.Partitions && l.source.shrunk.base == nil {
			l.answer(l.source.waiting, nil)
			l.source.waiting = nil
		}
		if l.ledger.Waiting() || !l.draft.planned {
			return
		}
		if l.topo.Settled(); !l.topo.Stale(now) {
			return
		}
		l.decide(now)
		if l.decision.Act {
			return
		}
	}
}

// why says why something is stored.
func (l *Leader) why(changed bool) string {
	switch {
	case changed && l.draft.why != "":
		return l.draft.why
	case changed:
		return "a new leader has taken over: it writes records for the present sessions and frees what was let go since"
	case l.decision.Phase == topology.Scaling:
		return l.topo.Explain(l.decision)
	case l.decision.Phase == topology.Idle:
		return "nothing is left to do"
	}
	return "the previous plan is stored: " + l.decision.Kind.String()
}

// negotiate finds the newest record format that everyone reads. When that becomes an older one, everything is written anew,
// so that whoever joined can read it.
func (l *Leader) negotiate() {
	format := min(l.roster.format(), record.FormatPacked)
	if format < l.format {
		l.ledger.Restate()
	}
	l.format = format
}

// reads is the newest format that everyone reads, where that is news to a release that knows none of it.
func (l *Leader) reads() int {
	if format := l.roster.format(); format > record.FormatPacked {
		return format
	}
	return 0
}

// outcome books what became of a write.
func (l *Leader) outcome(now time.Time, f *Written) {
	w := l.writing
	if w == nil || w.ID != f.ID {
		return
	}
	l.writing = nil
	switch f.Outcome {
	case Lost:
		l.end(FenceLost, fmt.Errorf("write plan version %d: %w", w.Plan.Version, f.Err))
		return
	case Refused:
		l.report(f.Err)
		most := writeRetryMost
		if l.pace.tooLarge = errors.Is(f.Err, store.ErrTooLarge); l.pace.tooLarge {
			most = tooLargeMost
			l.ledger.TooLarge(w.proposal)
		}
		l.pace.refused = min(max(2*l.pace.refused, writeRetryFirst), most)
		l.pace.write = now.Add(l.pace.refused)
		return
	case Stored:
	}
	l.pace.refused, l.pace.tooLarge, l.pace.write = 0, false, time.Time{}
	l.stored = w.Plan
	if !w.changed {
		return
	}
	l.ledger.Stored(w.proposal)
	l.pace.changed = now
	l.expect(now, w.Plan.Version, w.Records)
}

// nextPlan is the plan record as it should be stored now.
func (l *Leader) nextPlan(now time.Time, w ledger.Write, changed bool) record.Plan {
	d := &l.draft
	plan := record.Plan{
		Term: l.cfg.Term, Version: max(l.stored.Version, l.known), Phase: phase(l.decision.Phase), Lifecycle: l.lifecycle(now),
		Members: d.members, Partitions: d.taken.size(), Digest: d.digest, Names: d.taken.names, Workers: d.workers, Certificate: d.certificate,
		Damped: l.damped(now), Reads: l.reads(), SourceVersion: d.taken.version, Strategy: l.cfg.Strategy,
	}
	switch {
	case d.taken == l.source.remembered: // that is what the records name of it
		if plan.Listed = l.stored.Listed; d.taken.unproven {
			plan.Names = l.stored.Names
		}
	case d.taken.digest != d.digest:
		plan.Listed = d.taken.digest
	}
	if d.owed && l.decision.Moves {
		plan.Phase = phase(d.phase) // the next plan waits until this one is stored
	}
	if !d.planned {
		plan.Partitions, plan.Digest, plan.Listed, plan.Names, plan.SourceVersion = 0, "", "", "", 0
	}
	if changed {
		plan.Version = w.Version
	}
	return plan
}

// damped lists the workers that are held back, and until when, for them to know.
func (l *Leader) damped(now time.Time) (list []record.Damped) {
	for _, d := range l.topo.Dampings(now) {
		list = append(list, record.Damped{Worker: d.Worker, Until: d.Until.UTC()})
	}
	return list
}

// samePlan reports whether a plan says the same to the workers as the stored one.
func samePlan(a, b record.Plan) bool {
	return a.Version == b.Version && a.Phase == b.Phase && a.Lifecycle == b.Lifecycle && a.Partitions == b.Partitions &&
		a.Digest == b.Digest && a.Listed == b.Listed && a.SourceVersion == b.SourceVersion && a.Workers == b.Workers && a.Strategy == b.Strategy &&
		a.Reads >= b.Reads && // that everybody reads a newer format by now can wait
		slices.Equal(a.Members, b.Members) &&
		slices.EqualFunc(a.Damped, b.Damped, func(x, y record.Damped) bool { return x.Worker == y.Worker && x.Until.Equal(y.Until) })
}

// lifecycle is where the group stands in its life: cold until its first plan (or the first after a restart), then settling
// until nothing has changed for RebalanceCooldown, then stable.
func (l *Leader) lifecycle(now time.Time) record.Lifecycle {
	gathers := l.decision.Kind == topology.KindColdStart || l.decision.Kind == topology.KindRestart
	switch {
	case gathers && l.decision.Phase == topology.Scaling, !l.draft.planned:
		return record.ColdStart
	case l.stored.Lifecycle == record.ColdStart, l.stored.Lifecycle == "":
		return record.PostColdStart
	case l.stored.Lifecycle == record.PostColdStart && l.decision.Phase == topology.Idle && !now.Before(l.stableAt()):
		return record.Stable
	}
	return l.stored.Lifecycle
}

func (l *Leader) stableAt() time.Time { return l.pace.changed.Add(l.cfg.Topology.RebalanceCooldown) }
