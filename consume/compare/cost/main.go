// Cost measures what a partition of consume.Stream costs in its default mode: servers and workers are processes of their own,
// and the system says what they use.
//
//	go run ./cost -sizes 4,1000,5000,10000 -servers 1
//	go run ./cost -sizes 4,1000,5000,10000 -servers 3
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
	for _, n := range set.sizes {
		phases, err := measure(ctx, set, n)
		for _, p := range phases {
			p.print(set, n, base[p.name])
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
	handler, err := consume.Stream(js, consume.Config{
		Stream: "IN", Subject: func(p parti.Partition) string { return "in." + p.ID() },
	}, func(context.Context, *parti.Ownership, consume.Message) error { return nil })
	if err != nil {
		return err
	}
	list := make([]parti.Partition, s.Partitions)
	for i := range list {
		list[i].Keys = []string{name(i)}
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
