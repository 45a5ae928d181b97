// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

func TestTheExampleRuns(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(&out))
	require.Contains(t, out.String(), "a tenant is with 1.00 workers on average")
	require.Contains(t, out.String(), strategy.ErrPartitionMissing.Error())
}

func TestATenantIsWithOneWorkerAndAskedAgainNothingMoves(t *testing.T) {
	last := whatif.History{history()[0]}
	w, p := last[0].Workers, last[0].Partitions
	next := make([]int, len(p))
	for i := range next {
		next[i] = strategy.None
	}
	next, err := Tenants{}.Assign(w, p, next)
	require.NoError(t, err)
	require.NoError(t, strategy.Check(w, p, next))
	again, err := Tenants{}.Assign(w, p, next)
	require.NoError(t, err)
	require.Zero(t, strategy.Moves(next, again))
}

func TestTheOrderOfTheInputDoesNotMatter(t *testing.T) {
	step := history()[0]
	rng := rand.New(rand.NewPCG(1, 1))
	previous := make([]int, len(step.Partitions))
	for i := range previous {
		previous[i] = strategy.None
	}
	next, err := Tenants{}.Assign(step.Workers, step.Partitions, previous)
	require.NoError(t, err)
	order := rng.Perm(len(step.Partitions))
	shuffled := make([]strategy.Partition, len(order))
	for i, at := range order {
		shuffled[i] = step.Partitions[at]
	}
	other, err := Tenants{}.Assign(step.Workers, shuffled, previous)
	require.NoError(t, err)
	for i, at := range order {
		require.Equal(t, next[at], other[i])
	}
}
