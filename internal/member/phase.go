// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"fmt"
	"slices"
	"time"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/record"
)

// This file is how the state machine follows the group, over the edges of its table.

var table = fsm.Transitions()

// fire makes a step of the state machine. An event the table does not allow is a bug of ours.
func (m *Member) fire(event fsm.Event) {
	from := m.state
	row := slices.IndexFunc(table, func(t fsm.Transition) bool { return t.Event == event && slices.Contains(t.From, from) })
	if row < 0 {
		panic(fmt.Errorf("%w: event %s in state %s", fsm.ErrNotAllowed, event, from))
	}
	m.state = table[row].To
	m.publish()
	m.do(&Fire{event, from, m.state})
}

func (m *Member) leaderIsKnown() {
	if m.state == fsm.Election {
		m.fire(fsm.EventLeaderKnown)
		m.followPhase()
	}
}

func (m *Member) phaseMet(now time.Time, f *PhaseMet) {
	m.phase = f.Phase
	m.tellHeartbeat(&Reads{f.Reads})
	m.followPhase()
	m.leaveIfDrained(now)
}

// followPhase brings the state machine to where the leader's phase and the own assignment say it should be.
func (m *Member) followPhase() {
	if m.winding != nil {
		return
	}
	for {
		event, ok := towards(m.state, m.phase, m.applied)
		if !ok {
			return
		}
		m.fire(event)
	}
}

// towards names the next step from a state to the one that phase asks for. A worker without an assignment is never
// Stable: it waits where it is.
func towards(state fsm.State, phase record.Phase, applied bool) (fsm.Event, bool) {
	idle := phase == record.PhaseIdle
	switch state {
	case fsm.WaitingAssignment, fsm.Stable:
		switch {
		case phase == record.PhaseScaling, phase == record.PhaseRebalancing:
			return fsm.EventWindowOpened, true
		case phase == record.PhaseEmergency:
			return fsm.EventEmergencyDeclared, true
		case state == fsm.WaitingAssignment && applied:
			return fsm.EventAssigned, true
		}
	case fsm.Scaling:
		switch {
		case phase == record.PhaseRebalancing:
			return fsm.EventRebalanceStarted, true
		case phase == record.PhaseEmergency:
			return fsm.EventEmergencyDeclared, true
		case idle && applied:
			return fsm.EventWindowUndone, true
		}
	case fsm.Rebalancing:
		switch {
		case phase == record.PhaseScaling:
			return fsm.EventWindowOpened, true
		case phase == record.PhaseEmergency:
			return fsm.EventEmergencyDeclared, true
		case idle && applied:
			return fsm.EventRebalanceDone, true
		}
	case fsm.Emergency:
		switch {
		case phase == record.PhaseScaling, phase == record.PhaseRebalancing:
			return fsm.EventWindowOpened, true
		case idle && applied:
			return fsm.EventEmergencyOver, true
		}
	default: // not in a group, or not any more
	}
	return "", false
}
