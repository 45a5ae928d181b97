// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

func TestASteadyGroupWritesLittle(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		const workers, seconds = 8, 600
		f := fleet.New(t, s, 64)
		f.Begin(workers)
		f.Rest()
		before := f.Writes()
		<-time.After(seconds * time.Second)
		rate := float64(f.Writes()-before) / seconds
		t.Logf("%.2f writes per second of %d workers", rate, workers)
		require.LessOrEqual(t, rate, 0.6*workers+1+0.05)
	})
}

func TestTwoHundredWorkersClaimWithFewOperations(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 400, fleet.Config(func(c *parti.Config) { c.WorkerIDMax = 199 }))
		procs := f.Start(200)
		f.Wait(10*time.Second, "everyone has an ID", func() bool {
			for _, p := range procs {
				if p.Manager.WorkerID() == "" {
					return false
				}
			}
			return true
		})
		claims := 0
		for _, p := range procs {
			claims += p.Sent(func(subject string) bool {
				return strings.Contains(subject, "parti-stableid") && !strings.Contains(subject, "STREAM.CREATE") && !strings.Contains(subject, "STREAM.INFO")
			})
		}
		t.Logf("%.2f operations each", float64(claims)/200)
		require.LessOrEqual(t, claims, 5*200)
		f.Settle(coldStart + time.Second)
	})
}

func TestAHundredWorkersAndAThousandPartitions(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 1000, fleet.Config(func(c *parti.Config) { c.WorkerIDMax = 149 }))
		f.Begin(100)
		f.Rest()
		f.Followers()[7].Crash()
		f.Settle(heartbeatTTL + 350*time.Millisecond)
		f.Start(10)
		f.Settle(window + 11*time.Second)
	})
}

func TestTwentyChangesOfLeaderLeaveNothingBehind(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(4)
		f.Rest()
		change := func() {
			terms := len(f.Checker.Terms())
			f.Leader().Panic("elector")
			f.Wait(20*time.Second, "the next term", func() bool { return len(f.Checker.Terms()) > terms && f.Leader() != nil })
			<-time.After(30 * time.Second) // so that no one fails too often
		}
		measure := func() (int, uint64) {
			<-time.After(time.Minute)
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return runtime.NumGoroutine(), m.HeapAlloc
		}
		for range 3 {
			change()
		}
		goroutines, heap := measure()
		for range 20 {
			change()
		}
		after, grown := measure()
		require.LessOrEqual(t, after, goroutines+5)
		require.LessOrEqual(t, grown, heap+8<<20)
		require.Zero(t, f.Checker.Moves())
	})
}

func TestAMoveTakesThreeRoundTrips(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		const latency = 50 * time.Millisecond // one way
		f := fleet.New(t, s, 30)
		procs := f.Begin(3)
		f.Rest()
		joined := f.Start(1)[0]
		for _, p := range append(procs, joined) {
			p.Link.Slow(latency)
		}
		began := f.Checker.FirstHeartbeat
		f.Wait(window+5*time.Second, "joiner is told", func() bool { return len(joined.Running()) > 0 })
		first := began(joined.LastID())
		took := f.Checker.LastGrant(joined.Running()...).Sub(first) - window
		t.Logf("moved %s after the window at %s a round trip", took, 2*latency)
		// The leader hears of the first heartbeat, and opens the window, half a round trip after it is stored.
		require.LessOrEqual(t, took, latency+3*2*latency+5*time.Millisecond)
	})
}
