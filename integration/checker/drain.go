// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package checker

import "time"

// This file judges drains. A worker that says that it leaves is granted nothing any more, unless all members leave; what it has it
// hands over; and nobody waits for its return when it is gone.

// leavingSince says since when a session has said that it leaves.
func (s *stored) leavingSince(worker string, session uint64) (since time.Time, leaves bool) {
	for _, b := range s.beats[worker] {
		if b.session != session || b.gone || b.foreign {
			continue
		}
		if b.leaving && !leaves {
			since = b.at
		}
		leaves = b.leaving
	}
	return since, leaves
}

// grantedToLeaver judges a grant to a session that has said that it leaves. The leader may not know it for as long as it may
// lead without seeing the heartbeats, and what it has sent by then may be stored later.
func (c *Checker) grantedToLeaver(partition string, to holding) {
	since, leaves := c.stored.leavingSince(to.worker, to.session)
	late := c.cfg.Lease
	if d := c.cfg.Deadlines; d != nil {
		late += d.Slack
	}
	if leaves && to.at.After(since.Add(late)) && c.stored.memberStays() {
		c.violate("drain", "%s was granted to %s session %d (epoch %d), which has said for %s that it leaves", partition,
			to.worker, to.session, to.epoch, to.at.Sub(since))
	}
}

// memberStays says that a member of the last plan lives and does not say that it leaves.
func (s *stored) memberStays() bool {
	if len(s.plans) == 0 {
		return false
	}
	for _, m := range s.plans[len(s.plans)-1].Members {
		if beats := s.beats[m]; len(beats) > 0 && !beats[len(beats)-1].gone && !beats[len(beats)-1].leaving {
			return true
		}
	}
	return false
}

// noteStayers notes since when somebody is there who does not leave: nobody else may be given anything.
func (c *Checker) noteStayers() {
	for _, beats := range c.stored.beats {
		if last := beats[len(beats)-1]; !last.gone && !last.leaving {
			if c.live.deserted {
				c.live.deserted, c.live.stays = false, time.Now()
			}
			return
		}
	}
	c.live.deserted = true
}

// leftForGood says that a session said that it leaves, to a leader that was there to hear it, and then deleted its heartbeat
// with its partitions still its own.
func (c *Checker) leftForGood(h holding, last beat) bool {
	since, leaves := c.stored.leavingSince(h.worker, h.session)
	return leaves && last.gone && !last.expired && h.since == 0 && c.live.since.Before(since)
}
