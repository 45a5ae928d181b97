// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package checker

// Wrote says that the job of a process writes to a store of the user's, which remembers the highest epoch of each
// partition and refuses an older one. It reports whether the write was taken. A refusal is what epochs are for, and
// still a violation unless the process was paused, its handler ignores its context, or the store was restored.
func (c *Checker) Wrote(name, partition string, epoch int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procs[name]
	if p.dead || p.frozen {
		return true // it did not get so far
	}
	if epoch >= c.writes[partition] {
		c.writes[partition] = epoch
		return true
	}
	c.refused++
	c.log("%s: its write to %s with epoch %d is refused, after %d", name, partition, epoch, c.writes[partition])
	r := p.runs[partition]
	if excused := c.fresh(p) || c.deaf(p, partition) || r != nil && (r.stale || c.forgotten(p, r)); !excused {
		c.violate("fencing", "%s: wrote to %s with epoch %d, after %d", name, partition, epoch, c.writes[partition])
	}
	return false
}

// Refused counts the writes that the external store refused.
func (c *Checker) Refused() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}
