// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package checker

import "time"

// mostTerms is how many terms of one session may be stored in a LeaderTTL.
const mostTerms = 6

// paced says so when a session has stored too many terms in a LeaderTTL, and counts anew from there.
func (c *Checker) paced(last Term) {
	if c.cfg.LeaderTTL == 0 {
		return
	}
	within := []time.Time{}
	for _, at := range c.stored.paces[last.Session] {
		if last.At.Sub(at) < c.cfg.LeaderTTL {
			within = append(within, at)
		}
	}
	within = append(within, last.At)
	if len(within) > mostTerms {
		c.violate("terms", "%s session %d stored %d terms within %s, allowed: %d", last.Worker, last.Session, len(within),
			c.cfg.LeaderTTL, mostTerms)
		within = nil
	}
	c.stored.paces[last.Session] = within
}
