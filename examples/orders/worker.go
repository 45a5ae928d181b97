// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
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
	enter, err := consume.Stream(js, orders, func(ctx context.Context, o *parti.Ownership, m consume.Message) error {
		return book.enter(ctx, o.Partition().ID(), o.Epoch(), m.Position(), m.Data())
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

// told says when a partition is begun, and why it ends.
func told(h parti.Handler, say telling) parti.Handler {
	return parti.HandlerFunc(func(ctx context.Context, o *parti.Ownership) error {
		say("%s begins partition %s, epoch %d", o.WorkerID(), o.Partition().ID(), o.Epoch())
		err := h.Run(ctx, o)
		if why := context.Cause(ctx); why != nil {
			say("%s lets go of partition %s: %v", o.WorkerID(), o.Partition().ID(), why)
		}
		return err
	})
}

// newWorker returns a worker that is not started.
func newWorker(ctx context.Context, js jetstream.JetStream, say telling) (*parti.Manager, error) {
	book, err := openLedger(ctx, js)
	if err != nil {
		return nil, err
	}
	h, err := handler(js, book)
	if err != nil {
		return nil, err
	}
	return parti.NewManager(config(), js, source(), strategy.NewConsistentHash(), parti.WithHandler(told(h, say)),
		parti.WithLogger(slog.New(slog.DiscardHandler)),
		parti.WithHooks(parti.Hooks{OnError: func(_ context.Context, err error) { say("problem: %v", err) }}))
}

// work is one worker from its start to its clean leave, which the end of ctx asks for.
func work(ctx context.Context, js jetstream.JetStream, say telling) error {
	w, err := newWorker(ctx, js, say)
	if err != nil {
		return err
	}
	if err := w.Start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // asked to end before it had begun
		}
		return err
	}
	id := w.WorkerID()
	say("%s is ready, pid %d", id, os.Getpid())
	select {
	case <-w.Done():
		if w.Err() == nil {
			say("%s was drained from outside and leaves", id)
		}
		return w.Err()
	case <-ctx.Done():
		id = w.WorkerID() // another one, where it had to join again
	}
	leaving, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.Drain(leaving); err != nil && !errors.Is(err, parti.ErrDrainIncomplete) {
		return err
	} else if err != nil {
		say("%s leaves, and nobody took over: %v", id, err)
		return nil
	}
	say("%s has handed everything over and leaves", id)
	return nil
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
