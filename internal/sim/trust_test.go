// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

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
	for _, ttl := range []time.Duration{6 * time.Second, 20 * time.Second} { // of the heartbeat; that of the claim is 30 s
		cfg := Defaults(3, 12)
		cfg.Member.HeartbeatTTL, cfg.Topology.HeartbeatTTL = ttl, ttl
		f := settled(t, model.Config{Start: Begin, Latency: 100 * time.Microsecond, Replicas: 3}, cfg)
		f.Store.Elect(f.Now(), store.StableIDs, f.Now().Add(35*time.Second))
		f.Run(f.Now().Add(28 * time.Second))
		for _, w := range f.Workers {
			require.Empty(t, w.Owned, w.Name)
		}
		f.Run(f.Now().Add(2 * time.Minute))
		require.Empty(t, f.Broken)
		require.Zero(t, f.Missing())
	}
}

// TestAShortOutageEndsNoSession: what fails once is tried again while the trust lasts.
func TestAShortOutageEndsNoSession(t *testing.T) {
	f := healthy(t, 5, 60)
	var before []uint64
	for _, w := range f.Workers {
		before = append(before, w.session.Number)
	}
	for range 5 {
		f.Store.Stop(f.Now())
		f.Run(f.Now().Add(2 * time.Second)) // an interval of the heartbeat: each of them fails once
		f.Store.Start(f.Now())
		f.Run(f.Now().Add(11 * time.Second)) // longer than the interval of the claim
	}
	for n, w := range f.Workers {
		require.Equal(t, before[n], w.session.Number, w.Name)
	}
	require.Empty(t, f.Broken)
}

func TestTheJudgeSeesTrustThatLastsTooLong(t *testing.T) {
	f := healthy(t, 3, 12)
	w := f.Workers[0]
	f.judge.trusts(w, &w.trust)
	require.Empty(t, f.Broken)
	f.judge.trusts(w, &member.Trust{Until: w.trust.Until.Add(time.Millisecond)})
	f.judge.trusts(w, &member.Trust{LetGo: w.trust.LetGo.Add(time.Second)})
	require.Len(t, f.Broken, 2)
	require.Contains(t, f.Broken[0], "I1: process-2 trusts its session 1ms longer than its entry in the heartbeat bucket allows")
	require.Contains(t, f.Broken[1], "I1: process-2 may let go 625ms after its entry in the heartbeat bucket has ended")
}

func TestTheJudgeSeesALeaseThatGoesOnAfterItsEnd(t *testing.T) {
	f := healthy(t, 3, 12)
	f.Workers[0].heartbeat.gone = true
	f.Run(f.Now().Add(3 * time.Second))
	require.NotEmpty(t, f.Broken)
	require.Contains(t, f.Broken[0], "I5: process-2 goes on with a lease that it was told is lost")
}

func TestTheJudgeSeesALeaseThatIsNotWrittenAtOnce(t *testing.T) {
	f := healthy(t, 3, 12)
	f.Workers[0].heartbeat.owes = true
	f.Workers[0].heartbeat.proceed()
	require.Len(t, f.Broken, 1)
	require.Contains(t, f.Broken[0], "handoff: process-2 is asked to write a lease and waits until ")
}

func TestTheJudgeSeesALeaderWithoutProofThatItLives(t *testing.T) {
	f := healthy(t, 3, 12)
	w := f.leader()
	f.judge.leads(w)
	require.Empty(t, f.Broken)
	w.proofAt = f.Now()
	f.judge.leads(w)
	require.Len(t, f.Broken, 1)
	require.Contains(t, f.Broken[0], "I6: ")
}
