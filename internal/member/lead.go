// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// This file is how a session comes to lead, and how it ceases to.

func (m *Member) spawnElector() { m.spawn(&Spawn{Kind: Elector, Floor: m.floor}) }

// respawnElector replaces an elector that failed. A worker that was held up finds out first whether its trust is over.
func (m *Member) respawnElector(now time.Time) {
	switch {
	case m.winding != nil || m.session.number == 0 || m.lives[Elector]:
	case m.trusted(now):
		m.spawnElector()
	default:
		m.due(dueElector, now, now)
	}
}

func (m *Member) elected(f *Elected) {
	if m.winding != nil {
		return
	}
	m.session.fence, m.session.heir = f.Fence, f.Heir
	m.undue(dueTerm)
	m.leaderIsKnown()
	m.meet(record.Position{Term: f.Fence.Term})
	m.tellHeartbeat(&Beat{f.Fence})
}

// spawnCalculator begins to lead: the term is stored at the fence's revision, and the heartbeat at revision was sent
// after that, so snapshots not older than the two show everything an earlier leader did and everybody it did it for.
func (m *Member) spawnCalculator(now time.Time, revision uint64) {
	if m.lives[Calculator] || !m.lives[Elector] {
		return
	}
	if !m.trusted(now) {
		m.tellHeartbeat(&Beat{m.session.fence}) // this was heard of late; what comes next decides
		return
	}
	s := m.session
	m.spawn(&Spawn{Kind: Calculator, Fence: s.fence, Heir: s.heir, Floor: m.floor, Highest: m.highest, Joined: s.joined, Since: revision})
	m.setLeads(true)
}

func (m *Member) setLeads(leads bool) {
	if m.session.leads == leads {
		return
	}
	m.session.leads = leads
	m.publish()
	term := m.session.fence.Term
	m.do(&Lead{m.session.id, leads, term})
	m.do(&Say{Level: slog.LevelInfo, Text: "leadership changed", Args: []any{"leader", leads, "term", term}})
}

// ceaseToLead ends the calculator.
func (m *Member) ceaseToLead(now time.Time) {
	m.stop(now, Calculator)
	m.setLeads(false)
}

func (m *Member) deposed(now time.Time, err error) {
	if errors.Is(err, store.ErrRolledBack) {
		// The renewal of the lease is the first to see it. Our other entries are from before as well, and may expire at once.
		m.lose(now, err)
		return
	}
	m.report(err)
	m.ceaseToLead(now)
	m.session.fence = store.Fence{}
	m.undue(dueTerm)
}

// fenceLost: a write was refused, or nobody knows what became of it. Both end this term. While the lease is ours a
// new term makes whatever is still under way harmless; where the lease is another's the elector finds out.
func (m *Member) fenceLost(now time.Time, f *FenceLost) {
	if f.Fence != m.session.fence {
		return
	}
	m.report(f.Err)
	m.ceaseToLead(now)
	m.tellElector(&NewTerm{f.Fence})
}

// sightLost: a leader that does not see leaves the lead to others for as long as a worker may be silent.
func (m *Member) sightLost(now time.Time, err error) {
	m.report(err)
	m.ceaseToLead(now)
	m.tellElector(&Abstain{now.Add(m.cfg.HeartbeatTTL)})
}

// formatPause is how long a worker leaves the lead to others after it met a record it does not know.
const formatPause = 30 * time.Second

func (m *Member) formatMet(now time.Time, f *FormatMet) {
	if f.By == Follower {
		m.awaitFormat(now, f.Err)
	}
	if f.Err == nil {
		m.tellElector(&Abstain{})
		return
	}
	m.report(fmt.Errorf("%w: %w", ErrNewerFormat, f.Err))
	if f.By == Calculator {
		m.ceaseToLead(now)
	}
	m.tellElector(&Abstain{now.Add(formatPause)})
}
