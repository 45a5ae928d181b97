// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// noisy is a list of partitions whose IDs compress badly: random hexadecimal digits.
func noisy(n, length int, seed uint64) []record.Owned {
	random := rand.New(rand.NewPCG(seed, 1))
	list := make([]record.Owned, n)
	for i := range list {
		id := make([]byte, length)
		for j := range id {
			id[j] = "0123456789abcdef"[random.IntN(16)]
		}
		list[i] = record.Owned{Partition: string(id), Weight: 100, Epoch: 1_795_000_000_000}
	}
	return list
}

// stored returns what the bucket of assignments holds, message by message, markers left out.
func stored(t *testing.T, s *Store) map[string][]byte {
	t.Helper()
	raw, err := s.readChunk(t.Context(), store.Assignments, []string{">"}, s.patience())
	require.NoError(t, err)
	found := map[string][]byte{}
	for _, e := range raw.Entries {
		if e.Kind == store.Put {
			found[e.Key] = e.Value
		}
	}
	return found
}

func writePlan(t *testing.T, s *Store, f store.Fence, w store.PlanWrite) {
	t.Helper()
	require.NoError(t, s.WritePlan(t.Context(), f, w))
}

// read returns the assignment of a worker as a snapshot of everything, one of its key, and a single read show it.
func read(t *testing.T, s *Store, worker string) record.Assignment {
	t.Helper()
	var first record.Assignment
	for i, keys := range [][]string{nil, {worker}} {
		snapshot, err := s.Snapshot(t.Context(), store.Assignments, keys, 0)
		require.NoError(t, err)
		for _, e := range snapshot.Entries {
			require.NotContains(t, e.Key, ".", "parts are not handed out")
			if e.Key != worker {
				continue
			}
			a, err := record.DecodeAssignment(e.Value)
			require.NoError(t, err)
			if i > 0 {
				require.True(t, reflect.DeepEqual(first, a))
			}
			first = a
		}
	}
	e, err := s.Get(t.Context(), store.Assignments, worker)
	require.NoError(t, err)
	a, err := record.DecodeAssignment(e.Value)
	require.NoError(t, err)
	require.True(t, reflect.DeepEqual(first, a))
	require.NotEmpty(t, e.Token)
	require.Equal(t, tokenOf(e.Value), e.Token)
	return a
}

func TestARecordIsPlainThenCompressedThenSplitAndIsReadTheSame(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		version := int64(0)
		for _, want := range []struct {
			partitions int
			format     string
			parts      int
		}{
			{100, `{"format":1,`, 0},
			{5_000, `{"format":2,`, 0},
			{40_000, `{"format":2,`, 3},
			{25_000, `{"format":2,`, 2},
			{2_000, `{"format":2,`, 0},
			{40_000, `{"format":2,`, 3},
			{1, `{"format":1,`, 0},
		} {
			version++
			w := plan(version, "worker-0")
			w.Format = record.Newest
			w.Assignments[0].Owned = noisy(want.partitions, 100, uint64(version))
			writePlan(t, s, f, w)
			messages := stored(t, s)
			require.True(t, bytes.HasPrefix(messages["worker-0"], []byte(want.format)), "%d partitions: %.50s", want.partitions, messages["worker-0"])
			require.Equal(t, 3+want.parts, len(messages), "%d partitions: parts that are not needed any more are removed", want.partitions)
			for _, m := range messages {
				require.True(t, json.Valid(m), "an earlier release finds a format in it")
			}
			require.True(t, slices.Equal(w.Assignments[0].Owned, read(t, s, "worker-0").Owned))
		}
		w := plan(version+1, "worker-0")
		w.Format = record.Newest
		w.Assignments[0].Owned = noisy(25_000, 100, 1)
		writePlan(t, s, f, w)
		writePlan(t, s, f, store.PlanWrite{Remove: []string{"worker-0"}, Plan: w.Plan, Format: record.Newest})
		require.Equal(t, 2, len(stored(t, s)), "the parts go with their record")
	})
}

func TestTheNextLeaderRemovesPartsThatItFinds(t *testing.T) {
	withStore(t, func(t *testing.T, srv *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		w := plan(1, "worker-0")
		w.Format = record.Newest
		w.Assignments[0].Owned = noisy(25_000, 100, 1)
		writePlan(t, s, f, w)

		next := openStore(t, srv, s.cfg)
		f, err = next.BeginTerm(t.Context(), record.Term{Worker: "worker-1"}, 0, always)
		require.NoError(t, err)
		_, err = next.Snapshot(t.Context(), store.Assignments, nil, f.Revision)
		require.NoError(t, err)
		writePlan(t, next, f, plan(2, "worker-0")) // as a leader of an earlier format would
		require.Equal(t, 3, len(stored(t, s)))
		require.ErrorIs(t, s.WritePlan(t.Context(), store.Fence{Term: 1, Revision: f.Revision - 1}, w), ErrDeposed, "parts are fenced as well")
		require.Equal(t, 3, len(stored(t, s)))
	})
}

