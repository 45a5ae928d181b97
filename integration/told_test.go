// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/strategy"
)

const handoffBound = 30 * time.Second

// told counts the errors of a process that wrap a sentinel, nil for any, and contain a text.
func told(p *fleet.Process, target error, text string) (n int) {
	for _, err := range p.Errors() {
		if (target == nil || errors.Is(err, target)) && strings.Contains(err.Error(), text) {
			n++
		}
	}
	return n
}

// gate is an assignment hook that hangs while it is shut.
type gate struct {
	shut atomic.Bool
	open chan struct{}
	over <-chan struct{} // the test
}

func newGate(f *fleet.Fleet) *gate { return &gate{open: make(chan struct{}), over: f.Closing()} }

func (g *gate) hook(context.Context, []parti.Partition, []parti.Partition) error {
	if g.shut.Load() {
		select {
		case <-g.open:
		case <-g.over:
		}
	}
	return nil
}

func TestAHookThatHangsWhileItAddsIsToldByItsWorkerAndByTheLeader(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(3)
		f.Rest()
		g := newGate(f)
		g.shut.Store(true)
		stuck := f.Start(1, fleet.Handler(g.hook))[0]
		f.Wait(window+10*time.Second, "it is given something", func() bool { return len(stuck.Manager.Status().Partitions) > 0 })
		granted := stuck.Manager.Status().Partitions
		require.Equal(t, parti.PhaseStarting, granted[0].Phase)
		require.NoError(t, stuck.Manager.Healthy(), "within its time")
		require.Empty(t, stuck.Manager.Status().Waits)

		<-time.After(handoffBound - 100*time.Millisecond)
		require.Zero(t, told(stuck, parti.ErrStuck, ""))
		<-time.After(3 * time.Second)
		id, first := stuck.Manager.WorkerID(), granted[0].Partition.ID()
		require.Equal(t, 1, told(stuck, parti.ErrStuck, first), "the worker says so once")
		require.Equal(t, 1, told(stuck, parti.ErrHandoffTimeout, id))
		waits := stuck.Manager.Status().Waits
		require.Len(t, waits, 1)
		require.Contains(t, waits[0].What, first)
		require.Equal(t, id, waits[0].Who)
		require.InDelta(t, handoffBound.Seconds(), time.Since(waits[0].Since).Seconds(), 4)
		require.ErrorIs(t, stuck.Manager.Healthy(), parti.ErrStuck)
		leader := f.Leader()
		require.Equal(t, 1, told(leader, parti.ErrHandoffTimeout, "worker "+id+" has not taken up"))
		require.Equal(t, 1, told(leader, parti.ErrStuck, "worker "+id+" says"))
		require.Equal(t, 2, told(leader, nil, first), "both name the partition")
		require.NoError(t, leader.Manager.Healthy(), "nothing is wrong with the leader")

		<-time.After(5 * time.Minute)
		require.Equal(t, 1, told(stuck, parti.ErrStuck, ""), "not again and again")
		require.Equal(t, 2, told(leader, nil, id))
		close(g.open)
		f.Wait(time.Second, "it is healthy", func() bool { return stuck.Manager.Healthy() == nil })
		require.Empty(t, stuck.Manager.Status().Waits)
		require.Contains(t, f.Checker.Events(), "a wait is over")
		f.Settle(time.Second)
		require.Equal(t, parti.PhaseRunning, stuck.Manager.Status().Partitions[0].Phase)
	})
}

func TestAHookThatHangsAfterSelfFencingIsTold(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		g := newGate(f)
		f.Begin(3)
		stuck := f.Start(1, fleet.Handler(g.hook))[0]
		f.Settle(window + 11*time.Second)
		first := stuck.Running()[0]
		g.shut.Store(true)
		stuck.Link.Cut()
		f.Wait(heartbeatTTL, "its trust is over", func() bool { return stuck.Manager.State() == parti.StateClaimingID })
		stuck.Link.Heal()
		require.Zero(t, stuck.Manager.Status().TrustedFor)
		stopping := stuck.Manager.Status().Partitions
		require.NotEmpty(t, stopping)
		require.Equal(t, parti.PhaseStopping, stopping[0].Phase)
		<-time.After(handoffBound + time.Second)
		require.Equal(t, parti.StateClaimingID, stuck.Manager.State(), "what still runs must not run twice")
		require.Equal(t, 1, told(stuck, parti.ErrStuck, first))
		require.Equal(t, 1, told(stuck, parti.ErrStuck, "rejoin"))
		require.Len(t, stuck.Manager.Status().Waits, 2)
		require.ErrorIs(t, stuck.Manager.Healthy(), parti.ErrHandoffTimeout)
		close(g.open)
		f.Settle(2 * time.Minute)
		require.NoError(t, stuck.Manager.Healthy())
		require.NotEmpty(t, stuck.Running())
	})
}

