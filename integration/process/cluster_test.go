// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
)

// shortLeases has leases that a failover of the store may outlast, so that workers are fenced too, and short windows. A
// worker that comes back tries to claim its ID every five seconds at least, and each of its requests may go unanswered for
// OperationTimeout while the servers find their leaders: so long has the window to be in which nobody's partitions are
// given away.
func shortLeases() parti.Config {
	c := parti.ClusteredConfig()
	c.HeartbeatInterval, c.HeartbeatTTL, c.LeaderTTL, c.WorkerIDTTL = 2*time.Second, 10*time.Second, 10*time.Second, 10*time.Second
	c.ColdStartWindow, c.PlannedScaleWindow, c.RebalanceCooldown = 20*time.Second, 2*time.Second, time.Second
	c.OperationTimeout = 3 * time.Second
	return c
}

// settleIn bounds the way to rest after a fault of a replicated store: the store's failover, the leases, the windows, and
// as much again for a busy machine.
const settleIn = time.Minute

func TestAFleetOutlivesItsStoresServers(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	g := newGroup(t, c.url(), shortLeases(), 60)
	all := streams(g.config.KVBuckets)

	began := time.Now()
	g.start(6)
	g.settle(g.config.StartupTimeout)
	t.Logf("cold start: %s", time.Since(began).Round(time.Millisecond))
	c.awaitReplicas(all...)

	c.leaderIsKilledDuringARebalance(g)
	c.followerGoesAndComesBack(g)
	c.leadersMoveUnderLoad(g)
	c.everyServerIsKilledAtOnce(g)
	c.everyServerIsStopped(g)
}

func (c *cluster) leaderIsKilledDuringARebalance(g *group) {
	t := c.t
	g.gaps.take()
	g.slow = 300 * time.Millisecond
	defer func() { g.slow = 0 }()
	g.start(3)
	select {
	case <-g.revoked:
	case <-time.After(30 * time.Second):
		t.Fatal("no rebalance has begun")
	}
	n := c.leader("KV_" + g.config.KVBuckets.Assignment)
	require.NotNil(t, n)
	g.checker.Note("kill %s, which leads the assignments", n.name)
	n.kill()
	took := g.settle(settleIn)
	times, twice := g.gaps.take()
	assert.Zero(t, twice, "partitions with two owners")
	require.NotEmpty(t, times, "nothing has moved")
	t.Logf("leader of the assignments killed during a rebalance: settled after %s, %d sessions fenced, %d partitions without an owner for at most %s",
		took.Round(time.Millisecond), g.calm().fenced, len(times), slices.Max(times).Round(time.Millisecond))
	n.start()
	c.awaitReplicas(streams(g.config.KVBuckets)...)
	g.settle(settleIn)
}

func (c *cluster) followerGoesAndComesBack(g *group) {
	t := c.t
	all := streams(g.config.KVBuckets)
	for i, stream := range all {
		c.stepDown(stream, c.nodes[1+i%2])
	}
	g.settle(settleIn)
	before := g.calm()
	g.checker.Note("kill %s, which leads nothing", c.nodes[0].name)
	c.nodes[0].kill()
	<-time.After(g.config.HeartbeatTTL) // as long as the fault lasts
	c.nodes[0].start()
	back := c.awaitReplicas(all...)
	g.settle(settleIn)
	assert.Equal(t, before, g.calm(), "a follower went and came back")
	t.Logf("a follower away for %s, its copies up to date %s after its start", g.config.HeartbeatTTL, back.Round(time.Millisecond))
}

func (c *cluster) leadersMoveUnderLoad(g *group) {
	t := c.t
	before := g.calm()
	stop := c.load()
	began, rounds := time.Now(), 3
	for range rounds {
		for _, stream := range streams(g.config.KVBuckets) {
			c.stepDown(stream, nil)
		}
	}
	g.settle(settleIn)
	written := stop()
	assert.Equal(t, before, g.calm(), "leaders of streams stepped down")
	t.Logf("%d step-downs in %s beside %d other writes", rounds*4, time.Since(began).Round(time.Millisecond), written)
}

// load writes to another stream of the cluster as fast as it goes, until it is stopped; then it says how often it did.
func (c *cluster) load() (stop func() int) {
	js := connect(c.t, "load", c.url())
	ended, written := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { written <- n }()
		for {
			select {
			case <-ended:
				return
			default:
			}
			if _, err := js.Publish(context.Background(), "ready", make([]byte, 1024)); err == nil {
				n++
			}
		}
	}()
	return func() int {
		close(ended)
		return <-written
	}
}

func (c *cluster) everyServerIsKilledAtOnce(g *group) {
	t := c.t
	before := g.calm()
	term, version := g.progress()
	g.checker.Note("every server is killed and started at once")
	for _, n := range c.nodes {
		n.kill()
	}
	for _, n := range c.nodes {
		n.start()
	}
	began := time.Now()
	eventually(t, settleIn, "heartbeats are stored again", func() bool { return c.leader("KV_"+g.config.KVBuckets.Heartbeat) != nil })
	g.answered()
	c.awaitReplicas(streams(g.config.KVBuckets)...)
	g.settle(g.config.StartupTimeout)
	after := g.calm()
	if after.fenced == before.fenced {
		assert.Equal(t, before.moves, after.moves, "every server was killed and started before a lease ran out: nothing moves")
	}
	nextTerm, nextVersion := g.progress()
	assert.GreaterOrEqual(t, nextTerm, term)
	assert.GreaterOrEqual(t, nextVersion, version)
	t.Logf("every server killed and started at once: settled %s after their start, %d sessions fenced, %d partitions moved",
		time.Since(began).Round(time.Millisecond), after.fenced-before.fenced, after.moves-before.moves)
}

func (c *cluster) everyServerIsStopped(g *group) {
	t := c.t
	all := streams(g.config.KVBuckets)
	before, names := g.calm(), g.names()
	term, version := g.progress()
	for _, n := range c.nodes {
		n.stop()
	}
	g.checker.Note("every server is stopped")
	eventually(t, settleIn, "every worker has given up", func() bool {
		for _, w := range g.live() {
			if len(g.checker.Running(w.name)) > 0 {
				return false
			}
		}
		return true
	})
	for _, n := range c.nodes {
		n.start()
	}
	began := time.Now()
	g.settle(g.config.StartupTimeout)
	t.Logf("every server stopped for longer than the leases: settled %s after their start", time.Since(began).Round(time.Millisecond))
	c.awaitReplicas(all...)
	if after := g.names(); maps.Equal(names, after) {
		assert.Equal(t, before.moves, g.checker.Moves(), "every server was stopped and started, everybody is back under its ID: nothing moves")
	} else {
		t.Logf("not everybody is back under its ID: before %v, after %v; %d partitions moved", names, after, g.checker.Moves()-before.moves)
	}
	eventually(t, 10*time.Second, "a higher term and version are stored", func() bool {
		nextTerm, nextVersion := g.progress()
		return nextTerm > term && nextVersion > version
	})
}
