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

// election is an elector that leads, with a stranger beside it who can write what the elector writes.
type election struct {
	*guard
	reports  chan reported
	fence    store.Fence
	stranger *kv.Store
}

func newElection(t *testing.T, server *bubble.Server) *election {
	t.Helper()
	set, buckets := openStore(t, server)
	_, stranger := openStore(t, server)
	e := &election{reports: make(chan reported, 1000), stranger: stranger}
	begin(t, func(g *guard) body {
		e.guard = g
		return newElector(g, func(r reported) {
			switch r.(type) {
			case *awaits, *awaited:
			default:
				e.reports <- r
			}
		}, set, buckets, "worker-0", 1, 0)
	})
	e.fence = e.elected(t)
	return e
}

func (e *election) elected(t *testing.T) store.Fence {
	t.Helper()
	r := next(t, e.reports)
	for isLeaderSeen(r) {
		r = next(t, e.reports)
	}
	require.IsType(t, &elected{}, r, "%v", said(r))
	return r.(*elected).fence
}

// deposed returns what ended the term, nil included.
func (e *election) deposed(t *testing.T) error {
	t.Helper()
	r := next(t, e.reports)
	require.IsType(t, &deposed{}, r, "%v", said(r))
	return r.(*deposed).err
}

// term stores one more term, as another leader would.
func (e *election) term(t *testing.T) uint64 {
	t.Helper()
	fence, err := e.stranger.BeginTerm(t.Context(), record.Term{Worker: "worker-1", Session: 2}, 0, func() bool { return true })
	require.NoError(t, err)
	return fence.Term
}

// stored returns the term that is stored now.
func (e *election) stored(t *testing.T) uint64 {
	t.Helper()
	entry, err := e.stranger.Get(t.Context(), store.Assignments, store.TermKey)
	require.NoError(t, err)
	term, err := record.DecodeTerm(entry.Value)
	require.NoError(t, err)
	return term.Number
}

func TestALeaderWhoseLeaseIsAnothersBeginsNoTerm(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		e := newElection(t, server)
		_, err := e.stranger.Acquire(t.Context(), store.Election, store.LeaderKey, record.Leader{Worker: "worker-1", Session: 2}, func(store.Entry) bool { return true })
		require.NoError(t, err)
		term := e.term(t)
		e.tell(&termSeen{term: term})
		require.ErrorIs(t, e.deposed(t), kv.ErrDeposed)
		<-time.After(2 * time.Second) // as long as its own clock trusts the lease
		require.Equal(t, term, e.stored(t))
		won := e.elected(t)
		require.Greater(t, won.Term, term, "it campaigns when the other's lease has expired")
	})
}

func TestALeaderWhoseTermIsPassedAndWhoseLeaseIsItsOwnBeginsAnother(t *testing.T) {
	for name, lose := range map[string]func(e *election, term uint64){
		"it sees the term":          func(e *election, term uint64) { e.tell(&termSeen{term: term}) },
		"one of its writes refused": func(e *election, _ uint64) { e.tell(&refence{fence: e.fence}) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, server *bubble.Server) {
				e := newElection(t, server)
				term := e.term(t)
				began := time.Now()
				lose(e, term)
				if name == "it sees the term" {
					require.ErrorIs(t, e.deposed(t), kv.ErrDeposed)
				}
				require.Equal(t, term+1, e.elected(t).Term)
				require.Less(t, time.Since(began), 100*time.Millisecond, "at once")
				<-time.After(time.Minute)
				require.Empty(t, e.reports, "it leads on: its lease is renewed")
			})
		})
	}
}

// TestALeaderThatIsPassedAgainAndAgainBeginsFewTermsAndKeepsItsLease: whatever writes those terms.
func TestALeaderThatIsPassedAgainAndAgainBeginsFewTermsAndKeepsItsLease(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		e := newElection(t, server)
		const long, ttl = 30 * time.Second, 3 * time.Second
		began, own, leads := time.Now(), 0, true
		for time.Since(began) < long {
			<-time.After(20 * time.Millisecond)
			e.tell(&termSeen{term: e.term(t)})
			for len(e.reports) > 0 {
				switch r := (<-e.reports).(type) {
				case *elected:
					own, leads = own+1, true
				case *deposed:
					leads = false
					require.ErrorIs(t, r.err, kv.ErrDeposed, "it keeps its lease")
				}
			}
		}
		require.InDelta(t, 3*long/ttl, own, 3, "one in a third of LeaderTTL")
		if !leads {
			e.elected(t) // in the end
		}
	})
}

func TestALeaderThatAbstainsLetsOthersLeadAtOnceAndCampaignsAgain(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		e := newElection(t, server)
		const pause = 4 * time.Second
		began := time.Now()
		e.tell(&abstain{until: began.Add(pause)})
		require.NoError(t, e.deposed(t))
		require.Eventually(t, func() bool {
			entry, err := e.stranger.Get(t.Context(), store.Election, store.LeaderKey)
			return err == nil && entry.Kind == store.Deleted
		}, 100*time.Millisecond, time.Millisecond, "the lease is free")
		e.tell(&abstain{until: began.Add(time.Second)})
		require.Greater(t, e.elected(t).Term, e.fence.Term)
		require.InDelta(t, pause, time.Since(began), float64(100*time.Millisecond), "a shorter one does not end it")
	})
}

func isLeaderSeen(r reported) bool {
	_, is := r.(*leaderSeen)
	return is
}

// said is the error that a report carries.
func said(r reported) error {
	if p, ok := r.(*problem); ok {
		return p.err
	}
	return nil
}
