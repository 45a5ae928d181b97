// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// only asks for one ID or none, of whose claim the worker has known since.
func only(id string, w store.Watched) store.ClaimOptions {
	return store.ClaimOptions{Prefer: []string{id}, Only: true, Watched: w}
}

func seen(t *testing.T, s *Store, id string) store.Watched {
	t.Helper()
	e, err := s.Get(t.Context(), store.StableIDs, id)
	require.NoError(t, err)
	return store.Watched{Revision: e.Revision, Since: time.Now()}
}

func dead(s *Store) []record.Token { return []record.Token{s.Holder()} }

func TestAClaimIsTakenOverOnceItsSessionIsOver(t *testing.T) {
	withStores(t, func(t *testing.T, holder, other *Store) {
		held := claim(t, holder, store.ClaimOptions{})
		beat, err := holder.Acquire(t.Context(), store.Heartbeats, held.Key, record.Heartbeat{Session: held.Revision}, nil)
		require.NoError(t, err)
		watched := seen(t, other, held.Key)
		ttl := testConfig().HeartbeatTTL
		time.Sleep(ttl / 2)
		beat, err = holder.Renew(t.Context(), beat, record.Heartbeat{Session: held.Revision})
		require.NoError(t, err)
		time.Sleep(ttl/2 + time.Second)
		_, err = other.ClaimID(t.Context(), record.Claim{}, only(held.Key, watched))
		require.ErrorIs(t, err, ErrTaken, "it has a heartbeat")
		time.Sleep(time.Until(beat.Sent.Add(ttl + 300*time.Millisecond)))
		taken, err := other.ClaimID(t.Context(), record.Claim{}, only(held.Key, watched))
		require.NoError(t, err)
		require.Equal(t, held.Key, taken.Key)
		require.Greater(t, taken.Revision, held.Revision)
		_, err = holder.Renew(t.Context(), held, record.Claim{})
		require.ErrorIs(t, err, ErrLost)
		_, err = holder.Renew(t.Context(), beat, record.Heartbeat{})
		require.Error(t, err)
	})
}

func TestAClaimOfASessionThatMayJustBeginIsNotTakenOver(t *testing.T) {
	withStores(t, func(t *testing.T, holder, other *Store) {
		held := claim(t, holder, store.ClaimOptions{})
		ttl := testConfig().HeartbeatTTL
		watched := seen(t, other, held.Key)
		for _, w := range []store.Watched{{}, watched, {Revision: held.Revision - 1, Since: time.Now().Add(-time.Hour)}} {
			_, err := other.ClaimID(t.Context(), record.Claim{}, only(held.Key, w))
			require.ErrorIs(t, err, ErrTaken)
		}
		time.Sleep(time.Until(watched.Since.Add(ttl - time.Millisecond)))
		_, err := other.ClaimID(t.Context(), record.Claim{}, only(held.Key, watched))
		require.ErrorIs(t, err, ErrTaken)
		time.Sleep(2 * time.Millisecond)
		_, err = other.ClaimID(t.Context(), record.Claim{}, only(held.Key, store.Watched{}))
		require.ErrorIs(t, err, ErrTaken, "who has not watched it goes by the servers' clocks, which may differ")
		_, err = other.ClaimID(t.Context(), record.Claim{}, only(held.Key, watched))
		require.NoError(t, err)
	})
}

func TestAClaimThatIsMuchOlderNeedsNotBeWatched(t *testing.T) {
	withStores(t, func(t *testing.T, holder, other *Store) {
		held := claim(t, holder, store.ClaimOptions{})
		time.Sleep(time.Until(held.Sent.Add(2*testConfig().HeartbeatTTL + time.Millisecond)))
		_, err := other.ClaimID(t.Context(), record.Claim{}, only(held.Key, store.Watched{}))
		require.NoError(t, err)
	})
}

// TestAClaimThatIsAboutToExpireIsNotTakenOver: the marker of its expiry could follow.
func TestAClaimThatIsAboutToExpireIsNotTakenOver(t *testing.T) {
	withStores(t, func(t *testing.T, holder, other *Store) {
		held := claim(t, holder, store.ClaimOptions{})
		time.Sleep(time.Until(held.TrustedUntil()))
		for _, opts := range []store.ClaimOptions{only(held.Key, store.Watched{Revision: held.Revision, Since: held.Sent}), {Prefer: []string{held.Key}, Only: true, Dead: dead(holder)}} {
			_, err := other.ClaimID(t.Context(), record.Claim{}, opts)
			require.ErrorIs(t, err, ErrTaken)
		}
		time.Sleep(time.Until(held.Sent.Add(held.TTL + time.Second)))
		_, err := other.ClaimID(t.Context(), record.Claim{}, only(held.Key, store.Watched{}))
		require.NoError(t, err)
	})
}

