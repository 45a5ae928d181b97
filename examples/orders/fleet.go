package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/consume"
	"github.com/parti-go/parti/strategy"
)

const partitions = 6

// handler is all that a worker needs of package consume: orders become shipments, exactly once, and are booked beside that.
func handler(js jetstream.JetStream, book *ledger) (parti.Handler, error) {
	orders := consume.Config{Stream: "ORDERS", Subject: func(p parti.Partition) string { return "orders." + p.ID() + ".*" }}
	ship, err := consume.Pipeline(js, orders,
		consume.Output{Stream: "SHIPMENTS", Position: func(p parti.Partition) string { return "positions." + p.ID() }},
		func(_ context.Context, o *parti.Ownership, m consume.Message) ([]*nats.Msg, error) {
			return []*nats.Msg{{Subject: "shipments." + o.Partition().ID(), Data: m.Data()}}, nil
		})
	if err != nil {
		return nil, err
	}
	enter, err := consume.Stream(js, orders, func(_ context.Context, o *parti.Ownership, m consume.Message) error {
		return book.enter(o.Partition().ID(), o.Epoch(), m.Position(), m.Data())
	})
	if err != nil {
		return nil, err
	}
	return both(ship, enter), nil
}

// both runs two handlers for each partition. When one of them fails, both end and are called again.
func both(a, b parti.Handler) parti.Handler {
	return parti.HandlerFunc(func(ctx context.Context, o *parti.Ownership) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		other := make(chan error, 1)
		go func() {
			err := b.Run(ctx, o)
			cancel(err)
			other <- err
		}()
		err := a.Run(ctx, o)
		cancel(err)
		return errors.Join(err, <-other)
	})
}

// fleet is the workers of this process. Each has a connection of its own, as if it were a process.
type fleet struct {
	out     io.Writer
	server  server
	began   time.Time
	ledger  *ledger
	workers []*parti.Manager
	conns   []*nats.Conn
	failed  error
}

func (f *fleet) start(ctx context.Context) error {
	nc, js, err := connect(f.server)
	if err != nil {
		return err
	}
	f.conns = append(f.conns, nc)
	h, err := handler(js, f.ledger)
	if err != nil {
		return err
	}
	w, err := parti.NewManager(config(), js, source(), strategy.NewConsistentHash(), parti.WithHandler(h),
		parti.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	f.workers = append(f.workers, w)
	return w.Start(ctx)
}

// kill ends a worker as a crash would: nobody is told.
func (f *fleet) kill() { f.conns[0].Close() }

func (f *fleet) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return f.workers[1].Drain(ctx)
}

func (f *fleet) restart(ctx context.Context) error {
	f.server.Stop()
	pause(ctx, time.Second)
	f.server.Start()
	return nil
}

// event lets something happen while orders come in, and says how long the slowest order of that time had to wait.
func (f *fleet) event(ctx context.Context, name string, happen func() error) {
	if f.failed != nil || ctx.Err() != nil {
		return
	}
	pause(ctx, 2*time.Second)
	f.ledger.slowest()
	if err := happen(); err != nil {
		f.failed = fmt.Errorf("%s: %w", name, err)
		return
	}
	pause(ctx, 10*time.Second) // the longest takeover: the dead worker's heartbeat has to expire
	f.say("%-20s longest pause %s", name, f.ledger.slowest().Round(time.Millisecond))
}

func (f *fleet) say(format string, args ...any) {
	fmt.Fprintf(f.out, "%6.2fs  %s\n", time.Since(f.began).Seconds(), fmt.Sprintf(format, args...))
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// close ends the workers, and the connections.
func (f *fleet) close() {
	for _, w := range f.workers {
		_ = w.Close()
	}
	for _, nc := range f.conns {
		nc.Close()
	}
}

// config has short windows, so that there is something to see.
func config() parti.Config {
	cfg := parti.DefaultConfig()
	cfg.Group = "orders"
	cfg.ColdStartWindow, cfg.PlannedScaleWindow, cfg.RebalanceCooldown = time.Second, time.Second, time.Second
	return cfg
}

func source() parti.PartitionSource {
	var list []parti.Partition
	for i := range partitions {
		list = append(list, parti.Partition{Keys: []string{strconv.Itoa(i)}})
	}
	return parti.StaticSource(list...)
}
