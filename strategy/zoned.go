// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import (
	"fmt"
	"slices"
)

// Zoned first divides the partitions among zones, in proportion to the capacity of each zone's workers, and then divides
// each zone's share among its workers. A label of each worker names its zone. The inner strategy makes both divisions, so
// its bounds hold among the zones and inside each zone. The partitions of a departed worker stay in its zone, as far as the
// zone's share allows, which is smaller without that worker. Workers without the label form a zone of their own.
type Zoned struct {
	inner Strategy
	label string
}

// NewZoned returns the strategy. Without an inner one, Assign returns ErrInvalidOption.
func NewZoned(inner Strategy, label string) *Zoned { return &Zoned{inner, label} }

// Assign implements Strategy.
func (z *Zoned) Assign(workers []Worker, partitions []Partition, previous []int) ([]int, error) {
	return plain(z, workers, partitions, previous, nil)
}

// AssignHome implements Homing; the inner strategy is told of homes if it heeds them.
func (z *Zoned) AssignHome(workers []Worker, partitions []Partition, previous, home []int) ([]int, error) {
	return plain(z, workers, partitions, previous, home)
}

// AssignPrepared implements Preparing.
func (z *Zoned) AssignPrepared(q Question) (Plan, error) {
	if z.inner == nil {
		return Plan{}, fmt.Errorf("%w: inner of NewZoned is nil, allowed: a strategy", ErrInvalidOption)
	}
	in, err := prepare(q)
	if err != nil {
		return Plan{}, err
	}
	if len(in.partitions) == 0 {
		return in.answer(nil), nil
	}
	zones, zone := z.zones(in.workers)
	open := in.question(q.Waited)
	owner, err := z.ask("zones", open.with(zones, in.Prepared, indices(len(in.partitions)), zone))
	if err != nil {
		return Plan{}, err
	}
	next := Plan{Owners: make([]int, len(in.partitions))}
	for at := range zones {
		workers, members, names := membersOf(in.workers, func(w int) bool { return zone[w] == at })
		share, places := in.Where(func(i int) bool { return owner.Owners[i] == at })
		got, err := z.ask(zones[at].ID, open.with(workers, share, places, names))
		if err != nil {
			return Plan{}, err
		}
		next.add(got, places, members)
	}
	return in.answer(next.Owners), nil
}

// ask asks the inner strategy. It may let nothing wait: zones know no labels, so that it would not know for whom.
func (z *Zoned) ask(name string, q Question) (Plan, error) {
	p, err := Ask(z.inner, q)
	if err == nil && len(p.Waits) > 0 {
		err = fmt.Errorf("%w: inner of NewZoned leaves partitions without an owner (%s), allowed: a strategy that does not; put NewZoned inside NewPools",
			ErrInvalidOption, p.Waits[0].Cause)
	}
	if err != nil {
		return Plan{}, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
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
