// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
)

func zoned(zones ...int) (w []strategy.Worker) {
	for zone, n := range zones {
		for i := range n {
			w = append(w, strategy.Worker{ID: fmt.Sprintf("%c-%d", 'a'+zone, i), Labels: map[string]string{"zone": string(rune('a' + zone))}})
		}
	}
	return w
}

func TestZonesGetTheirShareAndDivideItEvenly(t *testing.T) {
	s := strategy.NewZoned(strategy.NewSticky(), "zone")
	w, p := zoned(6, 3, 1), partitions(1000)
	next, err := s.Assign(w, p, nobody(1000))
	require.NoError(t, err)
	zones := map[string]int{}
	for _, o := range next {
		zones[w[o].Labels["zone"]]++
	}
	require.Equal(t, map[string]int{"a": 600, "b": 300, "c": 100}, zones)
	lowest, highest := counts(len(w), next)
	require.Equal(t, 100, lowest)
	require.Equal(t, 100, highest)
}

func TestWhatALostWorkerLeavesStaysInItsZoneAsFarAsTheShareAllows(t *testing.T) {
	s := strategy.NewZoned(strategy.NewSticky(), "zone")
	w, p := zoned(5, 5), partitions(1000)
	previous, err := s.Assign(w, p, nobody(1000))
	require.NoError(t, err)
	for i, o := range previous {
		if o == 9 {
			previous[i] = strategy.None
		}
	}
	next, err := s.Assign(w[:9], p, previous)
	require.NoError(t, err)
	require.LessOrEqual(t, strategy.Moves(previous, next), 1, "zone a takes 55 or 56 of the 100 orphans, nothing else moves")
}

func TestAPinWinsWhileItsWorkerIsThere(t *testing.T) {
	for name, inner := range map[string]strategy.Strategy{
		"hash": strategy.NewConsistentHash(), "sticky": strategy.NewSticky(), "rendezvous": strategy.NewRendezvous(), "roundrobin": strategy.NewRoundRobin(),
	} {
		pins := map[string]string{"topic.7": "worker-3", "topic.8": "worker-3", "nothing": "worker-1", "topic.9": "nobody"}
		s := strategy.NewPinned(inner, pins)
		pins["topic.7"] = "worker-1" // the strategy has a copy
		w, p := workers(1, 2, 3), partitions(300)
		next, err := s.Assign(w, p, nobody(300))
		require.NoError(t, err)
		require.Equal(t, 2, next[7], name)
		require.Equal(t, 2, next[8], name)
		next, err = s.Assign(w[:2], p, nobody(300))
		require.NoError(t, err, "%s: without its worker a pin is as if it were not there", name)
		require.Less(t, next[7], 2)
		w[2].Cordoned = true
		next, err = s.Assign(w, p, nobody(300))
		require.NoError(t, err)
		require.NotEqual(t, 2, next[7], "%s: a cordoned worker gets nothing new", name)
		previous := nobody(300)
		previous[7] = 2
		next, err = s.Assign(w, p, previous)
		require.NoError(t, err)
		require.Equal(t, 2, next[7], "%s: and keeps what it has", name)
	}
}

func TestWhatIsPinnedCountsAsLoad(t *testing.T) {
	pins := map[string]string{}
	for i := range 90 {
		pins[fmt.Sprintf("topic.%d", i)] = "worker-1"
	}
	for i := range 200 {
		pins[fmt.Sprintf("topic.%d", 100+i)] = "worker-2"
	}
	w, p := workers(1, 2, 3, 4), partitions(600)
	for _, inner := range []strategy.Strategy{strategy.NewSticky(), strategy.NewConsistentHash()} {
		next, err := strategy.NewPinned(inner, pins).Assign(w, p, nobody(600))
		require.NoError(t, err)
		c := make([]int, 4)
		for _, o := range next {
			c[o]++
		}
		require.Equal(t, 200, c[1], "more than its share is pinned to it: nothing else")
		for _, n := range []int{c[0], c[2], c[3]} {
			require.InDelta(t, 400.0/3, float64(n), 14, "%v", c)
		}
	}
}

