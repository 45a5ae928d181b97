// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"github.com/parti-go/parti/integration/fleet"
)

// outage is something between the workers and the store that ends after a while.
type outage func(g *group, lasts time.Duration)

// storeAway stops the server and starts it again: connections break.
func storeAway(g *group, lasts time.Duration) {
	g.server.Stop()
	<-time.After(lasts)
	g.server.Start()
}

// silence loses the network of every worker: connections stay and nothing comes through.
func silence(g *group, lasts time.Duration) { silent(g.Live(), lasts) }

// alone loses the network of one worker that does not lead.
func alone(g *group, lasts time.Duration) { silent(g.Followers()[:1], lasts) }

func silent(procs []*fleet.Process, lasts time.Duration) {
	for _, p := range procs {
		p.Link.Stall()
	}
	<-time.After(lasts)
	for _, p := range procs {
		p.Link.Heal()
	}
}

// cost is what an outage costs at most, in a few phases of a heartbeat.
type cost struct{ gaveUp, moved int }

func (c cost) String() string { return fmt.Sprintf("%d / %d", c.gaveUp, c.moved) }

// costs measures an outage that begins just before a heartbeat is due, which leaves the least trust, and one that begins in
// the middle between two.
func (g *group) costs(happens outage, lasts time.Duration) (most cost) {
	for _, part := range []float64{0.95, 0.5} {
		g.beat(g.Followers()[0], part)
		gaveUp, moved := g.gaveUp.Load(), g.Checker.Moves()
		happens(g, lasts)
		<-time.After(g.config.HeartbeatTTL)
		g.Settle(patience)
		g.rest()
		g.Settle(patience)
		most = cost{max(most.gaveUp, int(g.gaveUp.Load()-gaveUp)), max(most.moved, g.Checker.Moves()-moved)}
		g.until("everybody has a share", g.shared)
	}
	return most
}

// survives returns the longest outage of the usual lengths during which no worker gave anything up.
func (g *group) survives(happens outage) string {
	lengths := []time.Duration{
		500 * time.Millisecond, time.Second, 1500 * time.Millisecond, 2 * time.Second, 3 * time.Second, 4 * time.Second,
		6 * time.Second, 8 * time.Second, 10 * time.Second, 15 * time.Second,
	}
	longest := time.Duration(0)
	for _, lasts := range lengths {
		if g.costs(happens, lasts).gaveUp > 0 {
			return brief(longest)
		}
		longest = lasts
	}
	return "at least " + brief(longest)
}
