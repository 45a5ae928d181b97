// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/trace"
	"github.com/parti-go/parti/kv"
)

// The kinds of actors that a [member.Member] does not name, or that are also named elsewhere. The names of actors begin with
// their kinds.
const (
	kindManager   = "manager"
	kindHost      = string(member.Host)
	kindPartition = "partition" // children of the host
)

// manager is the root of a worker's tree. A [member.Member] decides what the worker does, session after session. This actor
// passes facts to that value, and performs the effects that come out. It owns the children, and everything that outlives them.
type manager struct {
	*guard
	set     Settings
	life    *life
	machine *fsm.Machine
	member  *member.Member
	tape    *trace.Tape
	facts   []member.Fact // to be stepped
	steps   bool

	children map[member.Kind]*child // at most one of each kind
	tags     uint64

	store   *kv.Store
	found   *opened        // what the store was opened with last
	own     leader.Edition // of what the source listed at the start
	legacy  legacy         // of the process before
	session session
	giving  map[uint64]giving // hooks and handlers that give everything up
	wake    func()
}

// child is one running actor of the tree.
type child struct {
	kind member.Kind
	tag  uint64
	pid  *actor.PID
}

func newManager(g *guard, set Settings, l *life) *manager {
	if l.machine == nil || l.machine.State() == fsm.Shutdown && !l.leaving {
		l.machine = fsm.New()
	}
	if !l.leaving {
		l.leaveBy = time.Time{}
	}
	m := &manager{
		guard: g, set: set, life: l, machine: l.machine, store: l.view.Store(), children: map[member.Kind]*child{}, giving: map[uint64]giving{},
		wake: func() {},
	}
	cfg := member.Config{
		HeartbeatTTL: set.Store.HeartbeatTTL, WorkerIDTTL: set.Store.WorkerIDTTL, OperationTimeout: set.Store.OperationTimeout,
		HandoffTimeout: set.HandoffTimeout, StartupTimeout: set.StartupTimeout, ShutdownTimeout: set.ShutdownTimeout,
		PreferredID: set.PreferredID, FirstID: set.Store.ID(set.Store.IDMin), LastID: set.Store.ID(set.Store.IDMax), IDs: set.Store.StableID,
		KeepServing: set.KeepServing, Standby: set.Standby, Handled: set.Handling.used(),
		Before: member.Before{
			State: l.machine.State(), Ready: l.view.readied.Load(), Standing: member.Standing{Leaving: l.standing.leaving, Cordoned: l.standing.cordoned},
			DrainBy: l.drainBy,
			LetGo:   l.letGoBy, Leaving: l.leaving, LeaveBy: l.leaveBy,
		},
	}
	m.tape = trace.Open(set.Recorder, trace.Member, time.Now(), &cfg, unrecorded(g.log))
	m.member = member.New(cfg)
	trace.Began[member.Effect](m.tape, nil)
	return m
}

// unrecorded says in the log that a recorder records no more of a value.
func unrecorded(log *slog.Logger) func(why error) {
	return func(why error) { log.Warn("WithRecorder: the trace is cut", "error", why) }
}

func (m *manager) started() {
	if !m.life.leaving {
		changed := func() { m.tell(&heldChanged{}) }
		m.life.runner.handlers.changed.Store(&changed)
		m.step(m.held())
		m.life.view.hook.follow(m)
		m.life.notifier.watch.follow(m)
		m.life.strategist.watch.follow(m)
		m.watchConnection()
		m.openDesk()
	}
	m.step(&member.Began{LeaveAsked: m.life.view.toLeave.Load()})
}

func (m *manager) stopping(restarts bool) {
	m.life.tenure.end(ErrStopping)
	for _, g := range m.giving {
		g.hurry() // nobody is left who would tell that hook when the leases end
	}
	m.facts, m.steps = nil, false // it may have failed over one of them
	m.step(&member.Interrupted{State: m.machine.State(), Restarts: restarts})
	m.tape.Close()
}

