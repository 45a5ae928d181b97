// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/store"
)

func TestTheBookListsEachHoldUntilItIsGone(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		l := acquire(t, s, "worker-0")
		require.Equal(t, []store.Lease{l}, s.Left(store.Heartbeats))
		require.Empty(t, s.Left(store.StableIDs))
		time.Sleep(time.Second)
		l, err := s.Renew(t.Context(), l, beat(1))
		require.NoError(t, err)
		require.Equal(t, []store.Lease{l}, s.Left(store.Heartbeats))
		require.NoError(t, s.Release(t.Context(), l))
		require.Empty(t, s.Left(store.Heartbeats), "released")

		js.next(nobody)
		_, err = s.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(1), nil)
		require.ErrorIs(t, err, ErrNotDone)
		require.Empty(t, s.Left(store.Heartbeats), "not done")

		js.next(lost)
		_, err = s.Acquire(t.Context(), store.Heartbeats, "worker-1", beat(1), nil)
		require.ErrorIs(t, err, ErrUnknown)
		require.Len(t, s.Left(store.Heartbeats), 1, "nobody knows")
		require.Zero(t, s.Left(store.Heartbeats)[0].Revision)
		l = acquire(t, s, "worker-1")
		require.Equal(t, []store.Lease{l}, s.Left(store.Heartbeats), "a hold replaces what was written under its key before")
		time.Sleep(l.TTL + lateExpiry)
		require.Empty(t, s.Left(store.Heartbeats), "expired")
	})
}

func TestAnEntryOfAnotherIsNotInTheBook(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		a, b := openStore(t, srv, testConfig()), openStore(t, srv, testConfig())
		l := acquire(t, a, "worker-0")
		_, err := b.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(2), nil)
		require.ErrorIs(t, err, ErrTaken)
		require.Empty(t, b.Left(store.Heartbeats))
		_, err = b.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(2), func(store.Entry) bool { return true })
		require.NoError(t, err)
		require.Equal(t, []store.Lease{l}, a.Left(store.Heartbeats), "that it was taken over is not known yet")
		require.ErrorIs(t, a.Release(t.Context(), l), ErrLost)
		require.Empty(t, a.Left(store.Heartbeats))
	})
}

// TestARenewalThatNobodyAnswersMayLastTwice: it may be stored just before the entry would have expired.
func TestARenewalThatNobodyAnswersMayLastTwice(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		l := acquire(t, s, "worker-0")
		js.next(lost)
		_, err := s.Renew(t.Context(), l, beat(1))
		require.ErrorIs(t, err, ErrUnknown)
		time.Sleep(2 * l.TTL)
		require.Len(t, s.Left(store.Heartbeats), 1)
		time.Sleep(lateExpiry)
		require.Empty(t, s.Left(store.Heartbeats))
	})
}

// TestAFirstWriteThatArrivesAfterItsReleaseIsRefused: on a key that was never written, on one that has ended before, and in the place of
// what may be written over.
func TestAFirstWriteThatArrivesAfterItsReleaseIsRefused(t *testing.T) {
	for name, before := range map[string]func(*testing.T, *Store){
		"never written":                 nil,
		"ended before":                  func(t *testing.T, s *Store) { require.NoError(t, s.Release(t.Context(), acquire(t, s, "worker-0"))) },
		"over a session that has ended": func(t *testing.T, s *Store) { acquire(t, s, "worker-0") },
		"over garbage": func(t *testing.T, s *Store) {
			_, err := s.js.Publish(t.Context(), s.subject(store.Heartbeats, "worker-0"), []byte("garbage"))
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			withFaults(t, func(t *testing.T, js *faulty, s *Store) {
				held := make(chan *jetstream.PubAck, 1)
				arrive := make(chan struct{})
				late := func(send func() (*jetstream.PubAck, error)) (*jetstream.PubAck, error) {
					go func() {
						<-arrive
						ack, _ := send()
						held <- ack
					}()
					return nil, context.DeadlineExceeded
				}
				if before != nil {
					before(t, s)
					js.next(nil, late) // the first finds what is there
				} else {
					js.next(late)
				}
				_, err := s.Acquire(context.WithoutCancel(t.Context()), store.Heartbeats, "worker-0", beat(2), func(store.Entry) bool { return true })
				require.ErrorIs(t, err, ErrUnknown)
				mine := s.Left(store.Heartbeats)
				mine = mine[len(mine)-1:]
				require.NoError(t, s.Release(t.Context(), mine[0]))
				require.NotContains(t, s.Left(store.Heartbeats), mine[0])
				close(arrive)
				require.Nil(t, <-held, "it is refused")
			})
		})
	}
}

func TestAFirstWriteThatWasStoredAfterAllIsDeleted(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		js.next(lost)
		_, err := s.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(1), nil)
		require.ErrorIs(t, err, ErrUnknown)
		require.NoError(t, s.Release(t.Context(), s.Left(store.Heartbeats)[0]))
		e, err := s.Get(t.Context(), store.Heartbeats, "worker-0")
		require.NoError(t, err)
		require.Equal(t, store.Deleted, e.Kind)
	})
}

// TestNoReleaseDeletesWhatHasItsRevisionOnly: a store that was restored from an older copy uses the revision again of what the first write
// of a lease was to take the place of. Another worker's entry has it now.
func TestNoReleaseDeletesWhatHasItsRevisionOnly(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		acquire(t, s, "worker-0")
		js.next(nil, lost) // the first finds what is there
		_, err := s.Acquire(context.WithoutCancel(t.Context()), store.Heartbeats, "worker-0", beat(2), func(store.Entry) bool { return true })
		require.ErrorIs(t, err, ErrUnknown)
		left := s.Left(store.Heartbeats)
		mine := left[len(left)-1]
		require.NotZero(t, mine.Over)
		s.holder.book.gone(mine.Chain)

		other := acquire(t, s, "worker-1")
		mine.Key, mine.Over = "worker-1", other.Revision
		require.ErrorIs(t, s.Release(t.Context(), mine), ErrLost)
		e, err := s.Get(t.Context(), store.Heartbeats, "worker-1")
		require.NoError(t, err)
		require.Equal(t, store.Put, e.Kind)
	})
}
