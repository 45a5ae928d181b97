// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"fmt"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/store"
)

// valid reports the first broken invariant.
func (m *Member) valid() error {
	if m.ended {
		return nil
	}
	for _, k := range kinds {
		switch acts := k == Elector || k == Follower || k == Calculator; {
		case m.runs[k] < 0:
			return fmt.Errorf("1: %d actors of kind %s run", m.runs[k], k)
		case m.lives[k] && acts && (m.session.beat.Revision == 0 || m.winding != nil):
			return fmt.Errorf("2: %s lives without a session", k)
		}
	}
	if m.lives[Calculator] && !m.lives[Elector] {
		return fmt.Errorf("2: a calculator lives without an elector")
	}
	if !m.wake.Equal(m.next()) {
		return fmt.Errorf("3: due at %s, woken at %s", m.next(), m.wake)
	}
	if m.session.beat.Revision != 0 && !m.fenced() && m.dues[dueTrust].IsZero() {
		return fmt.Errorf("4: the trust in session %d has no deadline", m.session.number)
	}
	if m.winding == nil {
		return nil
	}
	return m.winding.valid(m)
}

func (w *windDown) valid(m *Member) error {
	switch {
	case !w.rejoin && m.dues[dueWindDown].IsZero(), w.rejoin && w.gives() && !w.fenced && m.dues[dueTrust].IsZero():
		return fmt.Errorf("3: a wind-down without a deadline: %+v", w)
	case w.rejoin && w.done && m.dues[dueRejoin].IsZero(), w.rejoin && w.letGo && !w.done && !w.fenced && !w.overdue && m.dues[dueWindDown].IsZero():
		return fmt.Errorf("3: a rejoin without a deadline: %+v", w)
	case w.letGo && !w.gaveUp, w.removing[store.Heartbeats] && !w.gaveUp:
		return fmt.Errorf("5: the heartbeat is let go before everything is given up: %+v", w)
	case w.rejoin && m.state != fsm.ClaimingID, !w.rejoin && m.state != fsm.Shutdown:
		return fmt.Errorf("6: in state %s winds down: %+v", m.state, w)
	}
	return nil
}