func TestTheAbsenceOfAHeartbeatIsProvedByAWrite(t *testing.T) {
	withStores(t, func(t *testing.T, holder, other *Store) {
		silent, err := other.silent(t.Context(), "worker-3")
		require.NoError(t, err)
		require.True(t, silent)
		e, err := other.Get(t.Context(), store.Heartbeats, "worker-3")
		require.NoError(t, err, "nothing was there, and something was written to prove it")
		require.Equal(t, store.Deleted, e.Kind)
		before := e.Revision
		silent, err = other.silent(t.Context(), "worker-3")
		require.NoError(t, err)
		require.True(t, silent)
		e, err = other.Get(t.Context(), store.Heartbeats, "worker-3")
		require.NoError(t, err)
		require.Greater(t, e.Revision, before)

		_, err = holder.Acquire(t.Context(), store.Heartbeats, "worker-3", record.Heartbeat{Session: 1}, nil)
		require.NoError(t, err)
		require.Error(t, other.end(t.Context(), e), "a heartbeat since the marker was read")
		silent, err = other.silent(t.Context(), "worker-3")
		require.NoError(t, err)
		require.False(t, silent)
	})
}

func TestTheClaimOfADeadProcessIsTakenOverAtOnce(t *testing.T) {
	withStores(t, func(t *testing.T, holder, other *Store) {
		claim(t, other, store.ClaimOptions{}) // worker-0, which lives
		held := claim(t, holder, store.ClaimOptions{})
		next := openOn(t, holder.js, holder.cfg)
		for _, prefer := range [][]string{{held.Key}, nil} { // nil: it died before it wrote the ID down
			lease, err := next.ClaimID(t.Context(), record.Claim{}, store.ClaimOptions{Prefer: prefer, Dead: dead(holder)})
			require.NoError(t, err)
			require.Equal(t, held.Key, lease.Key)
			require.Greater(t, lease.Revision, held.Revision)
			holder, held, next = next, lease, openOn(t, holder.js, holder.cfg)
		}
		lease, err := next.ClaimID(t.Context(), record.Claim{}, store.ClaimOptions{Prefer: []string{"worker-0"}, Dead: dead(holder)})
		require.NoError(t, err)
		require.Equal(t, "worker-2", lease.Key, "neither that of one who lives nor, for one that prefers another, that of the dead")
		_, err = next.ClaimID(t.Context(), record.Claim{}, store.ClaimOptions{Prefer: []string{"worker-0"}, Dead: dead(holder), Only: true})
		require.ErrorIs(t, err, ErrTaken)
	})
}

// TestAHeartbeatOfADeadProcessThatIsAboutToExpireIsAwaited: the marker of its expiry could follow the first heartbeat of the
// next session.
func TestAHeartbeatOfADeadProcessThatIsAboutToExpireIsAwaited(t *testing.T) {
	withStores(t, func(t *testing.T, holder, next *Store) {
		held := claim(t, holder, store.ClaimOptions{})
		beat, err := holder.Acquire(t.Context(), store.Heartbeats, held.Key, record.Heartbeat{Session: held.Revision}, nil)
		require.NoError(t, err)
		time.Sleep(time.Until(beat.Sent.Add(beat.TTL - beat.TTL/8)))
		_, err = next.ClaimID(t.Context(), record.Claim{}, store.ClaimOptions{Prefer: []string{held.Key}, Only: true, Dead: dead(holder)})
		require.NoError(t, err)
		e, err := next.Get(t.Context(), store.Heartbeats, held.Key)
		require.NoError(t, err)
		require.Equal(t, store.Expired, e.Kind)
	})
}

func TestTheLeadershipOfADeadProcessEnds(t *testing.T) {
	withStores(t, func(t *testing.T, holder, other *Store) {
		require.NoError(t, other.EndLeadership(t.Context(), dead(holder)), "nobody leads")
		_, err := holder.Acquire(t.Context(), store.Election, store.LeaderKey, record.Leader{Worker: "worker-0"}, nil)
		require.NoError(t, err)
		require.NoError(t, other.EndLeadership(t.Context(), dead(other)))
		e, err := other.Get(t.Context(), store.Election, store.LeaderKey)
		require.NoError(t, err)
		require.Equal(t, store.Put, e.Kind, "it is not that of a dead process")
		require.NoError(t, other.EndLeadership(t.Context(), dead(holder)))
		e, err = other.Get(t.Context(), store.Election, store.LeaderKey)
		require.NoError(t, err)
		require.Equal(t, store.Deleted, e.Kind)
	})
}

