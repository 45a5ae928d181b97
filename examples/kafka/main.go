// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Command kafka reads a topic whose partitions Parti divides, and restarts its workers one after the other. Beside it, consumer
// groups of Kafka's do the same with the same records. It brings its own broker and its own NATS server, or uses those that
// -brokers and -nats name.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv/embedded"
)

func main() {
	var s setting
	brokers := flag.String("brokers", "", "Kafka brokers, as host:port,host:port; empty starts one in this process")
	flag.StringVar(&s.nats, "nats", os.Getenv("NATS_URL"), "NATS server with JetStream; empty starts one in this process")
	flag.IntVar(&s.plan.workers, "workers", 5, "workers of each fleet")
	flag.IntVar(&s.plan.partitions, "partitions", 30, "partitions of the topic")
	flag.DurationVar(&s.plan.every, "every", 50*time.Millisecond, "time between two records of a partition")
	flag.DurationVar(&s.plan.away, "away", 2*time.Second, "time from the end of a process to the start of the next")
	flag.BoolVar(&s.plan.crash, "crash", false, "let a worker of each fleet crash afterwards, which takes one session timeout longer")
	flag.DurationVar(&s.plan.session, "session", 45*time.Second, "session timeout of the consumer groups")
	flag.Parse()
	s.plan.quiet, s.plan.patience = 2*time.Second, time.Minute
	if *brokers != "" {
		s.brokers = strings.Split(*brokers, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if _, err := run(ctx, os.Stdout, s); err != nil {
		fmt.Fprintln(os.Stderr, "kafka:", err)
		os.Exit(1)
	}
}

// setting is what the command line says.
type setting struct {
	brokers []string
	nats    string
	plan    plan
}

func run(ctx context.Context, out io.Writer, s setting) (outcomes []outcome, err error) {
	if s.plan.workers < 1 || s.plan.partitions < s.plan.workers || s.plan.every <= 0 || s.plan.away < 0 {
		return nil, fmt.Errorf("%d workers, %d partitions, a record every %s, away for %s: allowed: one worker or more, "+
			"as many partitions or more, and times above 0", s.plan.workers, s.plan.partitions, s.plan.every, s.plan.away)
	}
	connect := func(opts ...nats.Option) (*nats.Conn, error) { return nats.Connect(s.nats, opts...) }
	if s.nats == "" {
		server, err := embedded.Start()
		if err != nil {
			return nil, err
		}
		defer server.Shutdown()
		connect = server.Connect
	}
	name := fmt.Sprintf("parti-kafka-%d-%d", os.Getpid(), time.Now().UnixMilli())
	dir, err := os.MkdirTemp("", name)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	k, err := openKafka(ctx, s.brokers, name, s.plan.partitions)
	if err != nil {
		return nil, err
	}
	all := contenders(s.plan, k, connect, name, dir)
	defer func() { err = errors.Join(err, cleanUp(k, all, connect)) }()
	title(out, s)
	outcomes, err = compare(ctx, out, s.plan, k, all)
	if err != nil {
		return nil, err
	}
	table(out, all, outcomes, s.plan.crash)
	return outcomes, verdict(all, outcomes)
}

// verdict is an error when a record was lost, or was processed by an owner that another one had followed already.
func verdict(all []*contender, outcomes []outcome) error {
	var errs []error
	for i, o := range outcomes {
		if o.lost != 0 || o.stale != 0 {
			errs = append(errs, fmt.Errorf("%s, %s: %d records were lost, %d were processed by a stale owner",
				all[i].name, all[i].how, o.lost, o.stale))
		}
	}
	return errors.Join(errs...)
}

// cleanUp leaves nothing behind on servers that outlive this process.
func cleanUp(k *kafka, all []*contender, connect func(...nats.Option) (*nats.Conn, error)) error {
	var groups []string
	var buckets []parti.KVBuckets
	for _, c := range all {
		groups = append(groups, c.group)
		if f, ok := c.fleet.(*partiFleet); ok {
			buckets = append(buckets, f.cfg.KVBuckets)
		}
	}
	return errors.Join(k.close(groups), removeBuckets(buckets, connect))
}

func removeBuckets(buckets []parti.KVBuckets, connect func(...nats.Option) (*nats.Conn, error)) error {
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
	for _, b := range buckets {
		for _, bucket := range []string{b.StableID, b.Election, b.Heartbeat, b.Assignment} {
			if err := js.DeleteKeyValue(ctx, bucket); err != nil && !errors.Is(err, jetstream.ErrBucketNotFound) {
				return fmt.Errorf("remove bucket %s: %w", bucket, err)
			}
		}
	}
	return nil
}
