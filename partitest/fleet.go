package partitest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

// Fleet runs f in virtual time, with a real NATS server and n workers, which begin with [FleetHandle.Start]. Time stands still
// while any goroutine works, and jumps ahead when all of them wait: waiting for minutes takes milliseconds.
//
// Everything that Parti promises is checked all the while: two owners of one partition, a forgotten partition, or a state that
// the state machine does not allow fail the test. In the end all workers are stopped.
//
// What f and the handlers start must have ended when f returns. They must block on channels, timers, contexts and what package
// sync has, and not on sockets or files: the connections of [FleetWorker.JetStream] and [FleetHandle.JetStream] are fit for
// that. There is no t.Parallel inside f.
func Fleet(t *testing.T, n int, f func(t *testing.T, fl *FleetHandle)) {
	t.Helper()
	if n < 1 {
		t.Fatalf("partitest: n is %d, allowed: at least 1 worker", n)
	}
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		js, err := jetstream.New(s.Connect(nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond)))
		if err != nil {
			t.Fatalf("partitest: jetstream: %v", err)
		}
		fl := &FleetHandle{t: t, server: s, js: js, n: n, ids: Partitions(12)}
		f(t, fl)
	})
}

// Partitions returns n partition IDs: p.0000 and so on.
func Partitions(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("p.%04d", i)
	}
	return ids
}

// FleetHandle is a fleet in the hands of a test. It is used on the goroutine of the test.
type FleetHandle struct {
	t       *testing.T
	server  *bubble.Server
	js      jetstream.JetStream
	n       int
	ids     []string
	changes []fleet.With
	handler func(w *FleetWorker) parti.Handler
	fleet   *fleet.Fleet // nil before Start

	mu      sync.Mutex
	workers []*FleetWorker
}

// JetStream returns a connection of the test's own, which no fault touches.
func (fl *FleetHandle) JetStream() jetstream.JetStream { return fl.js }

// Configure changes the configuration of all workers. Everything else has its default. It comes before Start.
func (fl *FleetHandle) Configure(change func(*parti.Config)) {
	fl.t.Helper()
	if fl.fleet != nil {
		fl.t.Fatalf("partitest: Configure comes after Start, allowed: before")
	}
	fl.changes = append(fl.changes, fleet.Config(change))
}

// SetPartitions sets what the source of all workers lists: 12 partitions if it is never called. After Start it has the leader list
// again.
func (fl *FleetHandle) SetPartitions(ids ...string) {
	fl.t.Helper()
	fl.ids = slices.Clone(ids)
	if fl.fleet == nil {
		return
	}
	fl.fleet.Source.Set(listed(ids)...)
	for _, w := range fl.Live() {
		if w.process.Manager.IsLeader() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if err := w.process.Manager.RefreshPartitions(ctx); err != nil {
				fl.t.Fatalf("partitest: refresh: %v", err)
			}
			return
		}
	}
}

func listed(ids []string) []parti.Partition {
	list := make([]parti.Partition, len(ids))
	for i, id := range ids {
		list[i] = parti.Partition{Keys: strings.Split(id, ".")}
	}
	return list
}

// Start begins all workers, each with the handler that handler makes for it, and waits until every partition has an owner. A
// handler uses the connection of its worker, [FleetWorker.JetStream], so that it shares its faults.
func (fl *FleetHandle) Start(handler func(w *FleetWorker) parti.Handler) {
	fl.t.Helper()
	if fl.fleet != nil {
		fl.t.Fatalf("partitest: Start is called twice, allowed: once; Add begins further workers")
	}
	fl.handler = handler
	fl.fleet = fleet.New(fl.t, fl.server, 0, fl.changes...)
	fl.fleet.Source.Set(listed(fl.ids)...)
	for range fl.n {
		fl.Add()
	}
	fl.Settle(time.Minute)
}

// Add begins one more worker and does not wait for it.
func (fl *FleetHandle) Add() *FleetWorker {
	fl.t.Helper()
	w := &FleetWorker{fleet: fl, starts: func(with ...fleet.With) *fleet.Process { return fl.fleet.Start(1, with...)[0] }}
	return w.begin()
}

// Settle waits until all live workers are Stable and every partition has exactly one owner, and returns how long that took. It
// fails the test when that takes longer.
func (fl *FleetHandle) Settle(within time.Duration) time.Duration {
	fl.t.Helper()
	return fl.fleet.Settle(within)
}

// Wait waits until a condition holds, and fails the test with what was waited for when it does not hold in time.
func (fl *FleetHandle) Wait(within time.Duration, what string, condition func() bool) time.Duration {
	fl.t.Helper()
	return fl.fleet.Wait(within, what, condition)
}

