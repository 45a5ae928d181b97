package strategy

import (
	"fmt"
	"maps"
	"math"
)

// Pinned lets an operator say who owns a partition; all others are another strategy's. A pin wins while its worker is
// there and not cordoned (a cordoned one keeps what is pinned to it if it has it already); else it is as if it were not
// there. What is pinned to a worker counts as its load: the inner strategy sees the worker with that much less capacity,
// to within a hundredth, and one that has more than its fair share pinned to it gets nothing else. (Inner strategies that
// do not heed capacities, such as RoundRobin, divide the rest evenly all the same.)
type Pinned struct {
	inner Strategy
	pins  map[string]string
}

// NewPinned returns the strategy; pins maps partition IDs to worker IDs and is copied. IDs that do not exist do no harm:
// partitions and workers come and go. Without an inner strategy, Assign returns ErrInvalidOption.
func NewPinned(inner Strategy, pins map[string]string) *Pinned {
	return &Pinned{inner, maps.Clone(pins)}
}

// Assign implements Strategy.
func (p *Pinned) Assign(workers []Worker, partitions []Partition, previous []int) ([]int, error) {
	return p.AssignHome(workers, partitions, previous, nil)
}

// AssignHome implements Homing; the inner strategy is told of homes if it heeds them.
func (p *Pinned) AssignHome(workers []Worker, partitions []Partition, previous, home []int) ([]int, error) {
	if p.inner == nil {
		return nil, fmt.Errorf("%w: inner of NewPinned is nil, allowed: a strategy", ErrInvalidOption)
	}
	if _, err := prepare(workers, partitions, previous, home); err != nil {
		return nil, err
	}
	next := p.pinned(workers, partitions, previous)
	in := &input{workers: workers, partitions: partitions, previous: previous, home: home}
	rest := in.pick(func(q int) bool { return next[q] == None })
	if len(rest.partitions) < len(partitions) && len(rest.partitions) > 0 {
		rest.workers = in.left(next)
		for q, w := range rest.previous {
			if w != None && rest.workers[w].Cordoned && !workers[w].Cordoned {
				rest.previous[q] = None // it has no room even for what it had
			}
		}
	}
	got, err := checked(p.inner, rest.workers, rest.partitions, rest.previous, rest.home)
	if err != nil {
		return nil, err
	}
	at := 0
	for q, w := range next {
		if w == None {
			next[q] = got[at]
			at++
		}
	}
	return next, nil
}

// pinned says who owns what by a pin.
func (p *Pinned) pinned(workers []Worker, partitions []Partition, previous []int) []int {
	index := make(map[string]int, len(workers))
	for i, w := range workers {
		index[w.ID] = i
	}
	next := make([]int, len(partitions))
	for q := range partitions {
		next[q] = None
		if len(p.pins) == 0 {
			continue
		}
		if to, ok := p.pins[partitions[q].ID()]; ok {
			if w, there := index[to]; there && (!workers[w].Cordoned || previous[q] == w) {
				next[q] = w
			}
		}
	}
	return next
}

// left is the workers with the capacity that the pins leave them.
func (in *input) left(pinned []int) []Worker {
	base := make([]float64, len(in.workers))
	total, room := 0.0, 0.0
	full := make([]bool, len(base))
	for q := range in.partitions {
		w, load := pinned[q], float64(in.partitions[q].Load())
		if w == None {
			w = in.previous[q]
			if w == None || !in.workers[w].Cordoned {
				total += load
			}
		} else if !in.workers[w].Cordoned {
			total += load
			base[w] += load
		}
	}
	for w := range base {
		if full[w] = in.workers[w].Cordoned; !full[w] {
			room += float64(in.workers[w].Room())
		}
	}
	for again := true; again; { // who has more than is fair leaves the others less
		again = false
		for w, load := range base {
			if r := float64(in.workers[w].Room()); !full[w] && load*room >= total*r && load > 0 {
				full[w], again = true, true
				total, room = total-load, room-r
			}
		}
	}
	left := make([]Worker, len(base))
	for w, load := range base {
		left[w] = in.workers[w]
		if left[w].Cordoned = full[w]; !full[w] && load > 0 {
			fair := total * float64(left[w].Room()) / room
			left[w].Capacity = max(1, int64(math.Round(float64(left[w].Room())*(1-load/fair))))
		}
	}
	return left
}
