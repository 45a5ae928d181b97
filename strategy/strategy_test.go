// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
)

func workers(ids ...int) []strategy.Worker {
	var w []strategy.Worker
	for _, id := range ids {
		w = append(w, strategy.Worker{ID: fmt.Sprintf("worker-%d", id)})
	}
	return w
}

func partitions(n int) []strategy.Partition {
	var p []strategy.Partition
	for i := range n {
		p = append(p, strategy.Partition{Keys: []string{"topic", fmt.Sprint(i)}})
	}
	return p
}

func nobody(n int) []int {
	previous := make([]int, n)
	for i := range previous {
		previous[i] = strategy.None
	}
	return previous
}

// history is a group whose workers and partitions come and go.
type history struct {
	rng     *rand.Rand
	workers []strategy.Worker
	parts   []strategy.Partition
	owner   map[string]string
	next    int
}

func newHistory(seed uint64, weighted bool) *history {
	h := &history{rng: rand.New(rand.NewPCG(seed, 7)), owner: map[string]string{}}
	h.workers = workers(0, 1)
	h.next = 2
	for i := range 1 + h.rng.IntN(80) {
		p := strategy.Partition{Keys: []string{fmt.Sprint(i)}}
		if weighted {
			p.Weight = 1 + int64(1000/math.Pow(float64(1+h.rng.IntN(50)), 1.1))
		}
		h.parts = append(h.parts, p)
	}
	if weighted {
		for i := range h.workers {
			h.workers[i].Capacity = 50 + h.rng.Int64N(200)
		}
	}
	return h
}

func (h *history) change() {
	if h.rng.IntN(2) == 0 && len(h.workers) > 1 {
		i := h.rng.IntN(len(h.workers))
		h.workers = append(h.workers[:i:i], h.workers[i+1:]...)
		return
	}
	w := strategy.Worker{ID: fmt.Sprintf("worker-%d", h.next)}
	if h.workers[0].Capacity != 0 {
		w.Capacity = 50 + h.rng.Int64N(200)
	}
	h.workers = append(h.workers, w)
	h.next++
}

func (h *history) assign(t *testing.T, s strategy.Strategy) (previous, next []int) {
	t.Helper()
	index := map[string]int{}
	for i, w := range h.workers {
		index[w.ID] = i
	}
	previous = nobody(len(h.parts))
	for i, p := range h.parts {
		if w, ok := index[h.owner[p.ID()]]; ok {
			previous[i] = w
		}
	}
	next, err := s.Assign(h.workers, h.parts, previous)
	require.NoError(t, err)
	require.NoError(t, strategy.Check(h.workers, h.parts, next))
	for i, p := range h.parts {
		h.owner[p.ID()] = h.workers[next[i]].ID
	}
	return previous, next
}

func counts(n int, next []int) (lowest, highest int) {
	c := make([]int, n)
	for _, w := range next {
		c[w]++
	}
	lowest = len(next)
	for _, v := range c {
		lowest, highest = min(lowest, v), max(highest, v)
	}
	return lowest, highest
}

func TestRoundRobinCountsDifferByAtMostOneAndMoveTheLeast(t *testing.T) {
	for seed := range uint64(500) {
		h := newHistory(seed, false)
		for range 20 {
			previous, next := h.assign(t, strategy.NewRoundRobin())
			lowest, highest := counts(len(h.workers), next)
			require.LessOrEqual(t, highest-lowest, 1, "seed %d", seed)
			require.Equal(t, leastMoves(len(h.workers), previous), strategy.Moves(previous, next), "seed %d", seed)
			h.change()
		}
	}
}

// leastMoves counts what must move for counts that differ by at most one: what each has above its share, with the larger
// shares given to those who have the most.
func leastMoves(workers int, previous []int) int {
	has := make([]int, workers)
	for _, w := range previous {
		if w != strategy.None {
			has[w]++
		}
	}
	share, larger := len(previous)/workers, len(previous)%workers
	above := 0
	for _, n := range has {
		if n > share {
			above += n - share
			if larger > 0 {
				above--
				larger--
			}
		}
	}
	return above
}

func TestConsistentHashKeepsLoadsInTheBand(t *testing.T) {
	for seed := range uint64(500) {
		h := newHistory(seed, false)
		for range 20 {
			_, next := h.assign(t, strategy.NewConsistentHash())
			fair := float64(len(h.parts)) / float64(len(h.workers))
			lowest, highest := counts(len(h.workers), next)
			require.LessOrEqual(t, float64(highest), max(fair*1.1, math.Ceil(fair)+1), "seed %d", seed)
			require.GreaterOrEqual(t, float64(lowest), min(fair/1.1, math.Floor(fair)-1)-1e-9, "seed %d", seed)
			h.change()
		}
	}
}

func TestConsistentHashMovesNothingWithoutNeed(t *testing.T) {
	for seed := range uint64(300) {
		h := newHistory(seed, seed%2 == 0)
		for range 10 {
			h.assign(t, strategy.NewConsistentHash())
			previous, next := h.assign(t, strategy.NewConsistentHash())
			require.Zero(t, strategy.Moves(previous, next), "seed %d", seed)
			h.change()
		}
	}
}

