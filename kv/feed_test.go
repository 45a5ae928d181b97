// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// heard collects what a feed tells, as one line each, and checks that no key goes back.
type heard struct {
	mu       sync.Mutex
	lines    []string
	at       []time.Time
	revision map[string]uint64
	back     []string
	kinds    map[string]int
	since    time.Time // of the last that says so
	saidAt   time.Time // when that was
	done     chan error
	cancel   context.CancelFunc
}

func listen(t *testing.T, s *Store, b store.Bucket, keys []string, atLeast uint64) *heard {
	ctx, cancel := context.WithCancel(t.Context())
	h := &heard{revision: map[string]uint64{}, kinds: map[string]int{}, done: make(chan error, 1), cancel: cancel}
	go func() { h.done <- s.Feed(ctx, b, keys, atLeast, h.hear) }()
	t.Cleanup(cancel)
	return h
}

func (h *heard) hear(u store.Update) {
	h.mu.Lock()
	defer h.mu.Unlock()
	line := u.Kind.String()
	h.kinds[line]++
	if !u.Since.IsZero() {
		h.since, h.saidAt = u.Since, time.Now()
	}
	if u.Entry.Key != "" {
		line += " " + u.Entry.Key
		if u.Kind != store.UpdateGone && u.Entry.Revision <= h.revision[u.Entry.Key] {
			h.back = append(h.back, line)
		}
		h.revision[u.Entry.Key] = max(h.revision[u.Entry.Key], u.Entry.Revision)
	}
	h.lines, h.at = append(h.lines, line), append(h.at, time.Now())
}

// take returns the lines since the last take, once nothing more happens at this moment.
func (h *heard) take() []string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	lines := h.lines
	h.lines, h.at = nil, nil
	return lines
}

// count returns how many updates of a kind were told so far.
func (h *heard) count(kind string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.kinds[kind]
}

func (h *heard) noBack(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	require.Empty(t, h.back)
}

func TestAFeedIsASnapshotAndThenEveryChange(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		a := acquire(t, s, "worker-0")
		h := listen(t, s, store.Heartbeats, nil, a.Revision)
		time.Sleep(time.Second)
		require.Equal(t, []string{"put worker-0", "synced"}, h.take())
		b := acquire(t, s, "worker-1")
		time.Sleep(time.Millisecond)
		require.Equal(t, []string{"put worker-1"}, h.take())
		require.NoError(t, s.Release(t.Context(), b))
		time.Sleep(time.Millisecond)
		require.Equal(t, []string{"deleted worker-1"}, h.take())
		time.Sleep(time.Until(a.Sent.Add(6*time.Second + 250*time.Millisecond)))
		require.Equal(t, []string{"expired worker-0"}, h.take())
		h.noBack(t)
	})
}

func TestAFeedOfSomeKeysTellsNoOthers(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		h := listen(t, s, store.Assignments, []string{store.TermKey, store.PlanKey, "worker-1"}, 0)
		time.Sleep(time.Millisecond)
		require.Equal(t, []string{"synced"}, h.take())
		f, err := s.BeginTerm(t.Context(), record.Term{}, 0, always)
		require.NoError(t, err)
		require.NoError(t, s.WritePlan(t.Context(), f, plan(1, "worker-0", "worker-1", "worker-2")))
		time.Sleep(time.Millisecond)
		require.Equal(t, []string{"put term", "put worker-1", "put plan"}, h.take())
	})
}

func TestAFeedRepeatsItsSnapshotEveryThirtySecondsAndTellsNothingTwice(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{}, 0, always)
		require.NoError(t, err)
		require.NoError(t, s.WritePlan(t.Context(), f, plan(1, "worker-0")))
		h := listen(t, s, store.Assignments, nil, f.Revision)
		time.Sleep(5 * time.Minute)
		lines := h.take()
		slices.Sort(lines)
		require.Equal(t, []string{"put plan", "put term", "put worker-0"}, lines[:3])
		require.GreaterOrEqual(t, len(lines), 3+10)
		require.LessOrEqual(t, len(lines), 3+11)
		for _, line := range lines[3:] {
			require.Equal(t, "synced", line)
		}
	})
}

