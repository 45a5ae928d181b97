// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

func beat(session uint64) record.Heartbeat { return record.Heartbeat{Session: session} }

func acquire(t *testing.T, s *Store, key string) store.Lease {
	t.Helper()
	l, err := s.Acquire(t.Context(), store.Heartbeats, key, beat(1), nil)
	require.NoError(t, err)
	return l
}

func TestALeaseIsTrustedForThreeQuartersOfItsTTL(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		before := time.Now()
		l := acquire(t, s, "worker-0")
		require.Equal(t, before, l.Sent)
		require.Equal(t, before.Add(4500*time.Millisecond), l.TrustedUntil())
		require.NotZero(t, l.Revision)
		require.Equal(t, 6*time.Second, l.TTL)
	})
}

func TestALeaseThatIsRenewedLivesAndEndsByItselfOtherwise(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		l := acquire(t, s, "worker-0")
		for range 30 {
			time.Sleep(2 * time.Second)
			next, err := s.Renew(t.Context(), l, beat(1))
			require.NoError(t, err)
			require.Greater(t, next.Revision, l.Revision)
			require.Equal(t, time.Now(), next.Sent)
			l = next
		}
		e, err := s.Get(t.Context(), store.Heartbeats, "worker-0")
		require.NoError(t, err)
		require.Equal(t, store.Put, e.Kind)
		time.Sleep(6*time.Second + 300*time.Millisecond)
		e, err = s.Get(t.Context(), store.Heartbeats, "worker-0")
		require.NoError(t, err)
		require.Equal(t, store.Expired, e.Kind, "the renewals carried the TTL on")
	})
}

func TestWhoHoldsAnEntryKeepsIt(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		a, b := openStore(t, srv, testConfig()), openStore(t, srv, testConfig())
		l := acquire(t, a, "worker-0")
		_, err := b.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(2), nil)
		require.ErrorIs(t, err, ErrTaken)
		var taken *store.TakenError
		require.ErrorAs(t, err, &taken)
		require.Equal(t, l.Revision, taken.Entry.Revision)
		held, err := record.DecodeHeartbeat(taken.Entry.Value)
		require.NoError(t, err)
		require.EqualValues(t, 1, held.Session)

		_, err = b.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(2), func(store.Entry) bool { return false })
		require.ErrorIs(t, err, ErrTaken)
		asked := uint64(0)
		_, err = b.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(2), func(e store.Entry) bool { asked = e.Revision; return true })
		require.NoError(t, err)
		require.Equal(t, l.Revision, asked, "over judges what is replaced")
		_, err = a.Renew(t.Context(), l, beat(1))
		require.ErrorIs(t, err, ErrLost)
		require.ErrorIs(t, a.Release(t.Context(), l), ErrLost)
		e, err := a.Get(t.Context(), store.Heartbeats, "worker-0")
		require.NoError(t, err)
		require.Equal(t, store.Put, e.Kind, "what is another's is left alone")
	})
}

func TestOnlyOneOfManyAcquires(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		const n = 30
		results := make(chan error, n)
		for range n {
			s := openStore(t, srv, testConfig())
			go func() {
				_, err := s.Acquire(t.Context(), store.Election, store.LeaderKey, record.Leader{Worker: "w"}, nil)
				results <- err
			}()
		}
		won := 0
		for range n {
			if err := <-results; err == nil {
				won++
			} else {
				require.ErrorIs(t, err, ErrTaken)
			}
		}
		require.Equal(t, 1, won)
	})
}

func TestAnEntryThatEndedIsFree(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		a, b := openStore(t, srv, testConfig()), openStore(t, srv, testConfig())
		l := acquire(t, a, "worker-0")
		require.NoError(t, a.Release(t.Context(), l))
		e, err := a.Get(t.Context(), store.Heartbeats, "worker-0")
		require.NoError(t, err)
		require.Equal(t, store.Deleted, e.Kind)
		acquire(t, b, "worker-0")
		time.Sleep(7 * time.Second) // it expires
		l = acquire(t, a, "worker-0")
		require.NoError(t, a.Release(t.Context(), l))
		time.Sleep(3 * time.Hour) // no marker is left either
		_, err = a.Get(t.Context(), store.Heartbeats, "worker-0")
		require.ErrorIs(t, err, ErrNotFound)
		acquire(t, b, "worker-0")
	})
}

