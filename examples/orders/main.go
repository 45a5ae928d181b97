// Command orders shows that nothing is lost, done twice or out of order while a fleet changes. Five workers turn orders into
// shipments, exactly once, and book them in a ledger that refuses late writers. Meanwhile workers join, are killed and drained,
// and the server is restarted. It brings its own NATS server, and exits with 1 where the numbers do not add up.
package main

import (
	"context"
	"errors"
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := ownServer(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "orders:", err)
		os.Exit(1)
	}
}

func ownServer(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "orders-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &restartable{dir: dir}
	s.Start()
	defer s.Stop()
	return show(ctx, out, s)
}

// server is a NATS server that can be restarted; clients reconnect through it.
type server interface {
	InProcessConn() (net.Conn, error)
	Start()
	Stop()
}

// restartable is an embedded server. Its methods but InProcessConn are called by one goroutine.
type restartable struct {
	dir  string
	runs chan *embedded.Server // holds the server while it runs
}

// Start implements server.
func (s *restartable) Start() {
	started, err := embedded.Start(embedded.WithStoreDir(s.dir))
	if err != nil {
		panic(err)
	}
	if s.runs == nil {
		s.runs = make(chan *embedded.Server, 1)
	}
	s.runs <- started
}

// Stop implements server.
func (s *restartable) Stop() { (<-s.runs).Shutdown() }

// InProcessConn implements nats.InProcessConnProvider.
func (s *restartable) InProcessConn() (net.Conn, error) {
	select {
	case running := <-s.runs:
		defer func() { s.runs <- running }()
		return running.NATS().InProcessConn()
	default:
		return nil, errors.New("the server is away")
	}
}

// connect opens a connection as a worker needs it.
func connect(s server) (*nats.Conn, jetstream.JetStream, error) {
	nc, err := nats.Connect("", append(parti.ConnectOptions(), nats.InProcessServer(s))...)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	return nc, js, err
}

// streams makes the streams. The server itself numbers the partitions: orders of one customer are always in the same.
func streams(ctx context.Context, js jetstream.JetStream) error {
	for _, c := range []jetstream.StreamConfig{
		{
			Name: "ORDERS", Subjects: []string{"orders.*"},
			SubjectTransform: &jetstream.SubjectTransformConfig{Source: "orders.*", Destination: fmt.Sprintf("orders.{{partition(%d,1)}}.{{wildcard(1)}}", partitions)},
		},
		{Name: "SHIPMENTS", Subjects: []string{"shipments.*", "positions.*"}, AllowAtomicPublish: true},
	} {
		if _, err := js.CreateStream(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// show lets the fleet live through its day, and counts.
func show(ctx context.Context, out io.Writer, s server) error {
	nc, js, err := connect(s)
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := streams(ctx, js); err != nil {
		return err
	}
	f := &fleet{out: out, server: s, began: time.Now(), ledger: newLedger()}
	defer f.close()
	for range 3 {
		if err := f.start(ctx); err != nil {
			return err
		}
	}
	shop := open(js)
	defer shop.close()
	f.event(ctx, "three workers", func() error { return nil })
	f.event(ctx, "two more join", func() error { return errors.Join(f.start(ctx), f.start(ctx)) })
	f.event(ctx, "one is killed", func() error { f.kill(); return nil })
	f.event(ctx, "one is drained", func() error { return f.drain(ctx) })
	f.event(ctx, "the server restarts", func() error { return f.restart(ctx) })
	shop.close()
	if err := errors.Join(f.failed, ctx.Err()); err != nil {
		return err
	}
	return f.count(ctx, js, shop.sold())
}