func (m *manager) receive(ctx actor.Context, message any) {
	switch msg := message.(type) {
	case member.Fact:
		m.step(msg)
	case *GetStatus:
		status := m.life.view.Status()
		ctx.Respond(&status)
	case *Refresh:
		m.refresh(ctx.Sender())
	case *Leave:
		m.step(&member.LeaveAsked{})
	case *Drain:
		m.step(&member.DrainAsked{})
	case *Cordon:
		m.step(&member.CordonAsked{On: true})
	case *Uncordon:
		m.step(&member.CordonAsked{On: false})
	case *report:
		m.reportReceived(msg)
	case *actor.Terminated:
		if kind := kindOf(msg.Who.Id); kind != kindDesk {
			m.step(&member.Stopped{Kind: kind})
		}
	case *childFailed:
		m.childHasFailed(msg)
	case *opened:
		m.found = msg
		m.step(&member.Opened{Worker: msg.legacy.worker, Err: msg.err, Transient: transient(msg.err)})
	case *gaveUp:
		m.gaveUp(msg)
	case *hookReported:
		m.step(&member.Survived{Err: msg.err})
	case *heldChanged:
		m.step(m.held())
	case *callBegan:
		m.step(msg.call.fact())
	case *callEnded:
		m.step(&member.CallEnded{Name: msg.name})
	case *connClosed:
		m.step(&member.LeaveAsked{Cause: ErrConnectionClosed})
	default:
		m.asked(message)
	}
}

// step passes a fact to the member and performs the effects. If an effect has an answer at once, it is the next fact.
func (m *manager) step(f member.Fact) {
	m.facts = append(m.facts, f)
	if m.steps {
		return
	}
	m.steps = true
	defer func() { m.steps = false }()
	for len(m.facts) > 0 {
		f, m.facts = m.facts[0], m.facts[1:]
		for _, effect := range trace.Step(m.tape, time.Now(), m.member, f) {
			if m.log.Enabled(m.ctx, slog.LevelDebug) {
				m.log.Debug(effect.String())
			}
			m.perform(effect)
		}
	}
}

// reportReceived handles the report of a child. It drops the report of an earlier child.
func (m *manager) reportReceived(r *report) {
	if c := m.children[member.Kind(r.kind)]; c != nil && c.tag == r.tag {
		if a, is := r.message.(*standingTold); is {
			m.tellChild(kindDesk, &attested{round: a.round})
			return
		}
		m.step(factOf(c.kind, r.message))
	}
}

// factOf returns the report of a child as a fact.
func factOf(by member.Kind, message reported) member.Fact {
	switch msg := message.(type) {
	case *claimed:
		return &member.Claimed{Lease: msg.lease, Number: msg.number}
	case *unclaimed:
		return &member.Unclaimed{Err: msg.err}
	case *claimRenewed:
		return &member.Renewed{Lease: msg.lease}
	case *beat:
		return &member.Heard{Lease: msg.lease, Asked: msg.asked}
	case *beatMissed:
		return &member.Missed{Err: msg.err}
	case *sessionLost:
		return &member.Lost{Err: msg.err}
	case *leaderSeen:
		return &member.LeaderSeen{}
	case *elected:
		return &member.Elected{Fence: msg.fence, Heir: msg.heir}
	case *deposed:
		return &member.Deposed{Err: msg.err}
	case *fenceLost:
		return &member.FenceLost{Fence: msg.fence, Err: msg.err}
	case *sightLost:
		return &member.SightLost{Err: msg.err}
	case *seen:
		return &member.PositionMet{Position: msg.position}
	case *phaseSeen:
		return &member.PhaseMet{Phase: msg.phase, Reads: msg.reads}
	case *vacated:
		return &member.Vacated{Is: msg.is}
	case *showing:
		return &member.Showing{Version: msg.version}
	case *applied:
		return &member.Applied{Position: msg.position, Awaited: msg.acknowledge, Asks: msg.asks}
	case *formatMet:
		return &member.FormatMet{By: by, Err: msg.err}
	case *foreignMet:
		return &member.LeaveAsked{Cause: msg.err}
	case *held:
		return &member.Damped{Until: msg.until}
	case *awaits:
		return &member.Awaits{By: by, Wait: msg.wait()}
	case *awaited:
		return &member.Awaited{Key: msg.key}
	case *problem:
		return &member.Survived{Err: msg.err}
	}
	return nil
}

// held returns the partitions whose handlers have not returned.
func (m *manager) held() member.Fact {
	return &member.Held{Holding: m.life.runner.handlers.Held().Holding}
}

// childHasFailed passes on that a child has panicked, and logs it.
func (m *manager) childHasFailed(f *childFailed) {
	if c := m.children[member.Kind(f.kind)]; c != nil && c.tag == f.tag {
		delete(m.children, c.kind)
		f.log(m.log)
		if c.kind == kindDesk {
			m.deskFailed(f.err)
			return
		}
		m.step(&member.Failed{Kind: c.kind, Err: f.err, Jitter: 2*rand.Float64() - 1})
	}
}

// gaveUp passes on that everything is given up. This also completes earlier requests to give everything up.
func (m *manager) gaveUp(msg *gaveUp) {
	for id := range m.giving {
		if id <= msg.generation {
			delete(m.giving, id)
		}
	}
	m.step(&member.HookDone{ID: msg.generation})
}
