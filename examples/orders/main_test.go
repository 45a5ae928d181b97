package main

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
)

func TestNothingIsLostTwiceOrOutOfOrder(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		defer synctest.Wait() // the server is idle when it is stopped
		var out bytes.Buffer
		err := show(t.Context(), &out, s)
		t.Log("\n" + out.String())
		require.NoError(t, err)
		require.Regexp(t, `shipments processed \d{4,}, lost 0, twice 0, out of order 0`, out.String())
		require.Regexp(t, `ledger    processed \d{4,}, lost 0, twice 0, out of order 0`, out.String())
		require.Contains(t, out.String(), "one is killed")
	})
}

func TestTheLedgerRefusesLateWritersAndRepetitions(t *testing.T) {
	l := newLedger()
	first, second := []byte(`{"customer":1,"number":1}`), []byte(`{"customer":1,"number":2}`)
	require.NoError(t, l.enter("a", 2, 10, first))
	require.NoError(t, l.enter("a", 3, 10, first))
	require.NoError(t, l.enter("a", 3, 11, second))
	require.Error(t, l.enter("a", 2, 12, second))
	booked, disorder := l.entries()
	require.Equal(t, 2, booked)
	require.Zero(t, disorder)
}
