// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"errors"
	"log/slog"
	"time"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
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
	generation uint64 // also the number of its GiveUp and its Deletes
	cause      error  // nil for a clean leave
	rejoin     bool
	delay      time.Duration // before the rejoin
	fenced     bool          // the trust is over
	asked      bool          // the hook and the handlers are told to give up
	gaveUp     bool          // and have returned
	letGo      bool          // heartbeat and claim are not renewed any more
	removing   perBucket     // what the worker has there is being deleted
	gone       perBucket     // nothing of the worker is there
	overdue    bool          // a rejoin does not wait any longer for what is being deleted
	done       bool
}

// perBucket says something of each bucket in which a worker holds entries. Assignments, the last one, is the leader's.
type perBucket [store.Assignments]bool

// writers are the actors that write the worker's entries.
var writers = map[store.Bucket]Kind{store.Heartbeats: Heartbeat, store.StableIDs: Claimer, store.Election: Elector}

// newWindDown takes the place of the one before, whose deadlines and outcomes do not count any more.
func (m *Member) newWindDown(cause error) *windDown {
	m.generation++
	m.undue(dueOpen, dueHurry, dueAbandon, dueGiveUp, dueWindDown, dueRejoin)
	return &windDown{cause: cause, generation: m.generation}
}

// gives says that hooks or handlers are giving up.
func (w *windDown) gives() bool { return w.asked && !w.gaveUp }

// cleared says that the worker has nothing in the store that this wind-down has to wait for.
func (w *windDown) cleared() bool {
	if w.rejoin {
		return w.fenced || w.overdue || w.gone[store.Election] && w.gone[store.Heartbeats]
	}
	return w.gone[store.Election] && w.gone[store.Heartbeats] && w.gone[store.StableIDs]
}

// leaveAsked notes what is not handed over yet when the user ends a drain.
func (m *Member) leaveAsked(now time.Time, f *LeaveAsked) {
	if f.Cause == nil && m.standing.Leaving && m.state != fsm.Shutdown {
		m.do(&NoteLeft{})
	}
	m.leave(now, f.Cause)
}

// leave ends the worker for good; cause nil is a clean leave.
func (m *Member) leave(now time.Time, cause error) {
	if m.state == fsm.Shutdown {
		return
	}
	if cause != nil {
		m.do(&Blame{Err: cause})
	}
	m.awaited(now, waitsForGiveUp) // from here on ShutdownTimeout bounds it
	m.fire(fsm.EventStop)
	m.leaveBy = now.Add(m.cfg.ShutdownTimeout - m.cfg.ShutdownTimeout/32)
	m.do(&Leave{m.leaveBy, errors.Is(cause, ErrGivingUp)})
	m.do(&Return{ErrStopping})
	m.leaveGoesOn(now, cause)
}

// leaveGoesOn begins the wind-down of a leave, or takes over from the incarnation that began it and failed.
func (m *Member) leaveGoesOn(now time.Time, cause error) {
	before := m.winding
	m.winding = m.newWindDown(cause)
	if before != nil {
		m.winding.fenced = before.fenced
	}
	m.undue(dueStart, dueDrain)
	m.due(dueWindDown, now, m.leaveBy)
	m.beginWindDown(now, false)
}

func (m *Member) beginWindDown(now time.Time, keep bool) {
	w := m.winding
	if m.session.number != 0 {
		// Before the runner is asked to give up: what the follower still asks for comes after that.
		m.session.closed = true
		m.tellTrust()
	}
	m.undue(dueTerm, dueElector)
	m.ceaseToLead(now)
	m.stop(now, Follower)
	m.stop(now, Elector)
	if w.fenced {
		m.undue(dueTrust)
		m.stop(now, Heartbeat)
		if !keep {
			m.do(&Void{ErrFenced}) // what is running is told to return
		}
	}
	if keep {
		if !m.carrying || m.applied { // else what is carried is of an earlier session still
			m.carried = m.session.number
		}
		m.carry(true)
		m.publish()
		w.gaveUp = true
		m.unwind(now)
		return
	}
	m.carry(false)
	m.giveUp(now)
	m.unwind(now)
}

// giveUp ends the handlers and tells the hook that everything is removed. The context of that call ends when others may take
// over: with the lease, if that is what ran out, however late this worker noticed.
func (m *Member) giveUp(now time.Time) {
	w := m.winding
	m.awaitGiveUp(now)
	until := now.Add(m.cfg.ShutdownTimeout)
	if !w.rejoin {
		until = m.hooksBy()
	}
	if w.fenced {
		until = earlier(until, m.letGoBy())
	}
	why := ErrRevoked
	switch {
	case w.fenced:
		why = ErrFenced
	case !w.rejoin:
		why = ErrStopping
	}
	m.do(&Return{why})
	w.asked = true
	m.due(dueHurry, now, until)
	if w.rejoin && m.cfg.Handled {
		m.due(dueGiveUp, now, now.Add(m.cfg.HandoffTimeout))
	}
	m.do(&GiveUp{w.generation, m.session.id, why, until})
}

