// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
)

func testConfig() Config {
	return Config{
		StableID: "t-stableid", Election: "t-election", Heartbeat: "t-heartbeat", Assignment: "t-assignment",
		Storage: "memory", Replicas: 1, IDPrefix: "worker", IDMin: 0, IDMax: 99,
		WorkerIDTTL: 30 * time.Second, HeartbeatTTL: 6 * time.Second, LeaderTTL: 3 * time.Second,
		OperationTimeout: 10 * time.Second,
	}
}

// openStore opens a store on a connection of its own through p.
func openStore(t *testing.T, p nats.InProcessConnProvider, cfg Config) *Store {
	t.Helper()
	return openOn(t, connect(t, p), cfg)
}

func openOn(t *testing.T, js jetstream.JetStream, cfg Config) *Store {
	t.Helper()
	s, err := Open(t.Context(), js, cfg)
	require.NoError(t, err)
	return s
}

func connect(t *testing.T, p nats.InProcessConnProvider) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect("", append(ConnectOptions(), nats.InProcessServer(p))...)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return js
}

// withStore runs f in virtual time with one opened store.
func withStore(t *testing.T, f func(t *testing.T, srv *bubble.Server, s *Store)) {
	t.Helper()
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) { f(t, srv, openStore(t, srv, testConfig())) })
}

// faulty answers publishes in the place of the real JetStream: each call takes the next fault; nil or none lets it pass.
type faulty struct {
	jetstream.JetStream
	mu     sync.Mutex
	faults []fault
	sent   int
}

type fault func(send func() (*jetstream.PubAck, error)) (*jetstream.PubAck, error)

func (f *faulty) PublishMsg(ctx context.Context, m *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	f.mu.Lock()
	f.sent++
	var next fault
	if len(f.faults) > 0 {
		next, f.faults = f.faults[0], f.faults[1:]
	}
	f.mu.Unlock()
	send := func() (*jetstream.PubAck, error) { return f.JetStream.PublishMsg(ctx, m, opts...) }
	if next == nil {
		return send()
	}
	return next(send)
}

func (f *faulty) next(faults ...fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults, f.sent = faults, 0
}

func (f *faulty) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent
}

// busy refuses without storing; lost stores and loses the answer; unsent does neither.
func busy(func() (*jetstream.PubAck, error)) (*jetstream.PubAck, error) {
	return nil, &jetstream.APIError{Code: 400, ErrorCode: 10164, Description: "wrong last sequence"}
}

func lost(send func() (*jetstream.PubAck, error)) (*jetstream.PubAck, error) {
	if _, err := send(); err != nil {
		return nil, err
	}
	return nil, context.DeadlineExceeded
}

func nobody(func() (*jetstream.PubAck, error)) (*jetstream.PubAck, error) {
	return nil, jetstream.ErrNoStreamResponse
}

// withFaults runs f with a store whose publishes can be answered by the test.
func withFaults(t *testing.T, f func(t *testing.T, js *faulty, s *Store)) {
	t.Helper()
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		js := &faulty{JetStream: connect(t, srv)}
		f(t, js, openOn(t, js, testConfig()))
	})
}

func tokenOf(value []byte) record.Token {
	_, t := record.Envelope(value)
	return t
}
