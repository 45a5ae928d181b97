package actors

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/kv"
)

func TestASessionWhoseClaimAnotherTakesEnds(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		set, store := openStore(t, server)
		reports := make(chan reported, 100)
		begin(t, func(g *guard) body {
			return newClaimer(g, func(r reported) { reports <- r }, set, store, "", nil, legacy{})
		})
		first := next(t, reports)
		require.IsType(t, &claimed{}, first)
		id := first.(*claimed).lease.Key
		_, err := store.Acquire(t.Context(), kv.StableIDs, id, kv.Claim{Host: "another"}, func(kv.Entry) bool { return true })
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
		set, store := openStore(t, server)
		set.PreferredIDWait = time.Minute
		before, err := store.ClaimID(t.Context(), kv.Claim{Host: "frozen"}, kv.ClaimOptions{Prefer: []string{"worker-0"}})
		require.NoError(t, err)
		_, other := openStore(t, server)
		_, err = other.Acquire(t.Context(), kv.StableIDs, before.Key, kv.Claim{Host: "another"}, func(kv.Entry) bool { return true })
		require.NoError(t, err)
		reports := make(chan reported, 100)
		began := time.Now()
		begin(t, func(g *guard) body {
			return newClaimer(g, func(r reported) { reports <- r }, set, store, before.Key, &before, legacy{})
		})
		again := next(t, reports)
		require.IsType(t, &claimed{}, again)
		require.NotEqual(t, before.Key, again.(*claimed).lease.Key)
		require.Less(t, time.Since(began), wishPause, "it waited for an ID that another worker has")
	})
}
