// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

func TestAHookThatPanicsOrFailsIsReportedAndCountsAsReturned(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 40)
		boom := errors.New("boom")
		panics := fleet.Handler(func(context.Context, []parti.Partition, []parti.Partition) error { panic(boom) })
		fails := fleet.Handler(func(context.Context, []parti.Partition, []parti.Partition) error { return boom })
		a, b := f.Start(1, panics)[0], f.Start(1, fails)[0]
		f.Settle(coldStart + time.Second)
		f.Start(2)
		f.Settle(window + time.Second)
		require.True(t, a.Saw(parti.ErrHookPanic))
		require.True(t, a.Saw(boom))
		require.True(t, b.Saw(parti.ErrHookFailed))
		require.True(t, b.Saw(boom))
	})
}

func TestAHookThatBlocksKeepsItsPartitionsAndHoldsUpNobodyElse(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		var block atomic.Bool
		release := make(chan struct{})
		blocks := fleet.Handler(func(_ context.Context, _, removed []parti.Partition) error {
			if block.Load() && len(removed) > 0 {
				<-release
			}
			return nil
		})
		f.Begin(3)
		slow := f.Start(1, blocks)[0]
		f.Settle(window + 11*time.Second)
		f.Rest()
		block.Store(true)
		joined := f.Start(2)
		f.Wait(window+time.Second, "the joiners have what the others gave", func() bool {
			return len(joined[0].Running()) > 0 && len(joined[1].Running()) > 0
		})
		f.Wait(time.Minute, "the leader complains", func() bool { return f.Leader().Saw(parti.ErrHandoffTimeout) })
		f.Wait(time.Second, "everyone else goes on", func() bool { return f.Leader().Manager.State() == parti.StateStable })
		close(release)
		f.Settle(time.Second)
		require.NotEmpty(t, slow.Running())
	})
}

func TestStopWaitsForTheHook(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20)
		f.Begin(3)
		slow := f.Start(1, fleet.SlowHandler(4*time.Second))[0]
		f.Settle(window + 15*time.Second)
		began := time.Now()
		require.NoError(t, slow.Stop())
		require.GreaterOrEqual(t, time.Since(began), 4*time.Second)
	})
}

func TestStopGivesUpOnAHookThatDoesNotReturn(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20)
		var block atomic.Bool
		f.Begin(3)
		stuck := f.Start(1, fleet.Handler(func(context.Context, []parti.Partition, []parti.Partition) error {
			if block.Load() {
				<-f.Closing()
			}
			return nil
		}))[0]
		f.Settle(window + 11*time.Second)
		block.Store(true)
		err := stuck.Stop()
		require.ErrorIs(t, err, parti.ErrShutdownTimeout)
		stuck.Crash() // it still runs what it had; the process is over
		f.Settle(heartbeatTTL + time.Second)
	})
}

func TestAPanicInAnyActorIsSurvived(t *testing.T) {
	for _, kind := range []string{"manager", "claimer", "heartbeat", "elector", "calculator", "follower"} {
		t.Run(kind, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 40)
				f.Begin(4)
				f.Rest()
				leader := f.Leader()
				leader.Panic(kind)
				f.Start(1) // something for every actor to do
				f.Wait(time.Minute, "the panic", f.Panicked)
				f.Settle(2 * time.Minute)
				require.Len(t, f.Live(), 5)
				require.NoError(t, leader.Manager.Err())
			})
		})
	}
}

func TestActorsThatFailTooOftenEndTheWorker(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 40)
		f.Begin(4)
		f.Rest()
		victim := f.Followers()[0]
		for range 20 {
			select {
			case <-victim.Manager.Done():
			default:
				victim.Panic("elector")
				f.Wait(time.Minute, "the panic, or the end", func() bool {
					select {
					case <-victim.Manager.Done():
						return true
					default:
						return f.Panicked()
					}
				})
			}
		}
		<-victim.Manager.Done()
		require.ErrorIs(t, victim.Manager.Err(), parti.ErrGivingUp)
		require.Empty(t, victim.Running())
		f.Wait(heartbeatTTL+window+time.Second, "the others go on", func() bool { return f.Checker.Complete(f.Source.IDs()) == nil })
	})
}

func TestAHookHasToReturnBeforeTheIDIsFreeWhereThatIsSooner(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		// The ID expires long before the heartbeat, and the session that takes it ends the one before.
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) {
			c.WorkerIDTTL, c.HeartbeatTTL, c.WorkerIDMax, c.Standby = 4*time.Second, 20*time.Second, 2, true
		}))
		f.Start(2)
		var slow atomic.Bool
		cut := f.Begin(1, fleet.Handler(func(ctx context.Context, _, _ []parti.Partition) error {
			if slow.Load() {
				<-ctx.Done()
			}
			return nil
		}))[0]
		<-time.After(time.Minute)
		slow.Store(true)
		id := cut.Manager.WorkerID()
		heir := f.Start(1)[0]
		cut.Link.Cut()
		f.Wait(time.Minute, "the ID has another owner", func() bool { return heir.Manager.WorkerID() == id })
		f.Wait(time.Minute, "and that its partitions", func() bool { return len(heir.Running()) > 0 })
	})
}