// Workers returns all workers that were ever begun, in that order.
func (fl *FleetHandle) Workers() []*FleetWorker {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return slices.Clone(fl.workers)
}

// Live returns the workers that have neither crashed nor ended.
func (fl *FleetHandle) Live() []*FleetWorker {
	return slices.DeleteFunc(fl.Workers(), func(w *FleetWorker) bool { return !w.process.Lives() })
}

// Leader returns the worker that leads, nil if there is none.
func (fl *FleetHandle) Leader() *FleetWorker {
	for _, w := range fl.Live() {
		if w.process == fl.fleet.Leader() {
			return w
		}
	}
	return nil
}

// Owner returns the live worker whose handler runs for a partition, nil if there is none.
func (fl *FleetHandle) Owner(partition string) *FleetWorker {
	for _, w := range fl.Live() {
		if slices.Contains(w.Owns(), partition) {
			return w
		}
	}
	return nil
}

// StopServer shuts the server down: every connection is lost. StartServer starts it again on the same files.
func (fl *FleetHandle) StopServer() { fl.server.Stop() }

// StartServer starts the server that StopServer has shut down.
func (fl *FleetHandle) StartServer() { fl.server.Start() }

// FleetWorker is one worker in a process of its own, as far as faults go.
type FleetWorker struct {
	fleet   *FleetHandle
	starts  func(with ...fleet.With) *fleet.Process
	process *fleet.Process
	js      jetstream.JetStream
	handler parti.Handler
	ready   chan struct{} // closed when handler is set
}

// begin makes the process and its handler.
func (w *FleetWorker) begin() *FleetWorker {
	fl := w.fleet
	fl.t.Helper()
	w.ready = make(chan struct{})
	w.process = w.starts(fleet.Runs(w.run))
	js, err := jetstream.New(w.process.Conn)
	if err != nil {
		fl.t.Fatalf("partitest: jetstream: %v", err)
	}
	w.js = js
	if w.handler = fl.handler(w); w.handler == nil {
		fl.t.Fatalf("partitest: the function of Start returned nil, allowed: a parti.Handler")
	}
	close(w.ready)
	fl.mu.Lock()
	fl.workers = append(fl.workers, w)
	fl.mu.Unlock()
	return w
}

func (w *FleetWorker) run(ctx context.Context, o *parti.Ownership) error {
	select {
	case <-w.ready:
		return w.handler.Run(ctx, o)
	case <-ctx.Done():
		return nil
	}
}

// JetStream returns the connection of this worker, which its faults touch.
func (w *FleetWorker) JetStream() jetstream.JetStream { return w.js }

// Manager returns the worker itself, to ask it or to cordon it. Stop and drain it with the methods of FleetWorker.
func (w *FleetWorker) Manager() *parti.Manager { return w.process.Manager }

// ID returns the worker ID that it has, or had last.
func (w *FleetWorker) ID() string { return w.process.LastID() }

// Owns returns the partitions whose handlers run, sorted.
func (w *FleetWorker) Owns() []string { return w.process.Running() }

// Errors returns what OnError was told.
func (w *FleetWorker) Errors() []error { return w.process.Errors() }

// Crash ends the worker without a goodbye: its connection is lost for good, and its handlers are called no more.
func (w *FleetWorker) Crash() { w.process.Crash() }

// Restart begins a new process of a worker that has crashed or stopped, which asks for the same ID. It does not wait for it.
func (w *FleetWorker) Restart() *FleetWorker {
	w.fleet.t.Helper()
	next := &FleetWorker{fleet: w.fleet, starts: func(with ...fleet.With) *fleet.Process { return w.fleet.fleet.Restart(w.process, with...) }}
	return next.begin()
}

// Stop ends the worker cleanly, see [parti.Manager.Stop].
func (w *FleetWorker) Stop() error { return w.process.Stop() }

// Drain has the worker hand everything over and leave, see [parti.Manager.Drain].
func (w *FleetWorker) Drain(ctx context.Context) error { return w.process.Drain(ctx) }

// Freeze pauses the process as a debugger or a hypervisor would: nothing comes or goes through its connection, and its actors
// handle no message. Code of a handler that is under way goes on until it needs the connection. Thaw ends the pause.
func (w *FleetWorker) Freeze() { w.process.Freeze() }

// Thaw ends a Freeze: everything that was under way arrives.
func (w *FleetWorker) Thaw() { w.process.Thaw() }

// Cut cuts the worker off from the server until Heal.
func (w *FleetWorker) Cut() { w.process.Link.Cut() }

// Heal ends a Cut.
func (w *FleetWorker) Heal() { w.process.Link.Heal() }

// Slow delays everything on the connection of the worker by d each way from now on; 0 makes it fast again.
func (w *FleetWorker) Slow(d time.Duration) { w.process.Link.Slow(d) }
