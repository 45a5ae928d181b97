package actors

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/kv"
)

// windDown is the end of a session, for a rejoin or for good. Its order is what keeps a partition from running twice:
//
//  1. the follower and the calculator stop, the lease on leadership is deleted;
//  2. the handlers are told to end and the hook that everything is removed, and all of them return;
//  3. only then is the heartbeat deleted, which frees the partitions for others;
//  4. the claim is deleted (for good) or kept for the next session (rejoin).
//
// Where the trust is over already, 3 is what the store does by itself: a rejoin does not wait for it. A leave does, and
// deletes what it still finds, so that nothing of the worker is left behind.
type windDown struct {
	generation uint64
	cause      error // nil for a clean leave
	rejoin     bool
	delay      time.Duration // before the rejoin
	fenced     bool          // the trust is over
	gaveUp     bool          // the hook and the handlers have returned
	letGo      bool          // heartbeat and claim are not renewed any more
	removing   perBucket     // what the worker has there is being deleted
	gone       perBucket     // nothing of the worker is there
	overdue    bool          // a rejoin does not wait any longer for what is being deleted
	done       bool
	hurry      context.CancelFunc // of the hook that gives up
	before     context.CancelFunc // hurry of the wind-down that this one replaced; nil for none
	abandon    context.CancelFunc // ends the wait for handlers that do not return
}

func (m *manager) newWindDown(cause error) *windDown {
	m.generation++
	return &windDown{cause: cause, generation: m.generation}
}

// cleared says that the worker has nothing in the store that this wind-down has to wait for.
func (w *windDown) cleared() bool {
	if w.rejoin {
		return w.fenced || w.overdue || w.gone[kv.Election] && w.gone[kv.Heartbeats]
	}
	return w.gone[kv.Election] && w.gone[kv.Heartbeats] && w.gone[kv.StableIDs]
}

// leave ends the worker for good; cause nil is a clean leave.
func (m *manager) leave(cause error) {
	if w := m.winding; w != nil && !w.rejoin {
		return
	}
	if m.machine.State() == fsm.Shutdown {
		return
	}
	if cause != nil {
		m.log.Error("the worker ends with an error", "error", cause)
		m.tellUser(cause)
	}
	m.life.view.blame(cause)
	m.awaited(waitsForGiveUp) // from here on ShutdownTimeout bounds it
	m.fire(fsm.EventStop)
	m.life.leaving = !errors.Is(cause, ErrGivingUp) // whom a supervisor may begin anew
	m.life.leaveBy = time.Now().Add(m.set.ShutdownTimeout - m.set.ShutdownTimeout/32)
	m.life.tenure.wind(ErrStopping) // what is running is told to return
	m.leaveGoesOn(cause)
}

// leaveGoesOn begins the wind-down of a leave, or takes over from the incarnation that began it and failed.
func (m *manager) leaveGoesOn(cause error) {
	before := m.winding
	m.winding = m.newWindDown(cause)
	if before != nil {
		m.winding.fenced, m.winding.before = before.fenced, before.hurry
	}
	m.after(time.Until(m.life.leaveBy), &windDownDue{m.winding.generation})
	m.beginWindDown(false)
}

func (m *manager) beginWindDown(keep bool) {
	w := m.winding
	if m.session.trust != nil {
		// Before the runner is asked to give up: what the follower still asks for comes after that.
		m.session.trust.closed.Store(true)
	}
	m.stopChild(kindCalculator)
	m.setLeads(false)
	m.stopChild(kindFollower)
	m.stopChild(kindElector)
	if w.fenced {
		m.stopChild(kindHeartbeat)
		if !keep {
			m.life.tenure.end(ErrFenced) // what is running is told to return
		}
	}
	if keep {
		if !m.carrying || m.ready { // else what is carried is of an earlier session still
			m.life.carried = m.session.number
		}
		m.carry(true)
		m.publishStatus()
		w.gaveUp = true
		m.windDownStep(func(*windDown) {})
		return
	}
	m.carry(false)
	m.giveUp()
	m.windDownStep(func(*windDown) {})
}

// giveUp ends the handlers and tells the hook that everything is removed. The context of that call ends when others may take over: with the
// lease, if that is what ran out, however late this worker noticed.
func (m *manager) giveUp() {
	m.awaitGiveUp()
	generation := m.winding.generation
	until := time.Now().Add(m.set.ShutdownTimeout)
	if !m.winding.rejoin {
		until = m.life.hooksBy(m.set.ShutdownTimeout)
	}
	if m.winding.fenced {
		until = earlier(until, m.letGoBy())
	}
	why := ErrRevoked
	switch {
	case m.winding.fenced:
		why = ErrFenced
	case !m.winding.rejoin:
		why = ErrStopping
	}
	m.life.tenure.wind(why)
	ctx, cancel := context.WithDeadline(context.Background(), until)
	abandoned, abandon := context.WithCancel(context.Background())
	m.winding.hurry, m.winding.abandon = cancel, abandon
	if earlier := m.winding.before; earlier != nil {
		m.winding.hurry = func() { earlier(); cancel() }
	}
	m.after(time.Until(until), &hurryDue{generation})
	if m.winding.rejoin && m.set.Handling.used() {
		m.after(m.set.HandoffTimeout, &giveUpDue{generation})
	}
	m.life.runner.become(request{
		ctx: ctx, worker: m.session.id, everything: true, trusted: func() bool { return false },
		why: because(why), until: abandoned.Done(),
		done: func(err error) {
			cancel()
			if errors.Is(err, errSuperseded) {
				return // whoever asked later is told when everything is given up
			}
			if err != nil {
				m.tell(&hookReported{err})
			}
			m.tell(&gaveUp{generation})
		},
	})
}

