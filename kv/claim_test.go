// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

func claim(t *testing.T, s *Store, opts store.ClaimOptions) store.Lease {
	t.Helper()
	l, err := s.ClaimID(t.Context(), record.Claim{Host: "h"}, opts)
	require.NoError(t, err)
	return l
}

func TestTheLowestFreeIDIsClaimed(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		var leases []store.Lease
		var stores []*Store
		for i := range 5 {
			s := openStore(t, srv, testConfig())
			l := claim(t, s, store.ClaimOptions{})
			require.Equal(t, testConfig().ID(i), l.Key)
			leases, stores = append(leases, l), append(stores, s)
		}
		require.NoError(t, stores[2].Release(t.Context(), leases[2]))
		require.Equal(t, "worker-2", claim(t, stores[2], store.ClaimOptions{}).Key)
	})
}

func TestAPreferredIDIsClaimedWhenItIsFree(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		a, b := openStore(t, srv, testConfig()), openStore(t, srv, testConfig())
		require.Equal(t, "worker-7", claim(t, a, store.ClaimOptions{Prefer: []string{"worker-7"}}).Key)
		require.Equal(t, "worker-8", claim(t, b, store.ClaimOptions{Prefer: []string{"worker-7", "worker-8"}}).Key)
		require.Equal(t, "worker-0", claim(t, openStore(t, srv, testConfig()), store.ClaimOptions{Prefer: []string{"worker-7"}}).Key)
		require.Equal(t, "worker-1", claim(t, openStore(t, srv, testConfig()), store.ClaimOptions{Prefer: []string{"elsewhere-3"}}).Key,
			"an ID outside the range is no ID")
	})
}

func TestARejoiningWorkerTakesItsTrustedClaimOverAsANewSession(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		s := openStore(t, srv, testConfig())
		first := claim(t, s, store.ClaimOptions{})
		second := claim(t, s, store.ClaimOptions{Prefer: []string{first.Key}, Prior: &first})
		require.Equal(t, first.Key, second.Key)
		require.Greater(t, second.Revision, first.Revision)
		_, err := s.Renew(t.Context(), first, record.Claim{Session: first.Revision})
		require.ErrorIs(t, err, ErrLost)

		time.Sleep(time.Until(second.TrustedUntil()))
		_, err = s.ClaimID(t.Context(), record.Claim{}, store.ClaimOptions{Prefer: []string{second.Key}, Prior: &second})
		require.ErrorIs(t, err, ErrNotDone, "a claim that is not trusted any more runs out first")
		time.Sleep(time.Until(second.Sent.Add(second.TTL + time.Second)))
		third := claim(t, s, store.ClaimOptions{Prefer: []string{second.Key}, Prior: &second})
		require.Equal(t, second.Key, third.Key)
		other := openStore(t, srv, testConfig())
		require.NotEqual(t, third.Key, claim(t, other, store.ClaimOptions{Prefer: []string{third.Key}, Prior: &third}).Key,
			"another process cannot use it")
	})
}

// TestAClaimThatMayHaveExpiredIsNotTakenOver: a store that was away may show an entry for longer than its time, and another worker
// may have the ID by then.
func TestAClaimThatMayHaveExpiredIsNotTakenOver(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		prior := claim(t, s, store.ClaimOptions{})
		entry, err := s.Get(t.Context(), store.StableIDs, prior.Key)
		require.NoError(t, err)
		require.True(t, s.mayTakeOver(entry, store.ClaimOptions{Prior: &prior}))
		prior.Sent = prior.Sent.Add(-prior.TTL * 3 / 4)
		require.False(t, s.mayTakeOver(entry, store.ClaimOptions{Prior: &prior}))
	})
}

func TestASessionIsNumberedAboveEveryOneThatIsNamed(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		s := openStore(t, srv, testConfig())
		lease := claim(t, s, store.ClaimOptions{})
		number, err := s.SessionNumber(t.Context(), lease)
		require.NoError(t, err)
		require.Equal(t, lease.Revision, number)
		_, err = s.Acquire(t.Context(), store.Heartbeats, lease.Key, record.Heartbeat{Session: lease.Revision + 5}, nil)
		require.NoError(t, err)
		number, err = s.SessionNumber(t.Context(), lease)
		require.NoError(t, err)
		require.Equal(t, lease.Revision+6, number, "the claims were restored from an older copy than the heartbeats")
	})
}

func TestAnExhaustedRangeIsNamed(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		cfg := testConfig()
		cfg.IDMin, cfg.IDMax = 3, 4
		a := openStore(t, srv, cfg)
		l := claim(t, a, store.ClaimOptions{})
		require.Equal(t, "worker-3", l.Key)
		claim(t, openStore(t, srv, cfg), store.ClaimOptions{})
		late := openStore(t, srv, cfg)
		_, err := late.ClaimID(t.Context(), record.Claim{}, store.ClaimOptions{Spread: true})
		require.ErrorIs(t, err, ErrNoFreeID)
		for _, part := range []string{"worker-3", "worker-4", "2"} {
			require.ErrorContains(t, err, part)
		}
		require.NoError(t, a.Release(t.Context(), l))
		require.Equal(t, "worker-3", claim(t, late, store.ClaimOptions{}).Key)
	})
}

func TestTwoHundredStartersNeedFewOperationsAndTakeTheLowestIDs(t *testing.T) {
	for _, n := range []int{8, 200} {
		bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
			cfg := testConfig()
			cfg.IDMax = 199
			var operations atomic.Int64
			bucket := "KV_" + cfg.StableID
			count := func(subject string) {
				if strings.Contains(subject, bucket) || strings.HasPrefix(subject, "$KV."+cfg.StableID+".") {
					operations.Add(1)
				}
			}
			stores := make([]*Store, n)
			for i := range stores {
				l := link.New(srv, count)
				defer l.Close()
				stores[i] = openStore(t, l, cfg)
			}
			operations.Store(0)
			var all sync.WaitGroup
			keys := make([]string, n)
			for i, s := range stores {
				all.Go(func() {
					l, err := s.ClaimID(t.Context(), record.Claim{}, store.ClaimOptions{Spread: true})
					if err != nil {
						t.Error(err)
					}
					keys[i] = l.Key
				})
			}
			all.Wait()
			seen := map[string]bool{}
			for _, key := range keys {
				number, ok := cfg.ParseID(key)
				require.True(t, ok)
				require.Less(t, number, n, "the IDs are compact")
				seen[key] = true
			}
			require.Len(t, seen, n, "no ID twice")
			each := float64(operations.Load()) / float64(n)
			t.Logf("%d starters: %.2f operations each", n, each)
			require.LessOrEqual(t, each, 5.0)
		})
	}
}

func TestStartersThatDoNotSpreadStillEndUpWithDifferentIDs(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		const n = 20
		cfg := testConfig()
		cfg.IDMax = n - 1
		stores := make([]*Store, n)
		for i := range stores {
			stores[i] = openStore(t, srv, cfg)
		}
		var all sync.WaitGroup
		var seen sync.Map
		for _, s := range stores {
			all.Go(func() {
				l, err := s.ClaimID(t.Context(), record.Claim{}, store.ClaimOptions{})
				if err != nil {
					t.Error(err)
				} else if _, twice := seen.LoadOrStore(l.Key, true); twice {
					t.Errorf("%s was claimed twice", l.Key)
				}
			})
		}
		all.Wait()
	})
}