// TestTheLeadershipOfADeadProcessThatIsAboutToExpireIsAwaited: the marker of its expiry could end the lease of the next leader.
func TestTheLeadershipOfADeadProcessThatIsAboutToExpireIsAwaited(t *testing.T) {
	withStores(t, func(t *testing.T, holder, other *Store) {
		for _, c := range []struct {
			age  time.Duration
			kind store.Kind
		}{{0, store.Deleted}, {2 * time.Second, store.Deleted}, {2700 * time.Millisecond, store.Expired}} {
			l, err := holder.Acquire(t.Context(), store.Election, store.LeaderKey, record.Leader{Worker: "worker-0"}, nil)
			require.NoError(t, err)
			time.Sleep(c.age)
			require.NoError(t, other.EndLeadership(t.Context(), dead(holder)))
			require.GreaterOrEqual(t, time.Since(l.Sent), 400*time.Millisecond, "the marker of the lease before may be under way")
			e, err := other.Get(t.Context(), store.Election, store.LeaderKey)
			require.NoError(t, err)
			require.Equal(t, c.kind, e.Kind, "%s", c.age)
		}
	})
}

// TestAYoungClaimOfADeadProcessIsNotTakenOverAtOnce: it may be a late renewal, and the marker of the claim before may still come.
func TestAYoungClaimOfADeadProcessIsNotTakenOverAtOnce(t *testing.T) {
	withStores(t, func(t *testing.T, holder, next *Store) {
		held := claim(t, holder, store.ClaimOptions{})
		time.Sleep(time.Second)
		renewed, err := holder.Renew(t.Context(), held, record.Claim{})
		require.NoError(t, err)
		last := make(chan store.Lease, 1)
		go func() { // it was sent before the process died
			time.Sleep(200 * time.Millisecond)
			late, _ := holder.Renew(t.Context(), renewed, record.Claim{})
			last <- late
		}()
		lease, err := next.ClaimID(t.Context(), record.Claim{}, store.ClaimOptions{Prefer: []string{held.Key}, Only: true, Dead: dead(holder)})
		require.NoError(t, err)
		require.Equal(t, held.Key, lease.Key)
		late := <-last
		require.Greater(t, lease.Revision, late.Revision)
		require.GreaterOrEqual(t, lease.Sent.Sub(late.Sent), 400*time.Millisecond)
		require.Less(t, lease.Sent.Sub(late.Sent), 600*time.Millisecond)
	})
}

func TestAGroupIsNamedByItsBucketsAndWhenTheyWereMade(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		s := openStore(t, srv, testConfig())
		require.Equal(t, s.Incarnation(), openStore(t, srv, testConfig()).Incarnation())
		cfg := testConfig()
		cfg.StableID = "another"
		require.NotEqual(t, s.Incarnation(), openStore(t, srv, cfg).Incarnation())
		require.NoError(t, s.js.DeleteStream(t.Context(), s.stream(store.StableIDs)))
		time.Sleep(time.Second)
		require.NotEqual(t, s.Incarnation(), openStore(t, srv, testConfig()).Incarnation())
	})
}

// TestAFirstHeartbeatIsWrittenOverWhatIsNeitherYoungNorAboutToExpire: a marker could end it otherwise, that of the entry before or
// that of the entry itself.
func TestAFirstHeartbeatIsWrittenOverWhatIsNeitherYoungNorAboutToExpire(t *testing.T) {
	ttl, young := testConfig().HeartbeatTTL, 400*time.Millisecond
	for _, c := range []struct{ age, written time.Duration }{
		{0, young},
		{young - time.Millisecond, young},
		{young, young},
		{ttl*7/8 - time.Millisecond, ttl*7/8 - time.Millisecond},
		{ttl * 7 / 8, ttl},
		{ttl - time.Millisecond, ttl},
	} {
		t.Run(c.age.String(), func(t *testing.T) {
			withStores(t, func(t *testing.T, before, now *Store) {
				anySession := func(store.Entry) bool { return true }
				old, err := before.Acquire(t.Context(), store.Heartbeats, "worker-1", record.Heartbeat{Session: 1}, nil)
				require.NoError(t, err)
				<-time.After(time.Until(old.Sent.Add(c.age)))
				l, err := now.Acquire(t.Context(), store.Heartbeats, "worker-1", record.Heartbeat{Session: 2}, anySession)
				require.NoError(t, err)
				require.GreaterOrEqual(t, l.Sent.Sub(old.Sent), c.written)
				late := 50 * time.Millisecond // it asks so often
				if c.written == ttl {
					late = 500 * time.Millisecond // the marker
				}
				require.Less(t, l.Sent.Sub(old.Sent), c.written+late)
				<-time.After(time.Until(l.TrustedUntil()))
				e, err := now.Get(t.Context(), store.Heartbeats, "worker-1")
				require.NoError(t, err)
				require.Equal(t, l.Revision, e.Revision)
			})
		})
	}
}

