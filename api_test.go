// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti_test

import (
	"context"
	"errors"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv/embedded"
	"github.com/parti-go/parti/strategy"
)

func quiet() parti.Option { return parti.WithLogger(slog.New(slog.DiscardHandler)) }

func source() parti.PartitionSource {
	return parti.StaticSource(parti.Partition{Keys: []string{"a"}}, parti.Partition{Keys: []string{"b"}})
}

func connect(t *testing.T, opts ...embedded.Option) jetstream.JetStream {
	t.Helper()
	s, err := embedded.Start(opts...)
	require.NoError(t, err)
	t.Cleanup(s.Shutdown)
	nc, err := s.Connect(parti.ConnectOptions()...)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return js
}

func TestAnArgumentThatIsNilIsNamed(t *testing.T) {
	js := connect(t)
	for name, make := range map[string]func() (*parti.Manager, error){
		"js": func() (*parti.Manager, error) {
			return parti.NewManager(parti.DefaultConfig(), nil, source(), strategy.NewRoundRobin())
		},
		"source": func() (*parti.Manager, error) {
			return parti.NewManager(parti.DefaultConfig(), js, nil, strategy.NewRoundRobin())
		},
		"strategy": func() (*parti.Manager, error) { return parti.NewManager(parti.DefaultConfig(), js, source(), nil) },
	} {
		m, err := make()
		require.Nil(t, m)
		require.ErrorIs(t, err, parti.ErrNilArgument)
		require.ErrorContains(t, err, name)
		require.ErrorContains(t, err, "allowed")
	}
	_, err := parti.Props(parti.DefaultConfig(), js, nil, strategy.NewRoundRobin())
	require.ErrorIs(t, err, parti.ErrNilArgument)
}

func TestAnInvalidConfigurationIsRefusedBeforeAnythingStarts(t *testing.T) {
	cfg := parti.DefaultConfig()
	cfg.HeartbeatTTL = 1500 * time.Millisecond
	_, err := parti.NewManager(cfg, connect(t), source(), strategy.NewRoundRobin())
	require.ErrorIs(t, err, parti.ErrInvalidConfig)
	require.ErrorContains(t, err, "HeartbeatTTL is 1.5s, allowed: whole seconds")
}

func TestAServerWithoutJetStreamIsNamed(t *testing.T) {
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true})
	require.NoError(t, err)
	s.Start()
	t.Cleanup(s.Shutdown)
	nc, err := nats.Connect("", append(parti.ConnectOptions(), nats.InProcessServer(s))...)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	m, err := parti.NewManager(parti.DefaultConfig(), js, source(), strategy.NewRoundRobin(), quiet())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.ErrorIs(t, m.Start(ctx), parti.ErrNoJetStream)
}

func TestABucketThatCannotBeReliedOnIsRefused(t *testing.T) {
	heartbeat := parti.DefaultConfig().KVBuckets.Heartbeat
	assignment := parti.DefaultConfig().KVBuckets.Assignment
	for field, change := range map[string]func(js jetstream.JetStream) error{
		"bucket-wide TTL": func(js jetstream.JetStream) error {
			_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: heartbeat, TTL: time.Minute, LimitMarkerTTL: time.Hour})
			return err
		},
		"history": func(js jetstream.JetStream) error {
			_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: heartbeat, History: 5, LimitMarkerTTL: time.Hour})
			return err
		},
		"per-message TTL": func(js jetstream.JetStream) error {
			_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: heartbeat})
			return err
		},
		"atomic batches": func(js jetstream.JetStream) error {
			_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: assignment, LimitMarkerTTL: time.Hour})
			return err
		},
		"storage": func(js jetstream.JetStream) error {
			_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: heartbeat, LimitMarkerTTL: time.Hour, Storage: jetstream.MemoryStorage})
			return err
		},
	} {
		t.Run(field, func(t *testing.T) {
			js := connect(t)
			require.NoError(t, change(js))
			m, err := parti.NewManager(parti.DefaultConfig(), js, source(), strategy.NewRoundRobin(), quiet())
			require.NoError(t, err)
			err = m.Start(t.Context())
			require.ErrorIs(t, err, parti.ErrBucketMismatch)
			require.ErrorContains(t, err, field)
			require.ErrorContains(t, err, "allowed")
			require.ErrorContains(t, err, "parti verify --as worker")
			require.ErrorIs(t, m.Err(), parti.ErrBucketMismatch)
		})
	}
}

func TestReplicasNeedACluster(t *testing.T) {
	cfg := parti.DefaultConfig()
	cfg.KVBuckets.Replicas = 3
	m, err := parti.NewManager(cfg, connect(t), source(), strategy.NewRoundRobin(), quiet())
	require.NoError(t, err)
	err = m.Start(t.Context())
	require.ErrorIs(t, err, parti.ErrBucketMismatch)
	require.ErrorContains(t, err, "replicas")
}

func TestAConnectionWithoutTheOptionsOfLeasesDrawsWarnings(t *testing.T) {
	s, err := embedded.Start()
	require.NoError(t, err)
	t.Cleanup(s.Shutdown)
	nc, err := s.Connect()
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	var log strings.Builder
	_, err = parti.NewManager(parti.DefaultConfig(), js, source(), strategy.NewRoundRobin(),
		parti.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	require.NoError(t, err)
	for _, option := range []string{"MaxReconnects", "ReconnectWait", "ReconnectBufSize", "PingInterval"} {
		require.Contains(t, log.String(), option)
	}
	log.Reset()
	_, err = parti.NewManager(parti.DefaultConfig(), connect(t), source(), strategy.NewRoundRobin(),
		parti.WithLogger(slog.New(slog.NewTextHandler(&log, nil))), parti.WithHandler(idle))
	require.NoError(t, err)
	require.Empty(t, log.String())
}

var idle = parti.HandlerFunc(func(context.Context, *parti.Ownership) error { return nil })

func TestAWorkerThatWouldWorkOnNothingDrawsOneWarning(t *testing.T) {
	js := connect(t)
	assigned := func(context.Context, []parti.Partition, []parti.Partition) error { return nil }
	for _, c := range []struct {
		name   string
		warns  int
		change func(*parti.Config)
		with   parti.Option
	}{
		{"nothing", 1, nil, nil},
		{"hooks that hear of no partition", 1, nil, parti.WithHooks(parti.Hooks{OnError: func(context.Context, error) {}})},
		{"the hook", 0, nil, parti.WithHooks(parti.Hooks{OnAssignmentChanged: assigned})},
		{"a handler", 0, nil, parti.WithHandler(idle)},
		{"an actor", 0, nil, parti.WithPartitionProps(func(*parti.Ownership) *actor.Props { return nil })},
		{"it takes no partition", 0, func(c *parti.Config) { c.Cordoned = true }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := parti.DefaultConfig()
			if c.change != nil {
				c.change(&cfg)
			}
			var log strings.Builder
			_, err := parti.NewManager(cfg, js, source(), strategy.NewRoundRobin(), c.with, parti.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			require.NoError(t, err)
			require.Equal(t, c.warns, strings.Count(log.String(), "neither a handler nor the hook OnAssignmentChanged"), log.String())
		})
	}
}

func TestWhoImportsTheLibraryDoesNotLinkTheServer(t *testing.T) {
	for _, pkg := range []string{".", "./actors", "./kv", "./strategy", "./fsm"} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", pkg).Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		require.NoError(t, err)
		require.Contains(t, string(out), "github.com/parti-go/parti")
		require.NotContains(t, string(out), "nats-server", "%s links the server", pkg)
	}
}
