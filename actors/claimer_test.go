package actors

import (
	"testing"

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
