// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package checker

import "time"

// Vacancy is a time in which nobody ran a partition that somebody had run before.
type Vacancy struct {
	Partition string
	From, To  time.Time
}

// Vacancies returns the times without an owner that ended after a moment; those that go on end now. What is not listed any
// more (see [Checker.Listed]) needs no owner.
func (c *Checker) Vacancies(since time.Time) []Vacancy {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := []Vacancy{}
	add := func(v Vacancy) {
		if _, listed := c.live.listed[v.Partition]; v.To.After(since) && (listed || c.live.listed == nil) {
			all = append(all, v)
		}
	}
	for _, v := range c.vacancies {
		add(v)
	}
	for _, partition := range sorted(c.vacant) {
		add(Vacancy{partition, c.vacant[partition], time.Now()})
	}
	return all
}

// vacate notes that a process runs a partition no more. A paused process counts as one that runs it.
func (c *Checker) vacate(p *process, partition string) {
	for _, other := range c.procs {
		if other != p && other.runs[partition] != nil && !other.dead {
			return
		}
	}
	c.vacant[partition] = time.Now()
}

// occupy notes that a process runs a partition from now on.
func (c *Checker) occupy(partition string) {
	from, vacant := c.vacant[partition]
	if !vacant {
		return
	}
	delete(c.vacant, partition)
	if now := time.Now(); now.After(from) {
		c.vacancies = append(c.vacancies, Vacancy{partition, from, now})
	}
}
