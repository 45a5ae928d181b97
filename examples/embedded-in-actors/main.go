// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Command embedded-in-actors runs a worker inside an actor system of your own. Your supervisor owns the tree, hears its events,
// asks for its status, and decides what to do when it gives up. The command brings its own NATS server, or uses the one that
// -nats or NATS_URL names.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv/embedded"
	"github.com/parti-go/parti/strategy"
)

func main() {
	url := flag.String("nats", os.Getenv("NATS_URL"), "NATS server with JetStream; empty starts one in this process")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := connectAndRun(ctx, os.Stdout, *url); err != nil {
		fmt.Fprintln(os.Stderr, "embedded-in-actors:", err)
		os.Exit(1)
	}
}

func connectAndRun(ctx context.Context, out io.Writer, url string) error {
	opts := parti.ConnectOptions()
	if url == "" {
		server, err := embedded.Start()
		if err != nil {
			return err
		}
		defer server.Shutdown()
		opts = append(opts, nats.InProcessServer(server.NATS()))
	}
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		return err
	}
	defer nc.Close()
	return run(ctx, out, nc)
}

// run is the program: an actor system, the user's supervisor in it, and the worker's tree under that.
func run(ctx context.Context, out io.Writer, nc *nats.Conn) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
	defer system.Shutdown()

	s := &supervisor{out: out, began: time.Now(), ended: make(chan struct{})}
	tell := func(message any) { system.Root.Send(s.self, message) }
	s.tree, err = parti.Props(config(), js, parti.StaticSource(rooms()...), strategy.NewRoundRobin(),
		parti.WithLogger(quiet), parti.WithPartitionProps(porters(tell)),
		parti.WithHooks(parti.Hooks{OnError: func(_ context.Context, err error) { tell(&survived{err}) }}))
	if err != nil {
		return err
	}
	s.self = actor.NewPID(system.Address(), "app")
	if _, err := system.Root.SpawnNamed(actor.PropsFromProducer(func() actor.Actor { return s }), "app"); err != nil {
		return err
	}
	defer sabotage(0)
	select {
	case <-s.ended:
	case <-ctx.Done():
		tell(&leaveNow{})
		<-s.ended
	}
	return s.failure
}

// config has short windows, so that there is something to see.
func config() parti.Config {
	cfg := parti.DefaultConfig()
	cfg.ColdStartWindow, cfg.PlannedScaleWindow, cfg.RebalanceCooldown = time.Second, time.Second, time.Second
	cfg.Group, cfg.KVBuckets.Storage = "actors", "memory"
	return cfg
}

func rooms() []parti.Partition {
	var list []parti.Partition
	for _, name := range []string{"attic", "cellar", "kitchen", "parlour"} {
		list = append(list, parti.Partition{Keys: []string{"room", name}})
	}
	return list
}
