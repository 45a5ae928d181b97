// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"maps"
	"slices"
	"time"
)

// Draft is a change in the making.
type Draft struct {
	fake    *Fake
	delta   delta
	changes []Change
	now     int64
}

// Head changes what is said of the group as a whole.
func (d *Draft) Head(leader string, unowned int, stale time.Time) {
	h := &d.fake.head
	h.Leader, h.Unowned, h.Stale = leader, unowned, 0
	if !stale.IsZero() {
		h.Stale = stale.UnixMilli()
	}
}

// Phase changes what the leader does.
func (d *Draft) Phase(phase string) { d.fake.head.Plan.Phase = phase }

// Certificate changes what the plan says of itself.
func (d *Draft) Certificate(moves, leastMoves int64) {
	d.fake.head.Plan.Certificate = map[string]int64{"moves": moves, "leastMoves": leastMoves}
}

// Version begins another version of the plan. What is granted from then on has it as its epoch.
func (d *Draft) Version() {
	d.fake.head.Plan.Version++
	d.fake.head.Plan.Stored = d.now
}

// Worker changes a worker, or adds one.
func (d *Draft) Worker(id string, change func(w *Facts)) {
	w, known := d.fake.workers[id]
	if !known {
		w = Facts{ID: id, Capacity: 1}
		d.fake.held[id] = map[string]holding{}
	}
	change(&w)
	d.fake.workers[id] = w
	d.delta.Workers = append(d.delta.Workers, w)
}

// Every changes all living workers.
func (d *Draft) Every(change func(w *Facts)) {
	for _, id := range slices.Sorted(maps.Keys(d.fake.workers)) {
		if d.fake.workers[id].Live {
			d.Worker(id, change)
		}
	}
}

// Gone removes a worker.
func (d *Draft) Gone(id string) {
	delete(d.fake.workers, id)
	delete(d.fake.held, id)
	d.delta.Gone = append(d.delta.Gone, id)
}

// Grant gives a partition to a worker.
func (d *Draft) Grant(partition, worker string) {
	d.set(partition, worker, holding{epoch: d.fake.head.Plan.Version, since: d.now})
}

// Revoke asks a worker to let a partition go.
func (d *Draft) Revoke(partition, worker string) {
	h := d.fake.held[worker][partition]
	h.releasing = true
	d.set(partition, worker, h)
}

func (d *Draft) set(partition, worker string, h holding) {
	d.fake.held[worker][partition] = h
	releasing := 0
	if h.releasing {
		releasing = 1
	}
	d.delta.Set = append(d.delta.Set, [5]any{partition, worker, h.epoch, h.since, releasing})
}

// Release takes a partition from a worker.
func (d *Draft) Release(partition, worker string) {
	delete(d.fake.held[worker], partition)
	d.delta.Unset = append(d.delta.Unset, [2]any{partition, worker})
}

// Journal writes down that a partition went from one worker to another.
func (d *Draft) Journal(partition, from, to, why string) {
	p := d.fake.head.Plan
	d.changes = append(d.changes, Change{
		At: d.now, Partition: partition, From: from, To: to, Epoch: p.Version, Version: p.Version, Term: p.Term, By: d.fake.head.Leader, Why: why,
	})
}

// Held returns the partitions of a worker, sorted.
func (d *Draft) Held(worker string) []string { return slices.Sorted(maps.Keys(d.fake.held[worker])) }

// Workers returns the IDs of all workers, sorted.
func (d *Draft) Workers() []string { return slices.Sorted(maps.Keys(d.fake.workers)) }
