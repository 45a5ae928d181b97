// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
)

// ownership is an owner whose trust the test ends.
type ownership struct {
	partition parti.Partition
	epoch     int64
	ctx, held context.Context
	end, void context.CancelCauseFunc
}

func owns(id string, epoch int64) *ownership {
	o := &ownership{partition: parti.Partition{Keys: []string{id}}, epoch: epoch}
	o.ctx, o.end = context.WithCancelCause(context.Background())
	o.held, o.void = context.WithCancelCause(context.Background())
	return o
}

func (o *ownership) Partition() parti.Partition { return o.partition }
func (o *ownership) Epoch() int64               { return o.epoch }
func (o *ownership) WorkerID() string           { return fmt.Sprintf("worker-%d", o.epoch) }
func (o *ownership) Held() context.Context      { return o.held }
func (o *ownership) Valid() error               { return context.Cause(o.held) }

func (o *ownership) revoke() { o.end(parti.ErrRevoked) }

func (o *ownership) fence() {
	o.void(parti.ErrFenced)
	o.end(parti.ErrFenced)
}

// stage is a server, a connection that a test can cut, and one that no fault touches.
type stage struct {
	t    *testing.T
	s    *bubble.Server
	link *link.Link
	nc   *nats.Conn
	js   jetstream.JetStream // through the link
	safe jetstream.JetStream
}

func onStage(t *testing.T, f func(t *testing.T, st *stage)) {
	t.Helper()
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		t.Cleanup(func() { <-time.After(100 * time.Millisecond) }) // the server is idle when it is stopped
		st := &stage{t: t, s: s, link: link.New(s, nil)}
		t.Cleanup(st.link.Close)
		st.nc, st.js = st.connect(st.link)
		_, st.safe = st.connect(s)
		f(t, st)
	})
}

func (st *stage) connect(to nats.InProcessConnProvider) (*nats.Conn, jetstream.JetStream) {
	nc, err := nats.Connect("", append(parti.ConnectOptions(), nats.InProcessServer(to))...)
	require.NoError(st.t, err)
	st.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(st.t, err)
	return nc, js
}

// stream makes a stream in files.
func (st *stage) stream(cfg jetstream.StreamConfig) {
	st.t.Helper()
	_, err := st.safe.CreateStream(st.t.Context(), cfg)
	require.NoError(st.t, err)
}

// input makes the stream that is read, with the subjects in.<partition>.
func (st *stage) input() {
	st.t.Helper()
	st.stream(jetstream.StreamConfig{Name: "IN", Subjects: []string{"in.>"}})
}

// publish adds messages n to m to a partition's subject.
func (st *stage) publish(partition string, n, m int) {
	st.t.Helper()
	for i := n; i <= m; i++ {
		_, err := st.safe.Publish(st.t.Context(), "in."+partition, fmt.Appendf(nil, "%d", i))
		require.NoError(st.t, err)
	}
}

func config() Config {
	return Config{Stream: "IN", Subject: func(p parti.Partition) string { return "in." + p.ID() }}
}

// stored is the position that the bucket shows.
func (st *stage) stored(partition string) uint64 {
	st.t.Helper()
	c := newClient(st.safe)
	last, err := c.last(st.t.Context(), "KV_IN-positions", "$KV.IN-positions."+keyOf(partition))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0
	}
	require.NoError(st.t, err)
	if last.sequence == 0 {
		return 0
	}
	position, err := place{}.read(last.data, record{Epoch: 1 << 62, Stream: "IN", Subject: "in." + partition, Created: created(st.t, last.data)})
	require.NoError(st.t, err)
	return position
}

// log is what was handled.
type log struct {
	mu   sync.Mutex
	seen []string
}

func (l *log) note(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, text)
}

func (l *log) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.seen...)
}

func (l *log) take(_ context.Context, m Message) error {
	l.note(string(m.Data()))
	return nil
}

// run is a Run under way.
type run struct {
	o     *ownership
	ended chan struct{}
	err   error
}

// reading runs a checkpointed handler for an owner.
func (st *stage) reading(h *handler, o *ownership, call handling) *run {
	st.t.Helper()
	return st.started(o, func() error { return h.runCheckpoint(o.ctx, o, call) })
}

func (st *stage) started(o *ownership, f func() error) *run {
	r := &run{o: o, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.err = f()
	}()
	st.t.Cleanup(func() { o.fence(); <-r.ended })
	return r
}

// stop revokes and returns what Run returned.
func (r *run) stop(t *testing.T) error {
	t.Helper()
	r.o.revoke()
	return r.wait(t)
}

func (r *run) wait(t *testing.T) error {
	t.Helper()
	select {
	case <-r.ended:
		return r.err
	case <-time.After(5 * time.Minute):
		t.Fatal("Run has not returned")
		return nil
	}
}

func (st *stage) handler(js jetstream.JetStream, change ...func(*Config)) *handler {
	st.t.Helper()
	cfg := config()
	for _, c := range change {
		c(&cfg)
	}
	require.NoError(st.t, cfg.complete(false))
	return newHandler(js, cfg)
}

// numbers are the texts n to m.
func numbers(n, m int) (list []string) {
	for i := n; i <= m; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}
