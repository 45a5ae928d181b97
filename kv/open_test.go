// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv/embedded"
)

func TestOpenMakesBucketsThatAnyClientCanOpen(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		for b := range store.Buckets {
			bucket, err := s.js.KeyValue(t.Context(), s.cfg.bucket(b))
			require.NoError(t, err)
			status, err := bucket.Status(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 1, status.History())
			require.Zero(t, status.TTL())
			stream, err := s.js.Stream(t.Context(), s.stream(b))
			require.NoError(t, err)
			is := stream.CachedInfo().Config
			require.True(t, is.AllowMsgTTL)
			require.Equal(t, time.Hour, is.SubjectDeleteMarkerTTL)
			require.Equal(t, b == store.Assignments, is.AllowAtomicPublish)
		}
		require.Equal(t, 30*time.Second, s.TTL(store.StableIDs))
		require.Equal(t, 3*time.Second, s.TTL(store.Election))
		require.Equal(t, 6*time.Second, s.TTL(store.Heartbeats))
		require.Zero(t, s.TTL(store.Assignments))
	})
}

func TestManyWorkersOpenAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		var all sync.WaitGroup
		failed := make([]error, 50)
		for i := range failed {
			js := connect(t, srv)
			all.Go(func() { _, failed[i] = Open(t.Context(), js, testConfig()) })
		}
		all.Wait()
		require.NoError(t, errors.Join(failed...))
	})
}

func TestABucketThatCannotBeReliedOnIsNamed(t *testing.T) {
	cases := map[string]func(*jetstream.StreamConfig){
		"bucket-wide TTL": func(c *jetstream.StreamConfig) { c.MaxAge, c.Duplicates = time.Minute, time.Minute },
		"history":         func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 5 },
		"delete markers":  func(c *jetstream.StreamConfig) { c.SubjectDeleteMarkerTTL = 0 },
		"per-message TTL": func(c *jetstream.StreamConfig) { c.AllowMsgTTL, c.SubjectDeleteMarkerTTL = false, 0 },
		"atomic batches":  func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false },
		"storage":         func(c *jetstream.StreamConfig) { c.Storage = jetstream.FileStorage },
		"direct get":      func(c *jetstream.StreamConfig) { c.AllowDirect = false },
		"subjects":        func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects, "more") },
	}
	for field, spoil := range cases {
		t.Run(strings.ReplaceAll(field, " ", "_"), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
				js := connect(t, srv)
				cfg := testConfig()
				is := (&Store{cfg: cfg}).wanted(store.Assignments)
				spoil(&is)
				_, err := js.CreateStream(t.Context(), is)
				require.NoError(t, err)
				_, err = Open(t.Context(), js, cfg)
				require.ErrorIs(t, err, ErrBucketMismatch)
				var mismatch *BucketError
				require.ErrorAs(t, err, &mismatch)
				require.Equal(t, field, mismatch.Field)
				require.Equal(t, cfg.Assignment, mismatch.Bucket)
				for _, part := range []string{mismatch.Bucket, mismatch.Field, mismatch.Value, mismatch.Allowed} {
					require.Contains(t, err.Error(), part)
				}
			})
		})
	}
}

func TestFewerReplicasAreRefusedAndMoreAreNot(t *testing.T) {
	cfg := testConfig()
	cfg.Replicas = 3
	s := &Store{cfg: cfg}
	want, is := s.wanted(store.Heartbeats), s.wanted(store.Heartbeats)
	is.Replicas = 1
	var mismatch *BucketError
	require.ErrorAs(t, s.checkBucket(store.Heartbeats, want, is), &mismatch)
	require.Equal(t, BucketError{Bucket: cfg.Heartbeat, Field: "replicas", Value: "1", Allowed: "at least 3"}, *mismatch)
	is.Replicas = 5
	require.NoError(t, s.checkBucket(store.Heartbeats, want, is), "a bucket may be scaled up while its workers run")
}

