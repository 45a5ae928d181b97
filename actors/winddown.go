package actors

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/kv"
)

// windDown is the end of a session, for a rejoin or for good. Its order is what keeps a partition from running twice:
//
//  1. the follower and the calculator stop, the lease on leadership is deleted;
//  2. the user is told that everything is removed, and the hook returns;
//  3. only then is the heartbeat deleted, which frees the partitions for others;
//  4. the claim is deleted (for good) or kept for the next session (rejoin).
//
// Where the trust is over already there is nothing left to delete, and 3 is what the store does by itself.
type windDown struct {
	generation uint64
	cause      error // nil for a clean leave
	rejoin     bool
	delay      time.Duration // before the rejoin
	fenced     bool          // the trust is over
	gaveUp     bool          // the hook has returned
	letGo      bool          // the entries are being deleted
	left       bool          // heartbeat, leadership, claim: deleted, or nothing to delete
	resigned   bool
	released   bool
	done       bool
	hurry      context.CancelFunc // of the hook that gives up
	before     context.CancelFunc // hurry of the wind-down that this one replaced; nil for none
}

func (w *windDown) lost(kind string) {
	switch kind {
	case kindHeartbeat:
		w.left = true
	case kindElector:
		w.resigned = true
	case kindClaimer:
		w.released = true
	}
}

func (m *manager) nextGeneration() uint64 {
	m.generation++
	return m.generation
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
	before := m.winding
	m.winding = &windDown{cause: cause, generation: m.nextGeneration()}
	if before != nil {
		m.winding.fenced, m.winding.left, m.winding.resigned, m.winding.before = before.fenced, before.left, before.resigned, before.hurry
	}
	m.after(m.set.ShutdownTimeout, &windDownDue{m.winding.generation})
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
	if m.children[kindElector] == nil {
		w.resigned = true
	} else if w.fenced {
		m.stopChild(kindElector)
		w.resigned = true
	} else {
		m.tellChild(kindElector, &resign{})
	}
	if w.fenced {
		m.stopChild(kindHeartbeat)
		w.left = true
		if !keep {
			m.session.end() // a hook that is running is told to return
		}
	}
	if keep {
		m.carrying = true
		m.life.carried = m.session.number
		m.publishStatus()
		w.gaveUp = true
		m.windDownStep(func(*windDown) {})
		return
	}
	m.carrying = false
	m.giveUp()
}

// giveUp tells the user that everything is removed. The context of that call ends when others may take over: with the
// lease, if that is what ran out, however late this worker noticed.
func (m *manager) giveUp() {
	m.awaitGiveUp()
	generation := m.winding.generation
	until := time.Now().Add(m.set.ShutdownTimeout)
	if m.winding.fenced {
		until = m.letGoBy()
	}
	ctx, cancel := context.WithDeadline(context.Background(), until)
	m.winding.hurry = cancel
	if earlier := m.winding.before; earlier != nil {
		m.winding.hurry = func() { earlier(); cancel() }
		if m.winding.fenced {
			m.after(time.Until(until), &hurryDue{generation})
		}
	}
	m.life.runner.become(request{
		ctx: ctx, worker: m.session.id, everything: true, trusted: func() bool { return false },
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

// hurryUp tells a hook that is still giving up that the time to do so is over.
func (m *manager) hurryUp(generation uint64) {
	if w := m.winding; w != nil && w.generation == generation && w.hurry != nil {
		w.hurry()
	}
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
	if !w.gaveUp {
		return
	}
	if !w.letGo {
		w.letGo = true
		m.letGo(w)
	}
	if w.rejoin && w.fenced {
		w.left, w.resigned = true, true // the store lets go by itself
	}
	if !w.left || !w.resigned || !w.released {
		return
	}
	for _, kind := range slices.Collect(maps.Keys(m.children)) {
		m.stopChild(kind)
	}
	if len(m.running) > 0 {
		return
	}
	w.done = true
	if w.rejoin {
		m.after(w.delay, &respawnDue{w.generation})
		return
	}
	m.finishLeave(w)
}

func (m *manager) letGo(w *windDown) {
	if m.children[kindHeartbeat] == nil {
		w.left = true
	} else {
		m.tellChild(kindHeartbeat, &leave{})
	}
	if w.rejoin || m.children[kindClaimer] == nil {
		w.released = true
	} else {
		m.tellChild(kindClaimer, &release{})
	}
	if w.rejoin {
		m.after(m.set.Store.HeartbeatTTL, &windDownDue{w.generation})
	}
}

// windDownExpired: the store does not answer, or a hook does not return.
func (m *manager) windDownExpired(msg *windDownDue) {
	w := m.winding
	if w == nil || w.done || w.generation != msg.generation {
		return
	}
	if w.rejoin {
		m.windDownStep(func(w *windDown) { w.left, w.resigned = true, true })
		return
	}
	what := "the store did not confirm that the worker's entries are deleted"
	if !w.gaveUp {
		what = "OnAssignmentChanged has not returned"
	}
	m.life.view.blame(fmt.Errorf("%w: %s after ShutdownTimeout %s", ErrShutdownTimeout, what, m.set.ShutdownTimeout))
	w.done = true
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
