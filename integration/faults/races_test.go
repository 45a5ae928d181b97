// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/inject"
)

func TestASourceThatChangesWhileAPlanIsWrittenIsPlannedFor(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(3)
		f.Rest()
		f.Leader().Link.Slow(100 * time.Millisecond)
		<-time.After(5 * time.Second)
		list, followers := f.Source.List(), f.Followers()
		var asked sync.WaitGroup
		f.Source.Set(append(list, fleet.Partition(100))...)
		asked.Go(func() { assert.NoError(t, followers[0].Refresh()) })
		<-time.After(150 * time.Millisecond) // the list takes 100 ms, the write 200 ms more
		f.Source.Set(append(list, fleet.Partition(100), fleet.Partition(101))...)
		asked.Go(func() { assert.NoError(t, followers[1].Refresh()) })
		asked.Wait()
		f.Settle(5 * time.Second)
	})
}

func TestAnOlderListNeverReplacesANewerOne(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		var source fleet.SlowSource
		f := fleet.New(t, s, 30, fleet.Slowly(&source))
		source.Over = f.Closing()
		f.Begin(3)
		f.Rest()
		followers := f.Followers()
		var asked sync.WaitGroup
		source.Delay.Store(int64(time.Second))
		asked.Go(func() { assert.NoError(t, followers[0].Refresh()) })
		<-time.After(100 * time.Millisecond)
		source.Delay.Store(0)
		f.Source.Set(append(f.Source.List(), fleet.Partition(100))...)
		require.NoError(t, followers[1].Refresh())
		asked.Wait()
		f.Settle(5 * time.Second)
	})
}

func TestASourceThatHangsHoldsUpNobody(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		var source fleet.SlowSource
		f := fleet.New(t, s, 30, fleet.Slowly(&source))
		source.Over = f.Closing()
		f.Begin(3)
		f.Rest()
		source.Delay.Store(int64(time.Hour))
		require.Error(t, f.Followers()[0].Refresh())
		f.Followers()[0].Crash()
		f.Settle(heartbeatTTL + 2*time.Second)
	})
}

func TestARestartWithANewPartitionGivesEveryIDBackWhatItHad(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		old := f.Begin(6)
		f.Rest()
		before := f.Checker.Owners()
		for _, p := range old {
			require.NoError(t, p.Stop())
		}
		f.Source.Set(append(f.Source.List(), fleet.Partition(100))...)
		for _, p := range old {
			f.Restart(p)
			<-time.After(300 * time.Millisecond)
		}
		f.Settle(coldStart + 20*time.Second)
		after := f.Checker.Owners()
		delete(after, fleet.Partition(100).ID())
		require.Equal(t, before, after)
	})
}

func TestARollingRestartWithANewPartitionMovesNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(4)
		f.Rest()
		before := f.Checker.Owners()
		p := f.Followers()[0]
		require.NoError(t, p.Stop())
		f.Source.Set(append(f.Source.List(), fleet.Partition(100))...)
		ctx, cancel := context.WithTimeout(background(), time.Second)
		defer cancel()
		_ = f.Followers()[0].Manager.RefreshPartitions(ctx) // what belongs to the one that is away waits for it
		f.Restart(p)
		f.Settle(coldStart)
		after := f.Checker.Owners()
		delete(after, fleet.Partition(100).ID())
		require.Equal(t, before, after)
	})
}

// holdUp holds the manager of some worker up for a time, at its next message of a kind, once it is armed.
func holdUp(message string, d time.Duration) (armed, held *atomic.Bool) {
	armed, held = new(atomic.Bool), new(atomic.Bool)
	before := inject.Receive.Load()
	receive := func(kind, worker string, m any) {
		if kind == "manager" && armed.Load() && strings.Contains(reported(m), message) && held.CompareAndSwap(false, true) {
			<-time.After(d)
		}
		(*before)(kind, worker, m)
	}
	inject.Receive.Store(&receive)
	return armed, held
}

// reported names the type of what a child reports to its manager.
func reported(m any) string {
	v := reflect.ValueOf(m)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return ""
	}
	if inner := v.Elem().FieldByName("message"); inner.IsValid() && inner.Kind() == reflect.Interface && !inner.IsNil() {
		return inner.Elem().Type().String()
	}
	return fmt.Sprintf("%T", m)
}

func TestAFirstHeartbeatThatIsHeardOfTooLateBeginsASessionAnew(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.StartupTimeout = 10 * time.Minute }))
		armed, held := holdUp("actors.beat", 5*time.Second)
		armed.Store(true)
		f.Start(1)
		f.Wait(time.Minute, "held up", held.Load)
		f.Settle(2 * time.Minute)
	})
}

func TestAGrantThatWasRefusedForLackOfTrustIsTakenUpLater(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		armed, held := holdUp("actors.beat", 5900*time.Millisecond)
		f.Begin(1)
		f.Rest()
		armed.Store(true)
		f.Wait(10*time.Second, "held up", held.Load)
		<-time.After(5 * time.Second)
		f.Source.Set(append(f.Source.List(), fleet.Partition(100))...)
		ctx, cancel := context.WithTimeout(background(), 10*time.Second)
		defer cancel()
		_ = f.Live()[0].Manager.RefreshPartitions(ctx)
		f.Settle(2 * time.Minute)
	})
}

func TestAStandbyLivesThroughTheLossOfTheIDs(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.WorkerIDMax = c.WorkerIDMin + 1 }))
		f.Begin(2)
		f.Rest()
		standby := f.Start(1, fleet.Config(func(c *parti.Config) { c.Standby = true }))[0]
		<-time.After(time.Minute)
		require.NoError(t, f.JS.DeleteStream(background(), "KV_"+parti.DefaultConfig().KVBuckets.StableID))
		f.Checker.Restored()
		<-time.After(2 * time.Minute)
		for _, p := range f.Live() {
			if p != standby && p.Manager.WorkerID() != "" {
				require.NoError(t, p.Stop())
				break
			}
		}
		f.Wait(time.Minute, "the standby has an ID", func() bool { return standby.Manager.WorkerID() != "" })
		f.Settle(2 * time.Minute)
	})
}

func TestAWorkerThatKeptServingGivesUpWhatWasGivenAway(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.OnStoreLoss = parti.OnStoreLossKeepServing }))
		f.Begin(3)
		f.Rest()
		kept := f.Followers()[0]
		f.Checker.Froze(kept.Name) // what it runs from now on only the epochs keep apart
		kept.Link.Cut()
		<-time.After(40 * time.Second)
		require.NotEmpty(t, kept.Running())
		kept.Link.Heal()
		f.Checker.Thawed(kept.Name)
		f.Wait(2*time.Second, "it has an ID again", func() bool { return kept.Manager.WorkerID() != "" })
		f.Settle(time.Minute)
	})
}
