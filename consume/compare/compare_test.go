// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/consume/compare/process"
)

func TestMain(m *testing.M) {
	process.Play(roles())
	m.Run()
}

func TestPartiLosesNothingAndKeepsTheOrder(t *testing.T) {
	set := settings{partitions: 16, rate: 10, length: 5 * time.Second, config: parti.DefaultConfig()}
	c := &set.config
	c.ExpectedWorkers = 2
	c.HeartbeatInterval, c.HeartbeatTTL = 500*time.Millisecond, 2*time.Second
	c.PlannedScaleWindow, c.RebalanceCooldown = time.Second, time.Second
	require.NoError(t, set.validate())
	ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
	defer cancel()
	res, err := play(ctx, withParti(), set)
	require.NoError(t, err)
	require.Len(t, res.rows, 4)
	assert.Zero(t, res.lost, "lost")
	for _, row := range res.rows {
		t.Logf("%+v", row)
		assert.Zero(t, row.unordered, "out of order: %s", row.name)
		assert.Positive(t, row.handled, row.name)
	}
}

func TestTheSinkCounts(t *testing.T) {
	s, now := newSink(2), time.Now()
	s.keys[0].last, s.keys[1].last = now, now
	for i, n := range []int{1, 2, 4, 3, 2, 6} {
		s.note(0, n, now.Add(time.Duration(i)*time.Second))
	}
	assert.Equal(t, 2, s.missing([]int{6, 1}), "5 of the first partition, 1 of the second")
	assert.Equal(t, counts{handled: 5, repeated: 1, unordered: 1, longest: 7 * time.Second}, s.next(now.Add(7*time.Second)))
	assert.Equal(t, counts{longest: 8 * time.Second}, s.next(now.Add(8*time.Second)), "a new part, in which nothing came")
}
