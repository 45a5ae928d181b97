// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"slices"
	"time"
)

// This file follows who holds each partition by the stored records, and judges that nothing is granted which somebody holds.

// holding is the last stored grant of a partition.
type holding struct {
	at      time.Time
	worker  string
	session uint64
	epoch   int64
	since   int64 // the version that revoked it, 0 while it is owned
	revoked time.Time
	term    uint64 // that granted or revoked it
	version int64  // of the record that was read last
	read    time.Time
}

// grant is a change of hands in the stored history, judged at the end.
type grant struct {
	held, at  time.Time
	partition string
	from      holding
	to        holding
}

// holdings follows who holds each partition of a stored record. It names everything that its session has: what it names no
// more, the session was asked to let go.
func (c *Checker) holdings(at time.Time, r record) {
	named := map[string]bool{}
	for _, o := range r.Owned {
		named[o.Partition] = true
	}
	for _, l := range r.Releasing {
		named[l.Partition] = true
	}
	for partition, last := range c.stored.holdings {
		if last.worker == r.Worker && last.session == r.Session && last.since == 0 && !named[partition] {
			c.revokes(partition, last)
			last.since, last.revoked, last.term = r.Version, at, r.Term
			if c.stored.missed(Assignment, grant{held: last.read, at: at}) {
				last.since = last.version + 1 // perhaps: by a record that nobody read
			}
			c.stored.holdings[partition] = last
		}
	}
	for _, o := range r.Owned {
		now := holding{at: at, worker: r.Worker, session: r.Session, epoch: o.Epoch, version: r.Version, term: r.Term, read: at}
		last, known := c.stored.holdings[o.Partition]
		switch {
		case known && last.session == now.session && last.worker == now.worker && last.epoch == now.epoch && last.since == 0:
			last.version, last.read = now.version, at
			c.stored.holdings[o.Partition] = last
			continue
		case known && now.epoch <= last.epoch:
			c.violate("I2", "stored: %s for %s session %d with epoch %d, after epoch %d for %s session %d", o.Partition,
				now.worker, now.session, now.epoch, last.epoch, last.worker, last.session)
		}
		c.given(o.Partition, now)
	}
	for _, l := range r.Releasing {
		last := c.stored.holdings[l.Partition]
		if last.epoch != 0 && l.Epoch > last.epoch {
			// The record that granted it was replaced before it was read.
			last = holding{at: at, worker: r.Worker, session: r.Session, epoch: l.Epoch, version: r.Version, term: r.Term, read: at}
			c.given(l.Partition, last)
		}
		if last.worker == r.Worker && last.session == r.Session && last.epoch == l.Epoch {
			if last.since == 0 {
				c.revokes(l.Partition, last)
				last.revoked, last.term = at, r.Term
			}
			last.since = l.Since
			c.stored.holdings[l.Partition] = last
		}
	}
}

// given notes that a partition has changed hands.
func (c *Checker) given(partition string, now holding) {
	if last, known := c.stored.holdings[partition]; known && now.epoch > last.epoch {
		c.stored.grants = append(c.stored.grants, grant{last.at, now.at, partition, last, now})
		c.granted(last, now, now.term)
	}
	if last, known := c.stored.holdings[partition]; !known || now.epoch > last.epoch {
		c.grantedToLeaver(partition, now)
	}
	c.stored.holdings[partition] = now
}

// judgeGrants judges the changes of hands that are stored since it did so last.
func (c *Checker) judgeGrants() {
	for _, g := range c.stored.grants {
		if !c.stored.free(g, c.cfg.Lease) {
			c.violate("handoff", "%s was granted to %s session %d (epoch %d, at %.3fs) while %s session %d held it",
				g.partition, g.to.worker, g.to.session, g.to.epoch, g.at.Sub(c.began).Seconds(),
				g.from.worker, g.from.session)
		}
	}
	c.stored.grants = nil
}

// free says whether the holder had let go, or was over, at the time of the grant. Two streams have no common order
// within one instant: there, the grant has the benefit of the doubt.
func (s *stored) free(g grant, lease time.Duration) bool {
	if s.missed(Heartbeat, g) {
		return true // nobody knows what was written then
	}
	revoked := g.from.since
	if revoked == 0 && s.missed(Assignment, g) {
		revoked = g.from.version + 1 // perhaps: by a record that nobody read
	}
	seen := false // the session's own heartbeat
	for _, b := range s.beats[g.from.worker] {
		if b.at.After(g.at) {
			break
		}
		switch {
		case b.session > g.from.session, b.gone && seen:
			return true
		case b.foreign:
			if seen && !g.at.Before(b.at.Add(lease)) {
				return true
			}
		case b.session == g.from.session:
			seen = true
			if revoked > 0 && b.letGo(g.partition, revoked) {
				return true
			}
		}
	}
	// A session that is not seen alive in the heartbeats up to then: a holder that ended before the reader began.
	return !seen
}

// letGo says that the session has let go of a partition that a version revoked.
func (b beat) letGo(partition string, revoked int64) bool {
	return b.applied >= revoked && !slices.Contains(b.holding, partition)
}

// missed says that something was overwritten unread while the holder held.
func (s *stored) missed(b Bucket, g grant) bool {
	return slices.ContainsFunc(s.unread[b], func(u span) bool { return !u.from.After(g.at) && !u.to.Before(g.held) })
}
