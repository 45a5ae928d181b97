// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv/embedded"
)

// 1: a lost answer of the first heartbeat / of a campaign, then tried again
func TestBugAcquireAgainAfterALostAnswer(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		js.next(lost)
		_, err := s.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(1), nil)
		require.ErrorIs(t, err, ErrUnknown)
		_, err = s.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(1), func(e store.Entry) bool {
			h, _ := record.DecodeHeartbeat(e.Value)
			return h.Session < 1
		})
		require.NoError(t, err)
	})
}

// 2: the same for a claim: the ID stays held by nobody for a TTL
func TestBugClaimAgainAfterALostAnswer(t *testing.T) {
	withFaults(t, func(t *testing.T, js *faulty, s *Store) {
		js.next(lost)
		_, err := s.ClaimID(t.Context(), record.Claim{}, store.ClaimOptions{})
		require.ErrorIs(t, err, ErrUnknown)
		l, err := s.ClaimID(t.Context(), record.Claim{}, store.ClaimOptions{})
		require.NoError(t, err)
		require.Equal(t, "worker-0", l.Key)
	})
}

// 3: connection closed after the send
func TestBugClosedAfterSend(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		l := link.New(srv, nil)
		defer l.Close()
		s, w := openStore(t, l, testConfig()), openStore(t, srv, testConfig())
		l.Stall(link.Down)
		go func() { time.Sleep(time.Second); s.js.Conn().Close() }()
		_, err := s.Acquire(t.Context(), store.Heartbeats, "worker-0", beat(1), nil)
		e, gerr := w.Get(t.Context(), store.Heartbeats, "worker-0")
		t.Logf("stored: %v %v; error: %v", e.Revision, gerr, err)
		require.ErrorIs(t, err, ErrUnknown)
		l.Heal()
	})
}

// 4: the marker of a release turns into an expiry an hour later
func TestBugReleaseSeemsToExpireAnHourLater(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		h := listen(t, s, store.Heartbeats, nil, 0)
		time.Sleep(time.Second)
		l := acquire(t, s, "worker-0")
		time.Sleep(time.Second)
		require.NoError(t, s.Release(t.Context(), l))
		time.Sleep(3 * time.Hour)
		var ends []string
		for _, line := range h.take() {
			if line != "synced" {
				ends = append(ends, line)
			}
		}
		require.Equal(t, []string{"put worker-0", "deleted worker-0"}, ends)
	})
}

// 5: the socket takes no more bytes
type stuck struct {
	net.Conn
	on  *atomic.Bool
	due *atomic.Int64
}

func (c stuck) SetWriteDeadline(t time.Time) error { c.due.Store(t.UnixNano()); return nil }

func (c stuck) Write(b []byte) (int, error) {
	if c.on.Load() {
		time.Sleep(time.Until(time.Unix(0, c.due.Load())))
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Write(b)
}

type stuckDialer struct{ on *atomic.Bool }

func (d stuckDialer) Dial(n, a string) (net.Conn, error) {
	c, err := net.Dial(n, a)
	return stuck{c, d.on, &atomic.Int64{}}, err
}

func TestBugPublishHangsBeyondItsContext(t *testing.T) {
	srv, err := embedded.Start(embedded.WithPort(embedded.RandomPort))
	require.NoError(t, err)
	defer srv.Shutdown()
	on := &atomic.Bool{}
	nc, err := nats.Connect(srv.URL(), append(ConnectOptions(), nats.SetCustomDialer(stuckDialer{on}))...)
	require.NoError(t, err)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	s := openOn(t, js, testConfig())
	l := acquire(t, s, "worker-0")
	on.Store(true)
	go func() { _ = nc.Publish("x", make([]byte, 1<<19)) }()
	time.Sleep(200 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	_, err = s.Renew(ctx, l, beat(1))
	t.Logf("renewal came back after %s: %v", time.Since(began), err)
	require.Less(t, time.Since(began), 2*time.Second)
}

// 6: a feed whose consumer cannot be made
func TestBugFeedThatCannotConsumeSpins(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		cfg := testConfig()
		js := connect(t, srv)
		is := (&Store{cfg: cfg}).wanted(store.Heartbeats)
		is.MaxConsumers = 1
		_, err := js.CreateStream(t.Context(), is)
		require.NoError(t, err)
		var asked atomic.Int64
		l := link.New(srv, func(subject string) {
			if strings.Contains(subject, "DIRECT.GET") {
				asked.Add(1)
			}
		})
		defer l.Close()
		a, b := openStore(t, srv, cfg), openStore(t, l, cfg)
		listen(t, a, store.Heartbeats, nil, 0)
		time.Sleep(time.Second)
		listen(t, b, store.Heartbeats, nil, 0)
		time.Sleep(time.Minute)
		t.Logf("%d snapshots in a minute", asked.Load())
		require.Less(t, asked.Load(), int64(120))
	})
}

// 7: markers that do not outlive a short outage
func TestBugShortMarkersAreAccepted(t *testing.T) {
	s := &Store{cfg: testConfig()}
	want, is := s.wanted(store.Heartbeats), s.wanted(store.Heartbeats)
	is.SubjectDeleteMarkerTTL = time.Second
	require.Error(t, s.checkBucket(store.Heartbeats, want, is))
}

// 8: an answer that lost a message on the way
func TestBugBadWorkerNameInAPlan(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		f, err := s.BeginTerm(t.Context(), record.Term{}, 0, always)
		require.NoError(t, err)
		for _, key := range []string{"", "a b", "term"} {
			err := s.WritePlan(t.Context(), f, plan(1, key))
			t.Logf("%q: %v", key, err)
			require.ErrorIs(t, err, ErrConfig, "%q", key)
		}
	})
}
