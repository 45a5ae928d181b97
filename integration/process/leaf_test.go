// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/freeport"
)

// startBehindALeaf starts a hub, which has the store, and a leaf node of it, to which the workers connect.
func startBehindALeaf(t *testing.T) (hub, leaf *node) {
	t.Helper()
	port := freeport.Take(t)
	hub = newNode(t, "hub", "domain: hub", fmt.Sprintf("leafnodes { listen: \"127.0.0.1:%d\" }\n", port))
	leaf = newNode(t, "leaf", "domain: leaf", fmt.Sprintf(
		"leafnodes { reconnect: \"200ms\", remotes: [ { url: \"nats-leaf://127.0.0.1:%d\" } ] }\n", port))
	hub.start()
	leaf.start()
	eventually(t, 10*time.Second, "both servers answer", func() bool { return hub.answers() && leaf.answers() })
	js, err := jetstream.NewWithDomain(connect(t, "probe", leaf.url()).Conn(), "hub")
	require.NoError(t, err)
	eventually(t, 20*time.Second, "the hub's store answers behind the leaf node", func() bool { // before, a start would end
		_, err := js.AccountInfo(within(t, time.Second))
		return err == nil
	})
	return hub, leaf
}

// TestAHubThatIsAwayBehindALeafNodeEndsNoWorker: to the workers the connection is fine. The leaf node says that there is no
// JetStream, which would end a start.
func TestAHubThatIsAwayBehindALeafNodeEndsNoWorker(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{parti.OnStoreLossFence, parti.OnStoreLossKeepServing} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			hub, leaf := startBehindALeaf(t)
			config := parti.Config{
				HeartbeatInterval: 500 * time.Millisecond, HeartbeatTTL: 4 * time.Second, LeaderTTL: 3 * time.Second,
				WorkerIDTTL: 6 * time.Second, ColdStartWindow: 8 * time.Second, PlannedScaleWindow: 2 * time.Second,
				RebalanceCooldown: time.Second, OperationTimeout: 3 * time.Second, OnStoreLoss: mode,
			}
			config.ApplyDefaults()
			g := newGroup(t, hub.url(), config, 30)
			g.url, g.domain = leaf.url(), "hub"
			workers := g.start(3)
			g.settle(g.config.StartupTimeout)

			g.checker.Note("the hub is stopped")
			hub.stop()
			<-time.After(3 * config.WorkerIDTTL) // as long as the fault lasts: longer than any trust
			for _, w := range workers {
				require.True(t, w.manager.Degraded(), "%s has noticed", w.name)
				if mode == parti.OnStoreLossFence {
					require.Empty(t, g.checker.Running(w.name))
				} else {
					require.NotEmpty(t, g.checker.Running(w.name))
				}
			}
			hub.start()
			began := time.Now()
			g.settle(settleIn)
			for _, w := range workers {
				select {
				case <-w.manager.Done():
					t.Errorf("%s has ended: %v", w.name, w.manager.Err())
				default:
				}
			}
			assert.Len(t, g.live(), 3)
			t.Logf("%s: hub away for %s, settled %s after its start", mode, 3*config.WorkerIDTTL, time.Since(began).Round(time.Millisecond))
		})
	}
}

// TestBucketsAreScaledToThreeReplicasUnderRunningWorkers: an operator starts with one copy and adds two. Nobody notices, and
// from then on the failure of a server is survived.
func TestBucketsAreScaledToThreeReplicasUnderRunningWorkers(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	config := shortLeases()
	config.HeartbeatTTL, config.LeaderTTL, config.WorkerIDTTL = 20*time.Second, 12*time.Second, 60*time.Second
	config.KVBuckets.Replicas = 1
	g := newGroup(t, c.url(), config, 30)
	workers := g.start(3)
	g.settle(config.StartupTimeout)
	all, before := streams(config.KVBuckets), g.calm()

	began := time.Now()
	for _, stream := range all {
		s, err := c.js.Stream(within(t, 5*time.Second), stream)
		require.NoError(t, err)
		is := s.CachedInfo().Config
		require.Equal(t, 1, is.Replicas)
		is.Replicas = 3
		_, err = c.js.UpdateStream(within(t, 10*time.Second), is)
		require.NoError(t, err)
	}
	c.awaitReplicas(all...)
	t.Logf("three copies of every bucket after %s", time.Since(began).Round(time.Millisecond))
	g.settle(settleIn)
	assert.Equal(t, before, g.calm(), "nobody has noticed")

	n := c.leader("KV_" + config.KVBuckets.Assignment)
	require.NotNil(t, n)
	g.checker.Note("kill %s, which had the only copy", n.name)
	n.kill()
	g.settle(settleIn)
	config.KVBuckets.Replicas = 3 // what the next deploy asks for
	g.config = config
	g.start(1)
	g.settle(settleIn)
	for _, w := range workers {
		select {
		case <-w.manager.Done():
			t.Errorf("%s has ended: %v", w.name, w.manager.Err())
		default:
		}
	}
}
