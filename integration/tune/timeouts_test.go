// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
)

func TestSweepHandoff(t *testing.T) {
	table(t, "`HandoffTimeout`", "handlers that need 8 s to return: reports while one worker joins", "a handler that never returns: reported after")
	for _, timeout := range []time.Duration{2, 5, 10, 30, 60} {
		c := undamped()
		c.HandoffTimeout = timeout * time.Second
		var asked, blocks atomic.Int64
		within(t, c, near, func(g *group) {
			g.begin(fleet.Handler(func(_ context.Context, _, removed []parti.Partition) error {
				if len(removed) == 0 || blocks.Load() == 0 {
					return nil
				}
				asked.CompareAndSwap(0, time.Now().UnixNano())
				if blocks.Load() > 1 {
					<-g.Closing()
					return nil
				}
				<-time.After(8 * time.Second)
				return nil
			}))
			blocks.Store(1)
			before := g.reports(parti.ErrHandoffTimeout)
			g.start(1)
			g.until("everybody has a share", g.shared)
			g.rest()
			needless := g.reports(parti.ErrHandoffTimeout) - before
			asked.Store(0)
			blocks.Store(2)
			before += needless
			g.start(1)
			g.until("somebody reports", func() bool { return g.reports(parti.ErrHandoffTimeout) > before })
			row(c.HandoffTimeout, needless, time.Since(time.Unix(0, asked.Load())))
		})
	}
}

// reports counts what OnError of all workers was told of an error.
func (g *group) reports(target error) (n int) {
	for _, p := range g.Live() {
		for _, err := range p.Errors() {
			if errors.Is(err, target) {
				n++
			}
		}
	}
	return n
}

func TestSweepOperation(t *testing.T) {
	table(t, "`OperationTimeout`", "a source that hangs: the start fails after", "a source that needs 3 s: the start",
		"the start at a round trip of 1 ms", "of 100 ms", "of 400 ms")
	for _, timeout := range []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second} {
		c := undamped()
		c.OperationTimeout, c.ColdStartWindow, c.PlannedScaleWindow = timeout, time.Second, time.Second
		begun := func(rtt time.Duration, listing time.Duration) (result string) {
			within(t, c, rtt, func(g *group) {
				began := time.Now()
				if err := g.start(1)[0].Begun(); err != nil {
					result = "fails after " + brief(time.Since(began))
					return
				}
				result = "takes " + brief(time.Since(began))
			}, func(s *fleet.Spec) {
				s.Source = parti.SourceFunc(func(ctx context.Context) ([]parti.Partition, error) {
					select {
					case <-time.After(listing):
						return []parti.Partition{fleet.Partition(1)}, nil
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				})
			})
			return result
		}
		row(timeout, begun(near, time.Hour), begun(near, 3*time.Second), begun(near, 0), begun(100*time.Millisecond, 0), begun(400*time.Millisecond, 0))
	}
}

func TestSweepElection(t *testing.T) {
	table(t, "`ElectionTimeout`", "nobody can lead: `ErrNoLeader` after", "crash of the leader at a round trip of 100 ms: the next one after", "of 400 ms")
	for _, timeout := range []time.Duration{200 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second} {
		c := undamped()
		c.ElectionTimeout, c.StartupTimeout, c.HeartbeatTTL = timeout, 2*minute, 30*time.Second
		cells := []any{timeout}
		within(t, c, near, func(g *group) { cells = append(cells, g.leaderless()) })
		for _, rtt := range []time.Duration{100 * time.Millisecond, 400 * time.Millisecond} {
			within(t, c, near, func(g *group) {
				for _, p := range g.begin() {
					p.Link.Slow(rtt / 2)
				}
				<-time.After(minute)
				terms := len(g.Checker.Terms())
				if g.Leader() != nil {
					g.Leader().Crash()
				}
				began := time.Now()
				for len(g.Checker.Terms()) == terms && time.Since(began) < 2*minute {
					<-time.After(10 * time.Millisecond)
				}
				took := "never"
				if len(g.Checker.Terms()) > terms {
					took = brief(time.Since(began))
				}
				cells = append(cells, took)
			})
		}
		row(cells...)
	}
}

// leaderless keeps every worker from leading, with a heartbeat of a later release, and returns when that is reported.
func (g *group) leaderless() time.Duration {
	g.begin()
	heartbeats, err := g.JS.KeyValue(context.Background(), g.config.KVBuckets.Heartbeat)
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err = heartbeats.Create(context.Background(), "worker-50", []byte(`{"format":99}`), jetstream.KeyTTL(30*time.Second)); err != nil {
		g.t.Fatal(err)
	}
	g.until("nobody leads", func() bool { return g.Leader() == nil })
	took := g.until("somebody reports", func() bool { return g.reports(parti.ErrNoLeader) > 0 })
	g.until("a leader again", func() bool { return g.Leader() != nil })
	return took
}

