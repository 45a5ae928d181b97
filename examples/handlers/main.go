// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Command handlers runs a small fleet in which every partition has a handler of its own, and prints when each handler
// begins and why it ends. It brings its own NATS server, or uses the one that -nats or NATS_URL names.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

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
	if err := connectAndShow(ctx, os.Stdout, *url); err != nil {
		fmt.Fprintln(os.Stderr, "handlers:", err)
		os.Exit(1)
	}
}

func connectAndShow(ctx context.Context, out io.Writer, url string) error {
	var own []nats.Option
	if url == "" {
		server, err := embedded.Start()
		if err != nil {
			return err
		}
		defer server.Shutdown()
		own = append(own, nats.InProcessServer(server.NATS()))
	}
	return show(ctx, out, func() (*nats.Conn, error) {
		return nats.Connect(url, append(parti.ConnectOptions(), own...)...)
	})
}

// show lets the fleet live through four changes.
func show(ctx context.Context, out io.Writer, connect func() (*nats.Conn, error)) error {
	f := &fleet{out: out, connect: connect, began: time.Now()}
	defer f.close()
	f.say("two workers begin")
	for range 2 {
		if err := f.start(ctx); err != nil {
			return err
		}
	}
	f.say("a third worker joins; the handler of %s will not stop for a while", stubborn)
	if err := f.start(ctx); err != nil {
		return err
	}
	f.pause(ctx, 4*time.Second)
	f.say("the handler of %s fails once", clumsy)
	f.fail()
	f.pause(ctx, time.Second)
	f.say("the first worker stops")
	if err := f.workers[0].Close(); err != nil {
		return err
	}
	f.pause(ctx, 2*time.Second)
	f.say("everybody stops")
	return nil
}

// The partitions whose handlers have something to show.
const (
	stubborn = "city.oslo"
	clumsy   = "city.rome"
)

// fleet is the workers of this process. Each has a connection of its own, as if it were a process.
type fleet struct {
	out     io.Writer
	connect func() (*nats.Conn, error)
	began   time.Time
	workers []*parti.Manager
	conns   []*nats.Conn

	mu       sync.Mutex
	fails    chan struct{} // closed to have the clumsy handler fail
	stubborn bool          // it has been already
}

func (f *fleet) start(ctx context.Context) error {
	conn, err := f.connect()
	if err != nil {
		return err
	}
	f.conns = append(f.conns, conn)
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	w, err := parti.NewManager(config(), js, parti.StaticSource(cities()...), strategy.NewConsistentHash(),
		parti.WithHandler(parti.HandlerFunc(f.work), parti.RestartBackoff(200*time.Millisecond, 5*time.Second)),
		parti.WithHooks(parti.Hooks{OnError: func(_ context.Context, err error) { f.say("  survived: %v", err) }}),
		parti.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	f.workers = append(f.workers, w)
	return w.Start(ctx)
}

// work is the handler: it is called for each partition that a worker owns, and returns when the partition is not its own
// any more.
func (f *fleet) work(ctx context.Context, o *parti.Ownership) error {
	id := o.Partition().ID()
	f.say("  %s begins %s, epoch %d", o.WorkerID(), id, o.Epoch())
	select {
	case <-ctx.Done():
	case <-f.clumsy(id):
		return errors.New("a handler can fail; it is called again")
	}
	cause := context.Cause(ctx)
	if id == stubborn && errors.Is(cause, parti.ErrRevoked) && f.first() {
		// What is under way may be finished as long as the partition is held. The next owner waits, for this one only.
		select {
		case <-time.After(2 * time.Second):
		case <-o.Held().Done():
		}
	}
	f.say("  %s ends %s: %v", o.WorkerID(), id, cause)
	return nil
}

// first is true the first time.
func (f *fleet) first() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.stubborn
	f.stubborn = true
	return !was
}

// clumsy is closed when the handler of a partition shall fail; nil, which never happens, for all but one.
func (f *fleet) clumsy(id string) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id != clumsy {
		return nil
	}
	f.fails = make(chan struct{})
	return f.fails
}

func (f *fleet) fail() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails != nil {
		close(f.fails)
		f.fails = nil
	}
}

func (f *fleet) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _ = fmt.Fprintf(f.out, "%6.2fs  %s\n", time.Since(f.began).Seconds(), line)
}

func (f *fleet) pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// close ends the workers, all at once, and the connections.
func (f *fleet) close() {
	var all sync.WaitGroup
	for _, w := range f.workers {
		all.Go(func() { _ = w.Close() })
	}
	all.Wait()
	for _, conn := range f.conns {
		conn.Close()
	}
}

// config has short windows, so that there is something to see.
func config() parti.Config {
	cfg := parti.DefaultConfig()
	cfg.ColdStartWindow, cfg.PlannedScaleWindow, cfg.RebalanceCooldown = time.Second, time.Second, time.Second
	cfg.KVBuckets = parti.KVBuckets{
		StableID: "handlers-stableid", Election: "handlers-election", Heartbeat: "handlers-heartbeat", Assignment: "handlers-assignment",
		Storage: "memory",
	}
	return cfg
}

func cities() []parti.Partition {
	var list []parti.Partition
	for _, name := range []string{"athens", "berlin", "lima", "oslo", "paris", "quito", "rome", "tokyo", "vienna"} {
		list = append(list, parti.Partition{Keys: []string{"city", name}})
	}
	return list
}
