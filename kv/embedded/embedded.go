// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package embedded runs a NATS server with JetStream inside this process, for tests, examples and single-process
// fleets. Only a program that imports it links the server.
//
// It is one server without replicas: its store is away while this process is.
package embedded

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// RandomPort lets the system choose the port, see [WithPort].
const RandomPort = server.RANDOM_PORT

// readyIn limits the wait for a server that usually needs a few milliseconds.
const readyIn = 10 * time.Second

// Option is a setting of [Start].
type Option func(*server.Options)

// WithPort makes the server listen on a port of the loopback interface. [RandomPort] takes a free one. Without this option the
// server opens no port.
func WithPort(port int) Option {
	return func(o *server.Options) { o.DontListen, o.Host, o.Port = false, "127.0.0.1", port }
}

// WithStoreDir keeps the streams in a directory that outlives the server. Without this option they are in a temporary
// directory, which [Server.Shutdown] removes.
func WithStoreDir(dir string) Option {
	return func(o *server.Options) { o.StoreDir = dir }
}

// WithDomain sets the JetStream domain.
func WithDomain(domain string) Option {
	return func(o *server.Options) { o.JetStreamDomain = domain }
}

// Server is a running server.
type Server struct {
	nats *server.Server
	temp string // to be removed; "" for a directory of the caller's
	once sync.Once
}

// Start starts a server and waits until it accepts connections.
func Start(opts ...Option) (*Server, error) {
	o := &server.Options{JetStream: true, DontListen: true, NoSigs: true, NoLog: true}
	for _, opt := range opts {
		opt(o)
	}
	s := &Server{}
	if o.StoreDir == "" {
		dir, err := os.MkdirTemp("", "parti-nats-")
		if err != nil {
			return nil, fmt.Errorf("start an embedded server: %w", err)
		}
		s.temp, o.StoreDir = dir, dir
	}
	if err := writable(o.StoreDir); err != nil {
		s.remove()
		return nil, fmt.Errorf("start an embedded server: the store directory %q cannot be used: %w", o.StoreDir, err)
	}
	var err error
	if s.nats, err = server.NewServer(o); err != nil {
		s.remove()
		return nil, fmt.Errorf("start an embedded server: %w", err)
	}
	s.nats.Start()
	if !s.nats.ReadyForConnections(readyIn) || !s.nats.JetStreamEnabled() {
		s.Shutdown()
		return nil, errors.New("start an embedded server: not ready, is the port taken?")
	}
	return s, nil
}

// writable tries the directory out. A server that cannot write there does not say so: it is never ready.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".writable-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// URL returns the address of the server, or "" if it has no port.
func (s *Server) URL() string {
	if s.nats.Addr() == nil {
		return ""
	}
	return s.nats.ClientURL()
}

// Connect returns a connection inside the process, without a socket.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect("", append(opts[:len(opts):len(opts)], nats.InProcessServer(s.nats))...)
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded server: %w", err)
	}
	return nc, nil
}

// NATS returns the server itself.
func (s *Server) NATS() *server.Server { return s.nats }

// Shutdown stops the server and returns when it has ended. A second call does nothing.
func (s *Server) Shutdown() {
	s.once.Do(func() {
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
		s.remove()
	})
}

func (s *Server) remove() {
	if s.temp != "" {
		_ = os.RemoveAll(s.temp)
	}
}