func TestWhereAnEarlierReleaseReadsTheOldFormatIsWritten(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		for _, format := range []int{0, record.Oldest} {
			w := plan(1, "worker-0")
			w.Format = format
			w.Assignments[0].Owned = noisy(5_000, 100, 1)
			writePlan(t, s, f, w)
			require.True(t, bytes.HasPrefix(stored(t, s)["worker-0"], []byte(`{"format":1,`)))
			w.Assignments[0].Owned = noisy(10_000, 100, 1)
			require.ErrorIs(t, s.WritePlan(t.Context(), f, w), ErrTooLarge)
		}
	})
}

func TestAPlanOfManyMembersIsStored(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		w := plan(1, "worker-0")
		w.Format, w.Plan.Members = record.Newest, workers(300_000)
		for i := range w.Plan.Members {
			w.Plan.Members[i] += fmt.Sprintf("-%x", rand.Uint64())
		}
		writePlan(t, s, f, w)
		require.NotEmpty(t, stored(t, s)["plan.1"])
		e, err := s.Get(t.Context(), store.Assignments, store.PlanKey)
		require.NoError(t, err)
		p, err := record.DecodePlan(e.Value)
		require.NoError(t, err)
		require.Equal(t, w.Plan, p)
	})
}

func TestARecordBeyondEveryLimitIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		w := plan(1, "worker-0")
		w.Format = record.Newest
		w.Assignments[0].Owned = noisy(200_000, 100, 1)
		err = s.WritePlan(t.Context(), f, w)
		require.ErrorIs(t, err, ErrTooLarge)
		require.ErrorContains(t, err, "assignment of worker-0 with 200000 partitions has")
		require.ErrorContains(t, err, "allowed: 12582912")
		require.Equal(t, 1, len(stored(t, s)), "the term alone")
		a := &w.Assignments[0] // the most that docs/deployment.md says, half of it being handed over
		a.Owned = a.Owned[:175_000]
		for _, o := range a.Owned[87_500:] {
			a.Releasing = append(a.Releasing, record.Releasing{Partition: o.Partition, Weight: o.Weight, Epoch: o.Epoch, Since: 1_795_000_000_000})
		}
		a.Owned = a.Owned[:87_500]
		writePlan(t, s, f, w)
	})
}

func TestTheMessagesOfARecordAreInOneBatchAndThePlanIsLast(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		w := plan(1, workers(700)...)
		w.Format = record.Newest
		for i := range w.Assignments {
			if i%100 == 0 {
				w.Assignments[i].Owned = noisy(25_000, 100, uint64(i))
			}
			s.split.expect(map[string]int{w.Assignments[i].Worker: 2})
		}
		p, err := s.planMessages(w)
		require.NoError(t, err)
		require.Greater(t, len(p.batches), 1)
		batchOf := map[string]int{}
		for i, batch := range p.batches {
			require.LessOrEqual(t, len(batch), batchMost)
			for _, m := range batch {
				key, _ := splitKey(s.key(store.Assignments, m.Subject))
				before, ok := batchOf[key]
				require.True(t, !ok || before == i, "%s is in two batches", key)
				batchOf[key] = i
			}
		}
		last := p.batches[len(p.batches)-1]
		require.Equal(t, s.subject(store.Assignments, store.PlanKey), last[len(last)-1].Subject)
	})
}

func TestOfADamagedRecordOnlyItsWorkerSuffers(t *testing.T) {
	damage := map[string]func(t *testing.T, s *Store){
		"a part is deleted": func(t *testing.T, s *Store) {
			_, err := s.js.PublishMsg(t.Context(), &nats.Msg{Subject: s.subject(store.Assignments, "worker-0.2"), Header: nats.Header{"KV-Operation": {"DEL"}}})
			require.NoError(t, err)
		},
		"a part is overwritten": func(t *testing.T, s *Store) {
			_, err := s.js.Publish(t.Context(), s.subject(store.Assignments, "worker-0.1"), []byte(`{"format":1,"token":"a stranger's"}`))
			require.NoError(t, err)
		},
		"a part has other bytes": func(t *testing.T, s *Store) {
			p, ok := record.PieceOf(stored(t, s)["worker-0.2"])
			require.True(t, ok)
			p.Packed[1]++
			value, err := json.Marshal(p)
			require.NoError(t, err)
			_, err = s.js.Publish(t.Context(), s.subject(store.Assignments, "worker-0.2"), value)
			require.NoError(t, err)
		},
	}
	for name, damage := range damage {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
				s := openStore(t, srv, testConfig())
				f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
				require.NoError(t, err)
				w := plan(1, "worker-0", "worker-1")
				w.Format = record.Newest
				w.Assignments[0].Owned = noisy(25_000, 100, 1)
				writePlan(t, s, f, w)
				damage(t, s)
				snapshot, err := s.Snapshot(t.Context(), store.Assignments, nil, f.Revision)
				require.NoError(t, err, "who reads does not wait for ever")
				require.Len(t, snapshot.Entries, 4)
				_, err = record.DecodeAssignment(snapshot.Entries[2].Value)
				require.ErrorIs(t, err, ErrCorrupt)
				_, err = record.DecodeAssignment(snapshot.Entries[3].Value)
				require.NoError(t, err)
				e, err := s.Get(t.Context(), store.Assignments, "worker-0")
				require.NoError(t, err)
				_, err = record.DecodeAssignment(e.Value)
				require.ErrorIs(t, err, ErrCorrupt)
				writePlan(t, s, f, w)
				require.Equal(t, 25_000, len(read(t, s, "worker-0").Owned))
			})
		})
	}
}