func TestAKeyThatVanishedWithoutAMarkerIsGone(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{}, 0, always)
		require.NoError(t, err)
		require.NoError(t, s.WritePlan(t.Context(), f, plan(1, "worker-0")))
		h := listen(t, s, store.Assignments, nil, 0)
		time.Sleep(time.Second)
		h.take()
		stream, err := s.js.Stream(t.Context(), s.stream(store.Assignments))
		require.NoError(t, err)
		require.NoError(t, stream.Purge(t.Context(), jetstream.WithPurgeSubject(s.subject(store.Assignments, "worker-0"))))
		time.Sleep(31 * time.Second)
		lines := h.take()
		require.Equal(t, "synced", lines[len(lines)-1])
		require.Len(t, lines, 2)
		require.Contains(t, []string{"gone worker-0", "deleted worker-0"}, lines[0])
	})
}

func TestAFeedRecoversAtOnceAndMissesNothing(t *testing.T) {
	for name, fault := range map[string]func(l *link.Link){
		"cut":   func(l *link.Link) { l.Cut() },
		"stall": func(l *link.Link) { l.Stall() },
		"mute":  func(l *link.Link) { l.Stall(link.Down) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
				l := link.New(srv, nil)
				defer l.Close()
				s, writer := openStore(t, l, testConfig()), openStore(t, srv, testConfig())
				gone := acquire(t, writer, "worker-0")
				expiring := acquire(t, writer, "worker-1")
				_ = expiring
				h := listen(t, s, store.Heartbeats, nil, 0)
				time.Sleep(time.Second)
				require.Equal(t, []string{"put worker-0", "put worker-1", "synced"}, h.take())
				fault(l)
				time.Sleep(time.Second)
				require.NoError(t, writer.Release(t.Context(), gone))
				time.Sleep(20 * time.Second)
				require.Equal(t, []string{"blind"}, h.take(), "silence says nothing else")
				acquire(t, writer, "worker-2")
				l.Heal()
				time.Sleep(3 * time.Second)
				lines := h.take()
				require.Contains(t, lines, "deleted worker-0")
				require.Contains(t, lines, "expired worker-1")
				require.Contains(t, lines, "put worker-2")
				require.Contains(t, lines, "synced")
				require.NotContains(t, lines, "gone worker-0", "the markers are still there")
				h.noBack(t)
			})
		})
	}
}

func TestAFeedFollowsAServerThatCameBackFromItsFiles(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		cfg := testConfig()
		cfg.Storage = "file"
		s := openStore(t, srv, cfg)
		f, err := s.BeginTerm(t.Context(), record.Term{}, 0, always)
		require.NoError(t, err)
		h := listen(t, s, store.Assignments, nil, 0)
		time.Sleep(time.Second)
		require.Equal(t, []string{"put term", "synced"}, h.take())
		srv.Stop()
		time.Sleep(20 * time.Second)
		srv.Start()
		time.Sleep(time.Second)
		require.Equal(t, []string{"blind", "synced"}, h.take(), "within a second of its return")
		require.NoError(t, s.WritePlan(t.Context(), f, plan(1)))
		time.Sleep(time.Millisecond)
		require.Equal(t, []string{"put plan"}, h.take())
	})
}

func TestAStoreThatLostItsStreamsIsRolledBack(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		s := openStore(t, srv, testConfig()) // in memory
		acquire(t, s, "worker-0")
		h := listen(t, s, store.Heartbeats, nil, 0)
		time.Sleep(time.Second)
		srv.Stop()
		time.Sleep(time.Second)
		srv.Start()
		require.ErrorIs(t, <-h.done, ErrRolledBack)
	})
}

func TestABucketThatWasRecreatedIsRolledBack(t *testing.T) {
	withStore(t, func(t *testing.T, srv *bubble.Server, s *Store) {
		acquire(t, s, "worker-0")
		h := listen(t, s, store.Heartbeats, nil, 0)
		time.Sleep(time.Second)
		require.NoError(t, s.js.DeleteStream(t.Context(), s.stream(store.Heartbeats)))
		fresh := openStore(t, srv, testConfig())
		for i := range 10 { // its sequences are soon beyond those of the old one
			acquire(t, fresh, fmt.Sprintf("worker-%d", i))
		}
		began := time.Now()
		require.ErrorIs(t, <-h.done, ErrRolledBack)
		require.LessOrEqual(t, time.Since(began), 31*time.Second)
	})
}

