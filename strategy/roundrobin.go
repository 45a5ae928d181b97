// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import (
	"cmp"
	"slices"
)

// RoundRobin gives every worker the same number of partitions, give or take one. It ignores weights and capacities. Without
// present owners it deals the partitions, sorted by ID, to the workers, sorted by ID, in turn. After that it moves only as
// many as the counts require: a worker with too many gives up its last ones, which are dealt in turn.
type RoundRobin struct{}

// NewRoundRobin returns the strategy. It has no settings.
func NewRoundRobin() *RoundRobin { return &RoundRobin{} }

// Assign implements Strategy.
func (r *RoundRobin) Assign(workers []Worker, partitions []Partition, previous []int) ([]int, error) {
	return plain(r, workers, partitions, previous, nil)
}

// AssignPrepared implements Preparing. It ignores homes.
func (*RoundRobin) AssignPrepared(q Question) (Plan, error) {
	in, err := prepare(q)
	if err != nil {
		return Plan{}, err
	}
	return in.answer(in.deal()), nil
}

func (in *input) deal() []int {
	quota, over := in.shares()
	next := slices.Clone(in.previous)
	loose := make([]int, 0, len(next)/max(len(quota), 1)) // who has no owner, or one that has too many
	for i, w := range next {
		if w == None || over[w] {
			loose = append(loose, i)
		} else {
			quota[w]--
		}
	}
	in.byID(loose)
	turn := 0
	var orphans []int
	for _, i := range loose {
		if w := next[i]; w != None && quota[w] > 0 {
			quota[w]--
		} else {
			orphans = append(orphans, i)
		}
	}
	for _, i := range orphans {
		for quota[turn%len(quota)] == 0 {
			turn++
		}
		next[i] = turn % len(quota)
		quota[next[i]]--
		turn++
	}
	return next
}

// shares says how many partitions each worker gets, and who has more than that. The ones that are left over go to those
// that have the most, so that the fewest move.
func (in *input) shares() (quota []int, over []bool) {
	has := make([]int, len(in.workers))
	for _, w := range in.previous {
		if w != None {
			has[w]++
		}
	}
	quota, over = make([]int, len(has)), make([]bool, len(has))
	richest := make([]int, len(has))
	for i := range has {
		quota[i], richest[i] = len(in.partitions)/len(has), i
	}
	slices.SortStableFunc(richest, func(a, b int) int { return cmp.Compare(has[b], has[a]) })
	for i := range len(in.partitions) - len(has)*(len(in.partitions)/max(len(has), 1)) {
		quota[richest[i]]++
	}
	for i := range has {
		over[i] = has[i] > quota[i]
	}
	return quota, over
}

// byID sorts ascending indices of partitions by their IDs. Callers mostly have them in order: that is asked first.
func (in *input) byID(list []int) {
	if in.sorted {
		return
	}
	compare := func(a, b int) int { return compareIDs(in.partitions[a].Keys, in.partitions[b].Keys) }
	if !slices.IsSortedFunc(list, compare) {
		slices.SortFunc(list, compare)
	}
}

// compareIDs compares what the keys are joined to, without joining them. No key holds a dot.
func compareIDs(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		n := min(len(a[i]), len(b[i]))
		if c := cmp.Compare(a[i][:n], b[i][:n]); c != 0 {
			return c
		}
		return cmp.Compare(after(a, i, n), after(b, i, n))
	}
	return cmp.Compare(len(a), len(b))
}

// after is the character of the ID after n of those of key i, or -1 at the end.
func after(keys []string, i, n int) int {
	switch {
	case n < len(keys[i]):
		return int(keys[i][n])
	case i+1 < len(keys):
		return '.'
	}
	return -1
}
