// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

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

// Fleet runs f in virtual time, with a real NATS server and n workers, which [FleetHandle.Start] starts. Time stands still
// while any goroutine works, and jumps ahead when all of them wait, so waiting for minutes takes milliseconds.
//
// Fleet checks Parti's promises all the time: two owners of one partition, a forgotten partition, or a step that the state
// machine does not allow fail the test. At the end it stops all workers.
//
// All goroutines that f and the handlers start must have ended when f returns. They may block on channels, timers, contexts
// and package sync, but not on sockets or files. The connections of [FleetWorker.JetStream] and [FleetHandle.JetStream] are
// safe to use. Do not call t.Parallel inside f.
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

// FleetHandle controls a fleet in a test. Use it on the test's goroutine.
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

// JetStream returns the test's own connection, which no fault affects.
func (fl *FleetHandle) JetStream() jetstream.JetStream { return fl.js }

// Configure changes the configuration of all workers. All other fields keep their defaults. Call it before Start.
func (fl *FleetHandle) Configure(change func(*parti.Config)) {
	fl.t.Helper()
	if fl.fleet != nil {
		fl.t.Fatalf("partitest: Configure comes after Start, allowed: before")
	}
	fl.changes = append(fl.changes, fleet.Config(change))
}

// SetPartitions sets the list of all workers' source. Without it the source lists 12 partitions. After Start it makes the
// leader list the source again.
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

// Start starts all workers and waits until every partition has an owner. It calls handler to make the handler of each
// worker. A handler should use its worker's connection, [FleetWorker.JetStream], so that the worker's faults affect it too.
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

// Add starts one more worker and does not wait for it.
func (fl *FleetHandle) Add() *FleetWorker {
	fl.t.Helper()
	w := &FleetWorker{fleet: fl, starts: func(with ...fleet.With) *fleet.Process { return fl.fleet.Start(1, with...)[0] }}
	return w.begin()
}

// Settle waits until all live workers are Stable and every partition has exactly one owner, and returns how long that took.
// It fails the test if it takes longer than within.
func (fl *FleetHandle) Settle(within time.Duration) time.Duration {
	fl.t.Helper()
	return fl.fleet.Settle(within)
}

// Wait waits until a condition holds. If it does not hold in time, Wait fails the test with the text what.
func (fl *FleetHandle) Wait(within time.Duration, what string, condition func() bool) time.Duration {
	fl.t.Helper()
	return fl.fleet.Wait(within, what, condition)
}

// Workers returns all workers that were ever started, in the order of their starts.
func (fl *FleetHandle) Workers() []*FleetWorker {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return slices.Clone(fl.workers)
}

// Live returns the workers that have neither crashed nor ended.
func (fl *FleetHandle) Live() []*FleetWorker {
	return slices.DeleteFunc(fl.Workers(), func(w *FleetWorker) bool { return !w.process.Lives() })
}

// Leader returns the leader, or nil if there is none.
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

// StopServer shuts the server down, so every connection is lost. StartServer starts it again on the same files.
func (fl *FleetHandle) StopServer() { fl.server.Stop() }

// StartServer starts the server that StopServer has shut down.
func (fl *FleetHandle) StartServer() { fl.server.Start() }

// FleetWorker is one worker of a fleet. Faults treat it as a separate process.
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

// JetStream returns the connection of this worker, which its faults affect.
func (w *FleetWorker) JetStream() jetstream.JetStream { return w.js }

// Manager returns the worker's Manager, for example to read its status or to cordon it. To stop or drain the worker, use
// the methods of FleetWorker.
func (w *FleetWorker) Manager() *parti.Manager { return w.process.Manager }

// ID returns the worker's present ID, or the last one that it had.
func (w *FleetWorker) ID() string { return w.process.LastID() }

// Owns returns the partitions whose handlers run, sorted.
func (w *FleetWorker) Owns() []string { return w.process.Running() }

// Errors returns the errors that OnError got.
func (w *FleetWorker) Errors() []error { return w.process.Errors() }

// Crash ends the worker as a kill does: its connection is lost for good, and its handlers are no longer called.
func (w *FleetWorker) Crash() { w.process.Crash() }

// Restart starts a new process for a worker that has crashed or stopped. The new process asks for the same ID. Restart does
// not wait for it.
func (w *FleetWorker) Restart() *FleetWorker {
	w.fleet.t.Helper()
	next := &FleetWorker{fleet: w.fleet, starts: func(with ...fleet.With) *fleet.Process { return w.fleet.fleet.Restart(w.process, with...) }}
	return next.begin()
}

// Stop ends the worker cleanly, see [parti.Manager.Stop].
func (w *FleetWorker) Stop() error { return w.process.Stop() }

// Drain makes the worker hand everything over and leave, see [parti.Manager.Drain].
func (w *FleetWorker) Drain(ctx context.Context) error { return w.process.Drain(ctx) }

// Freeze pauses the process as a debugger or a hypervisor would: nothing passes through its connection, and its actors
// handle no message. A running handler goes on until it needs the connection. Thaw ends the pause.
func (w *FleetWorker) Freeze() { w.process.Freeze() }

// Thaw ends a Freeze. All delayed traffic arrives.
func (w *FleetWorker) Thaw() { w.process.Thaw() }

// Cut cuts the worker off from the server until Heal.
func (w *FleetWorker) Cut() { w.process.Link.Cut() }

// Heal ends a Cut.
func (w *FleetWorker) Heal() { w.process.Link.Heal() }

// Slow delays all traffic on the worker's connection by d each way from now on; 0 makes it fast again.
func (w *FleetWorker) Slow(d time.Duration) { w.process.Link.Slow(d) }
