// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

func always() bool { return true }

// plan is a version with a record for each worker.
func plan(version int64, workers ...string) store.PlanWrite {
	w := store.PlanWrite{Plan: record.Plan{Version: version, Phase: record.PhaseIdle, Lifecycle: record.Stable, Members: workers}}
	for _, id := range workers {
		w.Assignments = append(w.Assignments, record.Assignment{Worker: id, Version: version})
	}
	return w
}

func workers(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("worker-%d", i)
	}
	return ids
}

func keysOf(entries []store.Entry) []string {
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.Key
	}
	return keys
}

func TestTermsGrowPastTheStoredOneAndTheFloor(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		begin := func(floor uint64) store.Fence {
			f, err := s.BeginTerm(t.Context(), record.Term{Number: 99, Worker: "worker-0"}, floor, always)
			require.NoError(t, err)
			return f
		}
		require.EqualValues(t, 1, begin(0).Term, "the number of the record is ignored")
		require.EqualValues(t, 2, begin(0).Term)
		require.EqualValues(t, 11, begin(10).Term)
		f := begin(3)
		require.EqualValues(t, 12, f.Term)
		e, err := s.Get(t.Context(), store.Assignments, store.TermKey)
		require.NoError(t, err)
		require.Equal(t, f.Revision, e.Revision)
	})
}

func TestNoTermIsStoredOnceTheLeaseHasEnded(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		_, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, func() bool { return false })
		require.ErrorIs(t, err, ErrLate)
		_, err = s.Get(t.Context(), store.Assignments, store.TermKey)
		require.ErrorIs(t, err, ErrNotFound)
	})
}

func TestATermOfAnUnknownFormatIsNotOvertaken(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		_, err := s.put(t.Context(), store.Assignments, store.TermKey, []byte(`{"format":4}`), 0, 0)
		require.NoError(t, err)
		_, err = s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.ErrorIs(t, err, ErrFormat)
	})
}

func TestATermWhoseAnswerWasLostIsFoundAgain(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		js.next(lost)
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		require.EqualValues(t, 1, f.Term)
		require.Equal(t, 1, js.count(), "it is not written twice")
		require.NoError(t, s.WritePlan(t.Context(), f, plan(1, "worker-0")))
	})
}

func TestConcurrentTermsAreAllDifferent(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		const n = 20
		got := make(chan uint64, n)
		var stores []*Store
		for range n {
			stores = append(stores, openStore(t, srv, testConfig()))
		}
		for _, s := range stores {
			go func() {
				f, err := s.BeginTerm(t.Context(), record.Term{}, 0, always)
				if err != nil {
					t.Error(err)
				}
				got <- f.Term
			}()
		}
		seen := map[uint64]bool{}
		for range n {
			seen[<-got] = true
		}
		require.Len(t, seen, n)
	})
}

func TestADeposedLeaderStoresNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		for _, size := range []int{0, 1, 10, 1000, 1500} {
			cfg := testConfig()
			cfg.Assignment = fmt.Sprintf("t-assignment-%d", size)
			s := openStore(t, srv, cfg)
			old, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
			require.NoError(t, err)
			next, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-1"}, 0, always)
			require.NoError(t, err)
			require.ErrorIs(t, s.WritePlan(t.Context(), old, plan(1, workers(size)...)), ErrDeposed, "%d records", size)
			snapshot, err := s.Snapshot(t.Context(), store.Assignments, nil, next.Revision)
			require.NoError(t, err)
			require.Equal(t, []string{store.TermKey}, keysOf(snapshot.Entries), "%d records", size)
			require.Equal(t, next.Revision, snapshot.UpTo)
			require.NoError(t, s.WritePlan(t.Context(), next, plan(2, workers(size)...)), "%d records", size)
		}
	})
}

func TestAPlanIsStoredWholeWithThePlanLast(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		for _, size := range []int{0, 1, 999, 1000, 2500} {
			cfg := testConfig()
			cfg.IDMax = 4999
			cfg.Assignment = fmt.Sprintf("t-assignment-%d", size)
			s := openStore(t, srv, cfg)
			f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
			require.NoError(t, err)
			require.NoError(t, s.WritePlan(t.Context(), f, plan(1, workers(size)...)))
			snapshot, err := s.Snapshot(t.Context(), store.Assignments, nil, 0)
			require.NoError(t, err)
			require.Len(t, snapshot.Entries, size+2)
			require.EqualValues(t, size+1, snapshot.UpTo-f.Revision)
			e, err := s.Get(t.Context(), store.Assignments, store.PlanKey)
			require.NoError(t, err)
			require.Equal(t, snapshot.UpTo, e.Revision, "the plan is the last message")
		}
	})
}

func TestRemovedRecordsLeaveMarkers(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		require.NoError(t, s.WritePlan(t.Context(), f, plan(1, "worker-0", "worker-1")))
		w := plan(2, "worker-0")
		w.Remove = []string{"worker-1"}
		require.NoError(t, s.WritePlan(t.Context(), f, w))
		e, err := s.Get(t.Context(), store.Assignments, "worker-1")
		require.NoError(t, err)
		require.Equal(t, store.Deleted, e.Kind)
		snapshot, err := s.Snapshot(t.Context(), store.Assignments, nil, 0)
		require.NoError(t, err)
		require.Equal(t, []string{store.PlanKey, store.TermKey, "worker-0"}, keysOf(snapshot.Entries))
	})
}

func TestABusyPlanIsRepeatedAndAnUnansweredOneIsUnknown(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		js.next(busy, busy)
		require.NoError(t, s.WritePlan(t.Context(), f, plan(1)))
		require.Equal(t, 3, js.count())
		js.next(nobody)
		require.ErrorIs(t, s.WritePlan(t.Context(), f, plan(2)), ErrNotDone)
		js.next(lost)
		err = s.WritePlan(t.Context(), f, plan(3))
		require.ErrorIs(t, err, ErrUnknown)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestARecordBeyondThePayloadOfTheServerIsNotSent(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		w := plan(1, "worker-0")
		w.Plan.Digest = string(make([]byte, 1<<20))
		require.ErrorIs(t, s.WritePlan(t.Context(), f, w), ErrNotDone)
	})
}

// TestATermThatCannotBeReadIsThatOfThePlan: a lower term than the plan's would be an older copy of the store to everybody.
func TestATermThatCannotBeReadIsThatOfThePlan(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		always := func() bool { return true }
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 20, always)
		require.NoError(t, err)
		require.NoError(t, s.WritePlan(t.Context(), f, store.PlanWrite{Plan: record.Plan{Term: f.Term, Phase: record.PhaseIdle, Lifecycle: record.Stable}}))
		scrawl(t, s, store.Assignments, store.TermKey, "garbage")
		f, err = s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		require.EqualValues(t, 22, f.Term)
	})
}
