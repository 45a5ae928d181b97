// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Check reports what is wrong with the answer of a strategy: a wrong length, an owner that does not exist, or a partition
// without an owner.
func Check(workers []Worker, partitions []Partition, next []int) error {
	if len(next) != len(partitions) {
		return fmt.Errorf("%w: len(next) is %d, allowed: len(partitions) = %d", ErrPartitionMissing, len(next), len(partitions))
	}
	for i, w := range next {
		if w == None {
			return fmt.Errorf("%w: next[%d] (%q)", ErrPartitionMissing, i, partitions[i].ID())
		}
		if w < 0 || w >= len(workers) {
			return fmt.Errorf("%w: next[%d] is %d, allowed: 0 to %d", ErrInvalidOwner, i, w, len(workers)-1)
		}
	}
	return nil
}

// Moves counts the partitions that had an owner and get a different one.
func Moves(previous, next []int) int {
	n := 0
	for i := range next {
		if previous[i] != None && previous[i] != next[i] {
			n++
		}
	}
	return n
}

// Imbalance returns the load of the fullest worker, in relation to its capacity, divided by its load in a perfectly even
// plan: 1 is perfect. Partitions without an owner do not count.
func Imbalance(workers []Worker, partitions []Partition, next []int) float64 {
	_, highest := levels(workers, partitions, next)
	return highest
}

// levels are the loads of the emptiest and of the fullest worker, divided by what is fair.
func levels(workers []Worker, partitions []Partition, next []int) (lowest, highest float64) {
	loads := make([]int64, len(workers))
	for i := range partitions {
		if next[i] != None {
			loads[next[i]] += partitions[i].Load()
		}
	}
	return spread(workers, loads)
}

// spread divides the lowest and the highest load by what is fair.
func spread(workers []Worker, loads []int64) (lowest, highest float64) {
	var total, room int64
	for i, w := range workers {
		total += loads[i]
		room += w.Room()
	}
	if total == 0 {
		return 1, 1
	}
	lowest = math.Inf(1)
	for i, w := range workers {
		level := float64(loads[i]) / (float64(total) * float64(w.Room()) / float64(room))
		lowest, highest = min(lowest, level), max(highest, level)
	}
	return lowest, highest
}

// MinimalMoves returns the fewest moves that lead to a plan that is as even as possible. When all partitions weigh the same
// it is exact: each worker has its fair share, in proportion to capacity, rounded down or up. Otherwise it is a lower bound
// on the moves of any plan that keeps every worker between its fair share divided by 1.05 and 1.05 times its fair share,
// except for the weight of a single partition.
func MinimalMoves(workers []Worker, partitions []Partition, previous []int) int {
	return MinimalMovesWithin(workers, partitions, previous, 1)
}

// MinimalMovesWithin does the same for plans in which every load is at most fair × bound and at least fair ÷ bound, as
// [ConsistentHash] keeps them. Where weights differ, a bound below 1.05 counts as 1.05. Invalid input gives 0.
func MinimalMovesWithin(workers []Worker, partitions []Partition, previous []int, bound float64) int {
	list, err := inspect(partitions)
	if err != nil {
		return 0
	}
	in, err := prepare(Question{Workers: workers, List: list, Previous: previous})
	if err != nil || len(in.workers) == 0 || len(in.partitions) == 0 {
		return 0
	}
	if in.even() {
		least, most := in.band(max(bound, 1))
		return in.fewest(least, most)
	}
	bound = max(bound, stickyBound)
	var room int64
	for _, w := range in.workers {
		room += w.Room()
	}
	least, most := make([]int64, len(in.workers)), make([]int64, len(in.workers))
	for i, w := range in.workers {
		fair := float64(in.total) * float64(w.Room()) / float64(room)
		least[i] = max(0, int64(min(fair/bound, fair-float64(in.heaviest))))
		most[i] = int64(math.Ceil(max(fair*bound, fair+float64(in.heaviest))))
	}
	return in.fewest(least, most)
}

