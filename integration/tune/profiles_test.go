// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
)

type profile struct {
	name   string
	config parti.Config
}

func profiles() []profile {
	all := []profile{
		{"`FastConfig`", parti.FastConfig()},
		{"`DefaultConfig`", parti.DefaultConfig()},
		{"`ClusteredConfig`", parti.ClusteredConfig()},
		{"`WideAreaConfig`", parti.WideAreaConfig()},
	}
	for i := range all {
		all[i].config.FlapBackoff = 0 // here the same workers fail again and again
	}
	return all
}

func TestSweepProfiles(t *testing.T) {
	table(t, "profile", "round trip", "crash: owned again after (median, most)", "crash of the leader: owned again after (most)",
		"a joiner has its share after", "clean leave for good: owned again after", "writes per worker and second", "kB per worker and second")
	for _, p := range profiles() {
		for _, rtt := range trips {
			within(t, p.config, rtt, func(g *group) {
				g.begin()
				writes, _, kilobytes := g.traffic()
				took := g.crash(g.follower)
				_, leader := g.crashLeader()
				began := time.Now()
				g.start(1)
				g.until("the joiner has its share", g.shared)
				joined := time.Since(began)
				g.rest()
				g.stop(g.follower())
				row(p.name, rtt, brief((took[1]+took[2])/2)+", "+brief(took[3]), leader, joined, g.until("everything owned", g.owned), writes, kilobytes)
			})
		}
	}
}

func TestSweepOutages(t *testing.T) {
	table(t, "profile", "round trip", "what is away", "1 s: gave up / moved", "2 s", "4 s", "6 s", "8 s", "10 s", "longest without giving up")
	for _, p := range profiles() {
		for _, rtt := range trips {
			within(t, p.config, rtt, func(g *group) {
				g.begin()
				for _, o := range []struct {
					name    string
					happens outage
				}{{"the store", storeAway}, {"the network", silence}, {"one worker's network", alone}} {
					cells := []any{p.name, rtt, o.name}
					for _, lasts := range []time.Duration{1, 2, 4, 6, 8, 10} {
						cells = append(cells, g.costs(o.happens, lasts*time.Second))
					}
					row(append(cells, g.survives(o.happens))...)
				}
			})
		}
	}
}

// TestTheProfilesKeepWhatTheyPromise holds the figures that the documentation of the profiles names.
func TestTheProfilesKeepWhatTheyPromise(t *testing.T) {
	within(t, parti.FastConfig(), time.Millisecond, func(g *group) {
		g.begin()
		g.follower().Crash()
		require.LessOrEqual(g.t, g.until("everything owned", g.owned), 2350*time.Millisecond, "FastConfig: a crash")
		g.rest()
		g.Leader().Crash()
		require.LessOrEqual(g.t, g.until("everything owned", g.owned), 2400*time.Millisecond, "FastConfig: a crash of the leader")
	})
	within(t, parti.WideAreaConfig(), 100*time.Millisecond, func(g *group) {
		g.begin()
		for _, happens := range []outage{storeAway, alone} {
			require.Zero(g.t, g.costs(happens, 10*time.Second), "WideAreaConfig: 10 s at a round trip of 100 ms")
		}
	})
}
