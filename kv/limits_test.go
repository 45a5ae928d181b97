// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// owned is a list of n partitions with IDs of that length, and with epochs and weights as long as they get in practice.
func owned(n, length int) []record.Owned {
	list := make([]record.Owned, n)
	for i := range list {
		id := fmt.Sprintf("%0*d", length, i)
		list[i] = record.Owned{Partition: id, Weight: 100, Epoch: 1_795_000_000_000}
	}
	return list
}

func TestTheLargestListOfPartitionsIsTheDocumentedOne(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		for _, want := range []struct{ length, most int }{{10, 16_800}, {40, 11_300}, {100, 6_800}} {
			w := plan(1, "worker-0")
			w.Assignments[0].Owned = owned(want.most, want.length)
			require.NoError(t, s.WritePlan(t.Context(), f, w), "IDs of %d characters", want.length)
			w.Assignments[0].Owned = owned(want.most+150, want.length)
			require.ErrorIs(t, s.WritePlan(t.Context(), f, w), ErrTooLarge, "IDs of %d characters", want.length)
		}
	})
}

func TestAnAssignmentThatIsTooLargeIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	for _, size := range []int{1, 3, 2500} {
		bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
			s := openStore(t, srv, testConfig())
			f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
			require.NoError(t, err)
			w := plan(1, workers(size)...)
			last := &w.Assignments[size-1]
			last.Owned = owned(20_000, 10)
			err = s.WritePlan(t.Context(), f, w)
			require.ErrorIs(t, err, ErrTooLarge)
			require.ErrorIs(t, err, ErrNotDone)
			require.ErrorContains(t, err, "assignment of "+last.Worker+" with 20000 partitions has 12")
			require.ErrorContains(t, err, "allowed: 1044480 (max_payload of the server is 1048576)")
			snapshot, err := s.Snapshot(t.Context(), store.Assignments, nil, f.Revision)
			require.NoError(t, err)
			require.Equal(t, f.Revision, snapshot.UpTo, "nothing was stored after the term")
			last.Owned = nil
			require.NoError(t, s.WritePlan(t.Context(), f, w), "the fence is still good")
		})
	}
}

func TestAPlanThatIsTooLargeIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		w := plan(1, "worker-0")
		w.Plan.Members = workers(100_000)
		err = s.WritePlan(t.Context(), f, w)
		require.ErrorIs(t, err, ErrTooLarge)
		require.ErrorContains(t, err, "plan with 100000 members")
		_, err = s.Get(t.Context(), store.Assignments, "worker-0")
		require.ErrorIs(t, err, ErrNotFound)
		w.Plan.Members = workers(50_000)
		require.NoError(t, s.WritePlan(t.Context(), f, w))
	})
}

func TestMoreThanTheServerAnswersAtOnceIsReadWhole(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		const count = 80 // together more than the 64 MiB that a server sends and a client keeps
		cfg := testConfig()
		s := openStore(t, srv, cfg)
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		w := plan(1, workers(count)...)
		for i := range w.Assignments {
			w.Assignments[i].Owned = []record.Owned{{Partition: strings.Repeat("p", 1_000_000), Epoch: int64(i)}}
		}
		require.NoError(t, s.WritePlan(t.Context(), f, w))
		snapshot, err := s.Snapshot(t.Context(), store.Assignments, nil, f.Revision)
		require.NoError(t, err)
		require.Len(t, snapshot.Entries, count+2)
		require.GreaterOrEqual(t, snapshot.UpTo, f.Revision)
		for _, e := range snapshot.Entries {
			if e.Key == store.TermKey || e.Key == store.PlanKey {
				continue
			}
			a, err := record.DecodeAssignment(e.Value)
			require.NoError(t, err)
			require.Equal(t, e.Key, fmt.Sprintf("worker-%d", a.Owned[0].Epoch))
		}
	})
}