func TestAFeedThatRetriesInSilenceIsTold(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(3)
		f.Rest()
		blind := f.Followers()[0]
		blind.Link.Block(func(subject string) bool {
			return strings.HasPrefix(subject, "$JS.API.STREAM.INFO.") || strings.HasPrefix(subject, "$JS.API.CONSUMER.")
		})
		b := parti.DefaultConfig().KVBuckets
		for _, bucket := range []string{b.Election, b.Assignment} { // the others make new ones
			stream, err := f.JS.Stream(background(), "KV_"+bucket)
			require.NoError(t, err)
			for name := range stream.ConsumerNames(background()).Name() {
				require.NoError(t, stream.DeleteConsumer(background(), name))
			}
		}
		<-time.After(heartbeatTTL - 100*time.Millisecond)
		require.Zero(t, told(blind, parti.ErrStuck, ""), "a short outage is no news")
		<-time.After(12 * time.Second) // the records have a sign of life every 10 s
		for _, bucket := range []string{b.Election, b.Assignment} {
			require.Equal(t, 1, told(blind, parti.ErrStuck, bucket), bucket)
			require.Equal(t, 1, told(f.Leader(), parti.ErrStuck, bucket), "the heartbeat says it: "+bucket)
		}
		require.Len(t, blind.Manager.Status().Waits, 2)
		require.Equal(t, "the bucket can be read again", blind.Manager.Status().Waits[0].What)
		require.ErrorIs(t, blind.Manager.Healthy(), parti.ErrStuck)
		require.NotEmpty(t, blind.Running(), "it has what it had")
		blind.Link.Heal()
		f.Wait(5*time.Second, "it sees", func() bool { return blind.Manager.Healthy() == nil })
		require.Equal(t, 2, told(blind, parti.ErrStuck, ""))
		f.Settle(time.Second)
	})
}

func TestDirectGetThatIsSwitchedOffIsNamedAndOutlived(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(3)
		f.Rest()
		before := f.Checker.Owners()
		b := parti.DefaultConfig().KVBuckets
		buckets := []string{b.Election, b.Heartbeat, b.Assignment}
		allow := func(is bool) {
			for _, bucket := range buckets {
				stream, err := f.JS.Stream(background(), "KV_"+bucket)
				require.NoError(t, err)
				cfg := stream.CachedInfo().Config
				cfg.AllowDirect = is
				_, err = f.JS.UpdateStream(background(), cfg)
				require.NoError(t, err)
			}
		}
		allow(false)
		<-time.After(80 * time.Second) // a listing is due every 30 s, and then has OperationTimeout
		for _, p := range f.Followers() {
			require.Equal(t, 1, told(p, parti.ErrBucketMismatch, b.Assignment), "%v", p.Errors())
			require.Equal(t, 1, told(p, parti.ErrBucketMismatch, b.Election))
			require.ErrorContains(t, p.Manager.Healthy(), "direct get is off, allowed: on")
		}
		require.Equal(t, 1, told(f.Leader(), parti.ErrBucketMismatch, b.Heartbeat))
		require.Equal(t, before, f.Checker.Owners(), "the work goes on")

		leader := f.Leader()
		leader.Crash()
		<-time.After(time.Minute)
		successor := false
		for _, p := range f.Live() {
			successor = successor || told(p, parti.ErrBucketMismatch, "read the assignments") > 0
		}
		require.True(t, successor, "who leads next cannot, and says why: %v %v", f.Live()[0].Errors(), f.Live()[1].Errors())
		allow(true)
		f.Settle(2 * time.Minute)
		for _, p := range f.Live() {
			f.Wait(40*time.Second, "it is healthy", func() bool { return p.Manager.Healthy() == nil })
		}
	})
}

func TestANoticeHookThatHangsIsAWait(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		var shut atomic.Bool
		open := make(chan struct{})
		f.Begin(2)
		slow := f.Start(1, func(spec *fleet.Spec) {
			spec.OnStateChanged = func(context.Context, parti.State, parti.State) error {
				if shut.Load() {
					<-open
				}
				return nil
			}
		})[0]
		f.Settle(window + 11*time.Second)
		shut.Store(true)
		f.Start(1)
		<-time.After(window + handoffBound)
		waits := slow.Manager.Status().Waits
		require.Len(t, waits, 1)
		require.Equal(t, "OnStateChanged returns", waits[0].What)
		require.Equal(t, 1, told(f.Leader(), parti.ErrStuck, "OnStateChanged"), "OnError waits behind it; the heartbeat does not")
		require.NotEmpty(t, slow.Running(), "it holds up nothing else")
		shut.Store(false)
		close(open)
		f.Settle(window + time.Second)
		f.Wait(time.Second, "it is healthy", func() bool { return slow.Manager.Healthy() == nil })
		require.Equal(t, 1, told(slow, parti.ErrStuck, "OnStateChanged"))
	})
}

