// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	os.Exit(m.Run())
}

// shortWindows keeps the run short. Its heartbeats are frequent, so that a leader which looks at everything with each of
// them cannot keep up.
const shortWindows = `
heartbeatInterval: 200ms
heartbeatTTL: 4s
leaderTTL: 2s
coldStartWindow: 5s
plannedScaleWindow: 1s
rebalanceCooldown: 1s
startupTimeout: 50s
`

// The ratios leave room for a busy machine. A leader that looks at all partitions with each heartbeat of its first plan
// needs several times as much of both.
const (
	mostReowned = 1.75
	mostCPU     = 2.0
)

func TestACrashOfTheLeaderCostsAboutAsMuchAsOneOfAFollower(t *testing.T) {
	config, err := parti.LoadConfig(strings.NewReader(shortWindows))
	require.NoError(t, err)
	set := settings{
		workers: 50, partitions: 20_000, procs: 5, idle: 2 * time.Second, watch: 8 * time.Second, timeout: time.Minute, config: config,
	}
	require.NoError(t, set.validate())
	r, err := run(t.Context(), set)
	require.NoError(t, err)
	t.Log(r.markdown())
	follower, leader := r.step(stepFollower), r.step(stepLeader)
	assert.Equal(t, set.partitions, r.step(stepTenth).Observed, "partitions with a live owner at the end, as an observer sees it")
	assert.Less(t, leader.Reowned/follower.Reowned, mostReowned, "re-owned after: the leader's crash beside the follower's")
	assert.Less(t, leader.FleetCPU/follower.FleetCPU, mostCPU, "CPU of all workers: the leader's crash beside the follower's")
}
