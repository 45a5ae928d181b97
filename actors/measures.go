// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/measure"
	"github.com/parti-go/parti/internal/store"
)

// measures is what a worker measures. The actors write it, each its own part, and the meter's provider reads it on a goroutine
// of its own. A worker without a meter has it as well: it is small, and nobody has to ask.
type measures struct {
	meter      *measure.Meter
	view       *View
	lead       atomic.Pointer[measure.Lead] // nil while this worker does not lead
	leadership atomic.Pointer[time.Time]    // until when the lease on leadership is trusted; nil for none
}

// beginMeasures begins to measure a worker. Its life ends it.
func beginMeasures(set Settings, view *View) *measures {
	m := &measures{view: view}
	states := make([]string, 0, len(fsm.States()))
	for _, state := range fsm.States() {
		states = append(states, string(state))
	}
	m.meter = measure.Begin(measure.Config{
		Provider: set.MeterProvider, Group: set.Store.Assignment, States: states, Read: m.read, Logger: set.Logger,
	})
	return m
}

// read is the present values of the gauges. It takes no lock, and costs the same however much the worker owns.
func (m *measures) read() measure.Reading {
	s := m.view.Present()
	r := measure.Reading{
		State: string(s.State), Owned: len(m.view.assignment.Load().Partitions), Term: s.Term, Version: s.Version,
		Leads: s.Leader, Waits: len(s.Waits), Session: s.TrustedFor, Lead: m.lead.Load(),
	}
	if until := m.leadership.Load(); until != nil {
		r.Leadership = time.Until(*until)
	}
	return r
}

// measured takes what a leader has measured.
func (m *measures) measured(e *leader.Measure) {
	m.lead.Store(&measure.Lead{Unowned: e.Unowned, Pending: e.Pending})
	m.meter.Moved(measure.Moved{Handoffs: e.Handoffs, Ownerless: e.Ownerless, Moves: e.Moves})
}

// leads says until when a lease on leadership is trusted that was just won.
func (m *measures) leads(until time.Time) { m.leadership.Store(&until) }

// leadsOn says until when it is trusted after a renewal. The answer to one may come when the lease is given up already.
func (m *measures) leadsOn(until time.Time) {
	if m.leadership.Load() != nil {
		m.leadership.Store(&until)
	}
}

// follows says that there is no such lease any more.
func (m *measures) follows() { m.leadership.Store(nil) }

// beaten measures a heartbeat that was answered, or has failed.
func (m *measures) beaten(took time.Duration, err error) {
	failure := ""
	if err != nil {
		failure = sentinelOf(err)
	}
	m.meter.Heartbeat(took, failure)
}

// renewed measures how much was left of the trust in a heartbeat when this one was acknowledged. The trust in both is as long.
func (m *measures) renewed(left time.Duration, l store.Lease) {
	m.meter.Renewed(max(0, left.Seconds()/l.TrustedUntil().Sub(l.Sent).Seconds()))
}

func (m *measures) failed(err error) { m.meter.Failed(sentinelOf(err)) }

// otherError is the name of an error that wraps no sentinel.
const otherError = "_OTHER"

// sentinelOf names the sentinel that an error wraps, as it is named in the root package. Of several it is the one that says
// most about what follows for the worker, so that each error counts once.
func sentinelOf(err error) string {
	for _, s := range sentinels() {
		if errors.Is(err, s.err) {
			return s.name
		}
	}
	return otherError
}
