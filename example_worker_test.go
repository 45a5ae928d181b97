// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/metric"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/strategy"
)

// The options that a connection needs: it reconnects for as long as it takes, and keeps nothing back to send it late.
func ExampleConnectOptions() {
	connect := func(url string) (jetstream.JetStream, error) {
		nc, err := nats.Connect(url, append(parti.ConnectOptions(), nats.Name("orders"))...)
		if err != nil {
			return nil, err
		}
		return jetstream.New(nc)
	}
	_ = connect
}

// The configuration for a store of three servers: its leases outlast the election of a new leader of the store.
func ExampleClusteredConfig() {
	cfg := parti.ClusteredConfig()
	fmt.Println(cfg.KVBuckets.Replicas, cfg.HeartbeatTTL > parti.DefaultConfig().HeartbeatTTL)
	// Output: 3 true
}

// A handler that fails is called again after a pause: after 50 ms at first, and in the end once in five seconds.
func ExampleRestartBackoff() {
	handler := parti.HandlerFunc(func(ctx context.Context, o *parti.Ownership) error {
		<-ctx.Done()
		return nil
	})
	options := []parti.Option{
		parti.WithHandler(handler, parti.RestartBackoff(50*time.Millisecond, 5*time.Second)),
		parti.WithoutRemoteControl(), // nobody may drain or cordon this worker over NATS
	}
	_ = options
}

// Each of several workers in one process measures with a provider of its own.
func ExampleWithMeterProvider() {
	measured := func(p metric.MeterProvider) parti.Option { return parti.WithMeterProvider(p) }
	_ = measured
}

// A handler reads, works and writes while it owns its partition. It asks Valid before a write that cannot carry the epoch, and
// finishes under Held what it has begun when it is told to end.
func ExampleOwnership() {
	handle := func(next func(context.Context) (string, error), write func(ctx context.Context, epoch int64, line string) error) parti.Handler {
		return parti.HandlerFunc(func(ctx context.Context, o *parti.Ownership) error {
			for {
				line, err := next(ctx)
				if err != nil {
					if ctx.Err() != nil && !errors.Is(context.Cause(ctx), parti.ErrFenced) {
						return write(o.Held(), o.Epoch(), "closed by "+o.WorkerID())
					}
					return err // nil or not: after the end of ctx nobody asks
				}
				if err := o.Valid(); err != nil {
					return fmt.Errorf("partition %s: %w", o.Partition().ID(), err)
				}
				if err := write(ctx, o.Epoch(), line); err != nil {
					return err
				}
			}
		})
	}
	_ = handle
}

// The life of a worker as a process has it: probes ask it, an operator cordons it, and it drains when it is told to go.
func ExampleManager_Drain() {
	run := func(ctx context.Context, m *parti.Manager) error {
		if err := m.Start(ctx); err != nil {
			return err
		}
		defer m.Close()
		http.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) {
			if err := m.Healthy(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
			}
		})
		http.HandleFunc("POST /cordon", func(http.ResponseWriter, *http.Request) { m.Cordon() })
		http.HandleFunc("POST /uncordon", func(http.ResponseWriter, *http.Request) { m.Uncordon() })
		select {
		case <-m.Done(): // it ended of its own accord
			return m.Err()
		case <-ctx.Done():
			late, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			return m.Drain(late)
		}
	}
	_ = run
}

// What a worker knows about itself, and how it has the leader list the source again.
func ExampleManager_Status() {
	report := func(ctx context.Context, m *parti.Manager, log *slog.Logger) error {
		for _, p := range m.Status().Partitions {
			log.Info("owned", "partition", p.Partition.ID(), "epoch", p.Epoch, "phase", p.Phase, "restarts", p.Restarts)
		}
		if m.Degraded() {
			log.Warn("the store does not answer")
		}
		if m.IsLeader() {
			log.Info("this worker leads")
		}
		return m.RefreshPartitions(ctx)
	}
	_ = report
}

// The tree of a worker under an actor of your own: its parent asks it and has it leave.
func ExampleProps() {
	spawn := func(ctx actor.Context, js jetstream.JetStream, source parti.PartitionSource) (*actor.PID, error) {
		props, err := parti.Props(parti.DefaultConfig(), js, source, strategy.NewSticky(),
			// An actor for each owned partition.
			parti.WithPartitionProps(func(o *parti.Ownership) *actor.Props {
				return actor.PropsFromFunc(func(ctx actor.Context) {
					if _, begun := ctx.Message().(*actor.Started); begun {
						fmt.Println("begin", o.Partition().ID(), "under epoch", o.Epoch())
					}
				})
			}))
		if err != nil {
			return nil, err
		}
		pid := ctx.Spawn(props)
		ctx.Request(pid, &parti.GetStatus{}) // a *parti.Status comes back
		ctx.Send(pid, &parti.Leave{})
		return pid, nil
	}
	_ = spawn
}

// The ready-made configurations differ in how soon they notice a crash, and in what they survive.
func ExampleDefaultConfig() {
	for name, cfg := range map[string]parti.Config{
		"fast": parti.FastConfig(), "default": parti.DefaultConfig(), "clustered": parti.ClusteredConfig(), "wide area": parti.WideAreaConfig(),
	} {
		fmt.Println(name, "config: a crash is noticed after", cfg.HeartbeatTTL)
	}
	// Unordered output:
	// fast config: a crash is noticed after 2s
	// default config: a crash is noticed after 6s
	// clustered config: a crash is noticed after 20s
	// wide area config: a crash is noticed after 30s
}

// A recorder keeps what a worker was told and what it decided. Write it to a file when something looks odd, for parti replay.
func ExampleNewRecorder() {
	keep := func() (parti.Option, func(file string) error) {
		recorder := parti.NewRecorder(0) // 16 MiB
		return parti.WithRecorder(recorder), func(file string) error {
			out, err := os.Create(file)
			if err != nil {
				return err
			}
			_, err = recorder.WriteTo(out)
			return errors.Join(err, out.Close())
		}
	}
	_ = keep
}
