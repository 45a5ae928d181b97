// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package bubble runs a test in virtual time together with a real nats-server.
//
// Inside [Run] time stands still while any goroutine works, and jumps forward as soon as all of them wait. So a test of a 30 s
// window takes milliseconds. The server is a real one with JetStream. It runs in this process and without sockets, because a
// socket would stop virtual time.
//
// Everything that a test starts in the bubble must have ended when its function and its cleanups have returned: connections are
// closed, consumers are stopped. Otherwise the test fails. A test must not call t.Parallel, and must block only on channels,
// timers and sync primitives that were created in the bubble.
package bubble

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// readyIn is the virtual time that a server may take to accept connections; it needs none.
const readyIn = 10 * time.Second

const mostClients = 100_000

// ErrStopped is the answer to a connection attempt while the server is stopped.
var ErrStopped = errors.New("the server is stopped")

// Run calls f inside a bubble with a running server. The server is stopped after f and the cleanups that f registered.
func Run(t *testing.T, f func(t *testing.T, s *Server)) {
	t.Helper()
	defer holdClock()()
	// Pooled timers of an earlier bubble would end this one: two collections empty every sync.Pool.
	runtime.GC()
	runtime.GC()
	dir := storeDir(t)
	synctest.Test(t, func(t *testing.T) {
		runClock(t)
		s := &Server{t: t, dir: filepath.Join(dir, "store")}
		s.Start()
		t.Cleanup(s.Stop)
		f(t, s)
	})
}

// Server is a nats-server that can be stopped and started again on the same directory: streams in files survive that,
// streams in memory do not. It has the InProcessConn that nats.InProcessServer wants, always of the present server, so
// that clients reconnect through it.
type Server struct {
	t      *testing.T
	dir    string
	copies int

	mu   sync.Mutex
	nats *server.Server // nil while stopped
}

// Start starts a stopped server on the directory of the one before it.
func (s *Server) Start() {
	s.t.Helper()
	ns, err := server.NewServer(&server.Options{
		ServerName: "bubble",
		JetStream:  true,
		StoreDir:   s.dir,
		DontListen: true,
		NoSigs:     true,
		NoLog:      true,
	})
	if err != nil {
		s.t.Fatalf("new server: %v", err)
	}
	ns.Start()
	if !ns.ReadyForConnections(readyIn) {
		s.t.Fatalf("the server is not ready after %s", readyIn)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nats = ns
}

// Stop shuts the server down and waits for its end: every client loses its connection. Stopping twice is no error.
func (s *Server) Stop() {
	s.mu.Lock()
	ns := s.nats
	s.nats = nil
	s.mu.Unlock()
	if ns == nil {
		return
	}
	// The server sleeps a moment with a lock of its own in hand while it shuts down, after it has told the clients:
	// whoever of them then wants something of it waits for that lock and keeps virtual time from moving. So they are
	// sent away first.
	clients, err := ns.Connz(&server.ConnzOptions{Limit: mostClients})
	if err != nil {
		s.t.Errorf("list the clients: %v", err)
		return
	}
	for _, c := range clients.Conns {
		_ = ns.DisconnectClientByID(c.Cid) // it may have gone by itself
	}
	synctest.Wait()
	ns.Shutdown()
	ns.WaitForShutdown()
}

// Copy copies the directory of the stopped server, for [Server.Restore].
func (s *Server) Copy() (dir string) {
	s.t.Helper()
	s.copies++
	dir = fmt.Sprintf("%s-copy-%d", s.dir, s.copies)
	if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
		s.t.Fatalf("copy the store: %v", err)
	}
	return dir
}

// Restore puts a copy in the place of the stopped server's directory, or of the given streams in it.
func (s *Server) Restore(copied string, streams ...string) {
	s.t.Helper()
	parts := []string{"."}
	if len(streams) > 0 {
		parts = nil
	}
	for _, stream := range streams {
		parts = append(parts, filepath.Join("jetstream", "$G", "streams", stream))
	}
	for _, part := range parts {
		if err := os.RemoveAll(filepath.Join(s.dir, part)); err != nil {
			s.t.Fatalf("remove the store: %v", err)
		}
		if err := os.CopyFS(filepath.Join(s.dir, part), os.DirFS(filepath.Join(copied, part))); err != nil {
			s.t.Fatalf("restore the store: %v", err)
		}
	}
}

// NATS returns the running server, nil while it is stopped.
func (s *Server) NATS() *server.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nats
}

// InProcessConn opens a pipe to the running server, or fails with [ErrStopped].
func (s *Server) InProcessConn() (net.Conn, error) {
	ns := s.NATS()
	if ns == nil {
		return nil, ErrStopped
	}
	return ns.InProcessConn()
}

// Connect opens a client connection that is closed at the end of the test.
func (s *Server) Connect(opts ...nats.Option) *nats.Conn {
	s.t.Helper()
	nc, err := nats.Connect("", append(opts, nats.InProcessServer(s))...)
	if err != nil {
		s.t.Fatalf("connect: %v", err)
	}
	s.t.Cleanup(nc.Close)
	return nc
}
