// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv/embedded"
)

// server is a NATS server that can be restarted; clients reconnect through it.
type server interface {
	InProcessConn() (net.Conn, error)
	Start()
	Stop()
}

// inside is a crew of workers in this process. Each has a connection of its own, as if it were a process.
type inside struct {
	server  server
	workers []*parti.Manager
	conns   []*nats.Conn
}

func (c *inside) join(ctx context.Context, n int) error {
	for range n {
		nc, js, err := connect("", nats.InProcessServer(c.server))
		if err != nil {
			return err
		}
		c.conns = append(c.conns, nc)
		w, err := newWorker(ctx, js, func(string, ...any) {}) // there is a lot to tell, all of it at once
		if err != nil {
			return err
		}
		c.workers = append(c.workers, w)
		if err := w.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *inside) kill() error {
	c.conns[0].Close()
	return nil
}

func (c *inside) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return c.workers[1].Drain(ctx)
}

func (c *inside) restart(ctx context.Context) error {
	c.server.Stop()
	pause(ctx, time.Second)
	c.server.Start()
	return nil
}

// close ends the workers, and the connections.
func (c *inside) close() {
	for _, w := range c.workers {
		_ = w.Close()
	}
	for _, nc := range c.conns {
		nc.Close()
	}
}

// ownServer is the whole day in this process.
func ownServer(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "orders-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &restartable{dir: dir}
	s.Start()
	defer s.Stop()
	return at(ctx, out, s)
}

// at is the day at a server that the program may restart.
func at(ctx context.Context, out io.Writer, s server) error {
	nc, js, err := connect("", nats.InProcessServer(s))
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := streams(ctx, js); err != nil {
		return err
	}
	say := teller(out)
	return show(ctx, js, say, &inside{server: s})
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
