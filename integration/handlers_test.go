// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/strategy"
)

func TestHandlersRunThroughScalingCrashesAndRestarts(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.Runs(nil))
		procs := f.Begin(3)
		f.Start(1)
		f.Settle(window + time.Second)
		procs[0].Crash()
		f.Settle(10 * time.Second)
		moves := f.Checker.Moves()
		require.NoError(t, procs[1].Stop())
		f.Restart(procs[1])
		f.Settle(window + time.Second)
		require.Equal(t, moves, f.Checker.Moves(), "a restart under its ID moves nothing")
	})
}

// TestAHandlerThatWillNotStopHoldsUpItsPartitionAndNothingElse: the other partitions of its worker go on being granted and
// released, and whoever waits is told.
func TestAHandlerThatWillNotStopHoldsUpItsPartitionAndNothingElse(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 40)
		free := make(chan struct{})
		var deaf atomic.Pointer[parti.Ownership]
		stubborn := fleet.Runs(func(ctx context.Context, o *parti.Ownership) error {
			<-ctx.Done()
			if errors.Is(context.Cause(ctx), parti.ErrRevoked) && deaf.CompareAndSwap(nil, o) {
				<-free
			}
			return nil
		})
		old := f.Begin(2, stubborn)
		f.Start(2, fleet.Runs(nil))
		f.Wait(window+5*time.Second, "everything but one partition has an owner that is meant to have it", func() bool {
			return deaf.Load() != nil && len(f.Checker.Owners()) == 40 && f.Checker.Moves() >= 18
		})
		stuck := deaf.Load()
		require.NoError(t, stuck.Valid(), "the leader waits: nobody else owns it")
		f.Wait(time.Minute, "the leader says who does not let go of what", func() bool {
			return slices.ContainsFunc(f.Leader().Errors(), func(err error) bool { return errors.Is(err, parti.ErrHandoffTimeout) })
		})
		owner := slices.IndexFunc(old, func(p *fleet.Process) bool { return p.LastID() == stuck.WorkerID() })
		f.Wait(time.Second, "so does its worker", func() bool { return old[owner].Manager.Healthy() != nil })
		require.ErrorIs(t, old[owner].Manager.Healthy(), parti.ErrHandoffTimeout)
		require.ErrorContains(t, old[owner].Manager.Healthy(), stuck.Partition().ID())
		status := old[owner].Manager.Status()
		require.Len(t, status.Waits, 1)
		at := slices.IndexFunc(status.Partitions, func(s parti.PartitionStatus) bool { return s.Phase == parti.PhaseStopping })
		require.Equal(t, stuck.Partition().ID(), status.Partitions[at].Partition.ID())
		// Its worker is granted and gives up others meanwhile.
		list := f.Source.List()
		for i := range 8 {
			list = append(list, fleet.Partition(len(list)+i))
		}
		f.Source.Set(list...)
		require.NoError(t, f.Leader().Manager.RefreshPartitions(t.Context()))
		f.Wait(2*time.Second, "the new ones are run", func() bool { return len(f.Checker.Owners()) == 48 })
		before := f.Checker.Moves()
		f.Start(1, fleet.Runs(nil))
		f.Wait(window+5*time.Second, "others of that worker move", func() bool { return f.Checker.Moves() > before+5 })
		require.True(t, slices.ContainsFunc(old, func(p *fleet.Process) bool {
			return p.LastID() == stuck.WorkerID() && slices.Contains(p.Running(), stuck.Partition().ID())
		}), "it still counts as running where it runs")
		close(free)
		f.Settle(window + 15*time.Second)
		require.ErrorIs(t, stuck.Valid(), parti.ErrRevoked)
		require.NoError(t, old[owner].Manager.Healthy())
		require.Zero(t, f.Checker.Excused())
	})
}

func TestAFencedWorkerWithADeafHandlerRejoinsAndWaitsForThatPartitionOnly(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		free := make(chan struct{})
		var deaf atomic.Pointer[parti.Ownership]
		cut := f.Begin(2, fleet.Runs(func(ctx context.Context, o *parti.Ownership) error {
			<-ctx.Done()
			if errors.Is(context.Cause(ctx), parti.ErrFenced) && deaf.CompareAndSwap(nil, o) {
				<-free
			}
			return nil
		}))[0]
		id := cut.LastID()
		cut.Link.Cut()
		f.Wait(10*time.Second, "it is fenced", func() bool { return deaf.Load() != nil })
		require.ErrorIs(t, deaf.Load().Valid(), parti.ErrFenced)
		require.Error(t, deaf.Load().Held().Err())
		cut.Link.Heal()
		f.Wait(time.Minute, "it takes part again, though one handler is deaf", func() bool {
			return cut.Manager.WorkerID() == id && len(cut.Running()) > 10
		})
		close(free)
		f.Settle(window + 15*time.Second)
	})
}