// With what is pinned to it, every worker has its fair share, whatever unit its capacity is in.
func TestWhatIsPinnedCountsAsLoadWhereCapacitiesAreSmall(t *testing.T) {
	for seed := range uint64(500) {
		l := newLife(seed, false, false)
		for len(l.workers) < 3 {
			l.join()
		}
		for len(l.partitions) < 500 {
			l.add()
		}
		unit := []int64{1, 2, 7, 100, strategy.MaxWeight / 8}[seed%5]
		for i := range l.workers {
			l.workers[i].Capacity = unit * (1 + l.Int64N(8))
		}
		_, fair, _ := loads(l, make([]int, len(l.partitions)))
		pins := map[string]string{}
		at := 0
		for w := range l.IntN(len(l.workers)) {
			for range l.IntN(1 + int(fair[w]/100)) {
				pins[l.partitions[at].ID()] = l.workers[w].ID
				at++
			}
		}
		next, err := strategy.NewPinned(strategy.NewSticky(), pins).Assign(l.workers, l.partitions, nobody(len(l.partitions)))
		require.NoError(t, err)
		load, _, _ := loads(l, next)
		for w := range load {
			require.InDelta(t, fair[w], load[w], fair[w]/100+100, "seed %d, unit %d: worker %d", seed, unit, w)
		}
	}
}

// broken is somebody's strategy that forgets a partition.
type broken struct{ err error }

func (b broken) Assign(_ []strategy.Worker, p []strategy.Partition, _ []int) ([]int, error) {
	return nobody(len(p)), b.err
}

func TestAFaultyInnerStrategyIsNamed(t *testing.T) {
	boom := errors.New("boom")
	for _, wrap := range []func(strategy.Strategy) strategy.Strategy{
		func(s strategy.Strategy) strategy.Strategy { return strategy.NewZoned(s, "zone") },
		func(s strategy.Strategy) strategy.Strategy { return strategy.NewPinned(s, nil) },
	} {
		_, err := wrap(broken{}).Assign(workers(1), partitions(2), nobody(2))
		require.ErrorIs(t, err, strategy.ErrPartitionMissing)
		_, err = wrap(broken{boom}).Assign(workers(1), partitions(2), nobody(2))
		require.ErrorIs(t, err, boom)
		_, err = wrap(nil).Assign(workers(1), partitions(2), nobody(2))
		require.ErrorIs(t, err, strategy.ErrInvalidOption)
	}
}

func TestRendezvousCanBeComputedByAnybody(t *testing.T) {
	next, err := strategy.NewRendezvous().Assign(workers(1, 2, 3), partitions(3000), nobody(3000))
	require.NoError(t, err)
	lowest, highest := counts(3, next)
	require.InDelta(t, 1000, lowest, 100)
	require.InDelta(t, 1000, highest, 100)
	w := workers(1, 2, 3)
	w[0].Capacity = 400
	bigger, err := strategy.NewRendezvous().Assign(w, partitions(3000), next)
	require.NoError(t, err)
	c := make([]int, 3)
	for i, o := range bigger {
		c[o]++
		require.True(t, o == 0 || o == next[i], "more capacity for one takes nothing to another")
	}
	require.InDelta(t, 2000, c[0], 100)
}

func TestCertificatesAreLowerBounds(t *testing.T) {
	for seed := range uint64(1000) {
		l := newLife(seed, seed%2 == 0, seed%3 == 0)
		for name, s := range all() {
			previous, next := l.plan(t, s)
			c := strategy.Certify(l.workers, l.partitions, previous, next)
			require.LessOrEqual(t, c.LeastMoves, c.Moves, "%s seed %d", name, seed)
			require.LessOrEqual(t, c.LeastImbalance, c.Imbalance+1e-9, "%s seed %d", name, seed)
			require.False(t, math.IsNaN(c.Imbalance))
			l.step()
		}
	}
}
