// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/checker"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/strategy"
)

const near = time.Millisecond // the round trip of the sweeps that do not depend on it

func TestSweepColdStart(t *testing.T) {
	table(t, "`ColdStartWindow`", "first assignment after", "six workers start 4 s apart: moved after the first plan",
		"all crash and come back under their IDs, 4 s apart: moved")
	for _, cold := range []time.Duration{5, 10, 30, 60} {
		c := undamped()
		c.ColdStartWindow, c.PlannedScaleWindow, c.StartupTimeout = cold*time.Second, 5*time.Second, 2*minute
		within(t, c, near, func(g *group) {
			began := time.Now()
			for range workers {
				g.start(1)
				<-time.After(4 * time.Second)
			}
			g.until("everything owned", g.owned)
			plans := g.Checker.Plans()
			first := plans[slices.IndexFunc(plans, func(p checker.Plan) bool { return len(p.Members) > 0 })].At.Sub(began)
			g.until("everybody has a share", g.shared)
			g.rest()
			started := g.Checker.Moves()
			all := g.Live()
			for _, p := range all {
				p.Crash()
			}
			<-time.After(10 * time.Second) // their sessions are over
			for _, p := range all {
				g.Restart(p).Link.Slow(g.rtt / 2)
				<-time.After(4 * time.Second)
			}
			g.until("everything owned", g.owned)
			g.until("everybody has a share", g.shared)
			g.rest()
			row(c.ColdStartWindow, first, started, g.Checker.Moves()-started)
		})
	}
}

func TestSweepPlannedWindow(t *testing.T) {
	table(t, "`PlannedScaleWindow`", "a joiner has its share after", "clean leave for good: without an owner for", "restart, back after 1, 6, 15 s: partitions moved")
	for _, window := range []time.Duration{1, 2, 5, 10, 20, 30} {
		c := undamped()
		c.PlannedScaleWindow, c.RebalanceCooldown = window*time.Second, time.Second
		within(t, c, near, func(g *group) {
			g.begin()
			began := time.Now()
			g.start(1)
			g.until("the joiner has its share", g.shared)
			joined := time.Since(began)
			g.rest()
			moves := ""
			for _, away := range []time.Duration{1, 6, 15} {
				before := g.Checker.Moves()
				p := g.follower()
				g.stop(p)
				<-time.After(away * time.Second)
				p = g.Restart(p)
				p.Link.Slow(g.rtt / 2)
				g.until("everybody has a share", g.shared)
				g.rest()
				moves += fmt.Sprintf("%d, ", g.Checker.Moves()-before)
			}
			g.stop(g.follower())
			row(c.PlannedScaleWindow, joined, g.until("everything owned", g.owned), moves[:len(moves)-2])
		})
	}
}

// stop stops a worker cleanly.
func (g *group) stop(p *fleet.Process) {
	if err := p.Stop(); err != nil {
		g.t.Error(err)
	}
}

func TestSweepGrace(t *testing.T) {
	table(t, "`EmergencyGracePeriod`", "crash for good: owned again after", "crash, restarted after 1, 4, 8 s under its ID: partitions moved", "owned again after")
	for _, grace := range []time.Duration{0, 2, 5, 10} {
		c := undamped()
		c.EmergencyGracePeriod = grace * time.Second
		within(t, c, near, func(g *group) {
			g.begin()
			moves, owned := "", ""
			for _, away := range []time.Duration{1, 4, 8} {
				before := g.Checker.Moves()
				p := g.follower()
				p.Crash()
				crashed := time.Now()
				time.AfterFunc(away*time.Second, func() { g.Restart(p).Link.Slow(g.rtt / 2) })
				g.until("everything owned", g.owned)
				owned += brief(time.Since(crashed)) + ", "
				<-time.After(away * time.Second)
				g.until("everybody has a share", g.shared)
				g.rest()
				moves += fmt.Sprintf("%d, ", g.Checker.Moves()-before)
			}
			g.follower().Crash()
			row(c.EmergencyGracePeriod, g.until("everything owned", g.owned), moves[:len(moves)-2], owned[:len(owned)-2])
		})
	}
}

func TestSweepCooldown(t *testing.T) {
	table(t, "`RebalanceCooldown`", "six workers join 12 s apart: partitions moved", "a joiner has its share after, at most")
	for _, cooldown := range []time.Duration{1, 10, 30, 60} {
		c := undamped()
		c.RebalanceCooldown, c.PlannedScaleWindow = cooldown*time.Second, 5*time.Second
		within(t, c, near, func(g *group) {
			g.begin()
			moves := g.Checker.Moves()
			took := make(chan time.Duration, workers)
			for range workers {
				<-time.After(12 * time.Second)
				p, began := g.start(1)[0], time.Now()
				go func() {
					for len(p.Running()) == 0 {
						<-time.After(10 * time.Millisecond)
					}
					took <- time.Since(began)
				}()
			}
			longest := time.Duration(0)
			for range workers {
				longest = max(longest, <-took)
			}
			g.until("everybody has a share", g.shared)
			g.rest()
			row(c.RebalanceCooldown, g.Checker.Moves()-moves, longest)
		})
	}
}

func TestSweepFlap(t *testing.T) {
	table(t, "`FlapBackoff`", "a worker crashes every 20 s for 5 min: partitions moved", "partition-seconds without an owner", "healthy again: has its share after")
	for _, backoff := range []time.Duration{0, 30 * time.Second, minute, 5 * minute} {
		c := parti.DefaultConfig()
		c.FlapBackoff = backoff
		within(t, c, near, func(g *group) {
			g.begin()
			began, moves := time.Now(), g.Checker.Moves()
			p := g.follower()
			for time.Since(began) < 5*minute {
				p.Crash()
				<-time.After(time.Second)
				p = g.start(1, fleet.PreferredID(p.LastID()))[0]
				<-time.After(19 * time.Second)
			}
			took := g.until("it has its share", func() bool { return len(p.Running()) > 0 })
			vacant := time.Duration(0)
			for _, v := range g.Checker.Vacancies(began) {
				vacant += v.To.Sub(v.From)
			}
			row(c.FlapBackoff, g.Checker.Moves()-moves, int(vacant.Seconds()), took)
		})
	}
}

func TestSweepHome(t *testing.T) {
	table(t, "`HomeRetention`", "back under its ID after 30 s: part of its partitions that it had before", "after 3 min", "after 15 min")
	for _, retention := range []time.Duration{time.Second, minute, 10 * minute, 30 * minute} {
		c := undamped()
		c.Assignment.HomeRetention = retention
		within(t, c, near, func(g *group) {
			g.begin()
			cells := []any{retention}
			for _, away := range []time.Duration{30 * time.Second, 3 * minute, 15 * minute} {
				p := g.follower()
				had := map[string]bool{}
				for _, id := range p.Running() {
					had[id] = true
				}
				p.Crash()
				<-time.After(away)
				p = g.Restart(p)
				g.until("it has its share", g.shared)
				same := 0
				for _, id := range p.Running() {
					if had[id] {
						same++
					}
				}
				cells = append(cells, fmt.Sprintf("%d %%", 100*same/len(p.Running())))
				g.rest()
			}
			row(cells...)
		}, fleet.Strategy(strategy.NewSticky()))
	}
}
