package strategy

import (
	"fmt"
	"slices"
)

// Zoned divides the partitions among zones first, by what the label of each worker says, each zone's share in proportion
// to the capacity of its workers; then the share of each zone among its workers. Both divisions are another strategy's,
// so that its bounds hold among the zones and again inside each. What a worker leaves behind stays in its zone, as far
// as the zone's share, which is smaller without that worker, allows. Workers without the label are a zone of their own.
type Zoned struct {
	inner Strategy
	label string
}

// NewZoned returns the strategy. Without an inner one, Assign returns ErrInvalidOption.
func NewZoned(inner Strategy, label string) *Zoned { return &Zoned{inner, label} }

// Assign implements Strategy.
func (z *Zoned) Assign(workers []Worker, partitions []Partition, previous []int) ([]int, error) {
	return z.AssignHome(workers, partitions, previous, nil)
}

// AssignHome implements Homing; the inner strategy is told of homes if it heeds them.
func (z *Zoned) AssignHome(workers []Worker, partitions []Partition, previous, home []int) ([]int, error) {
	if z.inner == nil {
		return nil, fmt.Errorf("%w: inner of NewZoned is nil, allowed: a strategy", ErrInvalidOption)
	}
	in, err := prepare(workers, partitions, previous, home)
	if err != nil {
		return nil, err
	}
	if len(in.partitions) == 0 {
		return in.answer(nil), nil
	}
	zones, zone := z.zones(in.workers)
	next := make([]int, len(in.partitions))
	owner, err := checked(z.inner, zones, in.partitions, through(in.previous, zone), through(in.home, zone))
	if err != nil {
		return nil, fmt.Errorf("zones: %w", err)
	}
	for at := range zones {
		if err := z.within(in, at, zone, owner, next); err != nil {
			return nil, fmt.Errorf("%s: %w", zones[at].ID, err)
		}
	}
	return in.answer(next), nil
}

// zones sees each zone as one worker, and says which each worker is of.
func (z *Zoned) zones(workers []Worker) (zones []Worker, zone []int) {
	var names []string
	for _, w := range workers {
		names = append(names, w.Labels[z.label])
	}
	unique := slices.Compact(slices.Sorted(slices.Values(names)))
	room := make([]int64, len(unique))
	var most int64
	for i, w := range workers {
		at, _ := slices.BinarySearch(unique, names[i])
		zone = append(zone, at)
		room[at] += w.Room()
		most = max(most, room[at])
	}
	for at, name := range unique {
		zones = append(zones, Worker{ID: "zone " + name, Capacity: max(1, room[at]/(most/MaxWeight+1))})
	}
	return zones, zone
}

// within divides the share of one zone.
func (z *Zoned) within(in *input, at int, zone, owner, next []int) error {
	var workers []Worker
	var members []int
	place := make([]int, len(in.workers))
	for w := range in.workers {
		if place[w] = None; zone[w] == at {
			place[w] = len(workers)
			workers, members = append(workers, in.workers[w]), append(members, w)
		}
	}
	share := in.pick(func(q int) bool { return owner[q] == at })
	got, err := checked(z.inner, workers, share.partitions, through(share.previous, place), through(share.home, place))
	if err != nil {
		return err
	}
	i := 0
	for q := range next {
		if owner[q] == at {
			next[q] = members[got[i]]
			i++
		}
	}
	return nil
}

// pick is the input with some of its partitions only, without their hashes.
func (in *input) pick(which func(q int) bool) *input {
	part := &input{workers: in.workers}
	if in.home != nil {
		part.home = []int{}
	}
	for q := range in.partitions {
		if !which(q) {
			continue
		}
		part.partitions = append(part.partitions, in.partitions[q])
		part.previous = append(part.previous, in.previous[q])
		if in.home != nil {
			part.home = append(part.home, in.home[q])
		}
	}
	return part
}

// through renames owners; nil stays nil.
func through(owners, names []int) []int {
	if owners == nil {
		return nil
	}
	out := make([]int, len(owners))
	for i, w := range owners {
		if out[i] = None; w != None {
			out[i] = names[w]
		}
	}
	return out
}

// checked asks a strategy of somebody's, with the homes if it heeds them, and checks its answer.
func checked(s Strategy, workers []Worker, partitions []Partition, previous, home []int) (next []int, err error) {
	if h, ok := s.(Homing); ok && home != nil {
		next, err = h.AssignHome(workers, partitions, previous, home)
	} else {
		next, err = s.Assign(workers, partitions, previous)
	}
	if err != nil {
		return nil, err
	}
	return next, Check(workers, partitions, next)
}
