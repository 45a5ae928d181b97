// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// This file is the way through one session: claim, first heartbeat, trust, assignments; and its end.

func (m *Member) claimed(now time.Time, f *Claimed) {
	if m.winding != nil {
		return
	}
	if m.carrying && (f.Lease.Key != m.previous || f.Number == m.carried) {
		// What is kept belongs to another ID, whose record this session does not read. Or the number has been used again, because
		// somebody has restored the claims from an older copy: what is kept would count as granted to this session.
		m.carry(false)
		m.do(&Void{ErrFenced})
		m.do(&Drop{ErrFenced})
	}
	m.session = session{id: f.Lease.Key, number: f.Number, claim: f.Lease}
	m.prior, m.previous, m.applied, m.claimErr = nil, f.Lease.Key, false, nil
	m.do(&Begin{f.Lease.Key, f.Number, m.carrying})
	if !m.carrying {
		m.shown = 0
	}
	m.awaited(now, waitsForID)
	m.fire(fsm.EventClaimed)
	if m.cfg.Standby {
		m.armStartup(now)
	}
	m.spawn(&Spawn{Kind: Heartbeat, Anew: m.failed, Standing: m.standing, Begun: f.Lease.Sent, Shown: m.shown})
	m.complain()
	if m.cfg.Handled && !m.lives[Host] {
		m.spawn(&Spawn{Kind: Host})
	}
}

// carry says whether the partitions of the session before are kept while there is none.
func (m *Member) carry(does bool) {
	if m.carrying != does {
		m.carrying = does
		m.do(&Carry{does})
	}
}

// heard goes on with an acknowledged heartbeat. The first one begins what needs trust.
func (m *Member) heard(now time.Time, f *Heard) {
	if m.fenced() {
		m.degrade(false)
		return // what is over stays over
	}
	first := m.session.beat.Revision == 0
	m.session.beat = f.Lease
	if first {
		m.session.joined = f.Lease.Sent
	}
	m.degrade(false)
	m.extendTrust(now)
	if m.winding != nil {
		return
	}
	if first {
		if !m.trusted(now) {
			m.undue(dueTrust)
			m.trustExpired(now) // this worker was held up for so long that the trust is over
			return
		}
		m.spawnElector()
		m.spawnFollower()
		m.awaitAssignment(now)
	}
	if f.Asked != nil && *f.Asked == m.session.fence {
		m.spawnCalculator(now, f.Lease.Revision)
	}
}

func (m *Member) missed(f *Missed) {
	if !m.degraded {
		m.report(f.Err) // once, until the store answers again
	}
	m.degrade(true)
}

func (m *Member) degrade(d bool) {
	if m.degraded != d {
		m.degraded = d
		m.do(&Say{Level: slog.LevelInfo, Text: "store", Args: []any{"answers", !d}})
		m.publish()
	}
}

func (m *Member) trusted(now time.Time) bool { return now.Before(m.session.until) }

// fenced says that the session is over although its end is not done.
func (m *Member) fenced() bool { return m.winding != nil && m.winding.fenced }

func (m *Member) renewed(now time.Time, f *Renewed) {
	if m.prior != nil { // the session is being wound down, and the next one takes over what is in the store then
		claim := f.Lease
		m.prior = &claim
	}
	if !m.fenced() {
		m.session.claim = f.Lease
		m.extendTrust(now)
	}
}

// extendTrust: the session is valid as long as both of its leases are.
func (m *Member) extendTrust(now time.Time) {
	if m.session.beat.Revision == 0 {
		return
	}
	m.session.until = earlier(m.session.beat.TrustedUntil(), m.session.claim.TrustedUntil())
	m.tellTrust()
	m.due(dueTrust, now, m.session.until)
}

func (m *Member) tellTrust() {
	m.do(&Trust{Until: m.session.until, Takes: !m.session.closed, LetGo: m.letGoBy()})
}

// trustExpired runs when the trust has ended without another renewal.
func (m *Member) trustExpired(now time.Time) {
	if m.session.number == 0 || m.fenced() {
		return
	}
	if m.trusted(now) { // it was renewed after the tick was on its way
		m.due(dueTrust, now, m.session.until)
		return
	}
	m.lose(now, fmt.Errorf("no heartbeat or claim renewal was acknowledged in time: %w", store.ErrLate))
}

