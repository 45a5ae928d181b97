// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// watched is a store behind a link, which counts the consumers that are made through it.
type watched struct {
	*Store
	*link.Link
	consumers atomic.Int64
	admin     *Store
}

func watch(t *testing.T, srv *bubble.Server) *watched {
	w := &watched{admin: openStore(t, srv, testConfig())}
	w.Link = link.New(srv, func(subject string) {
		if strings.HasPrefix(subject, "$JS.API.CONSUMER.CREATE.") {
			w.consumers.Add(1)
		}
	})
	t.Cleanup(w.Close)
	w.Store = openStore(t, w.Link, testConfig())
	w.consumers.Store(0) // the probe of the permissions
	return w
}

func api(names ...string) func(string) bool {
	return func(subject string) bool {
		for _, name := range names {
			if strings.HasPrefix(subject, "$JS.API."+name+".") {
				return true
			}
		}
		return false
	}
}

func TestWhileTheStoreAnswersNoListingChangesAreToldAndTheConsumerIsKept(t *testing.T) {
	for name, blocked := range map[string]func(string) bool{"no info": api("STREAM.INFO"), "no direct get": api("DIRECT.GET")} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
				w, writer := watch(t, srv), openStore(t, srv, testConfig())
				h := listen(t, w.Store, store.Heartbeats, nil, 0)
				time.Sleep(time.Second)
				require.Equal(t, []string{"synced"}, h.take())
				listed := time.Now().Add(-time.Second)
				w.Block(blocked)
				for range 3 { // minutes, in which the snapshots hang or fail
					for range 12 {
						a := acquire(t, writer, "worker-0")
						time.Sleep(time.Millisecond)
						require.NoError(t, writer.Release(t.Context(), a))
						time.Sleep(time.Millisecond)
						lines := h.take()
						require.GreaterOrEqual(t, len(lines), 2)
						require.Equal(t, []string{"put worker-0", "deleted worker-0"}, lines[len(lines)-2:], "at once")
						if len(lines) > 2 {
							require.Equal(t, []string{"stale"}, lines[:1])
							require.Equal(t, listed, h.since.Truncate(time.Second), "since the last snapshot")
							bound := resyncEvery + w.cfg.OperationTimeout
							require.WithinDuration(t, listed.Add(bound), h.saidAt, 6*time.Second)
						}
						time.Sleep(5 * time.Second)
					}
				}
				require.EqualValues(t, 1, w.consumers.Load(), "it works, so it is kept")
				require.Equal(t, 1, h.count("stale"), "told once")
				require.Zero(t, h.count("blind"))
				w.Heal()
				time.Sleep(15 * time.Second)
				require.Equal(t, []string{"synced"}, h.take())
				require.EqualValues(t, 1, w.consumers.Load())
				h.noBack(t)
			})
		})
	}
}

func TestABlindFeedSaysSoWithinTheTrustAndSinceWhen(t *testing.T) {
	faults := map[string]func(w *watched){
		"cut":                        func(w *watched) { w.Cut() },
		"stalled":                    func(w *watched) { w.Stall() },
		"mute":                       func(w *watched) { w.Stall(link.Down) },
		"no consumer can be made":    func(w *watched) { w.Block(api("CONSUMER.CREATE", "STREAM.INFO")); w.forget() },
		"the consumer is not served": func(w *watched) { w.Block(api("CONSUMER", "STREAM.INFO")); w.forget() },
	}
	for name, fault := range faults {
		for _, b := range []store.Bucket{store.Heartbeats, store.Election, store.Assignments} {
			t.Run(name+", "+b.String(), func(t *testing.T) {
				bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
					w := watch(t, srv)
					h := listen(t, w.Store, b, nil, 0)
					if b == store.Assignments { // a worker follows both
						listen(t, w.Store, store.Election, nil, 0)
					}
					time.Sleep(11 * time.Second) // not just when a sign of life is due
					h.take()
					fault(w)
					began := time.Now()
					require.Eventually(t, func() bool { synctest.Wait(); return h.count("blind") == 1 }, time.Minute, 10*time.Millisecond)
					trust := w.cfg.HeartbeatTTL*3/4 - w.cfg.HeartbeatTTL/3
					require.Less(t, time.Since(began), trust, "there is time left to act")
					require.Less(t, began.Sub(h.since), signOfLife(b)+heartbeatGrace, "since it saw something")
					require.False(t, h.since.After(began))
					time.Sleep(20 * time.Second)
					require.Equal(t, []string{"blind"}, h.take(), "told once")
					w.Heal()
					time.Sleep(5 * time.Second)
					require.Equal(t, []string{"synced"}, h.take())
					time.Sleep(10 * time.Second)
					require.Empty(t, h.take())
				})
			})
		}
	}
}

