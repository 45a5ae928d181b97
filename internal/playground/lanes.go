// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package playground

import (
	"cmp"
	"slices"
	"strings"

	"github.com/parti-go/parti/internal/sim"
)

// lane is what was told of a worker: what it is, and what it has.
type lane struct {
	facts facts
	rows  []row
}

// facts are a worker without what it has. A worker is the session of a process: it ends with it.
type facts struct {
	ID       string `json:"id"`
	Host     string `json:"host"` // the process
	Session  uint64 `json:"session"`
	State    string `json:"state"`
	Live     bool   `json:"live"`
	Leader   bool   `json:"leader"`
	Leaving  bool   `json:"leaving"`
	Capacity int64  `json:"capacity"`
	Applied  int64  `json:"applied"`
	Mood     string `json:"mood"`
	// stuck is what the worker says that it waits for, a line each.
	stuck string
}

// worker is a worker as the page is told of it.
type worker struct {
	facts
	Stuck []string `json:"stuck,omitempty"`
}

// row is a partition in the record of a worker. It is idle where the worker does not run it, or not yet.
type row struct {
	partition string
	epoch     int64
	since     int64
	releasing bool
	idle      bool
}

// delta tells what is other than what was told before; nil for nothing.
func (s *Stage) delta(v *sim.View) *deltaWords {
	d := &deltaWords{At: v.At.UnixMilli(), Group: "Playground", Stale: milliseconds(v.Stale)}
	if v.Plan.Version > 0 {
		d.Unowned = v.Partitions - v.Running
	}
	lives := processes(v)
	for id, p := range lives {
		if p.Leader {
			d.Leader = id
		}
	}
	if plan := planOf(v); plan != s.plan && plan.Version > 0 {
		s.plan, d.Plan = plan, &plan
	}
	for _, id := range ids(v, lives) {
		s.lane(v, d, id, lives[id])
	}
	for id := range s.lanes {
		if _, recorded := v.Records[id]; !recorded && (lives[id] == nil || lives[id].Dead) {
			d.Gone = append(d.Gone, id)
			delete(s.lanes, id)
		}
	}
	slices.Sort(d.Gone)
	head := head{d.Leader, d.Stale, d.Unowned}
	if s.seq > 0 && head == s.head && d.Plan == nil && len(d.Workers)+len(d.Gone)+len(d.Set)+len(d.Unset) == 0 {
		return nil
	}
	s.head = head
	s.seq++
	d.Seq = s.seq
	return d
}

// head is what is told of the group itself with every delta.
type head struct {
	leader  string
	stale   int64
	unowned int
}

// processes returns the process behind each worker ID: that of the newest session, and one that lives rather than one that does
// not.
func processes(v *sim.View) map[string]*sim.Process {
	found := map[string]*sim.Process{}
	for i := range v.Processes {
		p := &v.Processes[i]
		if p.Worker == "" {
			continue
		}
		other := found[p.Worker]
		if other == nil || other.Dead && !p.Dead || other.Dead == p.Dead && other.Session < p.Session {
			found[p.Worker] = p
		}
	}
	return found
}

// ids returns the workers that live or that a record is left of, sorted.
func ids(v *sim.View, lives map[string]*sim.Process) []string {
	list := make([]string, 0, len(lives)+len(v.Records))
	for id, p := range lives {
		if _, recorded := v.Records[id]; !recorded && !p.Dead {
			list = append(list, id)
		}
	}
	for id := range v.Records {
		list = append(list, id)
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	return list
}

// lane adds what has changed of one worker.
func (s *Stage) lane(v *sim.View, d *deltaWords, id string, p *sim.Process) {
	record, before := v.Records[id], s.lanes[id]
	now := facts{ID: id, State: "Shutdown", Capacity: 1}
	s.scratch = s.scratch[:0]
	if p != nil {
		now.Host, now.Session, now.State, now.Mood = p.Name, p.Session, state(p), mood(p)
		now.stuck = strings.Join(p.Stuck, "\n")
		now.Live, now.Leader, now.Leaving, now.Applied = !p.Dead, p.Leader, p.Leaving, p.Applied
	}
	for _, r := range record.Rows {
		idle := p == nil || !p.Runs(r.Partition)
		s.scratch = append(s.scratch, row{r.Partition, r.Epoch, milliseconds(r.Since), r.Releasing, idle})
	}
	if now != before.facts {
		told := worker{facts: now}
		if p != nil {
			told.Stuck = p.Stuck
		}
		d.Workers = append(d.Workers, told)
	}
	if slices.Equal(s.scratch, before.rows) {
		s.lanes[id] = lane{now, before.rows}
		return
	}
	difference(d, id, before.rows, s.scratch)
	s.lanes[id] = lane{now, slices.Clone(s.scratch)}
}

// difference compares two lists that are sorted by partition.
func difference(d *deltaWords, id string, old, fresh []row) {
	for len(old) > 0 || len(fresh) > 0 {
		switch {
		case len(fresh) == 0 || len(old) > 0 && old[0].partition < fresh[0].partition:
			d.Unset = append(d.Unset, [2]any{old[0].partition, id})
			old = old[1:]
		case len(old) == 0 || fresh[0].partition < old[0].partition:
			d.set(id, fresh[0])
			fresh = fresh[1:]
		default:
			if old[0] != fresh[0] {
				d.set(id, fresh[0])
			}
			old, fresh = old[1:], fresh[1:]
		}
	}
}

func (d *deltaWords) set(id string, r row) {
	d.Set = append(d.Set, [6]any{r.partition, id, r.epoch, r.since, bit(r.releasing), bit(r.idle)})
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
