// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
)

var trips = []time.Duration{time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond}

// undamped is the default configuration without FlapBackoff: here the same workers fail again and again.
func undamped() parti.Config {
	c := parti.DefaultConfig()
	c.FlapBackoff = 0
	return c
}

func TestSweepHeartbeat(t *testing.T) {
	table(t, "`HeartbeatInterval`", "`HeartbeatTTL`", "round trip", "crash: owned again after (median, most)", "writes per worker and second",
		"kB per worker and second", "store away: longest without giving up", "network silent: longest without giving up",
		"10 s without the store: gave up / moved")
	for _, v := range []struct {
		interval time.Duration
		ttl      time.Duration
	}{
		{500 * time.Millisecond, 2 * time.Second},
		{time.Second, 3 * time.Second},
		{time.Second, 6 * time.Second},
		{2 * time.Second, 6 * time.Second},
		{3 * time.Second, 20 * time.Second},
		{5 * time.Second, 30 * time.Second},
	} {
		for _, rtt := range trips {
			c := undamped()
			c.HeartbeatInterval, c.HeartbeatTTL, c.WorkerIDTTL = v.interval, v.ttl, 2*time.Minute // not the claim's
			within(t, c, rtt, func(g *group) {
				g.begin()
				writes, _, kilobytes := g.traffic()
				took := g.crash(g.follower)
				row(v.interval, v.ttl, rtt, brief((took[1]+took[2])/2)+", "+brief(took[3]), writes, kilobytes,
					g.survives(storeAway), g.survives(silence), g.costs(storeAway, 10*time.Second))
			})
		}
	}
}

func TestSweepLeader(t *testing.T) {
	table(t, "`LeaderTTL`", "round trip", "crash of the leader: next leader after (most)", "its partitions owned again after (most)",
		"writes per worker and second", "messages to a worker per second", "new leaders after 1, 2, 5, 10 s without the store")
	for _, ttl := range []time.Duration{1, 2, 3, 6, 12} {
		for _, rtt := range []time.Duration{time.Millisecond, 100 * time.Millisecond} {
			c := undamped()
			c.LeaderTTL, c.HeartbeatTTL = ttl*time.Second, 20*time.Second // so that only the lead is lost
			within(t, c, rtt, func(g *group) {
				g.begin()
				writes, received, _ := g.traffic()
				terms := ""
				for _, lasts := range []time.Duration{1, 2, 5, 10} {
					before := len(g.Checker.Terms())
					g.costs(storeAway, lasts*time.Second)
					terms += fmt.Sprintf("%.2g, ", float64(len(g.Checker.Terms())-before)/2)
				}
				next, owned := g.crashLeader()
				row(ttl*time.Second, rtt, next, owned, writes, received, terms[:len(terms)-2])
			})
		}
	}
}

// crashLeader crashes four leaders and returns how long it took at most until there was another term, and until everything
// had an owner.
func (g *group) crashLeader() (next, owned time.Duration) {
	for phase := range phases {
		g.beat(g.Leader(), float64(phase)/phases)
		began, terms := time.Now(), len(g.Checker.Terms())
		g.Leader().Crash()
		g.until("the next term", func() bool { return len(g.Checker.Terms()) > terms })
		next = max(next, time.Since(began))
		g.until("everything owned", g.owned)
		owned = max(owned, time.Since(began))
		g.start(1)
		g.until("the next one has its share", g.shared)
		g.rest()
	}
	return next, owned
}

func TestSweepWorkerID(t *testing.T) {
	table(t, "`WorkerIDTTL`", "renewals of claims per worker and minute", "crash: the ID is free after", "store away: longest without giving up")
	for _, ttl := range []time.Duration{5, 10, 30, 60, 90} {
		c := undamped()
		c.WorkerIDTTL, c.HeartbeatInterval, c.HeartbeatTTL = ttl*time.Second, 5*time.Second, time.Minute // so that only the claim is lost
		c.WorkerIDMax = workers - 1
		within(t, c, time.Millisecond, func(g *group) {
			g.begin()
			claims := func() (n int) {
				for _, p := range g.Live() {
					n += p.Sent(func(subject string) bool { return subject == "$KV."+c.KVBuckets.StableID+"."+p.Manager.WorkerID() })
				}
				return n
			}
			before := claims()
			<-time.After(10 * minute)
			renewals := float64(claims()-before) / workers / 10
			survives := g.survives(storeAway)
			g.follower().Crash()
			next := g.start(1, fleet.Config(func(c *parti.Config) { c.Standby = true }))[0]
			took := g.until("the ID of the dead worker is taken", func() bool { return next.Manager.WorkerID() != "" })
			row(ttl*time.Second, renewals, took, survives)
		})
	}
}