// TestAFirstHeartbeatWithoutAnAnswerEndsItsSessionIfItReplacedOne: the marker of that one may still come and end it, and the leader has
// seen this session end. The next session waits for that marker.
func TestAFirstHeartbeatWithoutAnAnswerEndsItsSessionIfItReplacedOne(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		js.next(lost)
		_, err := s.Acquire(t.Context(), store.Heartbeats, "worker-1", beat(1), nil)
		require.ErrorIs(t, err, ErrUnknown)
		require.NotErrorIs(t, err, ErrLost, "it replaced nothing")

		acquire(t, s, "worker-0")
		time.Sleep(time.Second)
		js.next(nil, lost) // the first attempt finds the entry of the session before
		_, err = s.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(2), func(store.Entry) bool { return true })
		for _, is := range []error{ErrUnknown, ErrLost, ErrLate} { // late: what it carries over goes on
			require.ErrorIs(t, err, is)
		}

		asked := time.Now()
		_, err = s.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(3), nil)
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(asked), 390*time.Millisecond)
	})
}

func withStores(t *testing.T, f func(t *testing.T, a, b *Store)) {
	t.Helper()
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		f(t, openStore(t, srv, testConfig()), openStore(t, srv, testConfig()))
	})
}

// TestAnEntryThatIsAboutToExpireIsNotDeleted: it ends by itself, also where later writes of its hold were not answered.
func TestAnEntryThatIsAboutToExpireIsNotDeleted(t *testing.T) {
	for name, renews := range map[string]bool{"never renewed": false, "renewed in vain": true} {
		t.Run(name, func(t *testing.T) {
			withFaults(t, func(t *testing.T, js *faulty, s *Store) {
				l := acquire(t, s, "worker-0")
				if renews {
					time.Sleep(4 * time.Second)
					js.next(func(func() (*jetstream.PubAck, error)) (*jetstream.PubAck, error) { return nil, nats.ErrTimeout })
					_, err := s.Renew(t.Context(), l, beat(1))
					require.ErrorIs(t, err, ErrUnknown)
				}
				time.Sleep(time.Until(l.Sent.Add(l.TTL * 15 / 16)))
				require.ErrorIs(t, s.Release(t.Context(), l), ErrLost)
				require.GreaterOrEqual(t, time.Since(l.Sent), l.TTL)
				e, err := s.Get(t.Context(), store.Heartbeats, "worker-0")
				require.NoError(t, err)
				require.Equal(t, store.Expired, e.Kind)
			})
		})
	}
}

// TestWhatWasWrittenOverAnOldEntryTooLateIsNotDeletedAtOnce: the marker of the old entry may still come, and would end what the next
// holder stores after the deletion.
func TestWhatWasWrittenOverAnOldEntryTooLateIsNotDeletedAtOnce(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		old := acquire(t, s, "worker-0")
		time.Sleep(time.Until(old.Sent.Add(ripe(old.TTL) - 100*time.Millisecond)))
		js.next(
			func(write func() (*jetstream.PubAck, error)) (*jetstream.PubAck, error) { return write() }, // finds the old entry
			func(write func() (*jetstream.PubAck, error)) (*jetstream.PubAck, error) {
				time.Sleep(200 * time.Millisecond)
				return write()
			},
		)
		_, err := s.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(2), func(store.Entry) bool { return true })
		require.ErrorIs(t, err, ErrLate)
		written := time.Now()
		left := s.Left(store.Heartbeats)
		require.Len(t, left, 1)
		require.NoError(t, s.Release(t.Context(), left[0]))
		require.GreaterOrEqual(t, time.Since(written), 350*time.Millisecond)
	})
}
