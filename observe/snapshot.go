// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"maps"
	"slices"
	"strings"
	"time"
)

func compare(a, b string) int { return strings.Compare(a, b) }

// group builds the present view, and returns the channel that is closed with the next change.
func (m *model) group() (Group, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last == nil {
		g := m.build()
		m.last = &g
	}
	return *m.last, m.changed
}

func (m *model) build() Group {
	g := Group{
		Name: m.name, Bucket: m.bucket,
		Workers: make([]Worker, 0, len(m.workers)), Leader: m.term.Worker, Plan: m.plan,
		Unowned: max(m.plan.Partitions-m.granted, 0), Stale: m.since(), seq: m.seq, model: m,
	}
	if w := m.workers[g.Leader]; w == nil || !w.live || w.beat.Session != m.term.Session {
		g.Leader = ""
	}
	for _, id := range slices.Sorted(maps.Keys(m.workers)) {
		w := m.workers[id]
		g.Workers = append(g.Workers, Worker{
			ID: id, Host: w.claim.Host, Process: w.claim.Process, Session: max(w.beat.Session, w.session),
			State: m.state(w, g.Leader != ""), Live: w.live, Ended: w.ended, Clean: w.clean, Leader: id == g.Leader,
			Leaving: w.beat.Leaving, Cordoned: w.beat.Cordoned, Capacity: w.beat.Capacity, Labels: w.beat.Labels,
			Stuck: w.beat.Stuck, Applied: w.beat.Applied.Version, Damped: m.damped[id], Partitions: w.partitions,
		})
	}
	return g
}

// since returns the time since which the view may be out of date; zero if it is not.
func (m *model) since() time.Time {
	oldest := m.failed
	for _, t := range m.stale {
		if !t.IsZero() && (oldest.IsZero() || t.Before(oldest)) {
			oldest = t
		}
	}
	return oldest
}

// fail notes that the feeds have ended.
func (m *model) fail(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed.IsZero() {
		m.failed = now
		m.change()
	}
}

// replaced wakes everybody who waits for a change, because there is a new model.
func (m *model) replaced() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.change()
}
