// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

// TestAWorkerThatLosesItsSessionWhileItStopsLetsGoBeforeOthersTakeOver: a hook that is giving up has ShutdownTimeout for it.
// When the leases end meanwhile it has less, because others are given the partitions then: its context has to say so.
func TestAWorkerThatLosesItsSessionWhileItStopsLetsGoBeforeOthersTakeOver(t *testing.T) {
	for name, lose := range map[string]func(p *fleet.Process){
		"cut off":         func(p *fleet.Process) { p.Link.Cut() },
		"manager panics":  func(p *fleet.Process) { p.Panic("manager") },
		"cut off, panics": func(p *fleet.Process) { p.Link.Cut(); p.Panic("manager") },
	} {
		t.Run(name, func(t *testing.T) {
			for _, busy := range fleet.Some([]bool{false, true}, 1, 1) {
				bubble.Run(t, func(t *testing.T, s *bubble.Server) { losesWhileItStops(t, s, lose, busy) })
			}
		})
	}
}

// giveUpSlowly is a hook that takes its time, but heeds its context.
func giveUpSlowly(ctx context.Context) {
	select {
	case <-time.After(30 * time.Second):
	case <-ctx.Done():
	}
}

// losesWhileItStops: busy says that the hook is still taking something when the stop comes, so that it is told to give up
// only after the session is lost.
func losesWhileItStops(t *testing.T, s *bubble.Server, lose func(p *fleet.Process), busy bool) {
	f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.ShutdownTimeout = 40 * time.Second }))
	f.Begin(2)
	var taking, stops atomic.Bool
	stopping := f.Start(1, fleet.Handler(func(ctx context.Context, _, removed []parti.Partition) error {
		switch {
		case len(removed) == 0 && !stops.Load():
			return nil
		case len(removed) == 0:
			taking.Store(true)
			<-time.After(2 * time.Second)
			return nil
		}
		giveUpSlowly(ctx)
		return nil
	}))[0]
	f.Settle(window + 11*time.Second)
	f.Rest()
	require.NotEmpty(t, stopping.Running())
	if stops.Store(true); busy {
		f.Source.Set(append(f.Source.List(), fleet.Partition(30), fleet.Partition(31), fleet.Partition(32))...)
		require.NoError(t, f.Leader().Manager.RefreshPartitions(context.Background()))
		f.Wait(time.Minute, "the hook takes something", taking.Load)
	}
	go func() { _ = stopping.Stop() }()
	<-time.After(500 * time.Millisecond)
	lose(stopping)
	f.Wait(heartbeatTTL, "the hook returns", func() bool { return len(stopping.Running()) == 0 })
	// One that could still delete its entries has left cleanly, and is waited for.
	f.Wait(window+time.Second, "others run what it had", func() bool { return f.Checker.Complete(f.Source.IDs()) == nil })
	require.Zero(t, f.Checker.Excused())
}

// TestAWorkerThatStopsWhileItRejoinsAndIsCutOffLetsGoBeforeOthersTakeOver: the hook that is running was told to give up for the
// rejoin, and has to be hurried all the same, whether the stop comes before the trust is over or after.
func TestAWorkerThatStopsWhileItRejoinsAndIsCutOffLetsGoBeforeOthersTakeOver(t *testing.T) {
	for _, after := range []time.Duration{500 * time.Millisecond, heartbeatTTL - 1500*time.Millisecond} {
		bubble.Run(t, func(t *testing.T, s *bubble.Server) {
			f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.ShutdownTimeout = 40 * time.Second }))
			f.Begin(2)
			var givesUp atomic.Bool
			stopping := f.Start(1, fleet.Handler(func(ctx context.Context, _, removed []parti.Partition) error {
				if len(removed) > 0 {
					givesUp.Store(true)
					giveUpSlowly(ctx)
				}
				return nil
			}))[0]
			f.Settle(window + 11*time.Second)
			f.Rest()
			stopping.Panic("follower")
			f.Source.Set(append(f.Source.List(), fleet.Partition(30), fleet.Partition(31), fleet.Partition(32))...)
			require.NoError(t, f.Leader().Manager.RefreshPartitions(context.Background()))
			f.Wait(time.Minute, "it gives up to rejoin", givesUp.Load)
			stopping.Link.Cut()
			<-time.After(after)
			go func() { _ = stopping.Stop() }()
			f.Wait(heartbeatTTL, "the hook returns", func() bool { return len(stopping.Running()) == 0 })
			f.Wait(heartbeatTTL, "others run what it had", func() bool { return f.Checker.Complete(f.Source.IDs()) == nil })
			require.Zero(t, f.Checker.Excused())
		})
	}
}