// lose is the self-fencing: it does not wait to be told.
func (m *Member) lose(now time.Time, cause error) {
	w := m.winding
	if w == nil {
		m.endSession(now, cause, false, 0)
		return
	}
	w.fenced = true
	m.undue(dueTrust)
	m.do(&Void{ErrFenced})
	if w.gives() {
		m.dueBy(dueHurry, now, m.letGoBy())
	}
	m.unwind(now)
}

// letGoBy is when a session that is not trusted any more must have let go of everything: a little before the first of its
// leases can be seen to have ended. Without the heartbeat the partitions are free; without the claim the ID is, and the
// session that takes it ends this one.
func (m *Member) letGoBy() time.Time {
	if m.session.beat.Revision == 0 {
		return m.cfg.Before.LetGo
	}
	by := func(l store.Lease, ttl time.Duration) time.Time { return l.Sent.Add(ttl - ttl/16) }
	return earlier(by(m.session.beat, m.cfg.HeartbeatTTL), by(m.session.claim, m.cfg.WorkerIDTTL))
}

// leasesEnd is when the first of the leases of a session that is not trusted any more has ended.
func (m *Member) leasesEnd() time.Time {
	if m.session.beat.Revision == 0 {
		return m.cfg.Before.LetGo.Add(max(m.cfg.HeartbeatTTL, m.cfg.WorkerIDTTL) / 16)
	}
	return earlier(m.session.beat.Sent.Add(m.cfg.HeartbeatTTL), m.session.claim.Sent.Add(m.cfg.WorkerIDTTL))
}

func (m *Member) spawnFollower() {
	carried := uint64(0)
	if m.carrying {
		carried = m.carried
	}
	m.spawn(&Spawn{Kind: Follower, Highest: m.highest, Carried: carried, First: !m.ready})
}

// meet follows where the store stands.
func (m *Member) meet(p record.Position) {
	m.highest.Version = max(m.highest.Version, p.Version)
	m.floor = record.Position{Term: max(m.floor.Term, p.Term), Version: max(m.floor.Version, p.Version)}
	if p.Term > m.highest.Term {
		m.highest.Term = p.Term
		m.tellElector(&SawTerm{p.Term})
	}
}

// showing has the heartbeat say what may run from now on. A leader whose store has lost the records has nothing else to know it by
// until the hook has returned, which can take long.
func (m *Member) showing(version int64) {
	if version > m.shown {
		m.shown = version
		m.tellHeartbeat(&Announce{version})
	}
}

func (m *Member) assignmentApplied(now time.Time, f *Applied) {
	m.tellHeartbeat(&Acknowledge{f.Position, f.Awaited})
	m.meet(f.Position)
	if m.applied || m.winding != nil || f.Asks {
		return
	}
	m.applied = true
	m.carry(false)
	m.awaited(now, waitsForAssignment)
	first := !m.ready
	m.ready = true
	m.undue(dueStart)
	m.leaderIsKnown() // a record of this session is a leader's work
	m.publish()
	m.followPhase()
	if first {
		m.do(&Ready{})
	}
}

// endSession has everything given up and then begins a new session. trusted says that the leases are still good: then
// they are kept until the hooks have returned, and only then let go.
func (m *Member) endSession(now time.Time, cause error, trusted bool, delay time.Duration) {
	if m.winding != nil {
		return
	}
	if m.state == fsm.ClaimingID {
		m.restartClaim(now, cause, delay)
		return
	}
	m.report(fmt.Errorf("%w: worker %s session %d: %w", ErrIdentityLost, m.session.id, m.session.number, cause))
	m.fire(fsm.EventIdentityLost)
	claim := m.session.claim
	m.prior, m.failed = &claim, errors.Is(cause, ErrPanic)
	if errors.Is(cause, store.ErrRolledBack) {
		m.highest, m.prior = record.Position{}, nil // begin anew, with what the store is now
	}
	m.winding = m.newWindDown(cause)
	m.winding.rejoin, m.winding.delay, m.winding.fenced = true, delay, !trusted
	m.beginWindDown(now, m.cfg.KeepServing && errors.Is(cause, store.ErrLate))
}

// restartClaim replaces a claimer that failed before anything was claimed.
func (m *Member) restartClaim(now time.Time, cause error, delay time.Duration) {
	if !errors.Is(cause, ErrPanic) { // which is reported already
		m.report(cause)
	}
	m.winding = m.newWindDown(cause)
	m.winding.rejoin, m.winding.delay, m.winding.fenced, m.winding.gaveUp = true, delay, true, true
	m.stop(now, Claimer)
	m.unwind(now)
}
