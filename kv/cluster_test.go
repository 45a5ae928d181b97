// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/freeport"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// cluster is three servers on loopback, in real time: servers talk over sockets.
type cluster []*server.Server

func startCluster(t *testing.T) cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("runs in real time")
	}
	ports := make([]int, 3)
	routes := make([]*url.URL, 3)
	for i := range ports {
		ports[i] = freeport.Take(t)
		routes[i] = &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", ports[i])}
	}
	var c cluster
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: t.TempDir(), Routes: routes,
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port},
		})
		require.NoError(t, err)
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		c = append(c, s)
	}
	require.Eventually(t, func() bool {
		for _, s := range c {
			if s.JetStreamIsLeader() {
				return len(s.JetStreamClusterPeers()) == 3
			}
		}
		return false
	}, 30*time.Second, 20*time.Millisecond, "a leader of three peers")
	return c
}

func (c cluster) connect(t *testing.T) jetstream.JetStream {
	t.Helper()
	urls := ""
	for _, s := range c {
		urls += s.ClientURL() + ","
	}
	nc, err := nats.Connect(urls[:len(urls)-1], ConnectOptions()...)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return js
}

func (c cluster) leader(stream string) *server.Server {
	for _, s := range c {
		if s.Running() && s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
			return s
		}
	}
	return nil
}

func clusterConfig() Config {
	cfg := testConfig()
	cfg.Storage, cfg.Replicas = "file", 3
	cfg.HeartbeatTTL, cfg.LeaderTTL = 15*time.Second, 12*time.Second
	return cfg
}

func TestOnAClusterFencesHoldAndNobodyIsDeclaredDeadByALeaderChange(t *testing.T) {
	c := startCluster(t)
	cfg := clusterConfig()
	opened := make([]*Store, 3)
	var all sync.WaitGroup
	for i := range opened {
		js := c.connect(t)
		all.Go(func() {
			// The making of a stream can go unanswered while the cluster finds its leaders; opening twice is the same.
			err := again(func() (err error) {
				if opened[i], err = Open(t.Context(), js, cfg); errors.Is(err, ErrUnknown) {
					t.Logf("open again: %v", err)
					err = fmt.Errorf("%w: %w", ErrNotDone, err)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	s, reader := opened[0], opened[1]

	begin := func(s *Store, worker string) (f store.Fence) {
		require.NoError(t, again(func() (err error) {
			f, err = s.BeginTerm(t.Context(), record.Term{Worker: worker}, 0, always)
			return err
		}))
		return f
	}
	write := func(f store.Fence, w store.PlanWrite) error {
		return again(func() error { return s.WritePlan(t.Context(), f, w) })
	}
	old := begin(s, "worker-0")
	require.NoError(t, write(old, plan(1, workers(200)...)))
	next := begin(reader, "worker-1")
	require.ErrorIs(t, write(old, plan(2, workers(200)...)), ErrDeposed)
	require.ErrorIs(t, write(old, plan(2)), ErrDeposed)
	snapshot, err := reader.Snapshot(t.Context(), store.Assignments, nil, next.Revision)
	require.NoError(t, err)
	require.Len(t, snapshot.Entries, 202)
	require.GreaterOrEqual(t, snapshot.UpTo, next.Revision)

	won := make(chan bool, 3)
	for _, o := range opened {
		go func() {
			won <- again(func() error {
				_, err := o.Acquire(t.Context(), store.Election, store.LeaderKey, record.Leader{}, nil)
				return err
			}) == nil
		}()
	}
	winners := 0
	for range opened {
		if <-won {
			winners++
		}
	}
	require.Equal(t, 1, winners)
	c.survivesItsLeader(t, s, reader)
}

// survivesItsLeader stops the leader of the heartbeats' stream while ten workers beat and one watches them.
func (c cluster) survivesItsLeader(t *testing.T, s, reader *Store) {
	t.Helper()
	const n = 10
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for i := range n {
		var l store.Lease
		require.NoError(t, again(func() (err error) {
			l, err = s.Acquire(ctx, store.Heartbeats, s.cfg.ID(i), beat(1), nil)
			return err
		}))
		all.Go(func() { beatUntilDone(ctx, t, s, l) })
	}
	updates := make(chan store.Update, 10000)
	fed := make(chan error, 1)
	go func() { fed <- reader.Feed(ctx, store.Heartbeats, nil, 0, func(u store.Update) { updates <- u }) }()
	require.Eventually(t, func() bool { return len(updates) > n }, 10*time.Second, 10*time.Millisecond)

	leader := c.leader(s.stream(store.Heartbeats))
	require.NotNil(t, leader)
	stopped := time.Now()
	leader.Shutdown()
	leader.WaitForShutdown()
	drain(updates)
	fresh := map[string]bool{}
	deadline := time.After(20 * time.Second)
	for len(fresh) < n {
		select {
		case u := <-updates:
			switch u.Kind {
			case store.UpdatePut:
				fresh[u.Entry.Key] = true
			case store.UpdateSynced, store.UpdateBlind, store.UpdateStale: // that it sees nothing for a while is true
			default:
				t.Fatalf("%s %s: nobody has died", u.Kind, u.Entry.Key)
			}
		case err := <-fed:
			t.Fatalf("the feed ended: %v", err)
		case <-deadline:
			t.Fatalf("%d of %d workers were seen again", len(fresh), n)
		}
	}
	t.Logf("everyone seen again %s after the leader stopped", time.Since(stopped).Round(10*time.Millisecond))
	cancel()
	require.ErrorIs(t, <-fed, context.Canceled)
}

// again repeats what was definitely not done: a stream that was just made may not be heard of by every server yet.
func again(do func() error) error {
	for deadline := time.Now().Add(25 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err := do(); !errors.Is(err, ErrNotDone) || time.Now().After(deadline) {
			return err
		}
	}
}

func drain(updates chan store.Update) {
	for {
		select {
		case <-updates:
		default:
			return
		}
	}
}

// beatUntilDone renews as the heartbeat does: often, and again after what may have failed.
func beatUntilDone(ctx context.Context, t *testing.T, s *Store, l store.Lease) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		next, err := s.Renew(attempt, l, beat(1))
		cancel()
		switch {
		case err == nil:
			l = next
		case ctx.Err() == nil && !time.Now().Before(l.TrustedUntil()):
			t.Errorf("%s lost its lease: %v", l.Key, err)
			return
		}
	}
}
