package strategy

import (
	"cmp"
	"slices"
)

// RoundRobin gives every worker the same number of partitions, give or take one, whatever they weigh. Where nothing is
// known it deals the sorted partitions to the sorted workers in turn; after that it keeps who has what as far as the
// counts allow.
type RoundRobin struct{}

// NewRoundRobin returns the strategy. It has no settings.
func NewRoundRobin() *RoundRobin { return &RoundRobin{} }

// Assign implements Strategy.
func (*RoundRobin) Assign(workers []Worker, partitions []Partition, previous []int) ([]int, error) {
	if err := validate(workers, partitions, previous); err != nil {
		return nil, err
	}
	byWorker, byPartition := sorted(workers), sortedPartitions(partitions)
	quota := quotas(byWorker, partitions, previous)
	next := make([]int, len(partitions))
	var orphans []int
	for _, p := range byPartition {
		if w := previous[p]; w != None && quota[w] > 0 {
			quota[w]--
			next[p] = w
			continue
		}
		orphans = append(orphans, p)
	}
	turn := 0
	for _, p := range orphans {
		for quota[byWorker[turn%len(byWorker)]] == 0 {
			turn++
		}
		w := byWorker[turn%len(byWorker)]
		turn++
		quota[w]--
		next[p] = w
	}
	return next, nil
}

// quotas says how many partitions each worker gets. The ones that are left over go to those that have the most, so
// that the fewest move.
func quotas(byWorker []int, partitions []Partition, previous []int) []int {
	has := make([]int, len(byWorker))
	for _, w := range previous {
		if w != None {
			has[w]++
		}
	}
	quota := make([]int, len(byWorker))
	for i := range quota {
		quota[i] = len(partitions) / len(byWorker)
	}
	greedy := slices.Clone(byWorker)
	slices.SortStableFunc(greedy, func(a, b int) int { return cmp.Compare(has[b], has[a]) })
	for _, w := range greedy[:len(partitions)%len(byWorker)] {
		quota[w]++
	}
	return quota
}

// sorted returns the indices of the workers in the order of their IDs.
func sorted(workers []Worker) []int {
	order := make([]int, len(workers))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(workers[a].ID, workers[b].ID) })
	return order
}

// sortedPartitions returns the indices of the partitions in the order of their IDs.
func sortedPartitions(partitions []Partition) []int {
	ids := make([]string, len(partitions))
	order := make([]int, len(partitions))
	for i, p := range partitions {
		ids[i], order[i] = p.ID(), i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(ids[a], ids[b]) })
	return order
}
