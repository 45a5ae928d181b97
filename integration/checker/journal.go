// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"fmt"
	"slices"
)

// This file judges the journal by what the records show: each grant and each revoke that a version stores is in the
// journal of that version. A version without an entry proves nothing: an earlier release wrote it, or takes part.

// journal is an entry of the journal.
type journal struct {
	Term    uint64
	Version int64
	By      string
	Why     string
	Changes []struct {
		From, To   string
		Epoch      int64
		Partitions []string
	}
	Left int
}

// change is a grant, which has a To, or a revoke.
type change struct {
	Partition string
	From      string
	To        string
	Epoch     int64
}

// changes are what the version of a record grants and revokes by it.
func (r record) changes() (list []change) {
	for _, o := range r.Owned {
		if o.Epoch == r.Version {
			list = append(list, change{Partition: o.Partition, To: r.Worker, Epoch: o.Epoch})
		}
	}
	for _, o := range r.Releasing {
		if o.Since == r.Version {
			list = append(list, change{Partition: o.Partition, From: r.Worker, Epoch: o.Epoch})
		}
	}
	return list
}

func (c *Checker) storedJournal(e Entry) {
	j, ok := decode[journal](c, e)
	if !ok {
		return
	}
	c.stored.journals++
	if e.Key != fmt.Sprintf("journal.%d", j.Version) || j.Why == "" || j.By == "" {
		c.violate("I6", "%s: the journal of version %d by %q says why: %q", e.Key, j.Version, j.By, j.Why)
	}
	if j.Left > 0 {
		return
	}
	told := map[change]bool{}
	for _, c := range j.Changes {
		if c.To != "" {
			c.From = "" // which a record does not tell
		}
		for _, p := range c.Partitions {
			told[change{p, c.From, c.To, c.Epoch}] = true
		}
	}
	for _, one := range c.stored.changed[j.Version] {
		if !told[one] {
			c.violate("I6", "%s: the journal lacks %+v", e.Key, one)
		}
	}
	delete(c.stored.changed, j.Version)
}

// Journals counts the entries of the journal that were stored.
func (c *Checker) Journals() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stored.journals
}

// Grants lists the partitions of which the streams have shown that somebody was granted them, sorted.
func (c *Checker) Grants() (partitions []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.stored.grants {
		partitions = append(partitions, g.partition)
	}
	slices.Sort(partitions)
	return slices.Compact(partitions)
}