func TestAFeedTellsWholeRecordsOnlyWhileTheyAreRewritten(t *testing.T) {
	withStore(t, func(t *testing.T, srv *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var work sync.WaitGroup
		var highest [2]int64
		for i, keys := range [][]string{nil, {store.TermKey, store.PlanKey, "worker-0"}} {
			follower := openStore(t, srv, s.cfg)
			work.Go(func() {
				_ = follower.Feed(ctx, store.Assignments, keys, 0, func(u store.Update) {
					if u.Kind != store.UpdatePut || u.Entry.Key != "worker-0" {
						require.NotContains(t, u.Entry.Key, ".")
						return
					}
					a, err := record.DecodeAssignment(u.Entry.Value)
					require.NoError(t, err)
					require.Equal(t, int(a.Version%3)*20_000+1, len(a.Owned))
					require.Greater(t, a.Version, highest[i])
					highest[i] = a.Version
				})
			})
		}
		const versions = 5 // from each of the three sizes to each that follows it
		for v := range int64(versions) {
			w := plan(v+1, "worker-0")
			w.Format = record.Newest
			w.Assignments[0].Owned = noisy(int((v+1)%3)*20_000+1, 100, uint64(v))
			writePlan(t, s, f, w)
			if v%4 == 0 {
				time.Sleep(time.Second)
			}
		}
		time.Sleep(time.Second)
		cancel()
		work.Wait()
		synctest.Wait()
		require.Equal(t, [2]int64{versions, versions}, highest)
	})
}

func TestAHundredThousandLongPartitionsFitOnTenWorkersWhileTheyMove(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		w := plan(1, workers(10)...)
		w.Format, w.Plan.Partitions = record.Newest, 100_000
		all := noisy(100_000, 100, 1)
		for i := range w.Assignments {
			a := &w.Assignments[i]
			a.Owned = all[i*10_000 : (i+1)*10_000]
			for _, o := range all[:10_000] { // as many again are being handed over
				a.Releasing = append(a.Releasing, record.Releasing{Partition: o.Partition, Weight: o.Weight, Epoch: o.Epoch, Since: 1})
			}
		}
		writePlan(t, s, f, w)
		snapshot, err := s.Snapshot(t.Context(), store.Assignments, nil, f.Revision)
		require.NoError(t, err)
		require.Len(t, snapshot.Entries, 2+len(w.Assignments))
		for i, e := range snapshot.Entries[2:] { // after plan and term
			a, err := record.DecodeAssignment(e.Value)
			require.NoError(t, err)
			require.Equal(t, w.Assignments[i].Worker, a.Worker)
			require.True(t, slices.Equal(w.Assignments[i].Owned, a.Owned) && slices.Equal(w.Assignments[i].Releasing, a.Releasing))
		}
	})
}

func TestPartsOfAnotherWriteAreNotTakenForThose(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		pieces := func(by record.Token, seed uint64) (entries []store.Entry) {
			value, err := record.Encode(by, record.Assignment{Worker: "worker-0", Owned: noisy(40, 100, seed)})
			require.NoError(t, err)
			packed, err := record.Pack(by, value, 1_200)
			require.NoError(t, err)
			require.Greater(t, len(packed), 2)
			for i, piece := range packed {
				key := partKey("worker-0", i+1)
				if i == len(packed)-1 {
					key = "worker-0"
				}
				entries = append(entries, store.Entry{Bucket: store.Assignments, Key: key, Value: piece, Token: by})
			}
			return entries
		}
		older, newer := pieces("x/1/1", 1), pieces("x/1/2", 2)
		last := len(newer) - 1
		a := s.newAssembly()
		for _, e := range older[:len(older)-1] {
			_, ok := a.add(e)
			require.False(t, ok)
		}
		_, ok := a.add(newer[last])
		require.False(t, ok, "its own parts have not come")
		for i, e := range newer[:last] {
			whole, ok := a.add(e)
			require.Equal(t, i == last-1, ok)
			if ok {
				assignment, err := record.DecodeAssignment(whole.Value)
				require.NoError(t, err)
				require.Equal(t, noisy(40, 100, 2), assignment.Owned)
			}
		}
		require.Empty(t, a.waiting)
		require.Empty(t, a.parts)
	})
}
