// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package checker

import "time"

// This file is a process whose partitions are worked on by handlers of their own. Each counts as running from just before
// the handler is called until just after it has returned.

// Runs says that a handler is about to be called. It may be called again under the same epoch.
func (c *Checker) Runs(name, worker, partition string, epoch int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procs[name]
	if p.dead {
		return
	}
	c.log("%s: runs %s@%d as %s", name, partition, epoch, worker)
	c.judgeNameless(p)
	c.take(p, partition, Call{Worker: worker, Epochs: map[string]int64{partition: epoch}})
	if r := p.runs[partition]; r != nil {
		r.handled = true
	}
}

// Again says that a handler which failed is about to be called again, under the epoch that it has.
func (c *Checker) Again(name, partition string, epoch int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procs[name]
	if r := p.runs[partition]; !p.dead && (r == nil || r.epoch != epoch) {
		c.violate("I2", "%s: the handler of %s is called again with epoch %d, which it does not run", name, partition, epoch)
	}
}

// Ends says that the context of a handler was cancelled.
func (c *Checker) Ends(name, partition string, epoch int64, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procs[name]
	if r := p.runs[partition]; r != nil && r.epoch == epoch && !p.dead {
		r.cancelled = time.Now()
		c.log("%s: %s@%d is to end: %v", name, partition, epoch, cause)
	}
}

// Ran says that a handler has returned for good: the partition is let go.
func (c *Checker) Ran(name, partition string, epoch int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procs[name]
	r := p.runs[partition]
	if p.dead || r == nil || r.epoch != epoch {
		return
	}
	if !r.cancelled.IsZero() {
		p.busy += time.Since(r.cancelled)
	}
	if r.stale && time.Since(r.lost) > c.allowance(p, r) {
		c.violate("I1", "%s: kept %s for %s after it was lost", name, partition, time.Since(r.lost))
	}
	delete(p.runs, partition)
	c.vacate(p, partition)
	c.log("%s: ran %s@%d", name, partition, epoch)
}

// excuseDeaf leaves out what a process that has ended still runs because its handlers ignore their contexts.
func (c *Checker) excuseDeaf(p *process) {
	for partition, r := range p.runs {
		if r.handled && !r.cancelled.IsZero() && c.deaf(p, partition) {
			c.excuses("%s ended while the handler of %s ignores its context", p.name, partition)
			delete(p.runs, partition)
			c.vacate(p, partition)
		}
	}
}
