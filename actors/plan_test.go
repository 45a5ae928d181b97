package actors

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/ledger"
	"github.com/parti-go/parti/kv"
)

func TestAPlanThatWasRefusedOrNotAnsweredEndsTheTerm(t *testing.T) {
	for _, err := range []error{kv.ErrUnknown, kv.ErrDeposed} {
		var reports []reported
		c := &calculator{
			guard: &guard{ended: true, ctx: t.Context()}, report: func(r reported) { reports = append(reports, r) },
			fence: kv.Fence{Term: 3, Revision: 30}, ledger: ledger.New(3, 0), busy: true,
		}
		c.written(&written{write: ledger.Write{Version: 7}, changed: true, plan: kv.Plan{Version: 7}, err: err})
		require.Len(t, reports, 1, err)
		require.IsType(t, &fenceLost{}, reports[0])
		lost := reports[0].(*fenceLost)
		require.Equal(t, c.fence, lost.fence)
		require.ErrorIs(t, lost.err, err)
		require.Zero(t, c.ledger.Version(), "nobody knows that it is stored")
		require.Zero(t, c.stored.Version)
	}
}