// letGoBy is when a session that is not trusted any more must have let go of everything: a little before the first of its
// leases can be seen to have ended. Without the heartbeat the partitions are free; without the claim the ID is, and the
// session that takes it ends this one.
func (m *manager) letGoBy() time.Time {
	if m.session.beat.Revision == 0 {
		return m.life.letGoBy // of the incarnation before
	}
	by := func(l kv.Lease, ttl time.Duration) time.Time { return l.Sent.Add(ttl - ttl/16) }
	return earlier(by(m.session.beat, m.set.Store.HeartbeatTTL), by(m.session.claim, m.set.Store.WorkerIDTTL))
}

// hurryUp tells a hook that is still giving up that the time to do so is over. Handlers have been told before.
func (m *manager) hurryUp(generation uint64) {
	w := m.winding
	if w == nil || w.generation != generation || w.hurry == nil {
		return
	}
	w.hurry()
	switch {
	case !w.rejoin:
		m.life.tenure.end(ErrStopping)
	case w.fenced:
		// Others may own it all by now. A handler that is deaf holds up the next one of its own partition only.
		w.abandon()
	}
}

// giveUpExpired ends a session that is still good because a handler does not return from giving up for a rejoin. Its leases
// run out, and the others take over everything that this worker has stopped already.
func (m *manager) giveUpExpired(msg *giveUpDue) {
	w := m.winding
	if w == nil || w.generation != msg.generation || w.gaveUp || w.fenced {
		return
	}
	m.stopChild(kindHeartbeat)
	m.sessionIsLost(ErrHandoffTimeout)
}

func (m *manager) partitionsGivenUp(msg *gaveUp) {
	m.windDownStep(func(w *windDown) {
		if msg.generation == w.generation {
			w.gaveUp = true
			m.awaited(waitsForGiveUp)
		}
	})
}

// windDownStep records a fact and does what follows from all facts.
func (m *manager) windDownStep(fact func(*windDown)) {
	w := m.winding
	if w == nil || w.done {
		return
	}
	fact(w)
	m.remove(kv.Election)
	if !w.gaveUp {
		return
	}
	if !w.letGo {
		w.letGo = true
		m.letGo(w)
	}
	m.remove(kv.Heartbeats)
	if !w.rejoin {
		m.remove(kv.StableIDs)
	}
	if !w.cleared() {
		return
	}
	for _, kind := range slices.Collect(maps.Keys(m.children)) {
		if kind != kindHost || !w.rejoin {
			m.stopChild(kind)
		}
	}
	if m.othersRun() || !w.rejoin && len(m.running) > 0 {
		return
	}
	w.done = true
	if w.rejoin {
		m.after(w.delay, &respawnDue{w.generation})
		return
	}
	m.finishLeave(w)
}

// othersRun says that an actor has not terminated that a rejoin has to wait for. The host stays: a partition actor whose
// handler is deaf ends when it ends, and holds up the next handler of its own partition only.
func (m *manager) othersRun() bool {
	for name := range m.running {
		if kindOf(name) != kindHost {
			return true
		}
	}
	return false
}

// letGo ends the renewals of what is deleted next.
func (m *manager) letGo(w *windDown) {
	m.stopChild(kindHeartbeat)
	if w.rejoin {
		m.after(m.set.Store.HeartbeatTTL, &windDownDue{w.generation})
		return
	}
	m.stopChild(kindClaimer)
}

// windDownExpired: the store does not answer, or a hook or a handler does not return. What is left of a worker that leaves is named
// when its tree has ended.
func (m *manager) windDownExpired(msg *windDownDue) {
	w := m.winding
	if w == nil || w.done || w.generation != msg.generation {
		return
	}
	if w.rejoin {
		m.windDownStep(func(w *windDown) { w.overdue = true })
		return
	}
	w.done, m.hasty = true, true
	m.finishLeave(w)
}

// finishLeave stops the tree, or hands the decision to the supervisor above.
func (m *manager) finishLeave(w *windDown) {
	if errors.Is(w.cause, ErrGivingUp) {
		panic(&escalation{w.cause})
	}
	m.root.Stop(m.self)
}

// rejoin begins the next session.
func (m *manager) rejoin(msg *respawnDue) {
	if m.winding == nil || m.winding.generation != msg.generation || !m.winding.rejoin {
		return
	}
	m.winding = nil
	carrying := m.carrying
	id := m.session.id
	m.session = session{}
	m.phase, m.ready = kv.PhaseIdle, false
	m.publishStatus()
	m.log.Info("rejoining", "before", id, "carrying", carrying)
	m.open()
}
