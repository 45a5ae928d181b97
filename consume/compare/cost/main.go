// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Cost measures what a partition of consume.Stream costs: servers and workers are processes of their own, and the system says
// what they use.
//
//	go run ./cost -sizes 4,1000,5000,10000 -servers 1
//	go run ./cost -sizes 4,1000,5000,10000 -servers 3
//
// With -keys many keys share the partitions: the stream numbers them with a subject transform, and the columns are per key.
//
//	go run ./cost -sizes 4,64 -keys 5000 -servers 3
//
// Each size is measured in a fleet of its own: first while nothing is published, then at a steady rate. The first size is what
// the others are compared with: what a fleet with next to no partitions uses is subtracted. The publisher is this process, and
// is not counted. What the server does for publishing alone, before anybody reads, has a row of its own.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/consume"
	"github.com/parti-go/parti/consume/compare/process"
	"github.com/parti-go/parti/strategy"
)

const workerRole = "worker"

type settings struct {
	sizes            []int
	keys             int // that share the partitions; 0 for one each
	durable          bool
	interval         time.Duration
	servers, workers int
	rate             float64
	idle, load       time.Duration
	limit            time.Duration
}

func main() {
	process.Play(map[string]func(string) error{workerRole: work})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "cost:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var set settings
	sizes := flag.String("sizes", "4,1000,5000,10000", "how many partitions, the first one to compare with")
	flag.IntVar(&set.servers, "servers", 1, "how many servers; every stream has as many replicas")
	flag.IntVar(&set.keys, "keys", 0, "how many keys share the partitions; 0 for a key each")
	flag.BoolVar(&set.durable, "durable", false, "a durable consumer for each partition, Mode Durable, instead of Checkpoint")
	flag.DurationVar(&set.interval, "interval", time.Second, "how often a position is stored, at most")
	flag.IntVar(&set.workers, "workers", 4, "how many workers, each a process")
	flag.Float64Var(&set.rate, "rate", 0.1, "messages a second for each partition")
	flag.DurationVar(&set.idle, "idle", 30*time.Second, "how long to measure while nothing is published; two pulls last 60s")
	flag.DurationVar(&set.load, "load", 20*time.Second, "how long to measure while messages come")
	flag.DurationVar(&set.limit, "limit", 4*time.Minute, "how long one size may take")
	flag.Parse()
	for _, text := range strings.Split(*sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("sizes has %q, allowed: numbers from 1, separated by commas", text)
		}
		set.sizes = append(set.sizes, n)
	}
	fmt.Print(header)
	var base map[string]phase
	for i, n := range set.sizes {
		keys := n
		if set.keys > 0 && i > 0 { // the first size is compared with, and has next to nothing
			keys = set.keys
		}
		phases, err := measure(ctx, set, n, keys)
		for _, p := range phases {
			p.print(set, n, keys, base[p.name])
		}
		if err != nil {
			fmt.Printf("| %d | %d | not measured: %v |\n", set.servers, n, err)
		}
		if base == nil {
			base = map[string]phase{}
			for _, p := range phases {
				base[p.name] = p
			}
		}
	}
	return ctx.Err()
}

// setup is what a worker is told.
type setup struct {
	URL        string
	Partitions int
	Workers    int
	Shared     bool // several keys share a partition
	Durable    bool
	Interval   time.Duration
}

// work is the process of a worker.
func work(text string) error {
	var s setup
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	nc, err := nats.Connect(s.URL, parti.ConnectOptions()...)
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	read := consume.Config{
		Stream: "IN", Subject: func(p parti.Partition) string { return subjectOf(p.ID(), s.Shared) }, Interval: s.Interval,
	}
	if s.Durable {
		read.Mode = consume.Durable
	}
	handler, err := consume.Stream(js, read, func(context.Context, *parti.Ownership, consume.Message) error { return nil })
	if err != nil {
		return err
	}
	list := make([]parti.Partition, s.Partitions)
	for i := range list {
		list[i].Keys = []string{partition(i, s.Shared)}
	}
	cfg := parti.DefaultConfig()
	cfg.ExpectedWorkers = s.Workers
	m, err := parti.NewManager(cfg, js, parti.StaticSource(list...), strategy.NewSticky(),
		parti.WithHandler(handler), parti.WithLogger(slog.New(slog.DiscardHandler)),
		parti.WithHooks(parti.Hooks{OnError: func(_ context.Context, err error) { fmt.Fprintln(os.Stderr, "worker:", err) }}))
	if err != nil {
		return err
	}
	if err := m.Start(context.Background()); err != nil {
		return err
	}
	<-m.Done()
	return errors.Join(errors.New("the worker ended"), m.Err())
}

func name(i int) string { return fmt.Sprintf("p%05d", i) }

// partition is the ID of a partition: a number, as the transform of the stream gives it, where keys share it.
func partition(i int, shared bool) string {
	if shared {
		return strconv.Itoa(i)
	}
	return name(i)
}

// subjectOf is the filter of a partition.
func subjectOf(partition string, shared bool) string {
	if shared {
		return "in." + partition + ".*"
	}
	return "in." + partition
}
