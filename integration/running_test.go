// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
)

// nobodyTakes is what a leaf node answers whose hub is away: nobody listens to any request to the store.
func nobodyTakes(subject string) link.Fault {
	if strings.HasPrefix(subject, "$JS.API.") || strings.HasPrefix(subject, "$KV.") {
		return link.Refused
	}
	return link.None
}

// bothModes runs the test with either way to lose the store.
func bothModes(t *testing.T, test func(t *testing.T, s *bubble.Server, mode fleet.With)) {
	for _, mode := range []string{parti.OnStoreLossFence, parti.OnStoreLossKeepServing} {
		t.Run(mode, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				test(t, s, fleet.Config(func(c *parti.Config) { c.OnStoreLoss = mode }))
			})
		})
	}
}

func TestAHubThatIsAwayForLongerThanTheTrustEndsNoWorker(t *testing.T) {
	bothModes(t, func(t *testing.T, s *bubble.Server, mode fleet.With) {
		f := fleet.New(t, s, 30, mode)
		procs := f.Begin(3)
		f.Rest()
		for _, p := range procs {
			p.Link.Fail(nobodyTakes)
		}
		<-time.After(5 * time.Minute)
		require.Len(t, f.Live(), 3)
		for _, p := range procs {
			require.True(t, p.Saw(parti.ErrNoJetStream), "it is reported")
			require.True(t, p.Manager.Degraded())
			p.Link.Heal()
		}
		f.Settle(time.Minute)
	})
}

func TestABucketThatTakesAnotherFormEndsNoRunningWorker(t *testing.T) {
	bothModes(t, func(t *testing.T, s *bubble.Server, mode fleet.With) {
		f := fleet.New(t, s, 30, mode)
		procs := f.Begin(3)
		f.Rest()
		history := func(n int64) {
			stream, err := f.JS.Stream(background(), "KV_"+parti.DefaultConfig().KVBuckets.Election)
			require.NoError(t, err)
			is := stream.CachedInfo().Config
			is.MaxMsgsPerSubject = n
			_, err = f.JS.UpdateStream(background(), is)
			require.NoError(t, err)
		}
		history(5)
		for _, p := range procs {
			p.Link.Cut()
		}
		<-time.After(time.Minute)
		for _, p := range procs {
			p.Link.Heal()
		}
		<-time.After(time.Minute)
		require.Len(t, f.Live(), 3)
		for _, p := range procs {
			require.True(t, p.Saw(parti.ErrBucketMismatch), "it is reported")
		}
		late := f.Start(1)[0]
		require.ErrorIs(t, late.Begun(), parti.ErrBucketMismatch, "a start ends with it")
		history(1)
		f.Settle(time.Minute)
	})
}

// TestAWorkerThatStopsWhileItFindsNoIDHasNoSessionToLose: it keeps serving, its claims fail, and its hook takes long to give
// up what it kept.
func TestAWorkerThatStopsWhileItFindsNoIDHasNoSessionToLose(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) {
			c.OnStoreLoss, c.ShutdownTimeout = parti.OnStoreLossKeepServing, 40*time.Second
		}))
		p := f.Begin(1, fleet.Handler(func(_ context.Context, _, removed []parti.Partition) error {
			if len(removed) > 0 {
				<-time.After(30 * time.Second)
			}
			return nil
		}))[0]
		p.Link.Fail(func(subject string) link.Fault {
			if strings.HasPrefix(subject, "$KV.") {
				return link.Refused
			}
			return link.None
		})
		f.Wait(time.Minute, "it claims", func() bool { return p.Manager.State() == parti.StateClaimingID })
		<-time.After(5 * time.Second) // its next session is begun
		_ = p.Stop()
		require.NotErrorIs(t, p.Manager.Err(), parti.ErrPanic)
	})
}

func TestFlapsWhileAHookTakesItsTimeHoldUpNoStop(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.OnStoreLoss = parti.OnStoreLossKeepServing }))
		hook := make(chan struct{})
		defer close(hook)
		var slow, runs atomic.Bool
		p := f.Begin(1, fleet.Handler(func(context.Context, []parti.Partition, []parti.Partition) error {
			if slow.Load() {
				runs.Store(true)
				<-hook
			}
			return nil
		}))[0]
		slow.Store(true)
		f.Source.Set(append(f.Source.List(), fleet.Partition(30))...)
		require.NoError(t, p.Manager.RefreshPartitions(background()))
		f.Wait(time.Minute, "its hook runs", runs.Load)
		p.Link.Flap(7, 10*time.Second, 50*time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), parti.DefaultConfig().ShutdownTimeout)
		defer cancel()
		_ = p.Manager.Stop(ctx)
		require.NoError(t, ctx.Err(), "Stop does not wait for the hook for ever")
	})
}

func TestAnIntervalShorterThanTheRoundTripIsNoObstacle(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.HeartbeatInterval = 200 * time.Millisecond }))
		for range 3 {
			p := f.Make()
			p.Link.Slow(150 * time.Millisecond)
			p.Start()
		}
		f.Settle(coldStart + time.Minute)
		<-time.After(time.Minute)
		for _, p := range f.Live() {
			require.False(t, p.Saw(parti.ErrIdentityLost))
			require.False(t, p.Manager.Degraded())
		}
	})
}

// TestAStartAgainstAFullBucketSaysWhatTheStoreSaid: there are IDs enough.
func TestAStartAgainstAFullBucketSaysWhatTheStoreSaid(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(2)
		stream, err := f.JS.Stream(background(), "KV_"+parti.DefaultConfig().KVBuckets.StableID)
		require.NoError(t, err)
		is := stream.CachedInfo().Config
		is.MaxMsgs = 2
		_, err = f.JS.UpdateStream(background(), is)
		require.NoError(t, err)
		late := f.Start(1)[0]
		err = late.Begun()
		require.ErrorIs(t, err, parti.ErrStoreFull)
		require.ErrorIs(t, err, parti.ErrStartupTimeout)
		require.NotErrorIs(t, err, parti.ErrNoFreeID)
		require.ErrorContains(t, err, "maximum messages exceeded", "the server's words")
	})
}
