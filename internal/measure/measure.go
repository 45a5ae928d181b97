// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package measure passes what a worker measures to an OpenTelemetry meter provider.
//
// One goroutine of a [Meter] makes all calls of the provider. So a provider that panics is contained, and one that blocks
// delays nobody. Measurements wait in a queue of a fixed length. If the queue is full, the newest is dropped, and the log says
// so once. Only the reading of gauges is different: the provider reads them on a goroutine of its own, through a function that
// takes no lock.
package measure

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// Scope is the name of the instrumentation scope.
const Scope = "github.com/parti-go/parti"

// depth is the largest number of waiting measurements.
const depth = 1024

// Config is what a meter needs.
type Config struct {
	Provider metric.MeterProvider
	Group    string         // the value of parti.group
	States   []string       // of a worker, for parti.worker.state
	Read     func() Reading // the present values of the gauges. It is called on any goroutine, and must not wait.
	Logger   *slog.Logger
}

// Reading holds the values of the gauges.
type Reading struct {
	State      string
	Owned      int
	Term       uint64
	Version    int64 // of the newest plan that the worker knows; 0 for none
	Leads      bool
	Waits      int
	Session    time.Duration // for which the session is trusted; 0 for no session
	Leadership time.Duration // for which the lease on leadership is trusted; 0 for a worker that has none
	Lead       *Lead         // what only a leader knows; nil for nothing
}

// Lead is the state of the group, as its leader knows it.
type Lead struct {
	Unowned int // listed partitions without an owner
	Pending int // partitions that are to be let go
}

// Moved is what a leader measured at one moment.
type Moved struct {
	Handoffs  []time.Duration
	Ownerless []time.Duration
	Moves     int
}

// Meter measures one worker. A nil Meter measures nothing.
type Meter struct {
	cfg     Config
	queue   chan func(*instruments)
	closing chan struct{}
	ended   chan struct{}
	over    atomic.Bool
	said    atomic.Bool // that something was dropped, or that the provider has panicked
}

// Begin makes the instruments, and measures until Close is called. It returns nil for a provider that is known to do nothing.
func Begin(cfg Config) *Meter {
	if _, nothing := cfg.Provider.(noop.MeterProvider); nothing || cfg.Provider == nil {
		return nil
	}
	m := &Meter{cfg: cfg, queue: make(chan func(*instruments), depth), closing: make(chan struct{}), ended: make(chan struct{})}
	go m.run()
	return m
}

// Close passes on the waiting measurements, unregisters the gauges, and waits for that until given up. Call it once.
func (m *Meter) Close(giveUp <-chan struct{}) {
	if m == nil {
		return
	}
	m.over.Store(true)
	close(m.closing)
	select {
	case <-m.ended:
	case <-giveUp:
	}
}

// Heartbeat measures how long the answer to a heartbeat took. failure is the name of a sentinel; "" for none.
func (m *Meter) Heartbeat(took time.Duration, failure string) {
	if m.measures() {
		m.do(func(i *instruments) { i.record(heartbeatDuration, took, failure) })
	}
}

// Renewed measures which fraction of the trust in a heartbeat was left when the next one was acknowledged.
func (m *Meter) Renewed(left float64) {
	if m.measures() {
		m.do(func(i *instruments) { i.put(leaseSlack, left, "") })
	}
}

// Planned measures how long a strategy took.
func (m *Meter) Planned(took time.Duration) {
	if m.measures() {
		m.do(func(i *instruments) { i.record(planDuration, took, "") })
	}
}

// Restarted counts a handler that is begun again.
func (m *Meter) Restarted() {
	if m.measures() {
		m.do(func(i *instruments) { i.add(handlerRestarts, 1, "") })
	}
}

// Failed counts an error by the name of its sentinel.
func (m *Meter) Failed(sentinel string) {
	if m.measures() {
		m.do(func(i *instruments) { i.add(failures, 1, sentinel) })
	}
}

// Moved measures what happened to partitions.
func (m *Meter) Moved(what Moved) {
	if m.measures() {
		m.do(func(i *instruments) { i.moved(what) })
	}
}

// measures reports whether anything is measured. Callers ask before they make a measurement, which costs an allocation.
func (m *Meter) measures() bool { return m != nil && !m.over.Load() }

func (m *Meter) do(one func(*instruments)) {
	select {
	case m.queue <- one:
	default:
		m.say("the meter provider is too slow: measurements are dropped", "waiting", depth)
	}
}

func (m *Meter) run() {
	defer close(m.ended)
	i := newInstruments(m)
	defer i.end()
	for {
		select {
		case one := <-m.queue:
			m.contain(func() { one(i) })
			continue
		case <-m.closing:
		}
		for {
			select {
			case one := <-m.queue:
				m.contain(func() { one(i) })
			default:
				return
			}
		}
	}
}

// contain calls the provider. It logs a panic once.
func (m *Meter) contain(call func()) {
	defer func() {
		if r := recover(); r != nil {
			m.say("the meter provider panicked; the worker goes on", "panic", r)
		}
	}()
	call()
}

func (m *Meter) say(text string, args ...any) {
	if m.said.CompareAndSwap(false, true) {
		m.cfg.Logger.Warn(text, args...)
	}
}

// observe passes the gauges to the provider, on the provider's goroutine.
func (m *Meter) observe(_ context.Context, o metric.Observer, i *instruments) error {
	if m.over.Load() {
		return nil
	}
	r := m.cfg.Read()
	for _, state := range m.cfg.States {
		i.show(o, workerState, truth(state == r.State), attribute.String(attributeState, state))
	}
	i.show(o, partitionOwned, int64(r.Owned))
	i.show(o, leaders, truth(r.Leads))
	i.show(o, waits, int64(r.Waits))
	if r.Term > 0 {
		i.show(o, term, int64(r.Term)) //nolint:gosec // terms grow by one
	}
	if r.Version > 0 {
		i.show(o, planVersion, r.Version)
	}
	if r.Lead != nil && r.Leads {
		i.show(o, partitionUnowned, int64(r.Lead.Unowned))
		i.show(o, handoffPending, int64(r.Lead.Pending))
	}
	i.showLease(o, "session", r.Session)
	i.showLease(o, "leadership", r.Leadership)
	return nil
}

func truth(is bool) int64 {
	if is {
		return 1
	}
	return 0
}
