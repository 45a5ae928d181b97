// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Pools reserves partitions for workers: a partition of a pool goes only to workers whose label names that pool. A
// partition without a pool may go to any worker, and the partitions that a worker has from its pool count as its load. With
// [WithReservedPools] a partition without a pool goes only to workers without the label. The inner strategy divides each
// pool's partitions among that pool's workers alone, so its bounds on balance and on moves hold inside each pool. Then it
// divides the rest, as [NewPinned] does.
//
// Partitions of a pool without workers have no owner: they are among the Waits of the plan. With [WithPoolGrace], once that
// has lasted too long, they go where partitions without a pool go, and return as soon as the pool has a worker. Partitions
// that have gone there stay there when a new leader takes over, although it does not know how long the others have waited.
//
// A cordoned worker does not count as a worker of its pool: it keeps its partitions and gets nothing new. Assign and
// AssignHome return [ErrPartitionMissing] if a partition would have to wait, because they cannot express that. Use [Ask].
// Put zones inside pools, not around them: NewPools(NewZoned(…), …).
type Pools struct {
	inner    Strategy
	label    string
	pool     func(Partition) string
	grace    time.Duration
	reserved bool
}

// PoolOption is a setting of Pools.
type PoolOption func(*Pools)

// WithPoolGrace sets how long partitions wait at most for a worker of their pool. With the default of 0 they wait as long
// as the pool has no worker.
func WithPoolGrace(d time.Duration) PoolOption { return func(p *Pools) { p.grace = d } }

// WithReservedPools gives partitions without a pool only to workers without the label. If there are none, those
// partitions wait as a pool's do.
func WithReservedPools() PoolOption { return func(p *Pools) { p.reserved = true } }

// NewPools returns the strategy. label is the label whose value names a worker's pool. pool returns the pool of a
// partition, or "" for none, and must always return the same. If one of them is missing or an option is out of range,
// Assign returns ErrInvalidOption.
func NewPools(inner Strategy, label string, pool func(Partition) string, opts ...PoolOption) *Pools {
	p := &Pools{inner: inner, label: label, pool: pool}
	for _, o := range opts {
		o(p)
	}
	return p
}

// Assign implements Strategy.
func (p *Pools) Assign(workers []Worker, partitions []Partition, previous []int) ([]int, error) {
	return plain(p, workers, partitions, previous, nil)
}

// AssignHome implements Homing; the inner strategy is told of homes if it heeds them.
func (p *Pools) AssignHome(workers []Worker, partitions []Partition, previous, home []int) ([]int, error) {
	return plain(p, workers, partitions, previous, home)
}

func (p *Pools) validate() error {
	switch {
	case p.inner == nil:
		return fmt.Errorf("%w: inner of NewPools is nil, allowed: a strategy", ErrInvalidOption)
	case p.label == "":
		return fmt.Errorf("%w: label of NewPools is empty, allowed: the name of a label", ErrInvalidOption)
	case p.pool == nil:
		return fmt.Errorf("%w: pool of NewPools is nil, allowed: a function", ErrInvalidOption)
	case p.grace < 0:
		return fmt.Errorf("%w: WithPoolGrace is %s, allowed: 0 (wait without a limit) or more", ErrInvalidOption, p.grace)
	}
	return nil
}

// AssignPrepared implements Preparing.
func (p *Pools) AssignPrepared(q Question) (Plan, error) {
	if err := p.validate(); err != nil {
		return Plan{}, err
	}
	in, err := prepare(q)
	if err != nil {
		return Plan{}, err
	}
	d := &division{Pools: p, Question: in.question(q.Waited)}
	d.plan.Owners = make([]int, len(in.partitions))
	for i := range d.plan.Owners {
		d.plan.Owners[i] = None
	}
	pooled := p.members(in.partitions)
	for _, name := range slices.Sorted(maps.Keys(pooled)) {
		if name == "" {
			continue
		}
		if err := d.within(name, pooled[name]); err != nil {
			return Plan{}, fmt.Errorf("pool %q: %w", name, err)
		}
	}
	if err := d.rest(pooled[""]); err != nil {
		return Plan{}, fmt.Errorf("partitions without a pool: %w", err)
	}
	return in.complete(d.plan), nil
}

// members lists the partitions of each pool. The function that names the pool may write into what it is given.
func (p *Pools) members(partitions []Partition) map[string][]int {
	pooled := map[string][]int{}
	var keys []string
	for i, partition := range partitions {
		keys = append(keys[:0], partition.Keys...)
		partition.Keys = keys
		name := p.pool(partition)
		pooled[name] = append(pooled[name], i)
	}
	return pooled
}

// division is one plan of Pools in the making, without what cordoned workers keep.
type division struct {
	*Pools
	Question
	plan  Plan
	loose []int // partitions of pools without workers that go where those without a pool go
}

// within divides the partitions of one pool among its workers.
func (d *division) within(name string, at []int) error {
	workers, members, names := membersOf(d.Workers, func(w int) bool { return d.Workers[w].Labels[d.label] == name })
	if len(workers) > 0 {
		return d.among(workers, members, names, at)
	}
	d.loose = append(d.loose, d.wait(at, fmt.Sprintf("pool %q has no worker: none has label %s=%q and is not cordoned", name, d.label, name))...)
	return nil
}

// among has the inner strategy divide some partitions among some workers.
func (d *division) among(workers []Worker, members, names, at []int) error {
	got, err := Ask(d.inner, d.with(workers, d.List.part(at), at, names))
	if err == nil {
		d.plan.add(got, at, members)
	}
	return err
}

// wait has partitions wait for a cause, and returns those that need not: because it has lasted too long, or because they
// went elsewhere when it had.
func (d *division) wait(at []int, cause string) (loose []int) {
	if len(at) == 0 {
		return nil
	}
	wait := Wait{Cause: cause, After: d.grace}
	over := d.grace > 0 && d.Waited[cause] >= d.grace
	for _, i := range at {
		if over || d.grace > 0 && d.Previous[i] != None {
			loose = append(loose, i)
		} else {
			wait.Partitions = append(wait.Partitions, i)
		}
	}
	d.plan.Waits = append(d.plan.Waits, wait)
	return loose
}

// rest divides the partitions without a pool, and those that have lost theirs.
func (d *division) rest(at []int) error {
	if d.reserved {
		workers, members, names := membersOf(d.Workers, func(w int) bool { return d.Workers[w].Labels[d.label] == "" })
		if len(workers) > 0 {
			return d.among(workers, members, names, ascending(at, d.loose))
		}
		at = d.wait(at, fmt.Sprintf("no worker for partitions without a pool: none is without label %s and not cordoned", d.label))
	}
	placed := ascending(at, d.loose)
	for i, w := range d.plan.Owners {
		if w != None {
			placed = append(placed, i)
		}
	}
	placed = ascending(placed, nil)
	got, err := d.with(d.Workers, d.List.part(placed), placed, nil).around(d.inner, through(d.plan.Owners, placed, nil))
	if err == nil {
		d.plan.add(got, placed, nil)
	}
	return err
}

func ascending(a, b []int) []int { return slices.Sorted(slices.Values(slices.Concat(a, b))) }
