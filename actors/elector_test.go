package actors

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/kv"
)

// newIdleElector returns an elector that leads in term 5, with a lease that was renewed just now, and that starts nothing.
func newIdleElector() (e *elector, ends *[]error) {
	ends = new([]error)
	report := func(message reported) {
		if d, ok := message.(*deposed); ok {
			*ends = append(*ends, d.err)
		}
	}
	nothing := func() {}
	return &elector{
		guard: &guard{ended: true}, report: report, id: "worker-0", leader: "worker-0", fence: kv.Fence{Term: 5, Revision: 50},
		lease: &kv.Lease{Revision: 1, Sent: time.Now(), TTL: time.Minute}, undue: nothing, expiry: nothing, missing: nothing, resigns: true,
		set: Settings{Store: kv.Config{LeaderTTL: time.Minute}},
	}, ends
}

func TestALeaderThatMeetsAHigherTermIsDeposed(t *testing.T) {
	e, ends := newIdleElector()
	e.termIsSeen(4)
	e.termIsSeen(5)
	require.Empty(t, *ends)
	e.termIsSeen(6)
	require.Len(t, *ends, 1)
	require.ErrorIs(t, (*ends)[0], kv.ErrDeposed)
	require.EqualValues(t, 6, e.floor, "the next term is higher still")
}

func TestALeaderIsDeposedWhenItsLeaseEnds(t *testing.T) {
	e, ends := newIdleElector()
	e.leaseExpired()
	require.Empty(t, *ends, "the lease was renewed meanwhile")
	e.lease.Sent = time.Now().Add(-time.Minute)
	e.leaseExpired()
	require.Len(t, *ends, 1)
	require.ErrorIs(t, (*ends)[0], kv.ErrLate)
	require.Zero(t, e.fence)
	require.Nil(t, e.lease)
}

func TestALeaderIsDeposedWhenItsLeaseIsLost(t *testing.T) {
	for _, err := range []error{kv.ErrLost, kv.ErrLate} {
		e, ends := newIdleElector()
		e.resigns = false
		e.ctx = t.Context()
		e.renewed(&renewed{err: err})
		require.Len(t, *ends, 1)
		require.ErrorIs(t, (*ends)[0], err)
		require.Zero(t, e.fence)
	}
}
