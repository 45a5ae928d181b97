package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// TestASessionEndsByItsOwnClockWhenAPartOfItsWorkerHangs: the part that renews a lease is also one that sees the end of it. Where that
// part does nothing any more, the worker ends the session by itself, before anybody else may own what it runs.
func TestASessionEndsByItsOwnClockWhenAPartOfItsWorkerHangs(t *testing.T) {
	for kind, b := range map[member.Kind]store.Bucket{member.Heartbeat: store.Heartbeats, member.Claimer: store.StableIDs} {
		f := healthy(t, 5, 60)
		w := f.follower()
		w.children[kind].hangs = true
		tenure, ttl := w.tenure, w.client.ttl[b]
		end := w.client.sent[b].Add(ttl * 3 / 4)
		f.Run(end.Add(-100 * time.Millisecond))
		require.False(t, tenure.ended, "%s: it is trusted until %s", kind, end)
		f.Run(end.Add(100 * time.Millisecond))
		require.True(t, tenure.ended, "%s: it is not trusted since %s", kind, end)
		f.Run(f.Now().Add(time.Minute))
		require.Empty(t, f.Broken, kind)
		require.Zero(t, f.Missing(), kind)
		require.NotEmpty(t, w.Owned, "%s: it has not come back", kind)
	}
}

// TestAWorkerWhoseClaimIsNotRenewedTrustsItsHeartbeatNoLonger: one bucket has no leader for longer than a claim is trusted, and the
// heartbeats go on.
func TestAWorkerWhoseClaimIsNotRenewedTrustsItsHeartbeatNoLonger(t *testing.T) {
	f := settled(t, model.Config{Start: Begin, Latency: 100 * time.Microsecond, Replicas: 3}, 3, 12)
	f.Store.Elect(f.Now(), store.StableIDs, f.Now().Add(35*time.Second))
	f.Run(f.Now().Add(28 * time.Second))
	for _, w := range f.Workers {
		require.Empty(t, w.Owned, w.Name)
	}
	f.Run(f.Now().Add(2 * time.Minute))
	require.Empty(t, f.Broken)
	require.Zero(t, f.Missing())
}

func TestTheJudgeSeesTrustThatLastsTooLong(t *testing.T) {
	f := healthy(t, 3, 12)
	w := f.Workers[0]
	in := []store.Bucket{store.Heartbeats, store.StableIDs}
	f.judge.believes(w, "its session", w.trust.Until, in...)
	require.Empty(t, f.Broken)
	f.judge.believes(w, "its session", w.trust.Until.Add(time.Millisecond), in...)
	require.Len(t, f.Broken, 1)
	require.Contains(t, f.Broken[0], "I1: process-2 trusts its session 1ms longer than its entry in the heartbeat bucket allows")
}