func TestASourceAndAStrategyThatHangAreWaitsOfTheLeader(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		var source fleet.SlowSource
		var shut atomic.Bool
		open := make(chan struct{})
		f := fleet.New(t, s, 30, fleet.Slowly(&source), fleet.Strategy(hangs{strategy.NewRoundRobin(), &shut, open}))
		source.Over = f.Closing()
		f.Begin(3)
		f.Rest()
		source.Delay.Store(int64(time.Hour))
		f.Leader().Crash() // the next leader lists the source first
		shut.Store(true)
		f.Wait(30*time.Second, "it waits for the source", func() bool {
			l := f.Leader()
			return l != nil && errors.Is(l.Manager.Healthy(), parti.ErrSourceFailed)
		})
		leader := f.Leader()
		require.Equal(t, "the source", leader.Manager.Status().Waits[0].Who)
		require.Positive(t, told(leader, parti.ErrSourceFailed, ""))
		source.Delay.Store(0)
		f.Wait(time.Minute, "the source answers", func() bool { return !errors.Is(leader.Manager.Healthy(), parti.ErrSourceFailed) })
		f.Start(1)
		f.Wait(time.Minute, "it waits for the strategy", func() bool { return errors.Is(leader.Manager.Healthy(), parti.ErrStrategyFailed) })
		require.Positive(t, told(leader, parti.ErrStrategyFailed, ""))
		shut.Store(false)
		close(open)
		f.Settle(2 * time.Minute)
		require.NoError(t, leader.Manager.Healthy())
	})
}

// hangs is a strategy that does not answer while it is shut.
type hangs struct {
	parti.Strategy
	shut *atomic.Bool
	open <-chan struct{}
}

func (h hangs) Assign(w []strategy.Worker, p []parti.Partition, previous []int) ([]int, error) {
	if h.shut.Load() {
		<-h.open
	}
	return h.Strategy.Assign(w, p, previous)
}

func TestAWorkerThatFindsNoIDAgainSaysSo(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.WorkerIDMin, c.WorkerIDMax, c.Standby = 0, 2, true }))
		f.Begin(3)
		f.Rest()
		standby := f.Start(1)[0]
		<-time.After(5 * time.Minute)
		require.NoError(t, standby.Manager.Healthy(), "it waits for as long as it takes")
		require.Zero(t, standby.Manager.Status().TrustedFor)
		homeless := f.Followers()[0]
		if homeless == standby {
			homeless = f.Followers()[1]
		}
		require.Positive(t, homeless.Manager.Status().TrustedFor)
		homeless.Link.Cut()
		require.NoError(t, standby.Begun())
		homeless.Link.Heal()
		<-time.After(parti.DefaultConfig().StartupTimeout + time.Minute)
		require.Equal(t, 1, told(homeless, parti.ErrNoFreeID, parti.DefaultConfig().KVBuckets.StableID))
		require.ErrorIs(t, homeless.Manager.Healthy(), parti.ErrStuck)
		require.NoError(t, standby.Stop())
		f.Settle(window + 30*time.Second)
		require.NoError(t, homeless.Manager.Healthy())
	})
}

func TestHealthBeforeTheStartAndAfterTheEnd(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3)
		p := f.Make()
		require.NoError(t, p.Manager.Healthy())
		require.Equal(t, parti.StateInit, p.Manager.Status().State)
		p.Start()
		f.Settle(coldStart + time.Second)
		status := p.Manager.Status()
		require.True(t, status.Ready && status.Leader)
		require.NotZero(t, status.Session)
		require.NotZero(t, status.Version)
		require.EqualValues(t, 1, status.Term)
		require.Greater(t, status.TrustedFor, heartbeatTTL/4)
		require.LessOrEqual(t, status.TrustedFor, heartbeatTTL*3/4)
		require.NoError(t, p.Stop())
		require.ErrorIs(t, p.Manager.Healthy(), parti.ErrStopped)
		require.Equal(t, parti.StateShutdown, p.Manager.Status().State)
		require.Empty(t, p.Manager.Status().Partitions)
	})
}

func TestAWorkerThatCannotApplyWhatItReadsSaysSo(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(3)
		f.Rest()
		p := f.Followers()[0]
		bucket, err := f.JS.KeyValue(background(), parti.DefaultConfig().KVBuckets.Assignment)
		require.NoError(t, err)
		before, err := bucket.Get(background(), p.Manager.WorkerID())
		require.NoError(t, err)
		_, err = bucket.Put(background(), before.Key(), []byte(`{"format":99,"token":"x/1/1"}`))
		require.NoError(t, err)
		<-time.After(handoffBound - time.Second)
		require.NoError(t, p.Manager.Healthy())
		<-time.After(2 * time.Second)
		require.ErrorIs(t, p.Manager.Healthy(), parti.ErrNewerFormat)
		require.Equal(t, 1, told(p, parti.ErrNewerFormat, ""))
		_, err = bucket.Put(background(), before.Key(), before.Value())
		require.NoError(t, err)
		f.Wait(time.Second, "it is healthy", func() bool { return p.Manager.Healthy() == nil })
		f.Settle(time.Second)
	})
}
