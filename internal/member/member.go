// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package member decides what one worker of a group does, session after session. It is a value: facts with their times go in,
// and what has to be done comes out as effects. It has no goroutine, reads no clock, and does not know how the store works.
//
// A worker opens the store and claims an ID. That begins a session. The session is trusted from its first acknowledged
// heartbeat on, and nothing else of it begins before that. The worker stands for election, has its records applied, and leads
// if it is elected. A session ends with a wind-down, see [windDown]: either for a rejoin, which begins another session, or for
// good.
//
// The trust is a deadline that is checked twice. This package checks it, and ends the session when it is over. The code that
// tells the user of anything new checks it again just before. The shell that performs the effects stores the deadline for that.
package member

import (
	"fmt"
	"time"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// Config is what a worker has to know beforehand.
type Config struct {
	HeartbeatTTL     time.Duration
	WorkerIDTTL      time.Duration
	OperationTimeout time.Duration
	HandoffTimeout   time.Duration
	StartupTimeout   time.Duration
	ShutdownTimeout  time.Duration

	PreferredID     string
	FirstID, LastID string // of the range, for an error
	IDs             string // the bucket that they are in, for an error
	KeepServing     bool   // the partitions are kept while the store is away
	Standby         bool   // an ID is waited for without limit
	Handled         bool   // partitions have handlers of their own

	Before Before
}

// Before is what an earlier incarnation in the same life has left: one that failed over a bug of ours.
type Before struct {
	State    fsm.State // "" for Init
	Ready    bool      // a first assignment was applied
	Standing Standing
	DrainBy  time.Time // when a drain becomes a stop; zero for never
	LetGo    time.Time // when what is left of its session must be let go
	Leaving  bool      // it was leaving
	LeaveBy  time.Time // and when that must be done
}

// session is one uninterrupted hold on a stable ID. The zero value is none.
type session struct {
	id      string
	number  uint64
	claim   store.Lease
	beat    store.Lease // zero before the first acknowledged heartbeat
	joined  time.Time   // when that was sent
	until   time.Time   // the trust; zero for none yet
	closed  bool        // it is being wound down: nothing new is taken up, however good the leases are
	fence   store.Fence // zero unless leading or about to
	heir    bool        // somebody has led the group before
	leads   bool
	vacated bool // the leader has nothing recorded for this worker any more
}

// Member is the state of one worker. Its invariants, which valid checks:
//
//  1. of each kind at most one actor lives. One that failed may have terminated before it is known to have failed;
//  2. elector, follower and calculator live only in a session that has been trusted and is not being wound down, and a
//     calculator only beside an elector;
//  3. whatever is waited for has a deadline, or is a fact that somebody owes; the next deadline is when it is woken;
//  4. a session that is trusted and not known to be over has the end of its trust for a deadline;
//  5. a wind-down lets the heartbeat go only when everything is given up;
//  6. a worker that leaves is in Shutdown, one that winds down for a rejoin is in ClaimingID;
//  7. after the end nothing has an effect.
type Member struct {
	cfg     Config
	state   fsm.State
	session session
	lives   map[Kind]bool
	runs    map[Kind]int // those that were stopped and have not terminated are among them

	prior     *store.Lease    // the claim of the session before, still in the store as far as is known
	previous  string          // the ID of the session before
	highest   record.Position // seen in the store as it is
	floor     record.Position // seen ever: where this worker leads, terms and versions go on above it
	phase     record.Phase
	applied   bool // the session's first assignment
	ready     bool // a first assignment was applied in this life
	degraded  bool
	failed    bool   // the session before ended in a panic
	carrying  bool   // keep-serving: the trust is over, the partitions stay
	carried   uint64 // the session that they are of
	shown     int64  // the newest version by which something may run
	standing  Standing
	opens     bool          // the store is being opened
	opening   time.Duration // the pause before it is tried again
	openErr   error         // why the store is not open yet
	transient bool          // and whether that passes
	claimErr  error         // why no ID is claimed yet

	winding    *windDown
	generation uint64
	leaveBy    time.Time // when a leave must be done, for hooks and deletions alike
	failures   failures
	waits      map[string]*pending
	waited     bool // the waits have changed since they were shown
	dues       [deadlines]time.Time
	wake       time.Time // that was asked for
	published  *Status
	ended      bool
	out        []Effect
}

// New returns a worker that has not begun.
func New(cfg Config) *Member {
	m := &Member{
		cfg: cfg, state: cfg.Before.State, lives: map[Kind]bool{}, runs: map[Kind]int{}, previous: cfg.PreferredID, phase: record.PhaseIdle,
		ready: cfg.Before.Ready, standing: cfg.Before.Standing, leaveBy: cfg.Before.LeaveBy, waits: map[string]*pending{},
	}
	if m.state == "" {
		m.state = fsm.Init
	}
	return m
}

// Step notes a fact, and appends what follows from it to out.
func (m *Member) Step(now time.Time, f Fact, out []Effect) []Effect {
	if _, last := f.(*Interrupted); m.ended && !last {
		return out
	}
	m.out = out
	m.note(now, f)
	if !m.ended {
		m.showWaits()
		m.sleep()
	}
	out, m.out = m.out, nil
	return out
}

// note books a fact and does what follows.
func (m *Member) note(now time.Time, f Fact) {
	switch f := f.(type) {
	case *Began:
		m.begin(now, f)
	case *Opened:
		m.opened(now, f)
	case *Claimed:
		m.claimed(now, f)
	case *Unclaimed:
		m.unclaimed(f)
	case *Renewed:
		m.renewed(now, f)
	case *Heard:
		m.heard(now, f)
	case *Missed:
		m.missed(f)
	case *Lost:
		m.lose(now, f.Err)
	case *Damped:
		m.damped(now, f.Until)
	case *Survived:
		m.report(f.Err)
	case *HookDone:
		m.hookDone(now, f)
	case *Deleted:
		m.deleted(now, f)
	case *Failed:
		m.childFailed(now, f)
	case *Stopped:
		m.runs[f.Kind]--
		m.unwind(now)
	case *LeaveAsked:
		m.leaveAsked(now, f)
	case *DrainAsked:
		m.drain(now, f.By)
	case *CordonAsked:
		m.stand(Standing{m.standing.Leaving, f.On})
	case *Interrupted:
		m.interrupted(f)
	case *Ticked:
		m.tick(now, f.At)
	default:
		m.noteGroup(now, f)
	}
}

// noteGroup books what concerns the group, and what is waited for.
func (m *Member) noteGroup(now time.Time, f Fact) {
	switch f := f.(type) {
	case *LeaderSeen:
		m.leaderIsKnown()
	case *Elected:
		m.elected(f)
	case *Deposed:
		m.deposed(now, f.Err)
	case *FenceLost:
		m.fenceLost(now, f)
	case *SightLost:
		m.sightLost(now, f.Err)
	case *PositionMet:
		m.meet(f.Position)
	case *PhaseMet:
		m.phaseMet(now, f)
	case *Vacated:
		m.session.vacated = f.Is
		m.leaveIfDrained(now)
	case *Showing:
		m.showing(f.Version)
	case *Applied:
		m.assignmentApplied(now, f)
	case *FormatMet:
		m.formatMet(now, f)
	case *Held:
		m.awaitHandlers(now, f.Holding)
	case *CallBegan:
		m.callBegan(f)
	case *CallEnded:
		m.awaited(now, f.Name)
	case *Awaits:
		m.await(f.By, f.Wait)
	case *Awaited:
		m.awaited(now, f.Key)
	}
}

// begin is the first fact of an incarnation. One that follows another goes on where that has failed.
func (m *Member) begin(now time.Time, f *Began) {
	m.waited = true
	if m.cfg.Before.Leaving {
		// It failed on its way out. What the user still holds is taken back by this one.
		m.do(&Blame{ErrPanic, true})
		m.do(&Carry{false})
		m.winding = m.newWindDown(ErrPanic)
		m.winding.fenced = true
		m.leaveGoesOn(now, ErrPanic)
		return
	}
	m.publish()
	m.armStartup(now)
	m.drainWithin(now, m.cfg.Before.DrainBy)
	if m.state == fsm.ClaimingID {
		// It failed with partitions in the user's hands.
		m.do(&Carry{false})
		m.winding = m.newWindDown(ErrPanic)
		m.winding.rejoin, m.winding.fenced = true, true
		m.giveUp(now)
	} else {
		m.open(now)
	}
	if f.LeaveAsked {
		m.leave(now, nil) // whoever asked for that asked an earlier incarnation, which failed over it
	}
}

// interrupted is the last fact of an incarnation: nobody performs anything but what is said here.
func (m *Member) interrupted(f *Interrupted) {
	m.state = f.State
	switch {
	case m.state == fsm.Shutdown, f.Restarts && (m.state == fsm.Init || m.state == fsm.ClaimingID):
	case f.Restarts:
		m.fire(fsm.EventIdentityLost)
	default:
		m.fire(fsm.EventStop)
	}
	m.ended = true
}

// spawn begins an actor. One of its kind that was stopped may not have terminated yet.
func (m *Member) spawn(s *Spawn) {
	if m.lives[s.Kind] {
		panic(fmt.Errorf("spawn a second %s in state %s", s.Kind, m.state))
	}
	m.lives[s.Kind] = true
	m.runs[s.Kind]++
	m.do(s)
}

func (m *Member) stop(now time.Time, k Kind) {
	if m.lives[k] {
		delete(m.lives, k)
		m.awaitedOf(now, k)
		m.do(&Stop{k})
	}
}

func (m *Member) tellHeartbeat(e Effect) { m.tell(Heartbeat, e) }
func (m *Member) tellElector(e Effect)   { m.tell(Elector, e) }

func (m *Member) tell(k Kind, e Effect) {
	if m.lives[k] {
		m.do(e)
	}
}

// do appends an effect.
func (m *Member) do(e Effect) { m.out = append(m.out, e) }

// report tells what went wrong and is survived.
func (m *Member) report(err error) {
	if err != nil {
		m.do(&Report{err})
	}
}

// publish says how the worker stands, if that has changed.
func (m *Member) publish() {
	s := Status{
		State: m.state, Worker: m.session.id, Session: m.session.number, Leader: m.session.leads, Degraded: m.degraded || m.carrying,
		Ready: m.ready, Standing: m.standing,
	}
	if m.published == nil || *m.published != s {
		m.published = &s
		m.do(&Publish{s})
	}
}