// hooksBy is when a hook that gives up for a leave must have returned: there has to be time left to delete the entries.
func (m *Member) hooksBy() time.Time { return m.leaveBy.Add(-m.cfg.ShutdownTimeout / 8) }

// hurryUp tells a hook that is still giving up that the time to do so is over. Handlers have been told before.
func (m *Member) hurryUp(now time.Time) {
	w := m.winding
	if w == nil || !w.gives() {
		return
	}
	m.do(&Hurry{})
	switch {
	case !w.rejoin:
		m.do(&Void{ErrStopping})
	case w.fenced:
		m.due(dueAbandon, now, m.leasesEnd())
	}
}

// abandon ends the wait for handlers that have not returned from a session whose leases have ended: others may own it all by
// now. A handler that is deaf holds up the next one of its own partition only. It must not come sooner: the next session of
// this worker frees the partitions of the one before, like its end does.
func (m *Member) abandon() {
	if w := m.winding; w != nil && w.gives() && w.rejoin && w.fenced {
		m.do(&Abandon{w.generation})
	}
}

// giveUpExpired ends a session that is still good because a handler does not return from giving up for a rejoin. Its leases
// run out, and the others take over everything that this worker has stopped already.
func (m *Member) giveUpExpired(now time.Time) {
	if w := m.winding; w == nil || w.gaveUp || w.fenced {
		return
	}
	m.stop(now, Heartbeat)
	m.lose(now, errHandoffTimeout)
}

func (m *Member) hookDone(now time.Time, f *HookDone) {
	if w := m.winding; w != nil && !w.done && f.ID == w.generation {
		w.gaveUp = true
		m.undue(dueHurry, dueAbandon, dueGiveUp)
		m.awaited(now, waitsForGiveUp)
	}
	m.unwind(now)
}

func (m *Member) deleted(now time.Time, f *Deleted) {
	if w := m.winding; w != nil && f.ID == w.generation {
		w.gone[f.Bucket] = true
	}
	m.unwind(now)
}

// unwind does what follows from all that is known of a wind-down.
func (m *Member) unwind(now time.Time) {
	w := m.winding
	if w == nil || w.done {
		return
	}
	m.remove(store.Election)
	if !w.gaveUp {
		return
	}
	if !w.letGo {
		w.letGo = true
		m.letGo(now)
	}
	m.remove(store.Heartbeats)
	if !w.rejoin {
		m.remove(store.StableIDs)
	}
	if !w.cleared() {
		return
	}
	for _, k := range kinds {
		if k != Host || !w.rejoin {
			m.stop(now, k)
		}
	}
	if m.othersRun() || !w.rejoin && m.runs[Host] > 0 {
		return
	}
	w.done = true
	m.undue(dueWindDown)
	if w.rejoin {
		m.due(dueRejoin, now, now.Add(w.delay))
		return
	}
	m.finish(false)
}

// othersRun says that an actor has not terminated that a rejoin has to wait for. The host stays: a partition actor whose
// handler is deaf ends when it ends, and holds up the next handler of its own partition only.
func (m *Member) othersRun() bool {
	for _, k := range kinds {
		if k != Host && m.runs[k] > 0 {
			return true
		}
	}
	return false
}

// letGo ends the renewals of what is deleted next.
func (m *Member) letGo(now time.Time) {
	m.stop(now, Heartbeat)
	if m.winding.rejoin {
		m.due(dueWindDown, now, now.Add(m.cfg.HeartbeatTTL))
		return
	}
	m.stop(now, Claimer)
}

// remove deletes what the worker has in a bucket, once the actor that writes there has ended: one that is stopped may still
// write. Before a rejoin the store lets go by itself of what is not trusted any more.
func (m *Member) remove(b store.Bucket) {
	w := m.winding
	if w.removing[b] || m.runs[writers[b]] > 0 || w.rejoin && w.fenced {
		return
	}
	w.removing[b] = true
	m.do(&Delete{w.generation, b})
}

// windDownExpired: the store does not answer, or a hook or a handler does not return. What is left of a worker that leaves is
// named when its tree has ended.
func (m *Member) windDownExpired(now time.Time) {
	w := m.winding
	switch {
	case w == nil || w.done:
	case w.rejoin:
		w.overdue = true
		m.unwind(now)
	default:
		w.done = true
		m.finish(true)
	}
}

// finish ends the tree, or hands the decision to the supervisor above.
func (m *Member) finish(hasty bool) {
	end := &End{Hasty: hasty}
	if errors.Is(m.winding.cause, ErrGivingUp) {
		end.Err = m.winding.cause
	}
	m.do(end)
	m.ended = true
}

// rejoin begins the next session.
func (m *Member) rejoin(now time.Time) {
	if m.winding == nil || !m.winding.done || !m.winding.rejoin {
		return
	}
	before := m.session.id
	m.winding = nil
	m.session = session{}
	m.phase, m.applied = record.PhaseIdle, false
	m.undue(dueTrust)
	m.do(&Rejoin{before, m.carrying})
	m.publish()
	m.do(&Say{Level: slog.LevelInfo, Text: "rejoining", Args: []any{"before", before, "carrying", m.carrying}})
	m.open(now)
}
