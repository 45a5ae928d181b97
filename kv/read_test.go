// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

func TestASnapshotOfNothingSaysUpToWhen(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		snapshot, err := s.Snapshot(t.Context(), store.Heartbeats, nil, 0)
		require.NoError(t, err)
		require.Empty(t, snapshot.Entries)
		before := snapshot.UpTo
		l := acquire(t, s, "worker-0")
		for _, keys := range [][]string{{"worker-9"}, {"worker-8", "worker-9"}} {
			snapshot, err = s.Snapshot(t.Context(), store.Heartbeats, keys, l.Revision)
			require.NoError(t, err)
			require.Empty(t, snapshot.Entries)
			require.Equal(t, l.Revision, snapshot.UpTo)
			require.Equal(t, before+1, snapshot.UpTo)
		}
	})
}

func TestASnapshotHasValuesByKeyAndNoMarkers(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		var last store.Lease
		for _, key := range []string{"worker-3", "worker-1", "worker-2"} {
			last = acquire(t, s, key)
		}
		require.NoError(t, s.Release(t.Context(), last))
		snapshot, err := s.Snapshot(t.Context(), store.Heartbeats, nil, 0)
		require.NoError(t, err)
		require.Equal(t, []string{"worker-1", "worker-3"}, keysOf(snapshot.Entries))
		require.Equal(t, last.Revision+1, snapshot.UpTo)
		for _, e := range snapshot.Entries {
			require.Equal(t, store.Heartbeats, e.Bucket)
			require.WithinDuration(t, time.Now(), e.Created, time.Second)
			_, err := record.DecodeHeartbeat(e.Value)
			require.NoError(t, err)
		}
		snapshot, err = s.Snapshot(t.Context(), store.Heartbeats, []string{"worker-3", "worker-7"}, 0)
		require.NoError(t, err)
		require.Equal(t, []string{"worker-3"}, keysOf(snapshot.Entries))
	})
}

func TestASnapshotWaitsForTheSequenceItIsAskedFor(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		l := acquire(t, s, "worker-0")
		go func() {
			time.Sleep(3 * time.Second)
			_, _ = s.Renew(context.Background(), l, beat(1))
		}()
		snapshot, err := s.Snapshot(t.Context(), store.Heartbeats, nil, l.Revision+1)
		require.NoError(t, err)
		require.Equal(t, l.Revision+1, snapshot.UpTo)
		began := time.Now()
		_, err = s.Snapshot(t.Context(), store.Heartbeats, nil, l.Revision+1000)
		require.ErrorIs(t, err, ErrNotDone)
		require.Equal(t, 10*time.Second, time.Since(began), "OperationTimeout bounds it")
	})
}

func TestASnapshotOfMoreKeysThanTheServerAnswersForIsComplete(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		for _, n := range []int{1000, 1024, 1025, 3000} {
			cfg := testConfig()
			cfg.IDMax = 2999
			cfg.Heartbeat = fmt.Sprintf("t-heartbeat-%d", n)
			s := openStore(t, srv, cfg)
			for i := range n {
				acquire(t, s, cfg.ID(i))
			}
			snapshot, err := s.Snapshot(t.Context(), store.Heartbeats, nil, uint64(n))
			require.NoError(t, err)
			require.Len(t, snapshot.Entries, n)
			require.EqualValues(t, n, snapshot.UpTo+1-slices.MinFunc(snapshot.Entries, func(a, b store.Entry) int { return cmp.Compare(a.Revision, b.Revision) }).Revision)
		}
	})
}

func TestASnapshotLacksNothingThatIsBeingRewritten(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		const n = 50
		s, reader := openStore(t, srv, testConfig()), openStore(t, srv, testConfig())
		leases := make([]store.Lease, n)
		for i := range leases {
			leases[i] = acquire(t, s, testConfig().ID(i))
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 20 {
				for i := range leases {
					var err error
					if leases[i], err = s.Renew(context.Background(), leases[i], beat(1)); err != nil {
						t.Error(err)
						return
					}
				}
			}
		}()
		for running := true; running; {
			select {
			case <-done:
				running = false
			default:
			}
			snapshot, err := reader.Snapshot(t.Context(), store.Heartbeats, nil, 0)
			require.NoError(t, err)
			require.Len(t, snapshot.Entries, n)
		}
	})
}

