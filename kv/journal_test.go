// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// journaled is a version whose journal has so many changes.
func journaled(version int64, changes int, workers ...string) store.PlanWrite {
	w := plan(version, workers...)
	w.Format = record.FormatPacked
	w.Journal = &record.Journal{Term: 1, Version: version, By: "worker-0", Why: "worker-9 is lost", At: time.Now().UTC()}
	for i := range changes {
		w.Journal.Note(fmt.Sprintf("topic.%07d", i), "worker-9", "worker-1", version)
	}
	return w
}

func entryOf(t *testing.T, s *Store, version int64) (record.Journal, bool) {
	t.Helper()
	value, ok := stored(t, s)[fmt.Sprintf("journal.%d", version)]
	if !ok {
		return record.Journal{}, false
	}
	j, err := record.DecodeJournal(value)
	require.NoError(t, err)
	return j, true
}

func TestTheJournalIsStoredWithThePlanAndKeptForADay(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		w := journaled(1, 3, "worker-0", "worker-1")
		writePlan(t, s, f, w)
		j, ok := entryOf(t, s, 1)
		require.True(t, ok)
		require.Equal(t, w.Journal.Changes, j.Changes)
		require.Equal(t, w.Journal.Why, j.Why)
		require.Equal(t, w.Journal.At, j.At)
		plan, err := s.Get(t.Context(), store.Assignments, store.PlanKey)
		require.NoError(t, err)
		require.Equal(t, plan.Revision, s.PlanSeen(), "the plan is the last of its batch")
		require.ErrorIs(t, s.WritePlan(t.Context(), store.Fence{Term: 1, Revision: f.Revision - 1}, journaled(2, 1, "worker-0")), ErrDeposed)
		_, ok = entryOf(t, s, 2)
		require.False(t, ok, "it is fenced as the plan is")
		time.Sleep(journalTTL - time.Minute)
		_, ok = entryOf(t, s, 1)
		require.True(t, ok)
		time.Sleep(2 * time.Minute)
		_, ok = entryOf(t, s, 1)
		require.False(t, ok)
	})
}

func TestASnapshotAndAFeedLeaveTheJournalOut(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		h := listen(t, s, store.Assignments, nil, 0)
		w := journaled(1, 1, "worker-0")
		w.Assignments[0].Owned = noisy(25_000, 100, 1) // in parts
		writePlan(t, s, f, w)
		for v := range int64(1100) { // more than the server answers for
			if v == 10 {
				raw, err := s.readAll(t.Context(), store.Assignments, nil, s.patience())
				require.NoError(t, err)
				for _, e := range raw.Entries {
					require.False(t, isJournal(e.Key), "it is not even asked for")
				}
			}
			writePlan(t, s, f, journaled(v+2, 1, "worker-1"))
		}
		time.Sleep(time.Second)
		snapshot, err := s.Snapshot(t.Context(), store.Assignments, nil, f.Revision)
		require.NoError(t, err)
		var keys []string
		for _, e := range snapshot.Entries {
			keys = append(keys, e.Key)
		}
		require.Equal(t, []string{store.PlanKey, store.TermKey, "worker-0", "worker-1"}, keys)
		a, err := record.DecodeAssignment(snapshot.Entries[2].Value)
		require.NoError(t, err)
		require.Len(t, a.Owned, 25_000)
		for _, line := range h.take() {
			require.NotContains(t, line, journalKey)
		}
	})
}

func TestASnapshotOfNothingButTheJournalIsEmpty(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		_, err := s.js.Publish(t.Context(), s.subject(store.Assignments, "journal.7"), []byte("{}"))
		require.NoError(t, err)
		snapshot, err := s.Snapshot(t.Context(), store.Assignments, nil, 0)
		require.NoError(t, err)
		require.Empty(t, snapshot.Entries)
	})
}

func TestWhatDoesNotFitIntoTheJournalIsCountedAndThePlanIsStored(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		writePlan(t, s, f, journaled(1, 100_000, "worker-0"))
		j, ok := entryOf(t, s, 1)
		require.True(t, ok)
		require.Equal(t, 100_000, j.Size(), "names that are alike fit")
		w := journaled(2, 0, "worker-0")
		for _, o := range noisy(40_000, 100, 1) {
			w.Journal.Note(o.Partition, "", "worker-1", 2)
		}
		writePlan(t, s, f, w)
		j, ok = entryOf(t, s, 2)
		require.True(t, ok)
		require.NotEmpty(t, j.Changes)
		require.Positive(t, j.Left)
		require.Equal(t, 40_000, j.Size()+j.Left)
		require.Equal(t, 40_000, w.Journal.Size(), "the caller's entry stays as it is")
	})
}

func TestWhileAnEarlierReleaseReadsThereIsNoJournal(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		w := journaled(1, 1, "worker-0")
		w.Format = record.Oldest
		writePlan(t, s, f, w)
		_, ok := entryOf(t, s, 1)
		require.False(t, ok)
		require.Len(t, stored(t, s), 3)
	})
}
