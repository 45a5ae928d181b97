// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/observe"
	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

// fakeWorker is a Manager that does what a test says.
type fakeWorker struct {
	status  parti.Status
	healthy error
	done    chan struct{}
	err     error
	refresh func(ctx context.Context) error
	drain   func(ctx context.Context) error

	mu    sync.Mutex
	asked []string
}

func newFakeWorker() *fakeWorker {
	return &fakeWorker{done: make(chan struct{}), status: parti.Status{WorkerID: "worker-0", Session: 7, State: parti.StateStable, Ready: true}}
}

func (f *fakeWorker) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, what)
}

func (f *fakeWorker) Status() parti.Status  { return f.status }
func (f *fakeWorker) Healthy() error        { return f.healthy }
func (f *fakeWorker) WorkerID() string      { return f.status.WorkerID }
func (f *fakeWorker) Done() <-chan struct{} { return f.done }
func (f *fakeWorker) Err() error            { return f.err }
func (f *fakeWorker) Cordon()               { f.note("cordon") }
func (f *fakeWorker) Uncordon()             { f.note("uncordon") }

func (f *fakeWorker) Drain(ctx context.Context) error {
	f.note("drain")
	if f.drain != nil {
		return f.drain(ctx)
	}
	return nil
}

func (f *fakeWorker) RefreshPartitions(ctx context.Context) error {
	f.note("refresh")
	if f.refresh != nil {
		return f.refresh(ctx)
	}
	return nil
}

// fakeView is an Observer whose group a test sets.
type fakeView struct {
	done chan struct{}

	mu      sync.Mutex
	group   observe.Group
	n, told int
	changed chan struct{}
	changes []observe.Change
	failing error // of History
	queries []observe.Query
	whatIf  func(whatif.Change) (whatif.Answer, error)
}

func newFakeView(g observe.Group) *fakeView {
	return &fakeView{done: make(chan struct{}), changed: make(chan struct{}), group: g, n: 1}
}

func (f *fakeView) set(g observe.Group) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.group = g
	f.n++
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeView) Done() <-chan struct{} { return f.done }

func (f *fakeView) Group() observe.Group {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.group
}

// Wait returns what has been set since it last returned.
func (f *fakeView) Wait(ctx context.Context, _ observe.Group) (observe.Group, error) {
	for {
		f.mu.Lock()
		g, changed, news := f.group, f.changed, f.n > f.told
		f.told = f.n
		f.mu.Unlock()
		if news {
			return g, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return observe.Group{}, ctx.Err()
		case <-f.done:
			return observe.Group{}, observe.ErrClosed
		}
	}
}

func (f *fakeView) Owner(partition string) (observe.Owner, error) {
	for _, w := range f.Group().Workers {
		for _, p := range w.Partitions {
			if p.ID == partition {
				return observe.Owner{Worker: w.ID, Host: w.Host, Session: w.Session, Epoch: p.Epoch, Since: p.Since}, nil
			}
		}
	}
	return observe.Owner{}, observe.ErrUnowned
}

func (f *fakeView) History(_ context.Context, q observe.Query) (changes []observe.Change, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queries = append(f.queries, q)
	for _, c := range f.changes {
		if !c.At.Before(q.Since) {
			changes = append(changes, c)
		}
	}
	return changes, f.failing
}

func (f *fakeView) WhatIf(c whatif.Change, _ strategy.Strategy) (whatif.Answer, error) {
	if f.whatIf != nil {
		return f.whatIf(c)
	}
	return whatif.Answer{Verdict: "nothing moves"}, nil
}

func (f *fakeView) Explain(_ context.Context, partition string, _ strategy.Strategy) (observe.Explanation, error) {
	return observe.Explanation{Partition: partition, Standing: observe.Owned}, f.failing
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func yes(*http.Request, Action) bool { return true }

// serveOver serves a handler over pipes, which virtual time does not wait for, and returns a client. Both end with the test.
func serveOver(t *testing.T, h http.Handler, change func(*http.Server)) *http.Client {
	t.Helper()
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	s := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	if change != nil {
		change(s)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(l)
	}()
	transport := &http.Transport{DialContext: l.dial, DisableKeepAlives: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = s.Close()
		<-served
	})
	return &http.Client{Transport: transport}
}

// pipes is a listener on nothing.
type pipes struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// sse reads a stream of events.
type sse struct {
	t      *testing.T
	body   io.ReadCloser
	reader *bufio.Reader
	beats  int // comments since the last event
}

type sseEvent struct{ kind, id, data string }

func stream1(t *testing.T, client *http.Client, url string) *sse {
	t.Helper()
	res, err := client.Get(url) //nolint:noctx // it ends with the test
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	s := &sse{t: t, body: res.Body, reader: bufio.NewReader(res.Body)}
	t.Cleanup(s.close)
	return s
}

func (s *sse) close() { _ = s.body.Close() }

// next returns the next event; ok is false at the end of the stream.
func (s *sse) next() (e sseEvent, ok bool) {
	s.beats = 0
	for {
		line, err := s.reader.ReadString('\n')
		if err != nil {
			return e, false
		}
		line = strings.TrimSuffix(line, "\n")
		field, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && e.kind != "":
			return e, true
		case line == ":":
			s.beats++
		case field == "event":
			e.kind = value
		case field == "id":
			e.id = value
		case field == "data":
			e.data = value
		}
	}
}

// must returns the next event, which is of a kind.
func (s *sse) must(kind string) (data map[string]any) {
	s.t.Helper()
	e, ok := s.next()
	require.True(s.t, ok, "the stream has ended")
	require.Equal(s.t, kind, e.kind)
	require.NoError(s.t, json.Unmarshal([]byte(e.data), &data))
	return data
}

var errTest = errors.New("as the test wants it")
