// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv/embedded"
	"github.com/parti-go/parti/source"
	"github.com/parti-go/parti/strategy"
)

// fleet is a group of workers on a server of its own, in real time.
type fleet struct {
	server  *embedded.Server
	url     string
	js      jetstream.JetStream
	user    nats.Option // how the workers log in; nil for not
	options []parti.Option
	workers []*parti.Manager
}

// quick is a configuration whose group is complete in an instant.
func quick(group string, workers int) parti.Config {
	cfg := parti.DefaultConfig()
	cfg.Group, cfg.ExpectedWorkers = group, workers
	cfg.WorkerIDMax = max(workers-1, 1) // so that their IDs are known
	cfg.ColdStartWindow, cfg.PlannedScaleWindow = 2*time.Second, time.Second
	cfg.RebalanceCooldown = 100 * time.Millisecond
	cfg.KVBuckets.Storage = "memory"
	return cfg
}

func newServer() (*fleet, error) {
	s, err := embedded.Start(embedded.WithPort(embedded.RandomPort))
	if err != nil {
		return nil, err
	}
	f := &fleet{server: s, url: s.URL()}
	f.js, err = f.connect()
	return f, err
}

func (f *fleet) connect() (jetstream.JetStream, error) {
	opts := parti.ConnectOptions()
	if f.user != nil {
		opts = append(opts, f.user)
	}
	nc, err := f.server.Connect(opts...)
	if err != nil {
		return nil, err
	}
	return jetstream.New(nc)
}

// start starts workers and waits until each has its share.
func (f *fleet) start(cfg parti.Config, n int, s parti.PartitionSource) ([]*parti.Manager, error) {
	started := make([]*parti.Manager, n)
	errs := make(chan error, n)
	for i := range started {
		js, err := f.connect()
		if err != nil {
			return nil, err
		}
		opts := append([]parti.Option{parti.WithLogger(slog.New(slog.DiscardHandler))}, f.options...)
		m, err := parti.NewManager(cfg, js, s, strategy.NewConsistentHash(), opts...)
		if err != nil {
			return nil, err
		}
		started[i] = m
		go func() { errs <- m.Start(context.Background()) }()
	}
	for range started {
		if err := <-errs; err != nil {
			return nil, err
		}
	}
	f.workers = append(f.workers, started...)
	return started, nil
}

func (f *fleet) close() {
	var stops sync.WaitGroup
	for _, m := range f.workers {
		stops.Go(func() { _ = m.Close() })
	}
	stops.Wait()
	f.server.Shutdown()
}

// shared is the fleet that tests look at and do not change: three workers of the group "orders" with twelve partitions.
var shared struct {
	once sync.Once
	*fleet
	err error
}

func orders(t *testing.T) *fleet {
	t.Helper()
	shared.once.Do(func() {
		if shared.fleet, shared.err = newServer(); shared.err == nil {
			_, shared.err = shared.start(quick("orders", 3), 3, source.Numbered("orders", 12))
		}
	})
	require.NoError(t, shared.err)
	return shared.fleet
}

// own is a server of the test alone.
func own(t *testing.T) *fleet {
	t.Helper()
	f, err := newServer()
	require.NoError(t, err)
	t.Cleanup(f.close)
	return f
}

// cli runs a command line against the server.
func (f *fleet) cli(t *testing.T, args ...string) outcome {
	t.Helper()
	return command(t, append([]string{"--server", f.url}, args...)...)
}

// ok runs a command line that has to succeed and returns what it writes.
func (f *fleet) ok(t *testing.T, args ...string) string {
	t.Helper()
	got := f.cli(t, args...)
	require.Equal(t, exitFine, got.code, "%v: %s%s", args, got.stdout, got.stderr)
	return got.stdout
}
