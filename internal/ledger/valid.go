// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import "fmt"

// valid returns the first invariant that is broken.
func (l *Ledger) valid() error {
	pending, waiting := 0, 0
	for id, w := range l.workers {
		for i, p := range w.held {
			if p.holder != w || p.slot != i || l.parts[p.id] != p {
				return fmt.Errorf("partition %s is booked on %s and held by another", p.id, id)
			}
			if p.session <= w.ended {
				return fmt.Errorf("partition %s is held by %s session %d, which has ended", p.id, id, p.session)
			}
			if p.epoch > l.version || p.since > l.version {
				return fmt.Errorf("partition %s: epoch %d since %d above version %d", p.id, p.epoch, p.since, l.version)
			}
			if p.releasing {
				pending++
			}
			if p.releasing && !p.late {
				waiting++
			}
		}
		for i, p := range w.targets {
			if p.target != w || p.targetSlot != i {
				return fmt.Errorf("partition %s is meant for %s and says otherwise", p.id, id)
			}
		}
		if w.unread != nil && !w.unread.late {
			waiting++
		}
	}
	if pending != l.pending || waiting != l.waiting {
		return fmt.Errorf("%d pending, counted %d; %d waiting, counted %d", l.pending, pending, l.waiting, waiting)
	}
	unowned := 0
	for _, p := range l.parts {
		if p.listed() && p.holder == nil {
			unowned++
		}
	}
	if unowned != l.unowned {
		return fmt.Errorf("%d unowned, counted %d", l.unowned, unowned)
	}
	return l.validTouched()
}

// validTouched: what may be granted or must be revoked is touched.
func (l *Ledger) validTouched() error {
	leave := l.allLeave()
	for _, p := range l.parts {
		if p.touched == 0 && (l.mayGrant(p, leave) || l.mustRevoke(p)) {
			return fmt.Errorf("partition %s would have to be written and is not touched", p.id)
		}
	}
	return nil
}
