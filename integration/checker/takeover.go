// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package checker

import "time"

// takeover is a claim that one process stored over the live claim of another, judged at the end.
type takeover struct {
	key      string
	at       time.Time
	from, to claim
}

// judgeTakeovers judges the takeovers of claims since it did so last. One is right when the process before is dead, or when
// its session was over: it had no heartbeat, and the claim was older than a heartbeat lasts.
func (c *Checker) judgeTakeovers() {
	for _, t := range c.stored.takeovers {
		if !c.hasDied(t) && !c.stored.over(t, c.cfg.Lease) {
			c.violate("I5", "%s: session %d was stored over the live session %d", t.key, t.to.Session, t.from.Session)
		}
	}
	c.stored.takeovers = nil
}

// hasDied says that a process which had the ID died before. What tells of the death may be late by the grace period, and
// one that died early had not told of its ID.
func (c *Checker) hasDied(t takeover) bool {
	for _, p := range c.procs {
		if p.dead && (p.identity == t.key || p.identity == "") && !p.died.After(t.at.Add(c.cfg.Grace)) && !p.died.Before(t.from.At) {
			return true
		}
	}
	return false
}

// over says that the session had no heartbeat, and could not have its first any more.
func (s *stored) over(t takeover, lease time.Duration) bool {
	if s.missed(Heartbeat, grant{held: t.from.At, at: t.at}) {
		return true // nobody knows what was written then
	}
	alive := false
	for _, b := range s.beats[t.key] {
		if b.at.After(t.at) {
			break
		}
		if b.session <= t.from.Session { // those that follow may bear the same time
			alive = !b.gone
		}
	}
	return !alive && !t.at.Before(t.from.At.Add(lease))
}
