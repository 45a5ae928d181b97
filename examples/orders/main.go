// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Command orders shows that nothing is lost, done twice or out of order while a fleet changes. Workers turn orders into
// shipments, exactly once, and book them in a ledger that refuses late writers. Meanwhile workers join, are killed and drained,
// and the server is restarted. At the end it counts, and exits with 1 where the numbers do not add up.
//
//	orders                  the whole day in this process, which brings its own NATS server
//	orders -nats URL        the same day at a real server; each worker is a process
//	orders -worker          one worker, a process to play with; -nats URL says where the server is
//	orders -shop            publishes orders until it is ended, and counts
//	orders -count           counts
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once
	}()
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "orders:", err)
		os.Exit(1)
	}
}

// settings is what the command line says.
type settings struct {
	url                 string
	worker, shop, count bool
}

func parse(args []string) (settings, error) {
	var set settings
	flags := flag.NewFlagSet("orders", flag.ContinueOnError)
	flags.StringVar(&set.url, "nats", "", "`URL` of a NATS server with JetStream; without it -worker, -shop and -count take NATS_URL, "+
		"or the default, and the whole day has a server of its own")
	flags.BoolVar(&set.worker, "worker", false, "run one worker")
	flags.BoolVar(&set.shop, "shop", false, "publish orders until the program is ended, then count")
	flags.BoolVar(&set.count, "count", false, "count")
	if err := flags.Parse(args); err != nil {
		return set, err
	}
	roles := 0
	for _, is := range []bool{set.worker, set.shop, set.count} {
		if is {
			roles++
		}
	}
	switch {
	case flags.NArg() > 0:
		return set, fmt.Errorf("unknown argument %q, allowed: flags only", flags.Arg(0))
	case roles > 1:
		return set, errors.New("more than one of -worker, -shop and -count, allowed: one")
	case roles == 1 && set.url == "":
		set.url = os.Getenv("NATS_URL")
		if set.url == "" {
			set.url = nats.DefaultURL
		}
	}
	return set, nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	set, err := parse(args)
	switch {
	case err != nil:
		return err
	case set.url == "":
		return ownServer(ctx, out)
	}
	nc, js, err := connect(set.url)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", set.url, err)
	}
	defer nc.Close()
	if err := streams(ctx, js); err != nil {
		return err
	}
	out = &whole{out: out}
	say := teller(out)
	switch {
	case set.worker:
		return work(ctx, js, say)
	case set.shop:
		return sell(ctx, js, say)
	case set.count:
		return count(ctx, js, say)
	}
	return show(ctx, js, say, &processes{out: out, url: set.url})
}

// connect opens a connection as a worker needs it.
func connect(url string, opts ...nats.Option) (*nats.Conn, jetstream.JetStream, error) {
	nc, err := nats.Connect(url, append(parti.ConnectOptions(), opts...)...)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	return nc, js, err
}

// streams makes the streams where they are missing. The server itself numbers the partitions: orders of one customer are
// always in the same.
func streams(ctx context.Context, js jetstream.JetStream) error {
	for _, c := range []jetstream.StreamConfig{
		{
			Name: "ORDERS", Subjects: []string{"orders.*"},
			SubjectTransform: &jetstream.SubjectTransformConfig{
				Source: "orders.*", Destination: fmt.Sprintf("orders.{{partition(%d,1)}}.{{wildcard(1)}}", partitions),
			},
		},
		{Name: "SHIPMENTS", Subjects: []string{"shipments.*", "positions.*"}, AllowAtomicPublish: true},
	} {
		if _, err := js.CreateStream(ctx, c); err != nil {
			return fmt.Errorf("make the stream %s: %w", c.Name, err)
		}
	}
	return nil
}

// whole writes one line at a time, whichever goroutine it comes from.
type whole struct {
	mu  sync.Mutex
	out io.Writer
}

// Write implements io.Writer.
func (w *whole) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(line)
}

// telling prints a line with the time.
type telling func(format string, args ...any)

func teller(out io.Writer) telling {
	began := time.Now()
	return func(format string, args ...any) {
		fmt.Fprintf(out, "%6.2fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
}

// pause waits; it reports false where ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
