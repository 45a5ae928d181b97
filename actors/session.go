package actors

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/kv"
)

// This file is the manager's way through one session: claim, first heartbeat, election, assignments; and its end.

// session is one uninterrupted hold on a stable ID.
type session struct {
	id     string
	number uint64
	claim  kv.Lease
	beat   kv.Lease
	joined time.Time // when the first heartbeat was sent
	trust  *trust
	tenure *tenure
	fence  kv.Fence // zero unless leading or about to
	leads  bool
	// vacated says that the leader has nothing recorded for this worker any more.
	vacated bool
}

// trust is the deadline up to which the session may act, on the local monotonic clock. The manager writes it, the hook
// runner reads it just before it tells the user anything new.
type trust struct {
	until  atomic.Pointer[time.Time]
	closed atomic.Bool // the session is being wound down: nothing new is taken up, however good the leases are
}

func (t *trust) extend(until time.Time) { t.until.Store(&until) }
func (t *trust) mayTake() bool          { return !t.closed.Load() && t.valid() }
func (t *trust) valid() bool {
	until := t.until.Load()
	return until != nil && time.Now().Before(*until)
}

// left is how much of it is left.
func (t *trust) left(now time.Time) time.Duration {
	if until := t.until.Load(); until != nil {
		return max(until.Sub(now), 0)
	}
	return 0
}

func (m *manager) spawnClaimer() {
	m.awaitID()
	prefer, prior, left := m.previous, m.prior, m.legacy
	m.spawn(kindClaimer, func(g *guard, report func(reported)) body {
		return newClaimer(g, report, m.set, m.store, prefer, prior, left)
	})
}

func (m *manager) idClaimed(msg *claimed) {
	lease := msg.lease
	if m.winding != nil {
		return
	}
	if m.carrying && lease.Key != m.previous {
		// What is kept belongs to another ID, whose record this session does not read.
		m.carry(false)
		m.life.tenure.end(ErrFenced)
		m.life.runner.become(request{
			ctx: m.life.tenure.held, everything: true, trusted: func() bool { return false }, why: because(ErrFenced), done: func(error) {},
		})
	}
	if !m.carrying {
		m.life.tenure = newTenure()
	}
	m.session = session{id: lease.Key, number: msg.number, claim: lease, trust: &trust{}, tenure: m.life.tenure}
	m.life.warrant.trust.Store(m.session.trust)
	m.prior, m.previous, m.ready, m.claimErr = nil, lease.Key, false, nil
	m.legacy.dead = nil // what was theirs is taken over, or of no use any more
	m.awaited(waitsForID)
	m.log, m.worker = m.set.Logger.With("worker", m.session.id), m.session.id
	m.fire(fsm.EventClaimed)
	if m.set.Standby && !m.everDone {
		m.armStartup()
	}
	id, number, failed, standing := m.session.id, m.session.number, m.failed, m.life.standing
	m.spawn(kindHeartbeat, func(g *guard, report func(reported)) body {
		h := newHeartbeat(g, report, m.set, m.store, id, number, failed, m.life.runner.handlers.Held)
		h.standing = standing
		h.begun = lease.Sent
		return h
	})
	m.tellStuck()
	if m.set.Handling.used() && m.children[kindHost] == nil {
		m.spawn(kindHost, func(g *guard, report func(reported)) body { return newHost(g, report, m.set, m.life.runner) })
	}
}

// carry says whether the partitions of the session before are kept while there is none.
func (m *manager) carry(does bool) {
	m.carrying = does
	m.life.warrant.carried.Store(does)
}

func (m *manager) beatAcknowledged(b *beat) {
	first := m.session.beat.Revision == 0
	m.session.beat = b.lease
	if first {
		m.session.joined = b.lease.Sent
	}
	m.setDegraded(false)
	m.extendTrust()
	if m.winding != nil {
		return
	}
	if first {
		m.trustExpired(&trustDue{m.session.number}) // arms the timer
		if m.winding != nil {
			return // this worker was held up for so long that the trust is over
		}
		m.spawnElector()
		m.spawnFollower()
		m.awaitAssignment()
	}
	if b.asked != nil && *b.asked == m.session.fence {
		m.spawnCalculator(b.lease.Revision)
	}
}

func (m *manager) spawnElector() {
	id, number, floor := m.session.id, m.session.number, m.floor.Term
	m.spawn(kindElector, func(g *guard, report func(reported)) body {
		return newElector(g, report, m.set, m.store, id, number, floor)
	})
}

func (m *manager) respawnElector(msg *electorDue) {
	if m.winding == nil && msg.session == m.session.number && m.children[kindElector] == nil {
		m.spawnElector()
	}
}

