// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package whatif_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

func workers(n int) []strategy.Worker {
	list := make([]strategy.Worker, n)
	for i := range list {
		list[i].ID = fmt.Sprintf("worker-%d", i)
	}
	return list
}

func partitions(n int) []strategy.Partition {
	list := make([]strategy.Partition, n)
	for i := range list {
		list[i].Keys = []string{"topic", fmt.Sprintf("%04d", i)}
	}
	return list
}

// broken is a strategy that fails.
type broken struct{ err error }

func (b broken) Assign([]strategy.Worker, []strategy.Partition, []int) ([]int, error) {
	return nil, b.err
}

func TestASimulationNamesTheStepThatFails(t *testing.T) {
	boom := errors.New("boom")
	_, err := whatif.Simulate(whatif.Begin("start", workers(1), partitions(1)), broken{boom})
	require.ErrorIs(t, err, boom)
	require.ErrorContains(t, err, "start")
	_, err = whatif.Simulate(whatif.Begin("start", workers(1), partitions(1)), broken{})
	require.ErrorIs(t, err, strategy.ErrPartitionMissing)
}

func TestASimulationTellsWhatAChangeCosts(t *testing.T) {
	w, p := workers(10), partitions(1000)
	h := whatif.Begin("start", w, p).Leave("crash", "worker-4").Join("return", w[4]).Leave("shrink", "worker-1", "worker-2").Reweigh("fewer", p[:500])
	r, err := whatif.Simulate(h, strategy.NewSticky())
	require.NoError(t, err)
	require.Len(t, r, 5)
	require.Equal(t, 1000, r[0].Orphans)
	require.Equal(t, 100, r[1].Orphans)
	require.Zero(t, r[1].Moves)
	require.Equal(t, 100, r[2].Moves)
	require.Equal(t, 100, r[2].Got)
	require.Equal(t, 100, r[2].Returned)
	for _, o := range r {
		require.Equal(t, o.LeastMoves, o.Moves, o.Name)
		require.InDelta(t, o.LeastImbalance, o.Imbalance, 1e-9, o.Name)
		require.Len(t, o.Loads, o.Workers)
	}
	require.Contains(t, r.String(), "crash")
	require.Contains(t, r[0].Histogram(w), "100% of fair")
	require.Contains(t, r[2].String(), "100 moves (at least 100)")
	again, err := whatif.Simulate(h, struct{ strategy.Strategy }{strategy.NewSticky()})
	require.NoError(t, err)
	require.Less(t, again[2].Returned, 100, "it was not told what was at home there")
	require.Greater(t, again[2].Returned, 67)
}
