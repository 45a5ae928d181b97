// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// board is the parent's table of who owns what. Reports of two processes may arrive in another order than that in which
// things happened, so it counts the live owners of each partition, and keeps what happened with its time for judging later.
//
// Invariant: owners[p] is the number of workers w with held[w][p], and ownerless the number of partitions without one.
type board struct {
	mu        sync.Mutex
	owners    []int
	held      []map[int]bool // by worker; nil for one that crashed
	ownerless int
	before    []int // owners when the step began
	events    []event
	whole     chan struct{} // has an item when the last ownerless partition got an owner
}

// event is one partition gaining (+1) or losing (-1) an owner.
type event struct {
	at        int64
	partition int
	change    int
}

func newBoard(workers, partitions int) *board {
	b := &board{
		owners: make([]int, partitions), held: make([]map[int]bool, workers),
		ownerless: partitions, before: make([]int, partitions), whole: make(chan struct{}, 1),
	}
	for i := range b.held {
		b.held[i] = map[int]bool{}
	}
	return b
}

// note records what a hook was told. What a crashed worker says does not count.
func (b *board) note(c change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	held := b.held[c.Worker]
	if held == nil {
		return
	}
	for _, p := range c.Removed {
		if held[p] {
			delete(held, p)
			b.record(event{c.At, p, -1})
		}
	}
	for _, p := range c.Added {
		if !held[p] {
			held[p] = true
			b.record(event{c.At, p, +1})
		}
	}
}

// crash takes everything from a worker.
func (b *board) crash(worker int, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p := range b.held[worker] {
		b.record(event{at.UnixNano(), p, -1})
	}
	b.held[worker] = nil
}

func (b *board) record(e event) {
	b.events = append(b.events, e)
	was := b.owners[e.partition]
	b.owners[e.partition] += e.change
	switch {
	case was == 0 && e.change > 0:
		if b.ownerless--; b.ownerless == 0 {
			select {
			case b.whole <- struct{}{}:
			default:
			}
		}
	case was == 1 && e.change < 0:
		b.ownerless++
	}
}

// begin starts a step: outcome judges what happens from here on.
func (b *board) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before, b.events = slices.Clone(b.owners), nil
	select {
	case <-b.whole:
	default:
	}
}

// missing is how many partitions have no owner now.
func (b *board) missing() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ownerless
}

// outcome is what a step meant for the partitions.
type outcome struct {
	lost      int           // partitions without an owner, at most
	reowned   time.Duration // until every partition had an owner for the first time; 0 if that never happened
	ownerless float64       // partition-seconds
	given     int           // partitions that a worker was given
}

// outcome judges the step that began at from and ended at to.
func (b *board) outcome(from, to time.Time) outcome {
	b.mu.Lock()
	events, owners := slices.Clone(b.events), slices.Clone(b.before)
	b.mu.Unlock()
	slices.SortStableFunc(events, func(x, y event) int { return cmp.Compare(x.at, y.at) })
	var o outcome
	missing := 0
	for _, n := range owners {
		if n == 0 {
			missing++
		}
	}
	o.lost = missing
	now := from.UnixNano()
	for _, e := range events {
		o.ownerless += float64(missing) * time.Duration(max(e.at-now, 0)).Seconds()
		now = max(now, e.at)
		was := owners[e.partition]
		owners[e.partition] += e.change
		switch {
		case was == 0 && e.change > 0:
			if missing--; missing == 0 && o.reowned == 0 {
				o.reowned = time.Duration(now - from.UnixNano())
			}
		case was == 1 && e.change < 0:
			missing++
			o.lost = max(o.lost, missing)
		}
		if e.change > 0 {
			o.given++
		}
	}
	o.ownerless += float64(missing) * time.Duration(max(to.UnixNano()-now, 0)).Seconds()
	return o
}