func TestAStopTellsHandlersWhyAndWaitsForThem(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 10)
		var finished atomic.Int32
		p := f.Begin(1, fleet.Runs(func(ctx context.Context, o *parti.Ownership) error {
			<-ctx.Done()
			if errors.Is(context.Cause(ctx), parti.ErrStopping) && o.Valid() == nil && o.Held().Err() == nil {
				<-time.After(time.Second) // what it has begun is finished
				if o.Held().Err() == nil {
					finished.Add(1)
				}
			}
			return nil
		}))[0]
		began := time.Now()
		require.NoError(t, p.Stop())
		require.EqualValues(t, 10, finished.Load())
		require.Less(t, time.Since(began), 2*time.Second)
	})
}

func TestAnUnlistedPartitionsHandlerIsToldSo(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 10)
		causes := make(chan error, 20)
		p := f.Begin(1, fleet.Runs(func(ctx context.Context, _ *parti.Ownership) error {
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return nil
		}))[0]
		f.Source.Set(f.Source.List()[1:]...)
		require.NoError(t, p.Manager.RefreshPartitions(t.Context()))
		require.ErrorIs(t, <-causes, parti.ErrUnlisted)
		require.Empty(t, causes)
	})
}

func TestAHandlerThatPanicsIsRunAgainAndReported(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 5)
		var calls atomic.Int32
		p := f.Begin(1, fleet.Runs(func(ctx context.Context, o *parti.Ownership) error {
			if o.Partition().ID() == fleet.Partition(0).ID() && calls.Add(1) < 4 {
				panic("boom")
			}
			<-ctx.Done()
			return nil
		}))[0]
		f.Wait(5*time.Second, "it runs after three panics", func() bool { return calls.Load() == 4 })
		status := p.Manager.Status().Partitions
		require.Equal(t, 3, status[0].Restarts)
		require.ErrorIs(t, status[0].Err, parti.ErrPanic)
		require.Equal(t, parti.PhaseRunning, status[0].Phase)
		require.Zero(t, status[1].Restarts)
		require.True(t, p.Saw(parti.ErrHandlerFailed))
		require.True(t, p.Saw(parti.ErrPanic))
		require.Len(t, p.Running(), 5)
	})
}

// TestKeepServingKeepsHandlersRunning: the store is away for longer than every lease. What is kept runs on, and is begun
// anew only under a new epoch.
func TestKeepServingKeepsHandlersRunning(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20, fleet.Config(func(c *parti.Config) { c.OnStoreLoss = parti.OnStoreLossKeepServing }))
		var ended atomic.Int32
		procs := f.Begin(2, fleet.Runs(func(ctx context.Context, _ *parti.Ownership) error {
			<-ctx.Done()
			ended.Add(1)
			return nil
		}))
		s.Stop()
		f.Wait(20*time.Second, "both live on without the store", func() bool {
			return procs[0].Manager.Degraded() && procs[1].Manager.Degraded()
		})
		<-time.After(20 * time.Second)
		require.Zero(t, ended.Load())
		s.Start()
		f.Settle(time.Minute)
	})
}

// TestAStopNamesTheHandlersThatHaveNotReturned: the worker's entries stay, because a handler may still work on what they
// stand for.
func TestAStopNamesTheHandlersThatHaveNotReturned(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 10)
		free := make(chan struct{})
		p := f.Begin(1, fleet.Runs(func(ctx context.Context, o *parti.Ownership) error {
			<-ctx.Done()
			if o.Partition().ID() == fleet.Partition(3).ID() {
				<-free
			}
			return nil
		}))[0]
		began := time.Now()
		err := p.Stop()
		require.ErrorIs(t, err, parti.ErrShutdownTimeout)
		require.ErrorContains(t, err, "the handlers of "+fleet.Partition(3).ID()+" have not returned")
		require.ErrorContains(t, err, "heartbeat of worker-0, claim of worker-0")
		require.LessOrEqual(t, time.Since(began), parti.DefaultConfig().ShutdownTimeout)
		close(free)
	})
}

// TestAStopDoesNotWaitForAnActorThatHangs: an actor of the user's that hangs in Receive can never be stopped.
func TestAStopDoesNotWaitForAnActorThatHangs(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		free, hangs := make(chan struct{}), make(chan struct{})
		nc := s.Connect(parti.ConnectOptions()...)
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		cfg := parti.DefaultConfig()
		cfg.ExpectedWorkers = 1
		m, err := parti.NewManager(cfg, js, parti.StaticSource(fleet.Partition(0)), strategy.NewSticky(),
			parti.WithLogger(slog.New(slog.DiscardHandler)),
			parti.WithPartitionProps(func(*parti.Ownership) *actor.Props {
				return actor.PropsFromFunc(func(ctx actor.Context) {
					if _, ok := ctx.Message().(*actor.Started); ok {
						close(hangs)
						<-free
					}
				})
			}))
		require.NoError(t, err)
		require.NoError(t, m.Start(t.Context()))
		<-hangs
		began := time.Now()
		err = m.Close()
		require.ErrorIs(t, err, parti.ErrShutdownTimeout)
		require.ErrorContains(t, err, fleet.Partition(0).ID())
		require.LessOrEqual(t, time.Since(began), cfg.ShutdownTimeout)
		close(free)
		nc.Close()
		<-time.After(time.Second) // the actors end
	})
}