func TestAFeedEndsAtOnceAndLeavesNothing(t *testing.T) {
	for name, fault := range map[string]func(l *link.Link){
		"healthy": func(*link.Link) {},
		"cut":     func(l *link.Link) { l.Cut() },
		"stalled": func(l *link.Link) { l.Stall() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
				l := link.New(srv, nil)
				defer l.Close()
				s := openStore(t, l, testConfig())
				before := s.js.Conn().NumSubscriptions()
				for _, after := range []time.Duration{0, time.Millisecond, 1300 * time.Millisecond, 7 * time.Second} {
					h := listen(t, s, store.Heartbeats, nil, 0)
					time.Sleep(after / 2)
					fault(l)
					time.Sleep(after / 2)
					began := time.Now()
					h.cancel()
					require.ErrorIs(t, <-h.done, context.Canceled)
					require.Equal(t, began, time.Now(), "not a moment later")
					l.Heal()
					time.Sleep(5 * time.Second)
				}
				synctest.Wait()
				require.LessOrEqual(t, s.js.Conn().NumSubscriptions(), before+1, "one for answers is the connection's own")
			})
		})
	}
}

func TestAFeedOfAConnectionClosedForGoodEnds(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		h := listen(t, s, store.Heartbeats, nil, 0)
		time.Sleep(time.Second)
		s.js.Conn().Close()
		err := <-h.done
		require.Error(t, err)
		require.NotErrorIs(t, err, context.Canceled)
	})
}

func TestFeedsLeaveNoConsumersBehind(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		for range 20 {
			h := listen(t, s, store.Heartbeats, nil, 0)
			time.Sleep(100 * time.Millisecond)
			h.cancel()
			<-h.done
		}
		time.Sleep(time.Minute)
		stream, err := s.js.Stream(t.Context(), s.stream(store.Heartbeats))
		require.NoError(t, err)
		require.Zero(t, stream.CachedInfo().State.Consumers)
	})
}

func TestARefreshReachesTheLeaderAndItsAnswerTheAsker(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		leader, asker := openStore(t, srv, testConfig()), openStore(t, srv, testConfig())
		// The end falls between two attempts: one that is under way when it comes could still reach a leader.
		ask := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 1025*time.Millisecond)
			defer cancel()
			return asker.RequestRefresh(ctx)
		}
		require.ErrorIs(t, ask(), ErrNotDone, "there is no leader")

		var answers []error // used by the one goroutine of the subscription, while nobody asks
		stop, err := leader.ServeRefresh(func(reply func(error)) {
			next := answers[0]
			answers = answers[1:]
			reply(next)
		})
		require.NoError(t, err)
		require.NoError(t, leader.js.Conn().Flush())
		answers = []error{nil}
		require.NoError(t, ask())
		answers = []error{nats.ErrBadSubject}
		err = ask()
		require.ErrorIs(t, err, ErrRefused)
		require.ErrorContains(t, err, nats.ErrBadSubject.Error())
		answers = []error{ErrNotDone, ErrDeposed, nil}
		require.NoError(t, ask(), "a leader that is just beginning is asked again")
		synctest.Wait()
		require.Empty(t, answers)
		stop()
		require.NoError(t, leader.js.Conn().Flush())
		require.ErrorIs(t, ask(), ErrNotDone)
	})
}

func TestARefreshWhoseAnswerIsLostMayBeDone(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		leader, asker := openStore(t, srv, testConfig()), openStore(t, srv, testConfig())
		for name, answer := range map[string]func(reply func(error)){
			"lost":            func(func(error)) {},
			"asked to repeat": func(reply func(error)) { reply(ErrNotDone) },
		} {
			stop, err := leader.ServeRefresh(answer)
			require.NoError(t, err)
			require.NoError(t, leader.js.Conn().Flush())
			time.AfterFunc(time.Second, stop) // from then on nobody listens: that settles nothing
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			err = asker.RequestRefresh(ctx)
			cancel()
			require.ErrorIs(t, err, ErrUnknown, name)
			require.NotErrorIs(t, err, ErrNotDone, name)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "may still do it")
		}
	})
}

func TestARefreshThatTakesLongIsAnsweredAllTheSame(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		leader, asker := openStore(t, srv, testConfig()), openStore(t, srv, testConfig())
		stop, err := leader.ServeRefresh(func(reply func(error)) {
			time.AfterFunc(testConfig().OperationTimeout+2*time.Second, func() { reply(nats.ErrBadSubject) })
		})
		require.NoError(t, err)
		defer stop()
		require.NoError(t, leader.js.Conn().Flush())
		began := time.Now()
		require.ErrorIs(t, asker.RequestRefresh(t.Context()), ErrRefused)
		require.Equal(t, testConfig().OperationTimeout+2*time.Second, time.Since(began))
	})
}
