// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/strategy"
)

// worker is one worker of a crew, with a connection of its own.
type worker struct {
	number  int
	crew    *crew
	wire    wire
	nc      *nats.Conn
	manager *parti.Manager
	crashed atomic.Bool
}

// newWorker connects a worker and does not start it.
func (c *crew) newWorker(number int) (*worker, error) {
	w := &worker{number: number, crew: c}
	var err error
	w.nc, err = nats.Connect(c.setup.URL, append(parti.ConnectOptions(), nats.SetCustomDialer(&w.wire),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
	if err != nil {
		return nil, fmt.Errorf("connect worker %d to %s: %w", number, c.setup.URL, err)
	}
	js, err := jetstream.New(w.nc)
	if err != nil {
		return nil, err
	}
	w.manager, err = parti.NewManager(c.setup.Config, js, c.source, strategy.NewConsistentHash(),
		parti.WithLogger(c.log.With("number", number)), parti.WithHooks(parti.Hooks{
			OnAssignmentChanged: w.assigned,
			OnStateChanged:      w.stateChanged,
			OnError:             w.failed,
		}))
	return w, err
}

// start joins the group, and reports an end that nobody asked for.
func (w *worker) start() {
	err := w.manager.Start(context.Background())
	if err == nil {
		<-w.manager.Done()
		err = w.manager.Err()
	}
	if !w.crashed.Load() {
		w.crew.tell.say(notice{Ended: fmt.Sprintf("worker %d ended: %v", w.number, err)})
	}
}

// crash ends the worker without goodbye. What is left of it in this process is discarded.
func (w *worker) crash() {
	w.crashed.Store(true)
	w.wire.cut()
	go func() { // the next worker that crashes at this moment does not wait for this
		w.nc.Close()
		_ = w.manager.Stop(context.Background())
	}()
}

func (w *worker) leads() bool { return !w.crashed.Load() && w.manager.IsLeader() }

func (w *worker) assigned(_ context.Context, added, removed []parti.Partition) error {
	if w.crashed.Load() {
		return nil
	}
	c := &change{Worker: w.number, At: time.Now().UnixNano()}
	var err error
	if c.Added, err = numbers(added); err != nil {
		return err
	}
	if c.Removed, err = numbers(removed); err != nil {
		return err
	}
	w.crew.tell.say(notice{Change: c})
	return nil
}

func (w *worker) stateChanged(_ context.Context, from, to parti.State) error {
	if to == parti.StateClaimingID && from != parti.StateInit && !w.crashed.Load() {
		w.crew.tell.say(notice{Lost: &lost{Worker: w.number}})
	}
	return nil
}

func (w *worker) failed(_ context.Context, err error) {
	if !w.crashed.Load() {
		w.crew.tell.say(notice{Problem: err.Error()})
	}
}

// wire is a worker's way to the server, which can be cut for good.
type wire struct {
	mu    sync.Mutex
	conn  net.Conn
	isCut bool
}

// Dial implements nats.CustomDialer.
func (w *wire) Dial(network, address string) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, 2*time.Second)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isCut {
		_ = conn.Close()
		return nil, fmt.Errorf("dial %s: the worker has crashed", address)
	}
	w.conn = conn
	return conn, nil
}

// cut resets the connection: what was not yet sent is never sent.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = true
	if tcp, ok := w.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = w.conn.Close()
}