// TestARecordThatAConsumerDoesNotDeliverIsToldWithTheNextRenewal: the lease on leadership says that there is one, also when the
// leader's own feed does not, and whatever a lease said before.
func TestARecordThatAConsumerDoesNotDeliverIsToldWithTheNextRenewal(t *testing.T) {
	for _, before := range []uint64{0, 1 << 60} {
		bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
			w, leader := watch(t, srv), openStore(t, srv, testConfig())
			h := listen(t, w.Store, store.Assignments, nil, 0)
			listen(t, w.Store, store.Election, nil, 0)
			listen(t, leader, store.Assignments, nil, 0)
			f, err := leader.BeginTerm(t.Context(), record.Term{}, 0, always)
			require.NoError(t, err)
			lease, err := leader.Acquire(t.Context(), store.Election, store.LeaderKey, record.Leader{Plan: before}, nil)
			require.NoError(t, err)
			time.Sleep(time.Second)
			h.take()
			w.pause(store.Assignments)
			time.Sleep(100 * time.Millisecond)
			require.NoError(t, leader.WritePlan(t.Context(), f, plan(1, "worker-0")))
			e, err := leader.Get(t.Context(), store.Assignments, store.PlanKey)
			require.NoError(t, err)
			require.Equal(t, e.Revision, leader.PlanSeen())
			time.Sleep(500 * time.Millisecond)
			require.Empty(t, h.take(), "its consumer delivers nothing")
			_, err = leader.Renew(t.Context(), lease, record.Leader{Plan: leader.PlanSeen()})
			require.NoError(t, err)
			time.Sleep(heartbeatGrace + crowd + 100*time.Millisecond)
			require.Equal(t, []string{"put plan", "put worker-0", "synced"}, sorted(h.take()))
			require.Zero(t, h.count("blind"))
		})
	}
}

// TestAPurgeIsNoticedThoughOneMessageIsLeft: that it was told before is not all that a feed has to know.
func TestAPurgeIsNoticedThoughOneMessageIsLeft(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		w := watch(t, srv)
		h := listen(t, w.Store, store.Assignments, nil, 0)
		time.Sleep(time.Second)
		f, err := w.admin.BeginTerm(t.Context(), record.Term{}, 0, always)
		require.NoError(t, err)
		require.NoError(t, w.admin.WritePlan(t.Context(), f, plan(1, "worker-0")))
		time.Sleep(time.Second)
		h.take()
		stream, err := w.admin.js.Stream(t.Context(), w.stream(store.Assignments))
		require.NoError(t, err)
		require.NoError(t, stream.Purge(t.Context(), jetstream.WithPurgeKeep(1)))
		time.Sleep(resyncEvery)
		select {
		case err := <-h.done:
			require.ErrorIs(t, err, ErrRolledBack)
		default:
			t.Fatal("nothing was noticed")
		}
	})
}

func sorted(lines []string) []string {
	slices.Sort(lines)
	return lines
}

// pause has the server deliver nothing to the consumers of a bucket, though it goes on saying that it is there.
func (w *watched) pause(b store.Bucket) {
	stream, err := w.admin.js.Stream(context.Background(), w.stream(b))
	if err != nil {
		panic(err)
	}
	for name := range stream.ConsumerNames(context.Background()).Name() {
		if _, err := stream.PauseConsumer(context.Background(), name, time.Now().Add(time.Hour)); err != nil {
			panic(err)
		}
	}
}

// forget ends every consumer of the server, as its restart would.
func (w *watched) forget() {
	for b := range store.Buckets {
		stream, err := w.admin.js.Stream(context.Background(), w.stream(b))
		if err != nil {
			panic(err)
		}
		for name := range stream.ConsumerNames(context.Background()).Name() {
			if err := stream.DeleteConsumer(context.Background(), name); err != nil {
				panic(err)
			}
		}
	}
}

func TestAFeedThatNeverSawTheStoreIsBlindSinceItsStart(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		w := watch(t, srv)
		w.Cut()
		began := time.Now()
		h := listen(t, w.Store, store.Heartbeats, nil, 0)
		time.Sleep(5 * time.Second)
		require.Equal(t, []string{"blind"}, h.take())
		require.Equal(t, began, h.since)
	})
}

func TestAConsumerThatTheServerHasForgottenIsMadeAnewAndNothingIsMissed(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		w, writer := watch(t, srv), openStore(t, srv, testConfig())
		h := listen(t, w.Store, store.Heartbeats, nil, 0)
		time.Sleep(time.Second)
		h.take()
		w.forget()
		acquire(t, writer, "worker-3")
		time.Sleep(time.Second)
		require.Equal(t, []string{"put worker-3", "synced"}, h.take())
		acquire(t, writer, "worker-4")
		time.Sleep(time.Millisecond)
		require.Equal(t, []string{"put worker-4"}, h.take())
		require.EqualValues(t, 2, w.consumers.Load())
	})
}

func TestOneConsumerServesMoreThanItAsksForAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		w, writer := watch(t, srv), openStore(t, srv, testConfig())
		h := listen(t, w.Store, store.Heartbeats, nil, 0)
		time.Sleep(time.Second)
		h.take()
		const keys = 2*pullBatch + 10
		for i := range keys {
			acquire(t, writer, fmt.Sprintf("worker-%d", i))
		}
		time.Sleep(time.Second)
		require.Equal(t, keys, h.count("put"))
		time.Sleep(3 * pullExpires)
		require.EqualValues(t, 1, w.consumers.Load(), "requests that run out are repeated")
		require.Zero(t, h.count("blind"))
	})
}

