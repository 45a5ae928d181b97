// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"fmt"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/ledger"
)

// Measure is what a leader has measured since it last said so. Nothing is decided because of it.
type Measure struct {
	Handoffs  []time.Duration // for each partition that was let go: since it was asked for
	Ownerless []time.Duration // for each that has an owner again: since when it had none
	Moves     int             // those of them whose owner is another than before
	Unowned   int             // listed partitions without an owner
	Pending   int             // partitions that are to be let go
}

func (*Measure) effect() {}

func (e *Measure) String() string {
	return fmt.Sprintf("measure: %s let go, %s owned again, %d moved, %d unowned, %d to be let go",
		longest(e.Handoffs), longest(e.Ownerless), e.Moves, e.Unowned, e.Pending)
}

func longest(took []time.Duration) string {
	if len(took) == 0 {
		return "0"
	}
	return fmt.Sprintf("%d in %s", len(took), slices.Max(took))
}

// stopwatch is how long the partitions take that are on their way. A let-go that an earlier leader asked for is not measured: this
// one does not know when that was.
type stopwatch struct {
	asked   map[string]time.Time // when let-goes were asked for
	loose   map[string]loose     // what has had an owner and has none
	silent  map[string]time.Time // when workers were last heard of whose sessions are over
	unowned int                  // that was said last
	pending int
}

// loose is since when a partition has no owner, and who that was.
type loose struct {
	since time.Time
	owner string
}

func newStopwatch() stopwatch {
	return stopwatch{asked: map[string]time.Time{}, loose: map[string]loose{}, silent: map[string]time.Time{}, unowned: -1}
}

// ended notes that a worker was last heard of then. What it held has had no owner since: while it was silent nobody could
// tell that it was dead, and nothing was worked on.
func (s *stopwatch) ended(worker string, heard time.Time) { s.silent[worker] = heard }

// note books what has become of a partition.
func (s *stopwatch) note(now time.Time, m *Measure, e ledger.Event) {
	switch e.Happened {
	case ledger.Revoked:
		s.asked[e.Partition] = now
	case ledger.LetGo:
		if since, known := s.asked[e.Partition]; known {
			m.Handoffs = append(m.Handoffs, now.Sub(since))
		}
		delete(s.asked, e.Partition)
		s.loose[e.Partition] = loose{now, e.Worker}
	case ledger.Lost:
		since, silent := s.silent[e.Worker]
		if !silent {
			since = now
		}
		delete(s.asked, e.Partition)
		s.loose[e.Partition] = loose{since, e.Worker}
	case ledger.Granted:
		if before, had := s.loose[e.Partition]; had {
			m.Ownerless = append(m.Ownerless, now.Sub(before.since))
			if before.owner != e.Worker {
				m.Moves++
			}
		}
		delete(s.loose, e.Partition)
	case ledger.Unlisted:
		delete(s.asked, e.Partition)
		delete(s.loose, e.Partition)
	}
}

// measure says what there is to measure, if that is news. Before it leads a leader does not know who has what.
func (l *Leader) measure(now time.Time) {
	if l.ledger == nil {
		return
	}
	m := &Measure{Unowned: l.ledger.Unowned(), Pending: l.ledger.Releasing()}
	l.ledger.Events(func(e ledger.Event) { l.clock.note(now, m, e) })
	clear(l.clock.silent)
	if l.stage != leading {
		return
	}
	if m.Unowned == l.clock.unowned && m.Pending == l.clock.pending && len(m.Handoffs) == 0 && len(m.Ownerless) == 0 {
		return
	}
	l.clock.unowned, l.clock.pending = m.Unowned, m.Pending
	l.do(m)
}

// heardAt is when a heartbeat was sent that this leader meets now, by its own clock: the newest one is of this moment.
func (l *Leader) heardAt(now, stored time.Time) time.Time {
	return now.Add(-max(l.roster.newest().Sub(stored), 0))
}
