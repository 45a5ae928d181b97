// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

func TestEightWorkersStartedInTheSameInstantAllStart(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 64)
		for i, p := range f.Start(8) {
			require.NoError(t, p.Begun(), "worker %d", i)
		}
		f.Settle(time.Second)
		first := f.Checker.FirstHeartbeat()
		require.LessOrEqual(t, time.Since(first), coldStart+500*time.Millisecond)
		require.Len(t, f.Checker.Versions(), 1)
	})
}

func TestTwoJoinersShareOneWindow(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(3)
		f.Rest()
		began := time.Now()
		joined := f.Start(2)
		for _, p := range joined {
			require.NoError(t, p.Begun())
		}
		f.Settle(time.Second)
		require.GreaterOrEqual(t, time.Since(began), window)
		require.LessOrEqual(t, time.Since(began), window+500*time.Millisecond)
		for _, p := range joined {
			require.NotEmpty(t, p.Running())
		}
		require.LessOrEqual(t, f.Checker.Moves(), 28, "a fair share of two out of five, with some slack")
	})
}

func TestACleanScaleDownWaitsForOneWindow(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		procs := f.Begin(5)
		f.Rest()
		var leaving []*fleet.Process
		for _, p := range procs {
			if p != f.Leader() && len(leaving) < 2 {
				leaving = append(leaving, p)
			}
		}
		held := len(leaving[0].Running()) + len(leaving[1].Running())
		began := time.Now()
		for _, p := range leaving {
			require.NoError(t, p.Stop())
		}
		f.Wait(window+time.Second, "everything owned again", func() bool { return f.Unsettled() == nil })
		require.GreaterOrEqual(t, time.Since(began), window)
		require.Equal(t, held, f.Checker.Moves())
	})
}

func TestMoreWorkersThanPartitionsLeavesTheIdleOnesStable(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 2)
		procs := f.Begin(5)
		idle := 0
		for _, p := range procs {
			require.NoError(t, p.Begun())
			require.Equal(t, parti.StateStable, p.Manager.State())
			if len(p.Manager.Assignment().Partitions) == 0 {
				idle++
			}
		}
		require.Equal(t, 3, idle)
	})
}

func TestARollingRestartMovesNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 100)
		procs := f.Begin(10)
		f.Rest()
		for i, p := range procs {
			require.NoError(t, p.Stop())
			<-time.After(time.Duration(i) * 700 * time.Millisecond)
			next := f.Restart(p)
			require.NoError(t, next.Begun())
			require.Equal(t, p.LastID(), next.Manager.WorkerID())
			f.Settle(time.Second)
		}
		require.Zero(t, f.Checker.Moves())
	})
}

func TestARestartOfTheWholeGroupGivesEveryIDBackWhatItHad(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 100)
		procs := f.Begin(10)
		f.Rest()
		before := f.Checker.Owners()
		for _, p := range procs {
			require.NoError(t, p.Stop())
		}
		<-time.After(5 * time.Minute)
		began := time.Now()
		f.Start(9)
		<-time.After(12 * time.Second)
		f.Start(1)
		f.Settle(time.Second)
		require.Less(t, time.Since(began), 14*time.Second, "the window closes when everyone is back")
		require.Equal(t, before, f.Checker.Owners())
		require.Zero(t, f.Checker.Moves())
	})
}

func TestARestartWithoutSomeWaitsForTheWholeWindow(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 100)
		procs := f.Begin(10)
		f.Rest()
		for _, p := range procs {
			require.NoError(t, p.Stop())
		}
		<-time.After(time.Minute)
		began := time.Now()
		f.Start(4)
		f.Settle(coldStart + time.Second)
		require.GreaterOrEqual(t, time.Since(began), coldStart)
	})
}

func TestASurgeHandsOverInAnInstant(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		five := fleet.Config(func(c *parti.Config) { c.WorkerIDMax = 4 })
		f := fleet.New(t, s, 50, five)
		procs := f.Begin(5)
		f.Rest()
		for round := range 5 {
			standby := f.Start(1, fleet.Config(func(c *parti.Config) { c.Standby = true }))[0]
			f.Rest()
			require.Equal(t, parti.StateClaimingID, standby.Manager.State())
			old := procs[round]
			had := old.Running()
			require.NoError(t, old.Stop())
			took := f.Wait(100*time.Millisecond, "standby owns what the old worker had", func() bool {
				return fmt.Sprint(standby.Running()) == fmt.Sprint(had)
			})
			t.Logf("handed over in %s", took)
			require.NoError(t, standby.Begun())
		}
		f.Settle(time.Second)
		require.Zero(t, f.Checker.Moves())
	})
}

func TestAnExhaustedPoolFailsAfterTheStartupTimeout(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 10, fleet.Config(func(c *parti.Config) { c.WorkerIDMax = 1; c.WorkerIDMin = 0 }))
		f.Begin(2)
		began := time.Now()
		third := f.Start(1)[0]
		err := third.Begun()
		require.ErrorIs(t, err, parti.ErrNoFreeID)
		require.ErrorContains(t, err, "worker-0")
		require.ErrorContains(t, err, "worker-1")
		require.InDelta(t, time.Minute, time.Since(began), float64(time.Second))
	})
}

func TestAnIDThatComesFreeInTimeIsTaken(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 10, fleet.Config(func(c *parti.Config) { c.WorkerIDMax = 1 }))
		procs := f.Begin(2)
		third := f.Start(1)[0]
		<-time.After(20 * time.Second)
		require.NoError(t, procs[0].Stop())
		require.NoError(t, third.Begun())
		require.Equal(t, procs[0].LastID(), third.Manager.WorkerID())
		f.Settle(window + time.Second)
	})
}