func TestNothingIsSentOnceTrustHasEnded(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		l := acquire(t, s, "worker-0")
		js.next()
		time.Sleep(time.Until(l.TrustedUntil()))
		_, err := s.Renew(t.Context(), l, beat(1))
		require.ErrorIs(t, err, ErrLate)
		require.Zero(t, js.count())
	})
}

func TestSlowRenewalDoesNotExtendTrust(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		l := acquire(t, s, "worker-0")
		time.Sleep(4 * time.Second)
		js.next(func(send func() (*jetstream.PubAck, error)) (*jetstream.PubAck, error) {
			ack, err := send() // stored in time, answered 1 s later
			time.Sleep(time.Second)
			return ack, err
		})
		_, err := s.Renew(t.Context(), l, beat(1))
		require.ErrorIs(t, err, ErrLate)
		time.Sleep(time.Second) // the answer is out of the way
	})
}

func TestASlowAcquisitionIsNotTrusted(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		js.next(func(send func() (*jetstream.PubAck, error)) (*jetstream.PubAck, error) {
			ack, err := send()
			time.Sleep(5 * time.Second)
			return ack, err
		})
		_, err := s.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(1), nil)
		require.ErrorIs(t, err, ErrLate)
	})
}

func TestARenewalEndsWithTheTrustAndNotLater(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		l := link.New(srv, nil)
		defer l.Close()
		s := openStore(t, l, testConfig())
		lease := acquire(t, s, "worker-0")
		time.Sleep(4 * time.Second)
		l.Stall()
		_, err := s.Renew(t.Context(), lease, beat(1))
		require.ErrorIs(t, err, ErrLate)
		require.Equal(t, lease.TrustedUntil(), time.Now())
		l.Heal()
	})
}

func TestARenewalWhoseAnswerWasLostIsRecognised(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		l := acquire(t, s, "worker-0")
		js.next(lost)
		_, err := s.Renew(t.Context(), l, beat(1))
		require.ErrorIs(t, err, ErrUnknown)
		time.Sleep(time.Second)
		next, err := s.Renew(t.Context(), l, beat(1))
		require.NoError(t, err, "the conflict is with our own write")
		require.Equal(t, l.Revision+2, next.Revision)
		require.Equal(t, time.Now(), next.Sent, "trust counts from the write that was acknowledged")

		js.next(lost)
		_, err = s.Renew(t.Context(), next, beat(1))
		require.ErrorIs(t, err, ErrUnknown)
		require.NoError(t, s.Release(t.Context(), next), "and so it is when it is given up")
		e, err := s.Get(t.Context(), store.Heartbeats, "worker-0")
		require.NoError(t, err)
		require.Equal(t, store.Deleted, e.Kind)
	})
}

func TestAnEarlierHoldOfTheSameProcessIsNotRenewedByMistake(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		old := acquire(t, s, "worker-0")
		_, err := s.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(2), func(store.Entry) bool { return true })
		require.NoError(t, err)
		_, err = s.Renew(t.Context(), old, beat(1))
		require.ErrorIs(t, err, ErrLost)
	})
}

func TestEachOutcomeOfAWriteHasItsError(t *testing.T) {
	answer := func(err error) fault {
		return func(func() (*jetstream.PubAck, error)) (*jetstream.PubAck, error) { return nil, err }
	}
	for name, c := range map[string]struct {
		fault fault
		want  error
	}{
		"nobody hears it":      {nobody, ErrNotDone},
		"refused":              {answer(&jetstream.APIError{Code: 503, ErrorCode: 10023}), ErrNotDone},
		"no answer":            {lost, ErrUnknown},
		"cancelled":            {answer(context.Canceled), ErrUnknown},
		"an answer of nothing": {answer(jetstream.ErrInvalidJSAck), ErrUnknown},
		"something else":       {answer(errors.New("x")), ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			withFaults(t, func(t *testing.T, js *faulty, s *Store) {
				l := acquire(t, s, "worker-0")
				js.next(c.fault)
				_, err := s.Renew(t.Context(), l, beat(1))
				require.ErrorIs(t, err, c.want)
				require.Equal(t, 1, js.count())
				_, err = s.Renew(t.Context(), l, beat(1))
				require.NoError(t, err, "the lease is as good as before")
			})
		})
	}
}