// fewest counts what has to leave those above their bounds, and what has to come to those below; one move can do both.
func (in *input) fewest(least, most []int64) int {
	load := make([]int64, len(in.workers))
	held := make([][]int64, len(in.workers)) // only where weights differ
	var free int64
	var owned []int64
	for q, w := range in.previous {
		weight := int64(1)
		if in.weights != nil {
			weight = in.weights[q]
		}
		if w == None {
			free += weight
			continue
		}
		load[w] += weight
		if in.weights != nil {
			held[w] = append(held[w], weight)
			owned = append(owned, weight)
		}
	}
	leave, lack := 0, -free
	for w := range load {
		leave += heaviestFor(held[w], load[w]-most[w])
		lack += max(0, least[w]-load[w])
	}
	return max(leave, heaviestFor(owned, lack))
}

// heaviestFor counts how many of the weights, heaviest first, are needed for a sum; without weights each counts as one.
func heaviestFor(weights []int64, sum int64) (n int) {
	if sum <= 0 {
		return 0
	}
	if weights == nil {
		return int(sum)
	}
	slices.SortFunc(weights, func(a, b int64) int { return cmp.Compare(b, a) })
	for _, w := range weights {
		if sum <= 0 {
			break
		}
		sum -= w
		n++
	}
	return n
}

// Certificate says what a plan costs and how even it is, each beside the best possible value.
type Certificate struct {
	// Moves is the number of partitions that go from one worker to another. Partitions without an owner do not count.
	Moves int
	// LeastMoves is the fewest moves to any plan that is as even as this one. It is exact when all partitions weigh the same
	// and all workers have the same capacity; otherwise it is a lower bound.
	LeastMoves int
	// Imbalance is the highest load divided by the fair load; see the function of that name.
	Imbalance float64
	// LeastImbalance is a lower bound on it, for any plan at all.
	LeastImbalance float64
}

// String says in one line what the plan costs and how even it is.
func (c Certificate) String() string {
	return fmt.Sprintf("%d moves (at least %d), highest load %.3f × fair (at least %.3f)", c.Moves, c.LeastMoves, c.Imbalance, c.LeastImbalance)
}

// Certify computes the certificate of a plan of any strategy. The plan must have passed [Check]. Cordoned workers count
// like others here.
func Certify(workers []Worker, partitions []Partition, previous, next []int) Certificate {
	list := &Prepared{partitions: partitions, hashes: make([]uint64, len(partitions)), totals: totalled(partitions)}
	return Question{Workers: workers, List: list, Previous: previous}.Certify(next)
}

// Certify computes the certificate of a plan that answers the question. Waiting partitions do not count.
func (q Question) Certify(next []int) Certificate {
	if slices.Contains(next, None) {
		list, at := q.List.Where(func(i int) bool { return next[i] != None })
		return q.with(q.Workers, list, at, nil).Certify(through(next, at, nil))
	}
	workers, list := q.Workers, q.List
	if len(list.partitions) == 0 || len(workers) == 0 {
		return Certificate{Imbalance: 1, LeastImbalance: 1}
	}
	c := Certificate{Moves: Moves(q.Previous, next)}
	var lowest float64
	lowest, c.Imbalance = spread(workers, list.loads(len(workers), next))
	in := &input{workers: workers, Prepared: list, previous: q.Previous}
	unit := int64(1)
	if list.even() {
		unit = list.heaviest
	}
	var room, widest int64
	for _, w := range workers {
		room += w.Room()
		widest = max(widest, w.Room())
	}
	least, most := make([]int64, len(workers)), make([]int64, len(workers))
	c.LeastImbalance = 1
	atLeast := math.Inf(1)
	const slack = 1e-9 // what rounding may cost
	for i, w := range workers {
		fair := float64(list.total) * float64(w.Room()) / float64(room) / float64(unit)
		least[i] = int64(math.Ceil(fair*lowest - slack*fair))
		most[i] = int64(math.Floor(fair*c.Imbalance + slack*fair))
		atLeast = min(atLeast, (math.Floor(fair+slack*fair)+1)/fair)
	}
	if list.even() && in.uniform() && len(list.partitions)%len(workers) != 0 {
		c.LeastImbalance = atLeast
	}
	c.LeastImbalance = max(c.LeastImbalance, float64(list.heaviest)*float64(room)/(float64(list.total)*float64(widest)))
	c.LeastMoves = in.fewest(least, most)
	return c
}

// loads adds up what each of n workers has; every partition has an owner.
func (l *Prepared) loads(n int, next []int) []int64 {
	loads := make([]int64, n)
	if l.weights == nil {
		for _, w := range next {
			loads[w] += l.heaviest
		}
		return loads
	}
	for i, w := range next {
		loads[w] += l.weights[i]
	}
	return loads
}