func (m *manager) spawnFollower() {
	s, highest := m.session, m.highest
	carried := uint64(0)
	if m.carrying {
		carried = m.life.carried
	}
	own, compare := m.own, comparer(m.set, m.store)
	if m.everDone {
		own = leader.Edition{}
	}
	m.spawn(kindFollower, func(g *guard, report func(reported)) body {
		return newFollower(g, report, m.store, m.life.runner, s, highest, carried, own, compare)
	})
}

// spawnCalculator begins to lead: the term is stored at the fence's revision, and the heartbeat at revision was sent
// after that, so snapshots not older than the two show everything an earlier leader did and everybody it did it for.
func (m *manager) spawnCalculator(revision uint64) {
	if m.children[kindCalculator] != nil || m.children[kindElector] == nil {
		return
	}
	s, floor, seen := m.session, m.floor.Version, m.highest.Version
	m.spawn(kindCalculator, func(g *guard, report func(reported)) body {
		return newCalculator(g, report, m.set, m.life.strategist, m.store, s.fence, s, floor, seen, revision)
	})
	m.setLeads(true)
}

func (m *manager) setLeads(leads bool) {
	if m.session.leads == leads {
		return
	}
	m.session.leads = leads
	m.publishStatus()
	m.publish(&LeadershipChanged{m.session.id, leads, m.session.fence.Term})
	m.log.Info("leadership changed", "leader", leads, "term", m.session.fence.Term)
}