func TestMarkersAreToldApart(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		bucket, err := s.js.KeyValue(t.Context(), s.cfg.Heartbeat)
		require.NoError(t, err)
		kind := func(key string) store.Kind {
			t.Helper()
			e, err := s.Get(t.Context(), store.Heartbeats, key)
			require.NoError(t, err)
			if e.Kind != store.Put {
				require.Nil(t, e.Value)
			}
			return e.Kind
		}
		for _, key := range []string{"a", "b", "c", "d"} {
			acquire(t, s, key)
			require.Equal(t, store.Put, kind(key))
		}
		require.NoError(t, bucket.Delete(t.Context(), "a"))
		require.Equal(t, store.Deleted, kind("a"))
		require.NoError(t, bucket.Purge(t.Context(), "b"))
		require.Equal(t, store.Deleted, kind("b"))
		stream, err := s.js.Stream(t.Context(), s.stream(store.Heartbeats))
		require.NoError(t, err)
		require.NoError(t, stream.Purge(t.Context(), jetstream.WithPurgeSubject(s.subject(store.Heartbeats, "c"))))
		if e, err := s.Get(t.Context(), store.Heartbeats, "c"); err == nil {
			require.Equal(t, store.Deleted, e.Kind, "an operator's purge is no expiry")
		} else {
			require.ErrorIs(t, err, ErrNotFound)
		}
		time.Sleep(7 * time.Second)
		require.Equal(t, store.Expired, kind("d"))
	})
}

func TestARecreatedBucketIsNoticedByASnapshotOfNothing(t *testing.T) {
	withStore(t, func(t *testing.T, srv *bubble.Server, s *Store) {
		acquire(t, s, "worker-0")
		time.Sleep(time.Second)
		require.NoError(t, s.js.DeleteStream(t.Context(), s.stream(store.Heartbeats)))
		openStore(t, srv, testConfig())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Snapshot(ctx, store.Heartbeats, nil, 0)
		require.ErrorIs(t, err, ErrRolledBack)
	})
}

func TestASnapshotInSeveralAnswersIsOnlyAsNewAsTheOldestOfThem(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		const way = 100 * time.Millisecond
		cfg := testConfig()
		cfg.IDMax, cfg.HeartbeatTTL = chunk+199, time.Minute // more than one answer has room for
		l := link.New(srv, nil)
		defer l.Close()
		reader, writer := openStore(t, l, cfg), openStore(t, srv, cfg)
		for n := range cfg.IDMax + 1 {
			acquire(t, writer, cfg.ID(n))
		}
		l.Slow(way)
		type answer struct {
			store.Snapshot
			err error
		}
		answers := make(chan answer)
		go func() {
			snapshot, err := reader.readAll(t.Context(), store.Heartbeats, nil, reader.patience())
			answers <- answer{snapshot, err}
		}()
		// The question for everything is answered with a refusal, then come the answers for the first keys and for the rest.
		time.Sleep(4 * way)
		renewed, err := writer.put(t.Context(), store.Heartbeats, cfg.ID(0), []byte(`{"format":1,"token":"a/1/1"}`), first(t, writer).Revision, time.Minute)
		require.NoError(t, err)
		a := <-answers
		require.NoError(t, a.err)
		require.Len(t, a.Entries, cfg.IDMax+1)
		for _, e := range a.Entries {
			if e.Key == cfg.ID(0) {
				require.Less(t, e.Revision, renewed, "the first answer was given before")
			}
		}
		require.Less(t, a.UpTo, renewed, "so the snapshot does not claim to show it")
	})
}

// first returns the entry of the first worker.
func first(t *testing.T, s *Store) store.Entry {
	t.Helper()
	e, err := s.Get(t.Context(), store.Heartbeats, s.cfg.ID(0))
	require.NoError(t, err)
	return e
}