func TestAnOldServerIsRefusedByItsVersion(t *testing.T) {
	for _, old := range []string{"2.12.2", "2.11.9", "1.99.99", "v2.12.2", "2.9.25-rc.1"} {
		err := checkVersion(old)
		require.ErrorIs(t, err, ErrServerVersion, old)
		require.ErrorContains(t, err, old)
		require.ErrorContains(t, err, minVersion)
	}
	for _, good := range []string{"2.12.3", "2.12.10", "2.15.2", "3.0.0", "v2.12.3", "2.13.0-dev"} {
		require.NoError(t, checkVersion(good), good)
	}
}

func TestAServerWithoutJetStreamIsRefused(t *testing.T) {
	ns, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true})
	require.NoError(t, err)
	ns.Start()
	defer ns.Shutdown()
	require.True(t, ns.ReadyForConnections(10*time.Second))
	_, err = Open(t.Context(), connect(t, ns), testConfig())
	require.ErrorIs(t, err, ErrNoJetStream)
}

func TestAConfigurationThatWouldBreakTheStoreIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"no name":        func(c *Config) { c.Heartbeat = "" },
		"illegal name":   func(c *Config) { c.Heartbeat = "a.b" },
		"same name":      func(c *Config) { c.Heartbeat = c.Election },
		"no TTL":         func(c *Config) { c.LeaderTTL = 0 },
		"half seconds":   func(c *Config) { c.LeaderTTL = 1500 * time.Millisecond },
		"storage":        func(c *Config) { c.Storage = "tape" },
		"negative ID":    func(c *Config) { c.IDMin = -1 },
		"empty range":    func(c *Config) { c.IDMax = c.IDMin - 1 },
		"illegal prefix": func(c *Config) { c.IDPrefix = "a.b" },
		"endless prefix": func(c *Config) { c.IDPrefix = strings.Repeat("x", 5000) },
	} {
		cfg := testConfig()
		spoil(&cfg)
		require.ErrorIs(t, cfg.check(), ErrConfig, name)
	}
	require.NoError(t, testConfig().check())
}

func TestTheStoreWorksThroughADomain(t *testing.T) {
	srv, err := embedded.Start(embedded.WithDomain("hub"))
	require.NoError(t, err)
	defer srv.Shutdown()
	nc, err := srv.Connect(ConnectOptions()...)
	require.NoError(t, err)
	defer nc.Close()
	for i, make := range []func() (jetstream.JetStream, error){
		func() (jetstream.JetStream, error) { return jetstream.NewWithDomain(nc, "hub") },
		func() (jetstream.JetStream, error) { return jetstream.NewWithAPIPrefix(nc, "$JS.hub.API") },
	} {
		js, err := make()
		require.NoError(t, err)
		cfg := testConfig()
		cfg.Assignment = fmt.Sprintf("t-assignment-%d", i)
		s := openOn(t, js, cfg)
		f, err := s.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, always)
		require.NoError(t, err)
		require.NoError(t, s.WritePlan(t.Context(), f, plan(1, "worker-0", "worker-1")))
		snapshot, err := s.Snapshot(t.Context(), store.Assignments, nil, f.Revision)
		require.NoError(t, err)
		require.Equal(t, []string{store.PlanKey, store.TermKey, "worker-0", "worker-1"}, keysOf(snapshot.Entries))
		e, err := s.Get(t.Context(), store.Assignments, "worker-1")
		require.NoError(t, err)
		require.Equal(t, store.Put, e.Kind)
	}
}

func TestEachOptionThatLeasesCannotRelyOnIsNamed(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		require.Empty(t, CheckConnection(srv.Connect(ConnectOptions()...)))
		for option, spoil := range map[string]nats.Option{
			"MaxReconnects":    nats.MaxReconnects(5),
			"ReconnectWait":    nats.ReconnectWait(2 * time.Second),
			"ReconnectBufSize": nats.ReconnectBufSize(1 << 20),
			"PingInterval":     nats.PingInterval(2 * time.Minute),
			"reconnecting":     nats.NoReconnect(),
		} {
			warnings := CheckConnection(srv.Connect(append(ConnectOptions(), spoil)...))
			require.Len(t, warnings, 1, option)
			require.Contains(t, warnings[0], option)
		}
		require.Len(t, CheckConnection(srv.Connect()), 4, "the defaults of the client")
	})
}
