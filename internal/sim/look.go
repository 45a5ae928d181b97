// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"time"

	"github.com/parti-go/parti/internal/record"
)

// View is how a [Play] stands: what is so, beside what the records in the store say. Its maps and slices are those of the play:
// they are to be read before time goes on.
type View struct {
	At         time.Time
	Partitions int
	Running    int      // partitions that somebody runs
	Broken     []string // promises that were not kept
	Refused    int      // writes with an epoch that was over
	Down       bool     // the store is stopped

	Term      uint64
	Plan      record.Plan
	Planned   time.Time // when the plan was stored
	Stale     time.Time // since when the records may be out of date; zero where they are not
	Records   map[string]Record
	Processes []Process
}

// Process is one process of a play.
type Process struct {
	Name    string
	Worker  string // its worker ID; "" for none yet
	Session uint64
	State   string
	Leader  bool // it leads in the newest term
	Leaving bool // it drains, or was asked to stop
	Dead    bool
	Clean   bool // it has ended because it was asked to
	Frozen  bool
	Cut     bool
	Jammed  bool     // its handlers do not return
	Stuck   []string // what it says that it waits for
	// Trust is how long the process trusts its session without another renewal; Lease is how long the others do. A process that is
	// cut off or frozen renews neither, and the first ends before the second.
	Trust, Lease time.Duration
	Applied      int64            // the version of the plan that it has applied
	Owned        map[string]int64 // partition: epoch. What a frozen process owns stands still.
}

// Runs says whether the process runs a partition at this moment.
func (p *Process) Runs(partition string) bool {
	_, owned := p.Owned[partition]
	return owned && !p.Frozen && !p.Dead
}

// Look returns how the play stands.
func (p *Play) Look() View {
	v := View{
		At: p.now, Partitions: len(p.source.list()), Running: p.Running(), Broken: p.Broken, Refused: p.refused, Down: p.down,
		Term: p.eyes.term.Number, Plan: p.eyes.plan, Planned: p.eyes.planned, Stale: p.eyes.stale, Records: p.eyes.records,
		Processes: make([]Process, 0, len(p.Workers)),
	}
	for _, w := range p.Workers {
		v.Processes = append(v.Processes, p.process(w))
	}
	return v
}

func (p *Play) process(w *Worker) Process {
	i := w.client.ice
	process := Process{
		Name: w.Name, Worker: w.session.Worker, Session: w.session.Number, State: w.status.State.String(),
		Leader: w.status.Leader && !w.dead && p.eyes.term.Worker == w.session.Worker && p.eyes.term.Session == w.session.Number, Leaving: i.leaves, Dead: w.dead, Clean: w.dead && i.leaves, Frozen: i.frozen, Cut: i.cut && !w.dead,
		Owned: w.Owned,
	}
	if !w.dead {
		process.Trust = max(0, w.trust.Until.Sub(p.now))
	}
	if w.heartbeat != nil && !w.dead {
		process.Applied, process.Stuck, process.Jammed = w.heartbeat.applied.Version, w.heartbeat.stuck, i.jammed
	}
	if h := w.heartbeat; h != nil && h.lease.Revision != 0 && !process.Clean {
		process.Lease = max(0, h.lease.Sent.Add(h.lease.TTL).Sub(p.now))
	}
	return process
}

// Journal returns the versions of the plan that were stored after a time, oldest first.
func (p *Play) Journal(after time.Time) []Version {
	from := len(p.eyes.journal)
	for from > 0 && p.eyes.journal[from-1].Stored.After(after) {
		from--
	}
	return p.eyes.journal[from:]
}