// extendTrust: the session is valid as long as both of its leases are.
func (m *manager) extendTrust() {
	if m.session.beat.Revision == 0 {
		return
	}
	m.session.trust.extend(earlier(m.session.beat.TrustedUntil(), m.session.claim.TrustedUntil()))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// trustExpired runs when the trust would have ended without the renewals since. One timer a session is enough: it is
// set anew for where the trust ends now.
func (m *manager) trustExpired(msg *trustDue) {
	if msg.session != m.session.number || m.session.trust == nil || (m.winding != nil && m.winding.fenced) {
		return
	}
	if m.session.trust.valid() {
		m.after(time.Until(*m.session.trust.until.Load()), msg)
		return
	}
	m.sessionIsLost(fmt.Errorf("no heartbeat or claim renewal was acknowledged in time: %w", kv.ErrLate))
}

// sessionIsLost is the self-fencing: it does not wait to be told.
func (m *manager) sessionIsLost(cause error) {
	if m.winding != nil {
		m.winding.fenced = true
		m.life.tenure.end(ErrFenced)
		m.after(time.Until(m.letGoBy()), &hurryDue{m.winding.generation})
		m.windDownStep(func(*windDown) {})
		return
	}
	m.endSession(cause, false, 0)
}

func (m *manager) leaderIsKnown() {
	if m.machine.State() == fsm.Election {
		m.fire(fsm.EventLeaderKnown)
		m.followPhase()
	}
}

func (m *manager) wonElection(fence kv.Fence) {
	if m.winding != nil {
		return
	}
	m.session.fence = fence
	m.leaderIsKnown()
	m.positionSeen(kv.Position{Term: fence.Term})
	m.tellChild(kindHeartbeat, &beatNow{fence: fence})
}

func (m *manager) lostElection(err error) {
	if errors.Is(err, kv.ErrRolledBack) {
		// The renewal of the lease is the first to see it. Our other entries are from before as well, and may expire at once.
		m.sessionIsLost(err)
		return
	}
	m.problem(err)
	m.stopChild(kindCalculator)
	m.setLeads(false)
	m.session.fence = kv.Fence{}
}

// fenceIsLost: a write was refused, or nobody knows what became of it. Both end this term. While the lease is ours a
// new term makes whatever is still under way harmless; where the lease is another's the elector finds out.
func (m *manager) fenceIsLost(msg *fenceLost) {
	if msg.fence != m.session.fence {
		return
	}
	m.problem(msg.err)
	m.stopChild(kindCalculator)
	m.setLeads(false)
	m.tellChild(kindElector, &refence{fence: msg.fence})
}

// sightIsLost: a leader that does not see leaves the lead to others for as long as a worker may be silent.
func (m *manager) sightIsLost(err error) {
	m.problem(err)
	m.stopChild(kindCalculator)
	m.setLeads(false)
	m.tellChild(kindElector, &abstain{until: time.Now().Add(m.set.Store.HeartbeatTTL)})
}

func (m *manager) positionSeen(p kv.Position) {
	m.highest.Version = max(m.highest.Version, p.Version)
	m.floor = kv.Position{Term: max(m.floor.Term, p.Term), Version: max(m.floor.Version, p.Version)}
	if p.Term > m.highest.Term {
		m.highest.Term = p.Term
		m.tellChild(kindElector, &termSeen{term: p.Term})
	}
}

func (m *manager) assignmentApplied(msg *applied) {
	m.tellChild(kindHeartbeat, &position{Position: msg.position, now: msg.acknowledge})
	m.positionSeen(msg.position)
	if m.ready || m.winding != nil {
		return
	}
	m.ready = true
	m.carry(false)
	m.awaited(waitsForAssignment)
	if !m.everDone {
		m.everDone = true
		defer m.life.view.markReady()
	}
	m.leaderIsKnown() // a record of this session is a leader's work
	m.publishStatus()
	m.followPhase()
}

// followPhase brings the state machine to where the leader's phase and the own assignment say it should be, over the
// edges of the table.
func (m *manager) followPhase() {
	if m.winding != nil {
		return
	}
	for {
		event, ok := towards(m.machine.State(), m.phase, m.ready)
		if !ok {
			return
		}
		m.fire(event)
	}
}

// towards names the next step from a state to the one that phase asks for. A worker without an assignment is never
// Stable: it waits where it is.
func towards(state fsm.State, phase kv.Phase, ready bool) (fsm.Event, bool) {
	idle := phase == kv.PhaseIdle
	switch state {
	case fsm.WaitingAssignment, fsm.Stable:
		switch {
		case phase == kv.PhaseScaling, phase == kv.PhaseRebalancing:
			return fsm.EventWindowOpened, true
		case phase == kv.PhaseEmergency:
			return fsm.EventEmergencyDeclared, true
		case state == fsm.WaitingAssignment && ready:
			return fsm.EventAssigned, true
		}
	case fsm.Scaling:
		switch {
		case phase == kv.PhaseRebalancing:
			return fsm.EventRebalanceStarted, true
		case phase == kv.PhaseEmergency:
			return fsm.EventEmergencyDeclared, true
		case idle && ready:
			return fsm.EventWindowUndone, true
		}
	case fsm.Rebalancing:
		switch {
		case phase == kv.PhaseScaling:
			return fsm.EventWindowOpened, true
		case phase == kv.PhaseEmergency:
			return fsm.EventEmergencyDeclared, true
		case idle && ready:
			return fsm.EventRebalanceDone, true
		}
	case fsm.Emergency:
		switch {
		case phase == kv.PhaseScaling, phase == kv.PhaseRebalancing:
			return fsm.EventWindowOpened, true
		case idle && ready:
			return fsm.EventEmergencyOver, true
		}
	default: // not in a group, or not any more
	}
	return "", false
}

// formatPause is how long a worker leaves the lead to others after it met a record it does not know.
const formatPause = 30 * time.Second

func (m *manager) unknownFormat(kind string, err error) {
	if kind == kindFollower {
		m.awaitFormat(err)
	}
	if err == nil {
		m.tellChild(kindElector, &abstain{})
		return
	}
	m.problem(fmt.Errorf("%w: %w", ErrNewerFormat, err))
	if kind == kindCalculator {
		m.stopChild(kindCalculator)
		m.setLeads(false)
	}
	m.tellChild(kindElector, &abstain{until: time.Now().Add(formatPause)})
}

// endSession has everything given up and then begins a new session. trusted says that the leases are still good: then
// they are kept until the hooks have returned, and only then let go.
func (m *manager) endSession(cause error, trusted bool, delay time.Duration) {
	if m.winding != nil {
		return
	}
	if m.machine.State() == fsm.ClaimingID {
		m.restartClaim(cause, delay)
		return
	}
	m.problem(fmt.Errorf("%w: worker %s session %d: %w", ErrIdentityLost, m.session.id, m.session.number, cause))
	m.fire(fsm.EventIdentityLost)
	claim := m.session.claim
	m.prior, m.failed = &claim, errors.Is(cause, ErrPanic)
	if errors.Is(cause, kv.ErrRolledBack) {
		m.highest, m.prior = kv.Position{}, nil // begin anew, with what the store is now
	}
	m.winding = m.newWindDown(cause)
	m.winding.rejoin, m.winding.delay, m.winding.fenced = true, delay, !trusted
	keep := m.set.KeepServing && errors.Is(cause, kv.ErrLate)
	m.beginWindDown(keep)
}

// restartClaim replaces a claimer that failed before anything was claimed.
func (m *manager) restartClaim(cause error, delay time.Duration) {
	m.problem(cause)
	m.winding = m.newWindDown(cause)
	m.winding.rejoin, m.winding.delay, m.winding.fenced, m.winding.gaveUp = true, delay, true, true
	m.stopChild(kindClaimer)
	m.windDownStep(func(*windDown) {})
}
