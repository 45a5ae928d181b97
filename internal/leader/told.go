// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"fmt"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/topology"
)

// This file is what a leader says of workers that do not do what they should: that is said by the worker itself, if it can,
// and by its leader in any case.

// expect notes when what was stored should have been obeyed.
func (l *Leader) expect(now time.Time, version int64, records []record.Assignment) {
	l.releases = append(l.releases, release{version, now.Add(l.cfg.HandoffTimeout), records})
}

// reportUnapplied reports the workers that live and have not applied what was stored for them: what it grants is without an
// owner that works on it. Each is reported once, until it has caught up, and its record is written again if it has not seen that. One
// that only has to let go is reported for that.
func (l *Leader) reportUnapplied(r release) {
	for _, rec := range r.records {
		id := rec.Worker
		granted, is := l.ledger.Unapplied(rec)
		if !is || l.roster.behind[id] > 0 {
			continue
		}
		l.roster.behind[id] = rec.Version
		l.ledger.RestateUnseen(rec)
		what := "has not applied its record"
		if len(granted) > 0 {
			what = fmt.Sprintf("has not taken up %d partitions", len(granted))
			granted[0] = ": " + granted[0]
		}
		l.report(fmt.Errorf("%w: worker %s %s after HandoffTimeout %s%s", ErrHandoffTimeout, id, what, l.cfg.HandoffTimeout,
			some(len(granted), func(i int) string { return granted[i] })))
	}
}

// reportUnread reports the workers that have not acknowledged the record in place of one that could not be read, and what waits
// for that: each worker once.
func (l *Leader) reportUnread() {
	late := l.ledger.LateUnread()
	if len(late) == 0 {
		return
	}
	doubtful, what := l.ledger.Doubtful(), "no partition waits for it"
	if n := len(doubtful); n > 0 {
		what = fmt.Sprintf("%d partitions that it may hold have no owner until it does, or its session is over: %s",
			n, some(n, func(i int) string { return doubtful[i] }))
	}
	for _, w := range late {
		l.report(fmt.Errorf("%w: the record of worker %s could not be read, or may be lost, and the worker has not acknowledged its replacement after HandoffTimeout %s; %s",
			ErrHandoffTimeout, w, l.cfg.HandoffTimeout, what))
	}
}

// heardStuck reports what a worker says that it waits for past a deadline: once, until it says something else. It costs
// nothing where nobody is stuck.
func (l *Leader) heardStuck(f *Beat) {
	if version, told := l.roster.behind[f.Worker]; told && f.Applied >= version {
		delete(l.roster.behind, f.Worker)
	}
	before := l.roster.stuck[f.Worker]
	if slices.Equal(before, f.Stuck) {
		return
	}
	if len(f.Stuck) == 0 {
		delete(l.roster.stuck, f.Worker)
		return
	}
	l.roster.stuck[f.Worker] = f.Stuck
	for _, what := range f.Stuck {
		if f.Worker != l.cfg.Worker && !slices.Contains(before, what) { // what it waits for itself it has told
			l.report(fmt.Errorf("%w: worker %s says that it %s", ErrStuck, f.Worker, what))
		}
	}
}

// sayGathering says for whom a cold start or a restart waits, when it begins to.
func (l *Leader) sayGathering(now time.Time) {
	d := l.decision
	gathers := d.Phase == topology.Scaling && (d.Kind == topology.KindColdStart || d.Kind == topology.KindRestart)
	if gathers == l.gathers {
		return
	}
	if l.gathers = gathers; !gathers {
		return
	}
	whom, hint := "more workers", "; set ExpectedWorkers to go on as soon as all are here"
	if n := l.cfg.Topology.ExpectedWorkers; n > 0 {
		whom, hint = fmt.Sprintf("%d workers", n), ""
	}
	if d.Kind == topology.KindRestart {
		whom, hint = fmt.Sprintf("the %d workers of the last plan", len(l.draft.members)), ""
	}
	l.do(&Say{fmt.Sprintf("%s: waiting up to %s for %s, %d here%s", d.Kind, d.Wake.Sub(now).Round(time.Second), whom, len(l.roster.live), hint)})
}