func TestAfterAnOutageConsumersAreMadeAnewSpreadOverTime(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		cfg := testConfig()
		cfg.Storage = "file"
		var mu sync.Mutex
		var made []time.Time
		for range 50 {
			l := link.New(srv, func(subject string) {
				if strings.HasPrefix(subject, "$JS.API.CONSUMER.CREATE.") {
					mu.Lock()
					defer mu.Unlock()
					made = append(made, time.Now())
				}
			})
			t.Cleanup(l.Close)
			listen(t, openStore(t, l, cfg), store.Election, nil, 0)
		}
		time.Sleep(time.Second)
		srv.Stop()
		time.Sleep(5 * time.Second)
		healed := time.Now()
		srv.Start()
		time.Sleep(3 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		total, atOnce := 0, map[time.Time]int{}
		for _, at := range made {
			if !at.Before(healed) {
				total++
				atOnce[at]++
				require.Less(t, atOnce[at], 10)
			}
		}
		require.Equal(t, 50, total)
	})
}

// told makes a view in which some keys have been told.
func told(s *Store, b store.Bucket, emit func(store.Update), entries ...store.Entry) *view {
	v := newView(s, b, 0, emit)
	for _, e := range entries {
		v.tell(e)
		v.upTo = max(v.upTo, e.Revision)
	}
	return &v
}

func TestASnapshotThatChangesHaveOvertakenTellsNothingOlder(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		put := func(key string, revision uint64, by record.Token) store.Entry {
			return store.Entry{Bucket: store.Heartbeats, Key: key, Revision: revision, Token: by, Value: []byte(`{}`)}
		}
		var lines []string
		emit := func(u store.Update) { lines = append(lines, u.Kind.String()+" "+u.Entry.Key) }
		for name, c := range map[string]struct {
			told     []store.Entry
			snapshot store.Snapshot
			want     []string
			back     bool
		}{
			"the snapshot is newer": {
				[]store.Entry{put("a", 5, "x/1/1")}, store.Snapshot{UpTo: 9, Entries: []store.Entry{put("a", 8, "x/1/2")}}, []string{"put a"}, false,
			},
			"the key was written after it": {
				[]store.Entry{put("a", 12, "x/1/1")}, store.Snapshot{UpTo: 9, Entries: []store.Entry{put("a", 8, "x/1/2")}}, nil, false,
			},
			"the key was made after it": {
				[]store.Entry{put("a", 12, "x/1/1")}, store.Snapshot{UpTo: 9}, nil, false,
			},
			"the key is gone": {
				[]store.Entry{put("a", 5, "x/1/1"), put("b", 12, "x/1/1")}, store.Snapshot{UpTo: 9}, []string{"gone a"}, false,
			},
			"the key ended after it": {
				[]store.Entry{put("a", 5, "x/1/1"), {Bucket: store.Heartbeats, Key: "a", Revision: 12, Kind: store.Deleted}},
				store.Snapshot{UpTo: 9, Entries: []store.Entry{put("a", 5, "x/1/1")}},
				nil, false,
			},
			"it is complete and shows something older": {
				[]store.Entry{put("a", 5, "x/1/1")}, store.Snapshot{UpTo: 9, Entries: []store.Entry{put("a", 4, "x/1/0"), put("b", 6, "x/1/0")}}, nil, true,
			},
			"another write has the revision": {
				[]store.Entry{put("a", 5, "x/1/1"), put("b", 12, "x/1/1")}, store.Snapshot{UpTo: 9, Entries: []store.Entry{put("a", 5, "y/1/1")}}, nil, true,
			},
		} {
			v := told(s, store.Heartbeats, emit, c.told...)
			lines = nil
			err := v.compare(c.snapshot)
			require.Equal(t, c.want, lines, name)
			if c.back {
				require.ErrorIs(t, err, ErrRolledBack, name)
				continue
			}
			require.NoError(t, err, name)
			require.GreaterOrEqual(t, v.upTo, c.snapshot.UpTo, name)
		}
	})
}

func TestAnEmptiedBucketIsNotOneInWhichTermAndPlanWereJustStored(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		at := func(revision uint64) []store.Entry {
			return []store.Entry{{Bucket: store.Assignments, Key: store.TermKey, Revision: revision, Token: "x/1/1"}, {Bucket: store.Assignments, Key: store.PlanKey, Revision: revision + 1, Token: "x/1/2"}}
		}
		ignore := func(store.Update) {}
		require.NoError(t, told(s, store.Assignments, ignore, at(12)...).compare(store.Snapshot{UpTo: 9}))
		require.ErrorIs(t, told(s, store.Assignments, ignore, at(5)...).compare(store.Snapshot{UpTo: 9}), ErrRolledBack)
	})
}
