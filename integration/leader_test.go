// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

func TestACrashedLeaderIsReplacedWithinItsTTL(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(5)
		f.Rest()
		leader := f.Leader()
		had, terms := len(leader.Running()), len(f.Checker.Terms())
		began := time.Now()
		leader.Crash()
		took := f.Wait(leaderTTL+350*time.Millisecond, "the next term", func() bool { return len(f.Checker.Terms()) > terms })
		t.Logf("next term after %s", took)
		f.Wait(heartbeatTTL+400*time.Millisecond-time.Since(began), "everything owned", func() bool {
			return f.Checker.Complete(f.Source.IDs()) == nil
		})
		t.Logf("re-granted after %s", time.Since(began))
		f.Settle(time.Second)
		require.Equal(t, had, f.Checker.Moves())
	})
}

func TestALeaderThatStopsCleanlyIsReplacedAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(5)
		f.Rest()
		leader := f.Leader()
		had, terms := len(leader.Running()), len(f.Checker.Terms())
		began := time.Now()
		require.NoError(t, leader.Stop())
		f.Wait(100*time.Millisecond-time.Since(began), "the next term", func() bool { return len(f.Checker.Terms()) > terms })
		f.Wait(window+time.Second, "everything owned", func() bool { return f.Unsettled() == nil && f.Checker.Moves() == had })
		require.GreaterOrEqual(t, time.Since(began), window)
	})
}

func TestTenLeadersInARowLoseNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(12)
		f.Rest()
		for range 10 {
			f.Wait(10*time.Second, "a leader", func() bool { return f.Leader() != nil })
			f.Leader().Crash()
		}
		f.Settle(coldStart + 10*time.Second)
		require.Len(t, f.Live(), 2)
	})
}

func TestALeaderThatDiesInAWindow(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(5)
		f.Rest()
		f.Start(1)
		f.Wait(time.Second, "window open", func() bool { return f.Leader().Manager.State() == parti.StateScaling })
		f.Leader().Crash()
		f.Settle(heartbeatTTL + window + 15*time.Second)
	})
}

func TestALeaderThatDiesWhileRebalancing(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.SlowHandler(2*time.Second))
		f.Begin(5)
		f.Rest()
		f.Start(2)
		f.Wait(window+time.Second, "rebalancing", func() bool { return f.Leader().Manager.State() == parti.StateRebalancing })
		<-time.After(500 * time.Millisecond)
		f.Leader().Crash()
		f.Settle(heartbeatTTL + window + 15*time.Second)
	})
}

func TestALeaderThatDiesInAnEmergency(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.SlowHandler(time.Second))
		f.Begin(6)
		f.Rest()
		version := func() int64 {
			plans := f.Checker.Plans()
			return plans[len(plans)-1].Version
		}
		first := version()
		f.Followers()[0].Crash()
		f.Wait(heartbeatTTL+time.Second, "emergency", func() bool { return version() == first+1 })
		f.Leader().Crash()
		f.Settle(heartbeatTTL + window + 15*time.Second)
	})
}

func TestALeaderAndAFollowerDieTogether(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(6)
		f.Rest()
		leader, follower := f.Leader(), f.Followers()[0]
		had := len(leader.Running()) + len(follower.Running())
		leader.Crash()
		follower.Crash()
		f.Wait(heartbeatTTL+400*time.Millisecond, "everything owned", func() bool { return f.Checker.Complete(f.Source.IDs()) == nil })
		f.Settle(time.Second)
		require.Equal(t, had, f.Checker.Moves())
	})
}

func TestAFrozenLeaderCannotWriteWhenItWakes(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(5)
		f.Rest()
		f.Start(1)
		f.Wait(time.Second, "window open", func() bool { return f.Leader().Manager.State() == parti.StateScaling })
		leader := f.Leader()
		leader.Freeze()
		<-time.After(20 * time.Second)
		leader.Thaw()
		f.Settle(45 * time.Second)
	})
}

func TestAChangeOfLeaderMovesNothingAndWritesNoPlan(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(5)
		f.Rest()
		versions := f.Checker.Versions()
		leader := f.Leader()
		terms := len(f.Checker.Terms())
		leader.Panic("elector")
		f.Wait(10*time.Second, "the next term", func() bool { return len(f.Checker.Terms()) > terms })
		<-time.After(30 * time.Second)
		require.NoError(t, f.Unsettled())
		require.Equal(t, versions, f.Checker.Versions())
		require.Zero(t, f.Checker.Moves())
	})
}

func TestALeaderThatDiesInTheColdStartDoesNotBeginItAnew(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		began := time.Now()
		procs := f.Start(5)
		<-time.After(25 * time.Second)
		f.Leader().Crash()
		for _, p := range procs {
			if p.Lives() {
				require.NoError(t, p.Begun())
			}
		}
		f.Settle(time.Second)
		require.Less(t, time.Since(began), coldStart+5*time.Second)
	})
}
