// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/consume"
	"github.com/parti-go/parti/kv/embedded"
	"github.com/parti-go/parti/strategy"
)

// A worker turns orders into invoices, exactly once, for as long as it owns their partitions.
func ExamplePipeline() {
	js, stop := server() // in earnest: nats.Connect(url, parti.ConnectOptions()...)
	defer stop()
	ctx := context.Background()

	pipeline, err := consume.Pipeline(js,
		consume.Config{Stream: "ORDERS", Subject: func(p parti.Partition) string { return "orders." + p.ID() }},
		consume.Output{Stream: "INVOICES", Position: func(p parti.Partition) string { return "positions." + p.ID() }},
		func(_ context.Context, o *parti.Ownership, m consume.Message) ([]*nats.Msg, error) {
			return []*nats.Msg{{Subject: "invoices." + o.Partition().ID(), Data: append([]byte("invoice for "), m.Data()...)}}, nil
		})
	if err != nil {
		log.Fatal(err)
	}
	cfg := parti.DefaultConfig()
	cfg.ExpectedWorkers = 1 // so that it need not wait for others
	worker, err := parti.NewManager(cfg, js, parti.StaticSource(parti.Partition{Keys: []string{"north"}}, parti.Partition{Keys: []string{"south"}}),
		strategy.NewConsistentHash(), parti.WithHandler(pipeline), parti.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		log.Fatal(err)
	}
	if err := worker.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer worker.Close()

	invoices, err := js.OrderedConsumer(ctx, "INVOICES", jetstream.OrderedConsumerConfig{FilterSubjects: []string{"invoices.north"}})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		m, err := invoices.Next()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(m.Data()))
	}
	// Output:
	// invoice for apples
	// invoice for pears
	// invoice for plums
}

// server starts one with two streams and three orders.
func server() (jetstream.JetStream, func()) {
	s, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	nc, err := s.Connect(parti.ConnectOptions()...)
	if err != nil {
		log.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range []jetstream.StreamConfig{
		{Name: "ORDERS", Subjects: []string{"orders.*"}},
		{Name: "INVOICES", Subjects: []string{"invoices.*", "positions.*"}, AllowAtomicPublish: true},
	} {
		if _, err := js.CreateStream(context.Background(), c); err != nil {
			log.Fatal(err)
		}
	}
	for _, order := range []string{"apples", "pears", "plums"} {
		if _, err := js.Publish(context.Background(), "orders.north", []byte(order)); err != nil {
			log.Fatal(err)
		}
	}
	return js, func() { nc.Close(); s.Shutdown() }
}

// A worker reads each partition that it owns in order, from where the owner before it stopped.
func ExampleStream() {
	js, stop := server()
	defer stop()
	seen := make(chan string, 3)
	handler, err := consume.Stream(js,
		consume.Config{Stream: "ORDERS", Subject: func(p parti.Partition) string { return "orders." + p.ID() }},
		func(_ context.Context, _ *parti.Ownership, m consume.Message) error {
			seen <- fmt.Sprint(m.Position(), " ", string(m.Data()))
			return nil // an error has the message handled again
		})
	if err != nil {
		log.Fatal(err)
	}
	cfg := parti.DefaultConfig()
	cfg.ExpectedWorkers = 1
	worker, err := parti.NewManager(cfg, js, parti.StaticSource(parti.Partition{Keys: []string{"north"}}), strategy.NewSticky(),
		parti.WithHandler(handler), parti.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		log.Fatal(err)
	}
	if err := worker.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer worker.Close()
	fmt.Println(<-seen)
	fmt.Println(<-seen)
	// Output:
	// 1 apples
	// 2 pears
}
