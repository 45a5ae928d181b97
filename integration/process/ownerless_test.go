// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
)

// TestOwnerlessTime measures for how long partitions are without an owner: from when the hook of the old one has
// returned, or it was killed, until the hook of the new one is called.
func TestOwnerlessTime(t *testing.T) {
	t.Parallel()
	server := startServer(t, "")
	config := parti.DefaultConfig()
	g := newGroup(t, server.url(), config, 200)
	g.start(10)
	g.settle(config.StartupTimeout)
	g.gaps.take()

	table := ownerlessTable{t: t}
	rest := config.PlannedScaleWindow + config.RebalanceCooldown + config.HeartbeatTTL + 20*time.Second
	moves := func() int { return g.checker.Moves() }

	before := moves()
	g.start(2)
	g.settle(rest)
	table.add("scale-out", "10 to 12 workers, planned", g, before)

	before = moves()
	for range 2 {
		require.NoError(t, g.follower().stop())
		g.settle(rest)
	}
	table.add("scale-in", "clean stop, twice; waits for the window", g, before)

	before = moves()
	for _, w := range g.live() {
		id := w.lastID()
		require.NoError(t, w.stop())
		g.start(1, id)
		g.settle(rest)
	}
	assert.Equal(t, before, moves(), "a rolling restart in which every worker comes back under its ID moves nothing")
	table.add("rolling restart", "10 workers, one after the other", g, before)

	before = moves()
	for range 2 {
		g.follower().crash()
		g.settle(rest)
	}
	table.add("crash", "two workers, one after the other", g, before)

	before = moves()
	leader := g.leader()
	require.NotNil(t, leader)
	leader.crash()
	g.settle(rest)
	table.add("leader's crash", "one worker", g, before)

	table.successors(server.url())
	t.Logf("10 workers, 200 partitions, one server over TCP, DefaultConfig: HeartbeatTTL %s, LeaderTTL %s, PlannedScaleWindow %s, RebalanceCooldown %s\n%s",
		config.HeartbeatTTL, config.LeaderTTL, config.PlannedScaleWindow, config.RebalanceCooldown, table.text.String())
}

// ownerlessTable collects a line for each kind of change.
type ownerlessTable struct {
	t    *testing.T
	text strings.Builder
}

// successors replaces workers of a group whose IDs are all taken by ones that wait for an ID.
func (o *ownerlessTable) successors(url string) {
	config := parti.DefaultConfig()
	config.KVBuckets = parti.KVBuckets{StableID: "full-stableid", Election: "full-election", Heartbeat: "full-heartbeat", Assignment: "full-assignment"}
	config.ApplyDefaults()
	config.WorkerIDMax, config.Standby = 9, true
	config.ExpectedWorkers = 10 // so that the cold start need not take the whole of its window
	g := newGroup(o.t, url, config, 200)
	g.start(10)
	g.settle(config.StartupTimeout)
	g.gaps.take()
	before := g.checker.Moves()
	for range 3 {
		old, next := g.follower(), g.start(1)[0]
		eventually(o.t, 10*time.Second, "the successor waits for an ID", func() bool { return next.manager.State() == parti.StateClaimingID })
		require.NoError(o.t, old.stop())
		g.settle(config.HeartbeatTTL)
	}
	assert.Equal(o.t, before, g.checker.Moves(), "a successor that takes the ID moves nothing")
	o.add("successor", "clean stop, another one waits for the ID, 3 times", g, before)
}

// add takes what was measured since it was called last.
func (o *ownerlessTable) add(kind, how string, g *group, movesBefore int) {
	o.t.Helper()
	times, twice := g.gaps.take()
	require.NotEmpty(o.t, times, kind)
	assert.Zero(o.t, twice, "%s: partitions with two owners", kind)
	slices.Sort(times)
	at := func(part int) time.Duration {
		return times[min(len(times)-1, len(times)*part/100)].Round(100 * time.Microsecond)
	}
	if o.text.Len() == 0 {
		fmt.Fprintf(&o.text, "%-16s %6s %6s %10s %10s %10s %6s  %s\n", "kind", "times", "moves", "p50", "p99", "max", "twice", "how")
	}
	fmt.Fprintf(&o.text, "%-16s %6d %6d %10s %10s %10s %6d  %s\n", kind, len(times), g.checker.Moves()-movesBefore,
		at(50), at(99), at(100), twice, how)
}
