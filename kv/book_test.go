package kv

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
)

func TestTheBookListsEachHoldUntilItIsGone(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		l := acquire(t, s, "worker-0")
		require.Equal(t, []Lease{l}, s.Left(Heartbeats))
		require.Empty(t, s.Left(StableIDs))
		time.Sleep(time.Second)
		l, err := s.Renew(t.Context(), l, beat(1))
		require.NoError(t, err)
		require.Equal(t, []Lease{l}, s.Left(Heartbeats))
		require.NoError(t, s.Release(t.Context(), l))
		require.Empty(t, s.Left(Heartbeats), "released")

		js.next(nobody)
		_, err = s.Acquire(t.Context(), Heartbeats, "worker-0", beat(1), nil)
		require.ErrorIs(t, err, ErrNotDone)
		require.Empty(t, s.Left(Heartbeats), "not done")

		js.next(lost)
		_, err = s.Acquire(t.Context(), Heartbeats, "worker-1", beat(1), nil)
		require.ErrorIs(t, err, ErrUnknown)
		require.Len(t, s.Left(Heartbeats), 1, "nobody knows")
		require.Zero(t, s.Left(Heartbeats)[0].Revision)
		l = acquire(t, s, "worker-1")
		require.Equal(t, []Lease{l}, s.Left(Heartbeats), "a hold replaces what was written under its key before")
		time.Sleep(l.TTL + lateExpiry)
		require.Empty(t, s.Left(Heartbeats), "expired")
	})
}

func TestAnEntryOfAnotherIsNotInTheBook(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		a, b := openStore(t, srv, testConfig()), openStore(t, srv, testConfig())
		l := acquire(t, a, "worker-0")
		_, err := b.Acquire(t.Context(), Heartbeats, "worker-0", beat(2), nil)
		require.ErrorIs(t, err, ErrTaken)
		require.Empty(t, b.Left(Heartbeats))
		_, err = b.Acquire(t.Context(), Heartbeats, "worker-0", beat(2), func(Entry) bool { return true })
		require.NoError(t, err)
		require.Equal(t, []Lease{l}, a.Left(Heartbeats), "that it was taken over is not known yet")
		require.ErrorIs(t, a.Release(t.Context(), l), ErrLost)
		require.Empty(t, a.Left(Heartbeats))
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
		require.Len(t, s.Left(Heartbeats), 1)
		time.Sleep(lateExpiry)
		require.Empty(t, s.Left(Heartbeats))
	})
}

// TestAFirstWriteThatArrivesAfterItsReleaseIsRefused: on a key that was never written, and on one that has ended before.
func TestAFirstWriteThatArrivesAfterItsReleaseIsRefused(t *testing.T) {
	for name, before := range map[string]bool{"never written": false, "ended before": true} {
		t.Run(name, func(t *testing.T) {
			withFaults(t, func(t *testing.T, js *faulty, s *Store) {
				if before {
					require.NoError(t, s.Release(t.Context(), acquire(t, s, "worker-0")))
				}
				held := make(chan *jetstream.PubAck, 1)
				arrive := make(chan struct{})
				late := func(store func() (*jetstream.PubAck, error)) (*jetstream.PubAck, error) {
					go func() {
						<-arrive
						ack, _ := store()
						held <- ack
					}()
					return nil, context.DeadlineExceeded
				}
				if before {
					js.next(nil, late) // the first finds the marker
				} else {
					js.next(late)
				}
				_, err := s.Acquire(context.WithoutCancel(t.Context()), Heartbeats, "worker-0", beat(1), nil)
				require.ErrorIs(t, err, ErrUnknown)
				require.Len(t, s.Left(Heartbeats), 1)
				require.NoError(t, s.Release(t.Context(), s.Left(Heartbeats)[0]))
				require.Empty(t, s.Left(Heartbeats))
				close(arrive)
				require.Nil(t, <-held, "it is refused")
			})
		})
	}
}

func TestAFirstWriteThatWasStoredAfterAllIsDeleted(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		js.next(lost)
		_, err := s.Acquire(t.Context(), Heartbeats, "worker-0", beat(1), nil)
		require.ErrorIs(t, err, ErrUnknown)
		require.NoError(t, s.Release(t.Context(), s.Left(Heartbeats)[0]))
		e, err := s.Get(t.Context(), Heartbeats, "worker-0")
		require.NoError(t, err)
		require.Equal(t, Deleted, e.Kind)
	})
}
