// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/store"
)

// This file is the way to a session: the store is opened, an ID is claimed, and for a worker that starts both take no longer
// than StartupTimeout.

const (
	openFirst = 50 * time.Millisecond
	openMost  = 500 * time.Millisecond // between two attempts
)

// open opens the store, unless that is under way: then what is answered serves as well.
func (m *Member) open(now time.Time) {
	m.undue(dueOpen)
	if m.opens {
		return
	}
	m.opens = true
	m.awaitStore(now)
	m.do(&Open{m.ready})
}

// opened goes on with an open store. A store that says no ends a start, because someone is watching. It does not end
// a worker that has been ready: what was right once is right again when the store is, so it is waited for.
func (m *Member) opened(now time.Time, f *Opened) {
	m.opens = false
	if m.winding != nil {
		return
	}
	if f.Err != nil {
		if !m.ready && !f.Transient {
			m.leave(now, f.Err)
			return
		}
		if m.openErr == nil || m.transient != f.Transient {
			m.report(f.Err) // once, until the store is open or says something else
		}
		m.openErr, m.transient = f.Err, f.Transient
		m.blameWait(waitsForStore, f.Err)
		m.do(&Say{Level: slog.LevelDebug, Text: "store not open", Args: []any{"error", f.Err}})
		m.opening = min(max(2*m.opening, openFirst), openMost)
		m.due(dueOpen, now, now.Add(m.opening))
		return
	}
	m.openErr, m.opening = nil, 0
	if m.previous == "" {
		m.previous = f.Worker
	}
	m.awaited(now, waitsForStore)
	m.do(&Use{})
	if m.state == fsm.Init {
		m.fire(fsm.EventStart)
	}
	m.awaitID(now)
	m.spawn(&Spawn{Kind: Claimer, Prefer: m.previous, Prior: m.prior})
}

func (m *Member) unclaimed(f *Unclaimed) {
	m.claimErr = f.Err
	m.blameWait(waitsForID, f.Err)
	if !errors.Is(f.Err, store.ErrNoFreeID) {
		m.report(f.Err)
	}
}

// armStartup bounds the way to the first assignment. A standby counts from its claim.
func (m *Member) armStartup(now time.Time) {
	if !m.ready {
		m.due(dueStart, now, now.Add(m.cfg.StartupTimeout))
	}
}

func (m *Member) startupExpired(now time.Time) {
	if m.ready || m.cfg.Standby && m.state == fsm.ClaimingID {
		return
	}
	why := m.openErr
	if m.state == fsm.ClaimingID && why == nil {
		if errors.Is(m.claimErr, store.ErrNoFreeID) {
			m.leave(now, fmt.Errorf("%w: no ID between %s and %s came free within %s", store.ErrNoFreeID,
				m.cfg.FirstID, m.cfg.LastID, m.cfg.StartupTimeout))
			return
		}
		why = m.claimErr
	}
	err := fmt.Errorf("%w: still in state %s after StartupTimeout %s", ErrStartupTimeout, m.state, m.cfg.StartupTimeout)
	if why != nil {
		err = fmt.Errorf("%w: %w", err, why)
	}
	m.leave(now, err)
}

// damped: the leader holds this worker back because it failed again and again. What is waited for until then does not count
// against StartupTimeout.
func (m *Member) damped(now, until time.Time) {
	wait := max(until.Sub(now), 0)
	m.report(fmt.Errorf("%w: %s is given nothing for %s", errFlapping, m.session.id, wait.Round(time.Millisecond)))
	m.awaitLonger(waitsForAssignment, until.Add(m.cfg.StartupTimeout))
	if by := now.Add(wait + m.cfg.StartupTimeout); !m.ready && m.winding == nil && by.After(m.dues[dueStart]) {
		m.due(dueStart, now, by)
	}
}
