// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv"
)

func TestASessionWhoseClaimAnotherTakesEnds(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		set, buckets := openStore(t, server)
		reports := make(chan reported, 100)
		begin(t, func(g *guard) body {
			return newClaimer(g, func(r reported) { reports <- r }, set, buckets, "", nil, legacy{})
		})
		first := next(t, reports)
		require.IsType(t, &claimed{}, first)
		id := first.(*claimed).lease.Key
		_, err := buckets.Acquire(t.Context(), store.StableIDs, id, record.Claim{Host: "another"}, func(store.Entry) bool { return true })
		require.NoError(t, err)
		lost := next(t, reports)
		require.IsType(t, &sessionLost{}, lost)
		require.ErrorIs(t, lost.(*sessionLost).err, kv.ErrLost)
	})
}

// TestAWorkerWhoseIDWasTakenFromItTakesAnotherAtOnce: another process proved that the session before was over and took its claim.
// That one lives, so its ID does not come free, however long the wait.
func TestAWorkerWhoseIDWasTakenFromItTakesAnotherAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		set, buckets := openStore(t, server)
		set.PreferredIDWait = time.Minute
		before, err := buckets.ClaimID(t.Context(), record.Claim{Host: "frozen"}, store.ClaimOptions{Prefer: []string{"worker-0"}})
		require.NoError(t, err)
		_, other := openStore(t, server)
		_, err = other.Acquire(t.Context(), store.StableIDs, before.Key, record.Claim{Host: "another"}, func(store.Entry) bool { return true })
		require.NoError(t, err)
		reports := make(chan reported, 100)
		began := time.Now()
		begin(t, func(g *guard) body {
			return newClaimer(g, func(r reported) { reports <- r }, set, buckets, before.Key, &before, legacy{})
		})
		again := next(t, reports)
		require.IsType(t, &claimed{}, again)
		require.NotEqual(t, before.Key, again.(*claimed).lease.Key)
		require.Less(t, time.Since(began), wishPause, "it waited for an ID that another worker has")
	})
}
