// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"log/slog"
	"time"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/record"
)

// This file is how a worker is drained and cordoned. Both are flags that its heartbeat tells, beside the state machine, and
// both outlive sessions and restarts of the actors.
//
// A worker that drains says that it leaves and goes on. The leader plans without it and hands its partitions over; it is
// done when nothing is recorded for it any more: every member has a record, and the record of a worker that is none goes
// together with the last grants of what it had. Then it leaves as anyone does.

// drain begins to leave. A worker that waits for its first assignment has nothing to hand over.
func (m *Member) drain(now, by time.Time) {
	if m.state == fsm.Shutdown {
		return
	}
	m.drainWithin(now, by)
	m.stand(Standing{true, m.standing.Cordoned})
	if !m.ready {
		m.do(&Drained{})
		m.leave(now, nil) // what may be granted to it at this moment waits for nobody: the heartbeat says leaving first
		return
	}
	m.leaveIfDrained(now)
}

// drainWithin bounds a drain. Neither the end of a session nor a later request with more time extends that.
func (m *Member) drainWithin(now, by time.Time) {
	if !by.IsZero() {
		m.dueBy(dueDrain, now, by)
	}
}

// drainExpired ends a drain as a stop does.
func (m *Member) drainExpired(now time.Time) {
	m.do(&Say{Level: slog.LevelWarn, Text: "the time to drain is over: the worker stops"})
	m.leaveAsked(now, &LeaveAsked{})
}

// stand tells a change of the standing: the heartbeat at once, every later session from its first heartbeat.
func (m *Member) stand(next Standing) {
	if m.standing == next {
		return
	}
	m.standing = next
	m.do(&Say{Level: slog.LevelInfo, Text: "drain or cordon changed", Args: []any{"draining", next.Leaving, "cordoned", next.Cordoned}})
	m.publish()
	m.do(&Stand{next})
}

// leaveIfDrained ends a drain. A leader stays until the handoffs of others are done as well: nobody would grant what is let
// go until the next leader has begun.
func (m *Member) leaveIfDrained(now time.Time) {
	if !m.standing.Leaving || !m.session.vacated || m.winding != nil {
		return
	}
	if m.session.leads && (m.phase == record.PhaseRebalancing || m.phase == record.PhaseEmergency) {
		return
	}
	m.do(&Say{Level: slog.LevelInfo, Text: "drained"})
	m.do(&Drained{})
	m.leave(now, nil)
}