// TestAnActorThatHangsDoesNotKeepAFencedWorkerOut: it holds up its own partition, and its worker takes part in the rest.
func TestAnActorThatHangsDoesNotKeepAFencedWorkerOut(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		free := make(chan struct{})
		type hang struct{}
		var hung atomic.Bool
		way := link.New(s, func(string) {})
		nc, err := nats.Connect("", append(parti.ConnectOptions(), nats.InProcessServer(way))...)
		require.NoError(t, err)
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		var running atomic.Int32
		cfg := parti.DefaultConfig()
		cfg.ExpectedWorkers = 1
		m, err := parti.NewManager(cfg, js, parti.StaticSource(fleet.Partition(0), fleet.Partition(1)), strategy.NewSticky(),
			parti.WithLogger(slog.New(slog.DiscardHandler)),
			parti.WithPartitionProps(func(o *parti.Ownership) *actor.Props {
				return actor.PropsFromFunc(func(ctx actor.Context) {
					switch ctx.Message().(type) {
					case *actor.Started:
						running.Add(1)
						if o.Partition().ID() == fleet.Partition(0).ID() && !hung.Load() {
							ctx.Send(ctx.Self(), &hang{})
						}
					case *hang:
						hung.Store(true)
						<-free
					case *actor.Stopped:
						running.Add(-1)
					}
				})
			}))
		require.NoError(t, err)
		require.NoError(t, m.Start(t.Context()))
		session := m.Status().Session
		way.Cut()
		<-time.After(10 * time.Second)
		way.Heal()
		<-time.After(time.Minute)
		require.Greater(t, m.Status().Session, session, "it has rejoined")
		require.Equal(t, parti.StateStable, m.State())
		require.EqualValues(t, 2, running.Load(), "the one that hangs, and the next one of the other partition")
		require.ErrorContains(t, m.Healthy(), fleet.Partition(0).ID())
		close(free)
		<-time.After(time.Second)
		require.EqualValues(t, 2, running.Load(), "the next ones of both")
		require.NoError(t, m.Healthy())
		require.NoError(t, m.Close())
		nc.Close()
		way.Close()
	})
}

// TestADeafHandlerDoesNotKeepEverythingOfAWorkerThatRejoins: the follower fails under a session that is still good. What its
// worker has stopped must not wait for the one handler that does not.
func TestADeafHandlerDoesNotKeepEverythingOfAWorkerThatRejoins(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		free := make(chan struct{})
		var deaf atomic.Pointer[parti.Ownership]
		f.Begin(1, fleet.Runs(nil))
		p := f.Start(1, fleet.Runs(func(ctx context.Context, o *parti.Ownership) error {
			<-ctx.Done()
			if errors.Is(context.Cause(ctx), parti.ErrRevoked) && deaf.CompareAndSwap(nil, o) {
				<-free
			}
			return nil
		}))[0]
		f.Settle(window + 11*time.Second)
		p.Panic("follower")
		f.Source.Set(f.Source.List()[1:]...)
		require.NoError(t, f.Leader().Manager.RefreshPartitions(t.Context()))
		f.Wait(time.Minute, "it has failed", func() bool { return f.Panicked() && deaf.Load() != nil })
		f.Wait(2*time.Minute, "it rejoins, and everything but one partition is run", func() bool {
			return p.Manager.State() == parti.StateStable && len(p.Running()) > 5
		})
		require.Contains(t, p.Running(), deaf.Load().Partition().ID(), "the deaf one still does")
		close(free)
		f.Settle(window + 15*time.Second)
	})
}

// TestKeepServingOutlivesASessionWithoutARecord: the store comes back for a moment, too short for a leader to be there, and
// goes away again.
func TestKeepServingOutlivesASessionWithoutARecord(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		var dropped atomic.Int32
		f := fleet.New(t, s, 20, fleet.Config(func(c *parti.Config) {
			c.OnStoreLoss, c.ShutdownTimeout = parti.OnStoreLossKeepServing, time.Second
		}), fleet.Handler(func(_ context.Context, _, removed []parti.Partition) error {
			dropped.Add(int32(len(removed)))
			return nil
		}))
		procs := f.Begin(2)
		sessions := func() (n int) {
			for _, p := range procs {
				if p.Manager.WorkerID() != "" && p.Manager.Degraded() {
					n++
				}
			}
			return n
		}
		s.Stop()
		<-time.After(40 * time.Second) // the claims have expired as well
		require.Zero(t, dropped.Load())
		for _, p := range procs { // nobody can lead, so nobody is given a record
			p.Link.Fail(func(subject string) link.Fault {
				if strings.Contains(subject, "$KV."+parti.DefaultConfig().KVBuckets.Election+".") {
					return link.Refused
				}
				return link.None
			})
		}
		s.Start()
		f.Wait(20*time.Second, "both have a session, and no record yet", func() bool { return sessions() == 2 })
		s.Stop()
		<-time.After(40 * time.Second)
		for _, p := range procs {
			p.Link.Fail(nil)
		}
		s.Start()
		f.Settle(time.Minute)
		require.Zero(t, dropped.Load(), "nobody has given anything up")
	})
}
