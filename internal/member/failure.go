// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"fmt"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/store"
)

// This file is what follows when an actor of the tree fails: who falls with it, what is begun again, and when it is too much.

// childFailed decides who falls with an actor. What only acts is replaced; when one fails that knows what is held,
// or that keeps the session alive, everything is given up and the worker rejoins as a newcomer.
func (m *Member) childFailed(now time.Time, f *Failed) {
	if !m.lives[f.Kind] {
		return
	}
	delete(m.lives, f.Kind)
	m.awaitedOf(now, f.Kind)
	m.report(f.Err)
	if m.winding != nil {
		m.unwind(now)
		return
	}
	delay, ok := m.failures.add(now, f.Jitter)
	if !ok {
		m.leave(now, fmt.Errorf("%w: %w", ErrGivingUp, f.Err))
		return
	}
	switch f.Kind {
	case Calculator:
		m.due(dueTerm, now, now.Add(delay))
		m.setLeads(false)
	case Elector:
		m.ceaseToLead(now)
		m.session.fence = store.Fence{} // what a heartbeat still answers for that term is of no use
		m.undue(dueTerm)
		m.due(dueElector, now, now.Add(delay))
	default:
		m.endSession(now, f.Err, f.Kind == Follower || f.Kind == Host, delay)
	}
}

// failures is a sliding window: who fails more than failureLimit times within failureWindow is given up.
type failures struct{ times []time.Time }

const (
	failureLimit  = 5
	failureWindow = time.Minute
	backoffFirst  = 100 * time.Millisecond
	backoffMost   = 5 * time.Second
)

// add records a failure and returns how long to wait before what failed is begun again: doubling, capped, give or take a
// fifth.
func (f *failures) add(now time.Time, jitter float64) (delay time.Duration, ok bool) {
	f.times = slices.DeleteFunc(f.times, func(t time.Time) bool { return now.Sub(t) >= failureWindow })
	f.times = append(f.times, now)
	delay = min(backoffFirst<<(len(f.times)-1), backoffMost)
	return delay + time.Duration(jitter*float64(delay/5)), len(f.times) <= failureLimit
}
