// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/record"
)

// state returns the state in the state machine that follows from the records of a worker. led says whether the group has a
// leader.
//
// A worker follows the phase of the plan, so everything from WaitingAssignment on can be read off the plan and the heartbeat.
func (m *model) state(w *worker, led bool) fsm.State {
	// The heartbeat tells of the first assignment up to an interval later than its record does.
	applied := w.beat.Applied.Version > 0 || w.session != 0 && w.session == w.beat.Session
	switch phase := record.Phase(m.plan.Phase); {
	case !w.live && w.claims():
		return fsm.ClaimingID
	case !w.live:
		return fsm.Shutdown
	case !applied && !led:
		return fsm.Election
	case phase == record.PhaseScaling:
		return fsm.Scaling
	case phase == record.PhaseRebalancing:
		return fsm.Rebalancing
	case phase == record.PhaseEmergency:
		return fsm.Emergency
	case !applied:
		return fsm.WaitingAssignment
	}
	return fsm.Stable
}

// claims reports whether the worker has claimed its ID for a session that no heartbeat was seen of. The claim of a worker that
// has crashed outlives its session.
func (w *worker) claims() bool { return w.claimed > max(w.gone, w.beat.Session) }
