// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
)

// What a worker leaves behind is enough for the one that takes its place. Once no more is left to give away than the
// newcomer lacks, it gets all of that, or others would have to give up something for it.
func TestWhatAWeighedWorkerLeavesIsEnoughForItsReplacement(t *testing.T) {
	for name, s := range map[string]strategy.Strategy{"hash": strategy.NewConsistentHash(), "sticky": strategy.NewSticky()} {
		p := partitions(1000)
		for i := range p {
			p[i].Weight = 100 + int64(i%3)
		}
		before, err := s.Assign(workers(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), p, nobody(1000))
		require.NoError(t, err)
		previous := make([]int, 1000)
		for i, w := range before {
			if previous[i] = w; w == 9 {
				previous[i] = strategy.None
			}
		}
		after := workers(0, 1, 2, 3, 4, 5, 6, 7, 8, 10)
		next, err := s.Assign(after, p, previous)
		require.NoError(t, err)
		require.Zero(t, strategy.Moves(previous, next), name)
		lowest, highest := counts(len(after), next)
		require.Less(t, float64(highest), 1.1*float64(lowest)*1.1, name)
	}
}
