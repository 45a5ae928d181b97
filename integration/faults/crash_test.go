// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

func TestACrashedWorkersPartitionsAreGivenAwayWithoutAWindow(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(5)
		f.Rest()
		victim := f.Followers()[0]
		had := len(victim.Running())
		victim.Crash()
		took := f.Settle(heartbeatTTL + 350*time.Millisecond)
		t.Logf("re-granted after %s", took)
		require.Equal(t, had, f.Checker.Moves())
	})
}

func TestACrashInAnOpenWindowDoesNotWaitForIt(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.Config(func(c *parti.Config) { c.PlannedScaleWindow = 25 * time.Second }))
		f.Begin(4)
		f.Rest()
		f.Start(1)
		<-time.After(2 * time.Second)
		victim := f.Followers()[0]
		for victim.Manager.State() == parti.StateWaitingAssignment || len(victim.Running()) == 0 {
			victim = f.Followers()[1]
		}
		victim.Crash()
		f.Wait(heartbeatTTL+350*time.Millisecond, "everything owned", func() bool { return f.Checker.Complete(f.Source.IDs()) == nil })
	})
}

func TestAWorkerCutOffFencesItselfBeforeAnyoneTakesOverAndRejoins(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(5)
		f.Rest()
		victim := f.Followers()[0]
		victim.Link.Cut()
		took := f.Wait(heartbeatTTL, "the cut-off worker gave everything up", func() bool { return len(victim.Running()) == 0 })
		require.LessOrEqual(t, took, heartbeatTTL-heartbeatTTL/4+fleet.Poll, "as late as that when its last heartbeat had just been stored")
		require.Equal(t, parti.StateClaimingID, victim.Manager.State())
		f.Wait(heartbeatTTL, "everything owned by the others", func() bool { return f.Checker.Complete(f.Source.IDs()) == nil })
		victim.Link.Heal()
		f.Settle(45 * time.Second)
		require.NotEmpty(t, victim.Running())
	})
}

func TestTheWholeStoreAwayMovesNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(6)
		f.Rest()
		before := f.Checker.Owners()
		s.Stop()
		<-time.After(20 * time.Second)
		for _, p := range f.Live() {
			require.Empty(t, p.Running())
			require.True(t, p.Manager.Degraded())
		}
		s.Start()
		took := f.Settle(coldStart + 15*time.Second)
		t.Logf("all back after %s", took)
		require.Equal(t, before, f.Checker.Owners())
		require.Zero(t, f.Checker.Moves())
	})
}

func TestAShortOutageOfTheStoreIsNotNoticed(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(6)
		f.Rest()
		calls := f.Checker.Calls()
		s.Stop()
		<-time.After(1500 * time.Millisecond)
		s.Start()
		<-time.After(time.Minute)
		require.NoError(t, f.Unsettled())
		require.Equal(t, calls, f.Checker.Calls())
	})
}

func TestMassLossIsHeldAndOnlyThoseStillGoneLoseWhatTheyHad(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 120)
		f.Begin(12)
		f.Rest()
		victims := f.Followers()[:4]
		had := 0
		for i, p := range victims {
			if i < 2 {
				had += len(p.Running())
				p.Crash()
			} else {
				p.Link.Cut()
			}
		}
		<-time.After(heartbeatTTL + 500*time.Millisecond)
		victims[2].Link.Heal()
		victims[3].Link.Heal()
		<-time.After(2 * time.Second)
		require.Zero(t, f.Checker.Moves(), "held")
		f.Settle(2 * heartbeatTTL)
		require.Equal(t, had, f.Checker.Moves())
	})
}

func TestKeepServingGoesOnWhileTheStoreIsAway(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.OnStoreLoss = parti.OnStoreLossKeepServing }))
		procs := f.Begin(3)
		f.Rest()
		calls := f.Checker.Calls()
		s.Stop()
		<-time.After(20 * time.Second)
		for _, p := range procs {
			require.True(t, p.Manager.Degraded())
			require.NotEmpty(t, p.Running())
		}
		s.Start()
		f.Settle(coldStart + 20*time.Second)
		for _, p := range procs {
			require.False(t, p.Manager.Degraded())
		}
		require.Equal(t, calls, f.Checker.Calls(), "nobody lost anything")
	})
}

func TestAFrozenWorkerFencesWhenItWakes(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(5)
		f.Rest()
		victim := f.Followers()[0]
		victim.Freeze()
		<-time.After(20 * time.Second)
		victim.Thaw()
		f.Settle(45 * time.Second)
	})
}

func TestTheConnectionClosedForGoodEndsTheWorker(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(3)
		victim := f.Followers()[0]
		victim.Conn.Close()
		<-victim.Manager.Done()
		require.ErrorIs(t, victim.Manager.Err(), parti.ErrConnectionClosed)
		require.Empty(t, victim.Running())
		f.Settle(heartbeatTTL + time.Second)
	})
}