func TestALossMovesOnlyWhatIsLostAndAJoinAboutAShare(t *testing.T) {
	s := strategy.NewConsistentHash()
	parts := partitions(1000)
	ten := workers(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	first, err := s.Assign(ten, parts, nobody(1000))
	require.NoError(t, err)
	previous, lost := nobody(1000), 0
	for i, w := range first {
		if w < 9 {
			previous[i] = w
		} else {
			lost++
		}
	}
	next, err := s.Assign(ten[:9], parts, previous)
	require.NoError(t, err)
	require.LessOrEqual(t, strategy.Moves(previous, next), 5, "besides the %d of the lost worker", lost)
	back, err := s.Assign(ten, parts, next)
	require.NoError(t, err)
	moved := strategy.Moves(next, back)
	require.LessOrEqual(t, moved, 110)
	returned := 0
	for i := range back {
		if back[i] == 9 && first[i] == 9 {
			returned++
		}
	}
	require.GreaterOrEqual(t, returned, moved*9/10, "who comes back gets what the ring names it for")
}

func TestWeightsAndCapacitiesAreRespected(t *testing.T) {
	for seed := range uint64(300) {
		h := newHistory(seed, true)
		for range 10 {
			_, next := h.assign(t, strategy.NewConsistentHash())
			var total, room, heaviest int64
			loads := make([]int64, len(h.workers))
			for i, p := range h.parts {
				total += p.Load()
				heaviest = max(heaviest, p.Load())
				loads[next[i]] += p.Load()
			}
			for _, w := range h.workers {
				room += w.Room()
			}
			for i, w := range h.workers {
				fair := float64(total) * float64(w.Room()) / float64(room)
				require.LessOrEqual(t, float64(loads[i]), max(fair*1.1, fair+float64(heaviest))+1, "seed %d", seed)
			}
			h.change()
		}
	}
}

func TestTheOrderOfTheInputDoesNotMatter(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.NewConsistentHash(), strategy.NewRoundRobin()} {
		for seed := range uint64(100) {
			h := newHistory(seed, false)
			h.assign(t, s)
			h.change()
			shuffled := &history{rng: h.rng, owner: map[string]string{}}
			for k, v := range h.owner {
				shuffled.owner[k] = v
			}
			for _, i := range h.rng.Perm(len(h.workers)) {
				shuffled.workers = append(shuffled.workers, h.workers[i])
			}
			for _, i := range h.rng.Perm(len(h.parts)) {
				shuffled.parts = append(shuffled.parts, h.parts[i])
			}
			h.assign(t, s)
			shuffled.assign(t, s)
			require.Equal(t, h.owner, shuffled.owner, "%T seed %d", s, seed)
		}
	}
}

func TestBadInputIsNamed(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.NewConsistentHash(), strategy.NewRoundRobin()} {
		for name, c := range map[string]struct {
			workers    []strategy.Worker
			partitions []strategy.Partition
			previous   []int
			want       error
		}{
			"no workers":       {nil, partitions(1), nobody(1), strategy.ErrNoWorkers},
			"duplicate worker": {workers(1, 1), partitions(1), nobody(1), strategy.ErrDuplicateWorker},
			"capacity":         {[]strategy.Worker{{ID: "a", Capacity: -1}}, partitions(1), nobody(1), strategy.ErrInvalidCapacity},
			"short previous":   {workers(1), partitions(2), nobody(1), strategy.ErrInvalidPrevious},
			"unknown previous": {workers(1), partitions(1), []int{1}, strategy.ErrInvalidPrevious},
			"no keys":          {workers(1), []strategy.Partition{{}}, nobody(1), strategy.ErrNoKeys},
			"dot":              {workers(1), []strategy.Partition{{Keys: []string{"a.b"}}}, nobody(1), strategy.ErrInvalidKey},
			"weight":           {workers(1), []strategy.Partition{{Keys: []string{"a"}, Weight: -5}}, nobody(1), strategy.ErrInvalidWeight},
			"duplicate":        {workers(1), append(partitions(1), partitions(1)...), nobody(2), strategy.ErrDuplicateID},
		} {
			_, err := s.Assign(c.workers, c.partitions, c.previous)
			require.ErrorIs(t, err, c.want, "%T %s", s, name)
			require.ErrorContains(t, err, "allowed")
		}
	}
	_, err := strategy.NewConsistentHash(strategy.WithVirtualNodes(0)).Assign(workers(1), partitions(1), nobody(1))
	require.ErrorIs(t, err, strategy.ErrInvalidOption)
	_, err = strategy.NewConsistentHash(strategy.WithLoadBound(1)).Assign(workers(1), partitions(1), nobody(1))
	require.ErrorIs(t, err, strategy.ErrInvalidOption)
	require.ErrorIs(t, strategy.Check(workers(1), partitions(2), []int{0}), strategy.ErrPartitionMissing)
	require.ErrorIs(t, strategy.Check(workers(1), partitions(1), []int{strategy.None}), strategy.ErrPartitionMissing)
	require.ErrorIs(t, strategy.Check(workers(1), partitions(1), []int{7}), strategy.ErrInvalidOwner)
}

func TestOtherVirtualNodesGiveAnotherRing(t *testing.T) {
	a, err := strategy.NewConsistentHash().Assign(workers(1, 2, 3), partitions(300), nobody(300))
	require.NoError(t, err)
	b, err := strategy.NewConsistentHash(strategy.WithVirtualNodes(3), strategy.WithLoadBound(100)).Assign(workers(1, 2, 3), partitions(300), nobody(300))
	require.NoError(t, err)
	require.NotEqual(t, a, b)
	require.Greater(t, strategy.Imbalance(workers(1, 2, 3), partitions(300), b), strategy.Imbalance(workers(1, 2, 3), partitions(300), a))
}

func ExampleConsistentHash() {
	parts := []strategy.Partition{{Keys: []string{"orders", "eu"}}, {Keys: []string{"orders", "us"}}, {Keys: []string{"orders", "asia"}}}
	next, err := strategy.NewConsistentHash().Assign(
		[]strategy.Worker{{ID: "worker-0"}, {ID: "worker-1"}}, parts, []int{0, strategy.None, 1})
	fmt.Println(next[0], next[2], err)
	// Output: 0 1 <nil>
}
