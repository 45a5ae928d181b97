// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// scrawl stores what a stranger would: without a condition, without a TTL.
func scrawl(t *testing.T, s *Store, b store.Bucket, key, value string, opts ...jetstream.PublishOpt) {
	t.Helper()
	_, err := s.js.PublishMsg(t.Context(), &nats.Msg{Subject: s.subject(b, key), Data: []byte(value)}, opts...)
	require.NoError(t, err)
}

func TestALeaseOnLeadershipThatIsNoRecordHoldsNothing(t *testing.T) {
	for _, g := range garbage() {
		if _, err := record.DecodeLeader([]byte(g)); !errors.Is(err, ErrCorrupt) {
			continue
		}
		withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
			h := listen(t, s, store.Election, []string{store.LeaderKey}, 0)
			require.Equal(t, []string{"synced"}, h.take())
			lease, err := s.Acquire(t.Context(), store.Election, store.LeaderKey, record.Leader{Worker: "worker-0"}, nil)
			require.NoError(t, err)
			scrawl(t, s, store.Election, store.LeaderKey, g)
			_, err = s.Renew(t.Context(), lease, record.Leader{Worker: "worker-0"})
			require.ErrorIs(t, err, ErrLost, "%.60q", g)
			require.Contains(t, h.take(), "deleted leader", "%.60q", g)
			_, err = s.Acquire(t.Context(), store.Election, store.LeaderKey, record.Leader{Worker: "worker-1"}, nil)
			require.NoError(t, err, "%.60q", g)
			require.Equal(t, []string{"put leader"}, h.take(), "%.60q", g)
			h.noBack(t)
		})
	}
}

func TestALeaseOnLeadershipOfALaterReleaseIsRespected(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		scrawl(t, s, store.Election, store.LeaderKey, `{"format":4,"token":"a/1/1","leads":"worker-7"}`, jetstream.WithMsgTTL(s.TTL(store.Election)))
		_, err := s.Acquire(t.Context(), store.Election, store.LeaderKey, record.Leader{Worker: "worker-1"}, nil)
		require.ErrorIs(t, err, ErrTaken)
	})
}

func TestAHeartbeatThatIsNoRecordIsExpiredInTheEnd(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		acquire(t, s, "worker-0")
		h := listen(t, s, store.Heartbeats, nil, 0)
		require.Equal(t, []string{"put worker-0", "synced"}, h.take())
		scrawl(t, s, store.Heartbeats, "worker-0", `{"name":"orders"}`)
		require.Equal(t, []string{"put worker-0"}, h.take())
		time.Sleep(s.TTL(store.Heartbeats) + resyncEvery)
		require.NotContains(t, h.take(), "expired worker-0", "not before a TTL after a snapshot showed it")
		time.Sleep(resyncEvery)
		require.Equal(t, []string{"expired worker-0", "synced"}, h.take())
		time.Sleep(5 * resyncEvery)
		require.NotContains(t, h.take(), "expired worker-0", "once")
		scrawl(t, s, store.Heartbeats, "worker-0", `{"format":1,"token":"a/1/1","session":3}`, jetstream.WithMsgTTL(time.Hour))
		require.Equal(t, []string{"put worker-0"}, h.take(), "its worker may come back")
		time.Sleep(5 * resyncEvery)
		require.NotContains(t, h.take(), "expired worker-0")
	})
}

func TestAnAssignmentBucketThatIsEmptiedIsRolledBack(t *testing.T) {
	for name, refill := range map[string]func(t *testing.T, s *Store){
		"and stays empty": func(*testing.T, *Store) {},
		"and begun to be filled again": func(t *testing.T, s *Store) {
			_, err := s.BeginTerm(t.Context(), record.Term{}, 1, always)
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
				f, err := s.BeginTerm(t.Context(), record.Term{}, 0, always)
				require.NoError(t, err)
				require.NoError(t, s.WritePlan(t.Context(), f, plan(1, "worker-0")))
				h := listen(t, s, store.Assignments, []string{store.TermKey, store.PlanKey, "worker-0"}, 0)
				time.Sleep(time.Second)
				stream, err := s.js.Stream(t.Context(), s.stream(store.Assignments))
				require.NoError(t, err)
				require.NoError(t, stream.Purge(t.Context()))
				refill(t, s)
				began := time.Now()
				err = <-h.done
				require.ErrorIs(t, err, ErrRolledBack)
				require.ErrorContains(t, err, "emptied")
				require.LessOrEqual(t, time.Since(began), resyncEvery)
			})
		})
	}
}

// TestAHeartbeatThatIsNoRecordIsWrittenOver: it has no end to wait for, or one that is too far away.
func TestAHeartbeatThatIsNoRecordIsWrittenOver(t *testing.T) {
	for _, lifetime := range []string{"", "never", "1h"} {
		withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
			m := nats.NewMsg(s.subject(store.Heartbeats, "worker-0"))
			m.Data = []byte("garbage")
			if lifetime != "" {
				m.Header.Set(jetstream.MsgTTLHeader, lifetime)
			}
			_, err := s.js.PublishMsg(t.Context(), m)
			require.NoError(t, err)
			time.Sleep(s.TTL(store.Heartbeats))
			_, err = s.Acquire(t.Context(), store.Heartbeats, "worker-0", record.Heartbeat{Session: 2}, func(e store.Entry) bool {
				_, err := record.DecodeHeartbeat(e.Value)
				return err != nil
			})
			require.NoError(t, err, "lifetime %q", lifetime)
		})
	}
}

// TestACopyOfALeaseThatHasNoLifetimeHoldsNothingForGood: somebody puts back what a worker had written. It would never expire.
func TestACopyOfALeaseThatHasNoLifetimeHoldsNothingForGood(t *testing.T) {
	withStores(t, func(t *testing.T, before, now *Store) {
		copies := func(b store.Bucket, key string) {
			e, err := now.Get(t.Context(), b, key)
			require.NoError(t, err)
			scrawl(t, now, b, key, string(e.Value))
		}
		_, err := before.Acquire(t.Context(), store.Election, store.LeaderKey, record.Leader{Worker: "worker-0"}, nil)
		require.NoError(t, err)
		old := acquire(t, before, "worker-0")
		h := listen(t, now, store.Heartbeats, nil, 0)
		require.Equal(t, []string{"put worker-0", "synced"}, h.take())
		copies(store.Election, store.LeaderKey)
		copies(store.Heartbeats, "worker-0")
		_, err = now.Acquire(t.Context(), store.Election, store.LeaderKey, record.Leader{Worker: "worker-1"}, nil)
		require.NoError(t, err, "a group without a leader for good")
		time.Sleep(old.TTL)
		require.Equal(t, []string{"put worker-0"}, h.take())
		time.Sleep(2 * resyncEvery)
		require.Contains(t, h.take(), "expired worker-0", "a worker that lives for good")
		began := time.Now()
		_, err = now.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(2), func(store.Entry) bool { return true })
		require.NoError(t, err)
		require.Less(t, time.Since(began), time.Second)
		copies(store.Heartbeats, "worker-0")
		time.Sleep(old.TTL)
		require.NoError(t, now.Release(t.Context(), now.Left(store.Heartbeats)[0]))
		require.Less(t, time.Since(began), old.TTL+time.Second)
	})
}
