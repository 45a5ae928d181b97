// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/record"
)

func TestEveryRecordSurvivesItsEncoding(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	same := func(rec any, decode func([]byte) (any, error)) {
		t.Helper()
		b, err := encode("holder/1/2", rec)
		require.NoError(t, err)
		require.Regexp(t, `^\{"format":1,"token":"holder/1/2",`, string(b), "the format comes first")
		require.True(t, json.Valid(b))
		require.Equal(t, record.Token("holder/1/2"), tokenOf(b))
		got, err := decode(b)
		require.NoError(t, err)
		require.Equal(t, rec, got)
	}
	same(record.Claim{Session: 7, Host: "h", Process: 9, Since: since}, func(b []byte) (any, error) { return record.DecodeClaim(b) })
	same(record.Leader{Worker: "worker-1", Session: 7, Since: since}, func(b []byte) (any, error) { return record.DecodeLeader(b) })
	same(record.Heartbeat{Session: 7, Applied: record.Position{Term: 2, Version: 3}, Leaving: true, Capacity: 5, Labels: map[string]string{"a": "b"}},
		func(b []byte) (any, error) { return record.DecodeHeartbeat(b) })
	same(record.Term{Number: 4, Worker: "worker-1", Session: 7}, func(b []byte) (any, error) { return record.DecodeTerm(b) })
	same(record.Plan{Term: 4, Version: 5, Phase: record.PhaseScaling, Lifecycle: record.ColdStart, Members: []string{"a"}, Partitions: 6, Digest: "d"},
		func(b []byte) (any, error) { return record.DecodePlan(b) })
	same(record.Assignment{Worker: "w", Session: 1, Term: 2, Version: 3, Owned: []record.Owned{{Partition: "p", Weight: 100, Epoch: 3}}, Releasing: []record.Releasing{{Partition: "q", Weight: 1, Epoch: 2, Since: 3}}},
		func(b []byte) (any, error) { return record.DecodeAssignment(b) })
}

func TestAnUnknownFormatIsNamedAndGarbageIsCorrupt(t *testing.T) {
	for _, decode := range decoders() {
		err := decode([]byte(`{"format":4,"session":"of another type"}`))
		require.ErrorIs(t, err, ErrFormat)
		require.ErrorContains(t, err, "found 4")
		require.ErrorContains(t, err, "known 3")
		for _, garbage := range []string{
			"", "x", "[]", `"s"`, `{"format":"1"}`, `{"format":1`, "\x00\xff", `{}`, `null`, `{"format":0}`, `{"format":-1}`,
			`{"format":null}`, `{"format":1.5}`, `{"format":1e400}`, `{"name":"a record of somebody else","members":3}`,
		} {
			require.ErrorIs(t, decode([]byte(garbage)), ErrCorrupt, "%q", garbage)
		}
	}
	_, err := record.DecodePlan([]byte(`{"format":1,"phase":"asleep","lifecycle":"stable"}`))
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = record.DecodePlan([]byte(`{"format":1,"phase":"idle","lifecycle":"old"}`))
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = record.DecodeHeartbeat([]byte(`{"format":1,"capacity":-1}`))
	require.ErrorIs(t, err, ErrCorrupt)
}

func decoders() []func([]byte) error {
	return []func([]byte) error{
		func(b []byte) error { _, err := record.DecodeClaim(b); return err },
		func(b []byte) error { _, err := record.DecodeLeader(b); return err },
		func(b []byte) error { _, err := record.DecodeHeartbeat(b); return err },
		func(b []byte) error { _, err := record.DecodeTerm(b); return err },
		func(b []byte) error { _, err := record.DecodePlan(b); return err },
		func(b []byte) error { _, err := record.DecodeAssignment(b); return err },
	}
}

func TestTokensTellHoldersAndHoldsApart(t *testing.T) {
	a, b := newHolder(), newHolder()
	first, second := a.chain(), a.chain()
	one := a.next(first)
	require.NotEqual(t, one, a.next(first), "no two writes have the same")
	require.True(t, one.Of(first))
	require.False(t, one.Of(second))
	require.False(t, one.Of(""), "a lease that was never acquired has no writes")
	require.True(t, a.wrote(one))
	require.False(t, b.wrote(one))
	require.False(t, a.wrote(""))
}

func TestIDsHaveOneSpelling(t *testing.T) {
	cfg := testConfig()
	n, ok := cfg.ParseID("worker-42")
	require.True(t, ok)
	require.Equal(t, 42, n)
	require.Equal(t, "worker-42", cfg.ID(42))
	for _, id := range []string{"worker-042", "worker-+1", "worker-100", "worker--1", "worker-", "worker", "other-1", "worker-1 "} {
		_, ok := cfg.ParseID(id)
		require.False(t, ok, id)
	}
}

// TestAHeartbeatThatListsWhatIsHeldHasAFormatOfItsOwn: a release that ignored the list would take it for let go.
func TestAHeartbeatThatListsWhatIsHeldHasAFormatOfItsOwn(t *testing.T) {
	for _, h := range []record.Heartbeat{{Session: 7}, {Session: 7, Holding: []string{"a", "b"}}} {
		value, err := encode("a/1/1", h)
		require.NoError(t, err)
		format, _ := record.Envelope(value)
		require.Equal(t, len(h.Holding) > 0, format == record.FormatHolding, "format %d", format)
		again, err := record.DecodeHeartbeat(value)
		require.NoError(t, err)
		require.Equal(t, h, again)
	}
}