func TestABusyWriteIsRepeatedAndAtLastNotDone(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		l := acquire(t, s, "worker-0")
		js.next(busy, busy, busy)
		l, err := s.Renew(t.Context(), l, beat(1))
		require.NoError(t, err)
		require.Equal(t, 4, js.count())
		var always []fault
		for range 100 {
			always = append(always, busy)
		}
		js.next(always...)
		_, err = s.Renew(t.Context(), l, beat(1))
		require.ErrorIs(t, err, ErrNotDone)
		require.NotErrorIs(t, err, ErrLost)
		js.next()
		_, err = s.Renew(t.Context(), l, beat(1))
		require.NoError(t, err)
	})
}

func TestNothingWrittenWhileDisconnectedArrivesLater(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		l := link.New(srv, nil)
		defer l.Close()
		s, witness := openStore(t, l, testConfig()), openStore(t, srv, testConfig())
		l.Cut()
		time.Sleep(10 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Acquire(ctx, store.Heartbeats, "worker-0", beat(1), nil)
		require.Error(t, err)
		l.Heal()
		time.Sleep(10 * time.Second)
		require.True(t, s.js.Conn().IsConnected())
		_, err = witness.Get(t.Context(), store.Heartbeats, "worker-0")
		require.ErrorIs(t, err, ErrNotFound)
	})
}

func TestAGhostWriteFindsItsConditionGone(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		l := link.New(srv, nil)
		defer l.Close()
		s, other := openStore(t, l, testConfig()), openStore(t, srv, testConfig())
		lease := acquire(t, s, "worker-0")
		l.Stall(link.Up)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Renew(ctx, lease, beat(1))
		require.ErrorIs(t, err, ErrUnknown)
		taken, err := other.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(2), func(store.Entry) bool { return true })
		require.NoError(t, err)
		l.Heal() // now the renewal arrives
		time.Sleep(time.Second)
		e, err := other.Get(t.Context(), store.Heartbeats, "worker-0")
		require.NoError(t, err)
		require.Equal(t, taken.Revision, e.Revision)
	})
}

func TestAKeyThatTheServerCannotTakeIsNotSent(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		js.next()
		for _, key := range []string{"", "a.b", "a b", "*", ">", fmt.Sprintf("%05000d", 0)} {
			_, err := s.Acquire(t.Context(), store.Heartbeats, key, beat(1), nil)
			require.ErrorIs(t, err, ErrConfig, "%.10q", key)
		}
		require.Zero(t, js.count())
	})
}

func TestARenewalThatFindsAnEarlierWriteOfItsKeyProvesARestore(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		cfg := testConfig()
		cfg.Storage = "file"
		s := openStore(t, srv, cfg)
		l := acquire(t, s, "worker-0")
		srv.Stop()
		copied := srv.Copy()
		srv.Start()
		time.Sleep(time.Second)
		l, err := s.Renew(t.Context(), l, beat(1))
		require.NoError(t, err)
		srv.Stop()
		srv.Restore(copied)
		srv.Start()
		time.Sleep(time.Second)
		_, err = s.Renew(t.Context(), l, beat(1))
		require.ErrorIs(t, err, ErrLost)
		require.ErrorIs(t, err, ErrRolledBack)
	})
}

func TestARenewalThatFindsALaterWriteOfAnotherProvesNoRestore(t *testing.T) {
	withStore(t, func(t *testing.T, srv *bubble.Server, s *Store) {
		l := acquire(t, s, "worker-0")
		_, err := openStore(t, srv, testConfig()).Acquire(t.Context(), store.Heartbeats, "worker-0", beat(2), func(store.Entry) bool { return true })
		require.NoError(t, err)
		_, err = s.Renew(t.Context(), l, beat(1))
		require.ErrorIs(t, err, ErrLost)
		require.NotErrorIs(t, err, ErrRolledBack)
	})
}
