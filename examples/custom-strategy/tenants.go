// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"slices"

	"github.com/parti-go/parti/strategy"
)

// Tenants keeps all partitions of a tenant (the first key) with one worker, so that its cache is needed once. A tenant
// stays where most of it is; one that is nowhere goes to the worker with the least load for its capacity. When a worker
// has more than half as much again as its fair share, its smallest tenants move to the emptiest.
type Tenants struct{}

type tenant struct {
	name       string
	partitions []int
	load       int64
	owner      int
}

// Assign implements strategy.Strategy. It must be pure (the same input, in whatever order, gives the same owners) and
// must give every partition an owner; whoever leads checks every plan, and one that fails is refused.
func (Tenants) Assign(workers []strategy.Worker, partitions []strategy.Partition, previous []int) ([]int, error) {
	if len(workers) == 0 {
		return nil, strategy.ErrNoWorkers
	}
	if err := strategy.ValidatePartitions(partitions); err != nil {
		return nil, err
	}
	tenants := group(workers, partitions, previous)
	load := make([]int64, len(workers))
	for _, t := range tenants {
		if t.owner != strategy.None {
			load[t.owner] += t.load
		}
	}
	for _, t := range tenants { // the heaviest first
		if t.owner == strategy.None {
			t.owner = emptiest(workers, load)
			load[t.owner] += t.load
		}
	}
	relieve(workers, tenants, load)
	next := make([]int, len(partitions))
	for _, t := range tenants {
		for _, i := range t.partitions {
			next[i] = t.owner
		}
	}
	return next, nil
}

// group collects the tenants, the heaviest first, each with the worker that has most of it.
func group(workers []strategy.Worker, partitions []strategy.Partition, previous []int) []*tenant {
	byName := map[string]*tenant{}
	var list []*tenant
	for i, p := range partitions {
		t := byName[p.Keys[0]]
		if t == nil {
			t = &tenant{name: p.Keys[0], owner: strategy.None}
			byName[t.name], list = t, append(list, t)
		}
		t.partitions = append(t.partitions, i)
		t.load += p.Load()
	}
	for _, t := range list {
		has := make([]int64, len(workers))
		for _, i := range t.partitions {
			if w := previous[i]; w != strategy.None {
				has[w] += partitions[i].Load()
			}
		}
		for w := range workers {
			if has[w] > 0 && (t.owner == strategy.None || has[w] > has[t.owner] || has[w] == has[t.owner] && workers[w].ID < workers[t.owner].ID) {
				t.owner = w
			}
		}
	}
	slices.SortFunc(list, func(a, b *tenant) int { return cmp.Or(cmp.Compare(b.load, a.load), cmp.Compare(a.name, b.name)) })
	return list
}

// relieve moves tenants away from who has far too much, if that leaves whoever takes them with less.
func relieve(workers []strategy.Worker, tenants []*tenant, load []int64) {
	var total, room int64
	for w := range workers {
		total, room = total+load[w], room+workers[w].Room()
	}
	for _, t := range slices.Backward(tenants) {
		from, to := t.owner, emptiest(workers, load)
		if 2*load[from]*room > 3*total*workers[from].Room() && (load[to]+t.load)*workers[from].Room() < load[from]*workers[to].Room() {
			load[from] -= t.load
			load[to] += t.load
			t.owner = to
		}
	}
}

// emptiest is open to new work and has the least for its capacity; of equals the smallest ID.
func emptiest(workers []strategy.Worker, load []int64) int {
	best := strategy.None
	for w := range workers {
		if workers[w].Cordoned {
			continue
		}
		if best == strategy.None {
			best = w
			continue
		}
		a, b := load[w]*workers[best].Room(), load[best]*workers[w].Room()
		if a < b || a == b && workers[w].ID < workers[best].ID {
			best = w
		}
	}
	return max(best, 0)
}
