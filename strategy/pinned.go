// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import (
	"fmt"
	"maps"
	"math"

	"github.com/cespare/xxhash/v2"
)

// Pinned lets an operator decide the owners of some partitions. An inner strategy decides the rest. A pin holds while its
// worker is present and not cordoned; a cordoned worker keeps a pinned partition that it already has. Otherwise the pin has
// no effect. Pinned partitions count as load of their worker: the inner strategy sees the worker with that much less
// capacity, to within a hundredth. A worker with more than its fair share pinned to it gets nothing else. (Inner strategies
// that ignore capacities, such as [RoundRobin], still divide the rest evenly.)
type Pinned struct {
	inner Strategy
	pins  map[string]string
}

// NewPinned returns the strategy. pins maps partition IDs to worker IDs and is copied. Unknown IDs do no harm, because
// partitions and workers come and go. Without an inner strategy, Assign returns ErrInvalidOption.
func NewPinned(inner Strategy, pins map[string]string) *Pinned {
	return &Pinned{inner, maps.Clone(pins)}
}

// Assign implements Strategy.
func (p *Pinned) Assign(workers []Worker, partitions []Partition, previous []int) ([]int, error) {
	return plain(p, workers, partitions, previous, nil)
}

// AssignHome implements Homing; the inner strategy is told of homes if it heeds them.
func (p *Pinned) AssignHome(workers []Worker, partitions []Partition, previous, home []int) ([]int, error) {
	return plain(p, workers, partitions, previous, home)
}

// AssignPrepared implements Preparing.
func (p *Pinned) AssignPrepared(q Question) (Plan, error) {
	if p.inner == nil {
		return Plan{}, fmt.Errorf("%w: inner of NewPinned is nil, allowed: a strategy", ErrInvalidOption)
	}
	if _, err := q.validate(); err != nil {
		return Plan{}, err
	}
	return q.around(p.inner, p.pinned(q))
}

// around has a strategy divide what has no owner in next beside what has one, and completes next with its answer.
func (q Question) around(inner Strategy, next []int) (Plan, error) {
	list, at := q.List.Where(func(i int) bool { return next[i] == None })
	rest := q.with(q.Workers, list, at, nil)
	if 0 < len(at) && len(at) < len(next) {
		rest.Workers = q.left(next)
		for i, w := range rest.Previous {
			if w != None && rest.Workers[w].Cordoned && !q.Workers[w].Cordoned {
				rest.Previous[i] = None // it has no room even for what it had
			}
		}
	}
	got, err := Ask(inner, rest)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Owners: next}
	p.add(got, at, nil)
	return p, nil
}

// pinned says who owns what by a pin.
func (p *Pinned) pinned(q Question) []int {
	index := make(map[string]int, len(q.Workers))
	for i, w := range q.Workers {
		index[w.ID] = i
	}
	hashes := make(map[uint64]bool, len(p.pins)) // to make a text of every ID would take long
	for id := range p.pins {
		hashes[xxhash.Sum64String(id)] = true
	}
	next := make([]int, q.List.Len())
	for i, hash := range q.List.hashes {
		if next[i] = None; !hashes[hash] {
			continue
		}
		if to, ok := p.pins[q.List.partitions[i].ID()]; ok {
			if w, there := index[to]; there && (!q.Workers[w].Cordoned || q.Previous[i] == w) {
				next[i] = w
			}
		}
	}
	return next
}

// left is the workers with the capacity that the pins leave them.
func (q Question) left(pinned []int) []Worker {
	base := make([]float64, len(q.Workers))
	total, room := 0.0, 0.0
	full := make([]bool, len(base))
	for i := range q.List.partitions {
		w, load := pinned[i], float64(q.List.partitions[i].Load())
		if w == None {
			w = q.Previous[i]
			if w == None || !q.Workers[w].Cordoned {
				total += load
			}
		} else if !q.Workers[w].Cordoned {
			total += load
			base[w] += load
		}
	}
	for w := range base {
		if full[w] = q.Workers[w].Cordoned; !full[w] {
			room += float64(q.Workers[w].Room())
		}
	}
	for again := true; again; { // who has more than is fair leaves the others less
		again = false
		for w, load := range base {
			if r := float64(q.Workers[w].Room()); !full[w] && load*room >= total*r && load > 0 {
				full[w], again = true, true
				total, room = total-load, room-r
			}
		}
	}
	left, scale := make([]Worker, len(base)), q.scale(base, full)
	for w, load := range base {
		left[w] = q.Workers[w]
		left[w].Capacity = left[w].Room() * scale
		if left[w].Cordoned = full[w]; !full[w] && load > 0 {
			fair := total * float64(left[w].Room()) / room / float64(scale)
			left[w].Capacity = max(1, int64(math.Round(float64(left[w].Room())*(1-load/fair))))
		}
	}
	return left
}

// scale is what all capacities are multiplied by, so that a hundredth of each that is about to be lowered is a whole
// number: of a capacity of 1 nothing could be taken away.
func (q Question) scale(base []float64, full []bool) int64 {
	least, most := int64(defaultCapacity), int64(1)
	for w, worker := range q.Workers {
		most = max(most, worker.Room())
		if !full[w] && base[w] > 0 {
			least = min(least, worker.Room())
		}
	}
	return max(1, min((defaultCapacity+least-1)/least, MaxWeight/most))
}