func TestSweepStartup(t *testing.T) {
	table(t, "`StartupTimeout`", "the store comes 45 s after the worker: `Start`", "more workers than IDs: `Start`")
	for _, timeout := range []time.Duration{40, 60, 90, 120} {
		c := undamped()
		c.StartupTimeout, c.WorkerIDMin, c.WorkerIDMax = timeout*time.Second, 7, 7
		within(t, c, near, func(g *group) {
			g.server.Stop()
			began := time.Now()
			p := g.start(1)[0]
			time.AfterFunc(45*time.Second, g.server.Start)
			late := outcome(p.Begun(), began)
			if p.Begun() != nil {
				<-time.After(time.Minute)
				g.start(1)
				g.Settle(patience)
			}
			began = time.Now()
			row(c.StartupTimeout, late, outcome(g.start(1)[0].Begun(), began))
		})
	}
}

func outcome(err error, began time.Time) string {
	took := brief(time.Since(began))
	for name, target := range map[string]error{
		"ErrStartupTimeout": parti.ErrStartupTimeout, "ErrNoFreeID": parti.ErrNoFreeID, "ErrShutdownTimeout": parti.ErrShutdownTimeout,
	} {
		if errors.Is(err, target) {
			return fmt.Sprintf("`%s` after %s", name, took)
		}
	}
	if err != nil {
		return fmt.Sprintf("%v after %s", err, took)
	}
	return "nil after " + took
}

func TestSweepShutdown(t *testing.T) {
	table(t, "`ShutdownTimeout`", "handlers that need 8 s to return: `Stop`", "its partitions have an owner again after")
	for _, timeout := range []time.Duration{3, 5, 10, 30} {
		c := undamped()
		c.ShutdownTimeout, c.PlannedScaleWindow = timeout*time.Second, 2*time.Second
		var slow atomic.Bool
		within(t, c, near, func(g *group) {
			g.begin(fleet.Handler(func(_ context.Context, _, removed []parti.Partition) error {
				if len(removed) > 0 && slow.Load() {
					<-time.After(8 * time.Second)
				}
				return nil
			}))
			p := g.follower()
			slow.Store(true)
			began := time.Now()
			err := p.Stop()
			stopped := outcome(err, began)
			if err != nil {
				p.Crash() // a program that cannot stop cleanly exits
			}
			slow.Store(false)
			g.until("everything owned", g.owned)
			row(c.ShutdownTimeout, stopped, time.Since(began))
			<-time.After(10 * time.Second) // for the handlers that the dead process still has here
		})
	}
}

func TestSweepPreferredID(t *testing.T) {
	table(t, "`PreferredIDWait`", "crash, restarted after 1 s: has an ID after", "it is its own", "partitions moved", "the ID is another worker's: has an ID after")
	for _, wait := range []time.Duration{500 * time.Millisecond, 3 * time.Second, 7 * time.Second, 15 * time.Second} {
		c := undamped()
		c.PreferredIDWait = wait
		c.EmergencyGracePeriod = 4 * time.Second // or its partitions move when its heartbeat expires, whatever its ID
		within(t, c, near, func(g *group) {
			g.begin()
			moved := g.Checker.Moves()
			p := g.follower()
			p.Crash()
			<-time.After(time.Second)
			again := g.Restart(p)
			took := g.until("it has an ID", func() bool { return again.Manager.WorkerID() != "" })
			own := again.Manager.WorkerID() == p.LastID()
			g.until("everybody has a share", g.shared)
			g.rest()
			moved = g.Checker.Moves() - moved
			second := g.start(1, fleet.PreferredID(again.LastID()))[0]
			row(wait, took, map[bool]string{true: "yes", false: "no"}[own], moved, g.until("it has an ID", func() bool { return second.Manager.WorkerID() != "" }))
			g.until("everybody has a share", g.shared)
		})
	}
}

func TestSweepRelist(t *testing.T) {
	table(t, "`RelistInterval`", "listings per minute", "a new partition has an owner after (mean of 5)")
	for _, interval := range []time.Duration{0, time.Second, 10 * time.Second, minute} {
		c := undamped()
		c.RelistInterval = interval
		within(t, c, near, func(g *group) {
			g.begin()
			calls := g.Source.Calls()
			<-time.After(5 * minute)
			rate := float64(g.Source.Calls()-calls) / 5
			if interval == 0 {
				row(interval, rate, "never, without `RefreshPartitions`")
				return
			}
			var sum time.Duration
			for i := range 5 {
				<-time.After(interval * time.Duration(i) * 21 / 100)
				g.Source.Set(append(g.Source.List(), fleet.Partition(1000+i))...)
				sum += g.until("it has an owner", g.owned)
			}
			row(interval, rate, sum/5)
		})
	}
}
