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

// measures holds what a worker measures. Each actor writes its own part, and the meter's provider reads all of it on a
// goroutine of its own. A worker without a meter has it as well, because it is small and the actors need not check.
type measures struct {
	meter      *measure.Meter
	view       *View
	lead       atomic.Pointer[measure.Lead] // nil while this worker does not lead
	leadership atomic.Pointer[time.Time]    // until when the lease on leadership is trusted; nil for none
}

// beginMeasures starts to measure a worker. The end of the worker's life stops it.
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

// read returns the present values of the gauges. It takes no lock, and its cost does not grow with the number of partitions.
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

// measured records what a leader has measured.
func (m *measures) measured(e *leader.Measure) {
	m.lead.Store(&measure.Lead{Unowned: e.Unowned, Pending: e.Pending})
	m.meter.Moved(measure.Moved{Handoffs: e.Handoffs, Ownerless: e.Ownerless, Moves: e.Moves})
}

// leads sets until when a newly won lease on leadership is trusted.
func (m *measures) leads(until time.Time) { m.leadership.Store(&until) }

// leadsOn sets until when the lease is trusted after a renewal. The answer to a renewal may come after the lease was given up.
func (m *measures) leadsOn(until time.Time) {
	if m.leadership.Load() != nil {
		m.leadership.Store(&until)
	}
}

// follows clears the lease.
func (m *measures) follows() { m.leadership.Store(nil) }

// beaten measures a heartbeat that was answered or has failed.
func (m *measures) beaten(took time.Duration, err error) {
	failure := ""
	if err != nil {
		failure = sentinelOf(err)
	}
	m.meter.Heartbeat(took, failure)
}

// renewed measures how much trust in the last heartbeat was left when this one was acknowledged. Both are trusted for the same
// time.
func (m *measures) renewed(left time.Duration, l store.Lease) {
	m.meter.Renewed(max(0, left.Seconds()/l.TrustedUntil().Sub(l.Sent).Seconds()))
}

func (m *measures) failed(err error) { m.meter.Failed(sentinelOf(err)) }

// otherError is the name of an error that wraps no sentinel.
const otherError = "_OTHER"

// sentinelOf returns the root package's name of the sentinel that an error wraps. If there are several, it returns the one that
// says most about the consequences for the worker, so that each error counts once.
func sentinelOf(err error) string {
	for _, s := range sentinels() {
		if errors.Is(err, s.err) {
			return s.name
		}
	}
	return otherError
}
