// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/examples/kafka/consumer"
	"github.com/parti-go/parti/strategy"
)

// partiFleet is workers among which Parti divides the partitions.
type partiFleet struct {
	kafka   *kafka
	cfg     parti.Config
	connect func(...nats.Option) (*nats.Conn, error)
	dir     string // "": workers have no directory of their own
	book    *book
}

// partiConfig is the default configuration, with what every deployment sets.
func partiConfig(group string, workers int) parti.Config {
	cfg := parti.DefaultConfig()
	cfg.Group = group
	cfg.WorkerIDMax = workers - 1 // as many IDs as workers
	cfg.ExpectedWorkers = workers // the cold start ends as soon as all are here
	cfg.KVBuckets.Storage = "memory"
	cfg.ApplyDefaults()
	return cfg
}

// partiMember is one worker, on connections of its own, as if it were a process.
type partiMember struct {
	manager  *parti.Manager
	consumer *consumer.Consumer
	conn     *nats.Conn
	wire     wire // to Kafka
}

func (f *partiFleet) start(ctx context.Context, slot int) (member, error) {
	m := &partiMember{}
	if err := f.build(m, slot); err != nil {
		m.close()
		return nil, fmt.Errorf("start worker %d: %w", slot, err)
	}
	if err := m.manager.Start(ctx); err != nil {
		m.close()
		return nil, fmt.Errorf("start worker %d: %w", slot, err)
	}
	return m, nil
}

func (f *partiFleet) build(m *partiMember, slot int) (err error) {
	process := func(_ context.Context, o *parti.Ownership, r *kgo.Record) error {
		if m.wire.dead() {
			return errCut
		}
		f.book.processed(r.Partition, r.Offset, o.Epoch())
		return nil
	}
	m.consumer, err = consumer.New(consumer.Config{Topic: f.kafka.topic, Group: f.cfg.Group}, process,
		f.kafka.seed(), m.wire.option())
	if err != nil {
		return err
	}
	if m.conn, err = f.connect(parti.ConnectOptions()...); err != nil {
		return err
	}
	js, err := jetstream.New(m.conn)
	if err != nil {
		return err
	}
	cfg := f.cfg
	if f.dir != "" {
		cfg.StateDir = filepath.Join(f.dir, fmt.Sprint(slot)) // the worker comes back under its ID
	}
	m.manager, err = parti.NewManager(cfg, js, consumer.Partitions(f.kafka.client, f.kafka.topic), strategy.NewSticky(),
		parti.WithHandler(f.noted(m.consumer, slot)),
		parti.WithHooks(parti.Hooks{OnError: func(_ context.Context, err error) { m.failed(f.book, err) }}),
		parti.WithLogger(slog.New(slog.DiscardHandler)))
	return err
}

// noted writes down who begins a partition. Without the book it would be the consumer itself.
func (f *partiFleet) noted(c *consumer.Consumer, slot int) parti.Handler {
	return parti.HandlerFunc(func(ctx context.Context, o *parti.Ownership) error {
		number, err := consumer.Number(f.kafka.topic, o.Partition())
		if err != nil {
			return err
		}
		f.book.begin(number, slot)
		return c.Run(ctx, o)
	})
}

func (m *partiMember) failed(b *book, err error) {
	if !m.wire.dead() {
		b.failed(err)
	}
}

// crash cuts both connections: nothing is committed, and nobody is told.
func (m *partiMember) crash() {
	m.wire.cut()
	m.conn.Close()
	<-m.manager.Done()
	go m.consumer.Close() // it tries to reach Kafka for a while
}

func (m *partiMember) stop(ctx context.Context) error {
	err := m.manager.Stop(ctx)
	m.close()
	return err
}

func (m *partiMember) close() {
	if m.consumer != nil {
		m.consumer.Close()
	}
	if m.conn != nil {
		m.conn.Close()
	}
}
