// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
)

func TestTenKillsOfTheStoresLeaderMoveNothing(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	config := parti.ClusteredConfig()
	config.ExpectedWorkers = 20 // so that the cold start need not take the whole of its window
	g := newGroup(t, c.url(), config, 200)
	all := streams(config.KVBuckets)
	g.start(20)
	g.settle(config.StartupTimeout)
	c.awaitReplicas(all...)
	before := g.calm()
	for i := range 10 {
		stream := all[i%len(all)]
		n := c.leader(stream)
		require.NotNil(t, n, stream)
		led := 0
		for _, s := range all {
			if c.leader(s) == n {
				led++
			}
		}
		g.checker.Note("kill %s, which leads %s", n.name, stream)
		killed := time.Now()
		n.kill()
		failover := eventually(t, settleIn, "another server leads "+stream, func() bool {
			now := c.leader(stream)
			return now != nil && now != n
		})
		n.start()
		c.awaitReplicas(all...)
		g.answered() // the next kill is a fault of its own: no lease outlasts two failovers without a write between them
		t.Logf("kill %d: %s led %s (%d of 4), another one after %s, all copies after %s; so far %+v, %d heartbeats expired", i+1, n.name,
			stream, led, failover.Round(time.Millisecond), time.Since(killed).Round(time.Millisecond), g.calm(), g.reader.expired())
	}
	g.settle(settleIn)
	assert.Equal(t, before, g.calm(), "nothing moves, no hook is called, nobody is judged dead")
	assert.Zero(t, g.reader.expired(), "heartbeats that expired")
	c.everyServerIsKilledAtOnce(g)
}
