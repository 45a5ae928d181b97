// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

func TestGhostWritesDoNoHarm(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.DefaultConnection())
		f.Begin(5)
		f.Rest()
		for range 3 {
			leader, follower := f.Leader(), f.Followers()[0]
			leader.Link.Cut()
			follower.Link.Stall()
			<-time.After(heartbeatTTL + 3*time.Second)
			leader.Link.Heal()
			follower.Link.Heal()
			f.Settle(time.Minute)
		}
	})
}

func TestRecordsOfAnUnknownFormatAreLeftAlone(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(3)
		f.Rest()
		b := parti.DefaultConfig().KVBuckets
		heartbeats, err := f.JS.KeyValue(background(), b.Heartbeat)
		require.NoError(t, err)
		_, err = heartbeats.Create(background(), "worker-50", []byte(`{"format":99,"token":"x/1/1"}`), jetstream.KeyTTL(10*time.Second))
		require.NoError(t, err)
		f.Wait(5*time.Second, "the leader says so and leads no more", func() bool {
			for _, p := range f.Live() {
				if p.Saw(parti.ErrNewerFormat) {
					return true
				}
			}
			return false
		})
		<-time.After(20 * time.Second)
		require.NoError(t, f.Checker.Complete(f.Source.IDs()))
		f.Wait(time.Minute, "a leader again", func() bool { return f.Leader() != nil })
		f.Start(1)
		f.Settle(window + 15*time.Second)
	})
}

func TestGarbageInTheBucketsIsSurvived(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(3)
		f.Rest()
		b := parti.DefaultConfig().KVBuckets
		for _, bucket := range []string{b.StableID, b.Heartbeat, b.Assignment} {
			kv, err := f.JS.KeyValue(background(), bucket)
			require.NoError(t, err)
			for _, key := range []string{"worker-77", "nonsense", "a.b.c"} {
				_, err = kv.Create(background(), key, []byte("{\"truncated\":"))
				require.NoError(t, err)
			}
		}
		f.Start(1)
		f.Settle(window + 11*time.Second)
		f.Leader().Crash()
		f.Settle(heartbeatTTL + window + 11*time.Second)
	})
}

func TestAStolenHeartbeatEndsTheSession(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(3)
		f.Rest()
		victim := f.Followers()[0]
		claims, err := f.JS.KeyValue(background(), parti.DefaultConfig().KVBuckets.StableID)
		require.NoError(t, err)
		require.NoError(t, claims.Delete(background(), victim.Manager.WorkerID()))
		f.Wait(15*time.Second, "the worker notices", func() bool { return victim.Saw(parti.ErrIdentityLost) })
		f.Settle(45 * time.Second)
	})
}

// The other two buckets are what the checker judges sessions by, and go with it: the library's own tests delete those.
func TestABucketThatIsDeletedUnderTheFleetIsSurvived(t *testing.T) {
	b := parti.DefaultConfig().KVBuckets
	for _, name := range []string{b.Election, b.Assignment} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 30)
				f.Begin(4)
				f.Rest()
				require.NoError(t, f.JS.DeleteStream(background(), "KV_"+name))
				f.Wait(2*time.Minute, "somebody noticed", func() bool {
					for _, p := range f.Live() {
						if p.Saw(parti.ErrStoreRolledBack) || p.Saw(parti.ErrIdentityLost) {
							return true
						}
					}
					return false
				})
				f.Settle(3 * time.Minute)
			})
		})
	}
}

// TestWhatAHookWasShownIsNotGrantedAgainWhereTheRecordsAreGone: nothing but its heartbeat says so until the hook has returned.
func TestWhatAHookWasShownIsNotGrantedAgainWhereTheRecordsAreGone(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		var returned, early atomic.Bool
		slow := f.Start(1, fleet.Handler(func(_ context.Context, added, _ []parti.Partition) error {
			if len(added) > 0 {
				<-time.After(8 * time.Second)
				returned.Store(true)
			}
			return nil
		}))[0]
		f.Wait(coldStart+5*time.Second, "the hook is called", func() bool { return len(slow.Running()) == 12 })
		<-time.After(2500 * time.Millisecond) // a heartbeat
		require.NoError(t, f.JS.DeleteStream(background(), "KV_"+parti.DefaultConfig().KVBuckets.Assignment))
		f.Checker.Forgot(noticed)
		stopped := make(chan error, 1)
		go func() { stopped <- slow.Stop() }()
		next := f.Start(1, fleet.Config(func(c *parti.Config) { c.ExpectedWorkers = 2 }), fleet.Handler(func(context.Context, []parti.Partition, []parti.Partition) error {
			early.CompareAndSwap(false, !returned.Load())
			return nil
		}))[0]
		f.Wait(3*time.Second, "the next one leads", func() bool { return f.Leader() == next })
		require.NoError(t, <-stopped)
		f.Settle(coldStart + 15*time.Second)
		require.False(t, early.Load(), "what the first one runs was granted to the next one")
	})
}
