// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Command basic shows a small fleet that divides its work: a cold start, a new worker, a restart, a crash and a clean
// leave, in one process and under half a minute. It brings its own NATS server, or uses the one that -nats or NATS_URL
// names. With -http it shows all of it in a browser as well, and repeats the changes until it is interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv/embedded"
)

func main() {
	url := flag.String("nats", os.Getenv("NATS_URL"), "NATS server with JetStream; empty starts one in this process")
	address := flag.String("http", "", "address of the live page, like :8080; empty opens no port")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, wantsColour(os.Stdout), *url, *address); err != nil {
		fmt.Fprintln(os.Stderr, "basic:", err)
		os.Exit(1)
	}
}

// dial opens one worker's connection.
type dial func(opts ...nats.Option) (*nats.Conn, error)

func run(ctx context.Context, out io.Writer, colour bool, url, address string) error {
	page, err := listen(ctx, address)
	if err != nil {
		return err
	}
	if url != "" {
		connect := func(opts ...nats.Option) (*nats.Conn, error) { return nats.Connect(url, opts...) }
		return show(ctx, out, colour, url, connect, page)
	}
	server, err := embedded.Start()
	if err != nil {
		return err
	}
	defer server.Shutdown()
	return show(ctx, out, colour, "in this process, no port opened", server.Connect, page)
}

const (
	fleetSize  = 4
	partitions = 32
	patience   = 20 * time.Second // for each change
)

// config has the windows and leases of the library, shortened so that there is something to see.
func config() parti.Config {
	cfg := parti.DefaultConfig()
	cfg.WorkerIDMax = 9
	cfg.WorkerIDTTL = 3 * time.Second
	cfg.HeartbeatInterval, cfg.HeartbeatTTL = 500*time.Millisecond, 2*time.Second
	cfg.LeaderTTL = time.Second
	cfg.ColdStartWindow, cfg.PlannedScaleWindow, cfg.RebalanceCooldown = 3*time.Second, 2*time.Second, time.Second
	cfg.Group = fmt.Sprintf("basic-%d-%d", os.Getpid(), time.Now().UnixMilli()) // of its own on a shared server
	cfg.KVBuckets.Storage = "memory"
	cfg.ApplyDefaults() // names the buckets, which are removed at the end
	return cfg
}

// orders lists the work: 32 partitions "orders.00" to "orders.31".
func orders() []parti.Partition {
	list := make([]parti.Partition, partitions)
	for i := range list {
		list[i].Keys = []string{"orders", fmt.Sprintf("%02d", i)}
	}
	return list
}

// step is one change of the fleet.
type step struct {
	name   string
	change func(ctx context.Context) error
}

// show plays the five changes one after the other. Where there is a page it goes on until ctx ends.
func show(ctx context.Context, out io.Writer, colour bool, server string, connect dial, page net.Listener) (err error) {
	cfg := config()
	s := newScreen(out, colour)
	s.title(server, cfg)
	f := newFleet(cfg, connect, s)
	defer func() { err = errors.Join(err, f.end()) }()
	if page != nil {
		s.address(pageURL(page))
		f.serve(page)
	}
	steps := []step{
		{fmt.Sprintf("cold start of %d workers", fleetSize), func(ctx context.Context) error { return f.start(ctx, fleetSize, "") }},
		{"a new worker joins", func(ctx context.Context) error { return f.start(ctx, 1, "") }},
		{"a worker is restarted", f.restartOne},
		{"the leader crashes", f.crashLeader},
		{"a worker leaves cleanly", f.stopOne},
	}
	for i, step := range steps {
		if err := f.play(ctx, i+1, step); err != nil {
			return err
		}
	}
	overlaps := f.overlapped()
	s.summary(f.outcomes, overlaps)
	if page != nil {
		f.repeat(ctx, len(steps))
		overlaps = f.overlapped()
	}
	if overlaps > 0 {
		return fmt.Errorf("%d partitions had two owners at once", overlaps)
	}
	return nil
}

// pause is how long the fleet stays as it is between two changes, where somebody may be watching the page.
const pause = 5 * time.Second

// repeat goes on with changes until ctx ends. Whoever watches may drain workers meanwhile, so a change that does not settle in
// time ends nothing.
func (f *fleet) repeat(ctx context.Context, played int) {
	steps := []step{
		{"new workers join", func(ctx context.Context) error { return f.start(ctx, max(fleetSize+1-f.size(), 0), "") }},
		{"a worker is restarted", f.restartOne},
		{"the leader crashes", f.crashLeader},
		{"a worker leaves cleanly", f.stopOne},
	}
	for i := 0; ; i++ {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		if err := f.play(ctx, played+i+1, steps[i%len(steps)]); err != nil && ctx.Err() == nil {
			f.screen.event(err.Error(), "")
		}
	}
}

// play makes a change and shows what it has cost.
func (f *fleet) play(ctx context.Context, n int, step step) error {
	f.screen.step(n, step.name)
	outcome, err := f.measure(ctx, step.name, step.change)
	if err != nil {
		return fmt.Errorf("%s: %w", step.name, err)
	}
	f.screen.table(f.view(), outcome)
	return nil
}

// removeBuckets leaves nothing behind on a server that outlives this process.
func removeBuckets(connect dial, cfg parti.Config) error {
	nc, err := connect(parti.ConnectOptions()...)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	b := cfg.KVBuckets
	for _, bucket := range []string{b.StableID, b.Election, b.Heartbeat, b.Assignment} {
		if err := js.DeleteKeyValue(ctx, bucket); err != nil && !errors.Is(err, jetstream.ErrBucketNotFound) {
			return fmt.Errorf("remove bucket %s: %w", bucket, err)
		}
	}
	return nil
}
