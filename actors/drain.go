package actors

import (
	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/kv"
)

// This file is how a worker is drained and cordoned. Both are flags that its heartbeat tells, beside the state machine, and
// both outlive sessions and restarts of the actors.
//
// A worker that drains says that it leaves and goes on. The leader plans without it and hands its partitions over; it is
// done when nothing is recorded for it any more: every member has a record, and the record of a worker that is none goes
// together with the last grants of what it had. Then it leaves as anyone does.

// standing is what a worker says of itself that can change while it lives.
type standing struct {
	leaving  bool // it drains: it will not come back
	cordoned bool // it takes nothing new
}

// stand (heartbeat): tell this from now on, at once.
type stand struct {
	late
	standing
}

// vacated (follower): the leader has nothing recorded for this worker any more; or that is over.
type vacated struct{ is bool }

func (*vacated) reported() {}

func (m *manager) cordon(cordoned bool) {
	next := m.life.standing
	next.cordoned = cordoned
	m.stand(next)
}

// noteLeft remembers what is not handed over yet when somebody ends a drain.
func (m *manager) noteLeft() {
	if m.life.standing.leaving && m.machine.State() != fsm.Shutdown {
		left := m.life.view.held(m.life.runner.handlers.Held().Holding)
		m.life.view.undrained.CompareAndSwap(nil, &left)
	}
}

// drain begins to leave. A worker that waits for its first assignment has nothing to hand over.
func (m *manager) drain() {
	if m.machine.State() == fsm.Shutdown {
		return
	}
	next := m.life.standing
	next.leaving = true
	m.stand(next)
	if !m.everDone {
		m.life.view.drained.Store(true)
		m.leave(nil) // what may be granted to it at this moment waits for nobody: the heartbeat says leaving first
		return
	}
	m.leaveIfDrained()
}

// stand tells a change of the standing: the heartbeat at once, every later session from its first heartbeat.
func (m *manager) stand(next standing) {
	if m.life.standing == next {
		return
	}
	m.life.standing = next
	m.life.warrant.draining.Store(next.leaving)
	m.log.Info("standing changed", "draining", next.leaving, "cordoned", next.cordoned)
	m.publishStatus()
	m.tellChild(kindHeartbeat, &stand{standing: next})
}

func (m *manager) isVacated(msg *vacated) {
	m.session.vacated = msg.is
	m.leaveIfDrained()
}

// leaveIfDrained ends a drain. A leader stays until the handoffs of others are done as well: nobody would grant what is let
// go until the next leader has begun.
func (m *manager) leaveIfDrained() {
	if !m.life.standing.leaving || !m.session.vacated || m.winding != nil {
		return
	}
	if m.session.leads && (m.phase == kv.PhaseRebalancing || m.phase == kv.PhaseEmergency) {
		return
	}
	m.log.Info("drained")
	m.life.view.drained.Store(true)
	m.leave(nil)
}

// stand takes over what the heartbeat says of its worker.
func (h *heartbeat) stand(s standing) {
	if h.standing != s {
		h.standing = s
		h.hurry()
	}
}
