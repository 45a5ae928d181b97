// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

var sweeps = flag.Bool("sweep", false, "measure: print the lines of a table")

const (
	workers    = 6
	partitions = 60
	patience   = 10 * time.Minute // for the group to be whole again
	minute     = time.Minute
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(300) // virtual time makes the garbage collection the better part of what a test costs
	os.Exit(m.Run())
}

// table begins the table of a sweep.
func table(t *testing.T, columns ...string) {
	t.Helper()
	if !*sweeps {
		t.Skip("-sweep")
	}
	line := make([]any, len(columns))
	rule := make([]any, len(columns))
	for i, c := range columns {
		line[i], rule[i] = c, "---"
	}
	row(line...)
	row(rule...)
}

func row(cells ...any) {
	line := "|"
	for _, c := range cells {
		switch c := c.(type) {
		case time.Duration:
			line += " " + brief(c) + " |"
		case float64:
			line += fmt.Sprintf(" %.2f |", c)
		default:
			line += fmt.Sprintf(" %v |", c)
		}
	}
	fmt.Println(line)
}

// brief shows a time to a hundredth of a second.
func brief(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	if d >= time.Minute && d%time.Minute == 0 {
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	if d < time.Second && d == d.Round(time.Millisecond) {
		return fmt.Sprintf("%g ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.4g s", d.Round(10*time.Millisecond).Seconds())
}

// group is a fleet whose workers are a round trip away from the store.
type group struct {
	*fleet.Fleet
	t      *testing.T
	server *bubble.Server
	config parti.Config
	rtt    time.Duration
	gaveUp atomic.Int64 // sessions that ended while their workers lived
}

// within measures a group in a bubble. It is empty: see begin.
func within(t *testing.T, c parti.Config, rtt time.Duration, measure func(g *group), with ...fleet.With) {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	c.KVBuckets.Replicas = 1 // there is one server
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		g := &group{t: t, server: s, config: c, rtt: rtt}
		with = append([]fleet.With{fleet.Config(func(base *parti.Config) { *base = c }), g.counting}, with...)
		g.Fleet = fleet.New(t, s, partitions, with...)
		measure(g)
	})
}

// counting counts the sessions that end.
func (g *group) counting(s *fleet.Spec) {
	s.OnStateChanged = func(_ context.Context, from, to parti.State) error {
		if to == parti.StateClaimingID && from != parti.StateInit {
			g.gaveUp.Add(1)
		}
		return nil
	}
}

// start starts workers, as far away as the others.
func (g *group) start(n int, with ...fleet.With) []*fleet.Process {
	procs := g.Start(n, with...)
	for _, p := range procs {
		p.Link.Slow(g.rtt / 2)
	}
	return procs
}

// begin starts the usual number of workers and waits until the group is whole and calm.
func (g *group) begin(with ...fleet.With) []*fleet.Process {
	procs := g.start(workers, with...)
	g.Settle(patience)
	g.rest()
	return procs
}

// rest lets windows and cooldowns end.
func (g *group) rest() {
	<-time.After(g.config.RebalanceCooldown + g.config.PlannedScaleWindow + g.config.HeartbeatTTL)
}

func (g *group) owned() bool { return g.Checker.Complete(g.Source.IDs()) == nil }

// until waits in virtual time.
func (g *group) until(what string, condition func() bool) time.Duration {
	return g.Wait(patience, what, condition)
}

// crash crashes workers, each in another quarter of the time between two of its heartbeats, and returns how long it took
// until everything had an owner again, sorted.
func (g *group) crash(victim func() *fleet.Process) []time.Duration {
	took := make([]time.Duration, phases)
	for phase := range took {
		p := victim()
		g.beat(p, float64(phase)/phases)
		p.Crash()
		took[phase] = g.until("everything owned", g.owned)
		g.start(1)
		g.until("the next one has its share", g.shared)
		g.rest()
	}
	slices.Sort(took)
	return took
}

const phases = 4

// beat waits until a part of the time between two heartbeats has passed since one of the worker was stored.
func (g *group) beat(p *fleet.Process, part float64) {
	bucket, every := g.config.KVBuckets.Heartbeat, g.config.HeartbeatInterval
	stream, err := g.JS.Stream(context.Background(), "KV_"+bucket)
	if err != nil {
		g.t.Fatal(err)
	}
	m, err := stream.GetLastMsgForSubject(context.Background(), "$KV."+bucket+"."+p.Manager.WorkerID())
	if err != nil {
		g.t.Fatal(err)
	}
	<-time.After(every - time.Since(m.Time)%every + time.Duration(part*float64(every)))
}

// shared says that the group is whole and that every worker has partitions.
func (g *group) shared() bool {
	return g.Unsettled() == nil && !slices.ContainsFunc(g.Live(), func(p *fleet.Process) bool { return len(p.Running()) == 0 })
}

func (g *group) follower() *fleet.Process { return g.Followers()[0] }

// traffic returns writes, messages and bytes of payload and headers in both directions, per worker and second of a calm group.
func (g *group) traffic() (writes, received, kilobytes float64) {
	const lasts = 2 * time.Minute
	count := func() (messages, bytes uint64) {
		for _, p := range g.Live() {
			s := p.Conn.Stats()
			messages, bytes = messages+s.InMsgs, bytes+s.InBytes+s.OutBytes
		}
		return messages, bytes
	}
	stored := g.Writes()
	messages, bytes := count()
	<-time.After(lasts)
	storedLater := g.Writes()
	messagesLater, bytesLater := count()
	per := float64(len(g.Live())) * lasts.Seconds()
	return float64(storedLater-stored) / per, float64(messagesLater-messages) / per, float64(bytesLater-bytes) / per / 1000
}
