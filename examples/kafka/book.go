// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sync"
	"time"
)

// book is what a fleet has processed. It believes only what the workers do with records, not what Parti or Kafka say.
type book struct {
	mu         sync.Mutex
	partitions []page
	watching   bool
	ranks      int64
	changed    time.Time // when a partition was last begun
	duplicates int64
	stale      int
	interrupts int
	moves      int
	errs       []error // that the workers survived
}

// page is one partition in the book.
type page struct {
	times   []uint8 // how often each offset was processed
	seen    int64   // how many offsets were
	last    time.Time
	longest time.Duration // between two records, while the book watches
	slot    int           // who began it last
	rank    int64         // the highest of the owners that have processed a record
	begun   bool
}

func newBook(partitions int) *book {
	return &book{partitions: make([]page, partitions), changed: time.Now()}
}

// begin notes that the worker in a slot takes a partition up. It returns the next rank: a number that grows with each call.
func (b *book) begin(partition int32, slot int) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &b.partitions[partition]
	if b.watching {
		b.interrupts++
		if p.begun && p.slot != slot {
			b.moves++
		}
	}
	p.slot, p.begun, b.changed = slot, true, time.Now()
	b.ranks++
	return b.ranks
}

// processed notes a record. The rank is the owner's: a lower one than before is a stale owner at work.
func (b *book) processed(partition int32, offset, rank int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, now := &b.partitions[partition], time.Now()
	for int64(len(p.times)) <= offset {
		p.times = append(p.times, 0)
	}
	if p.times[offset]++; p.times[offset] == 1 {
		p.seen++
	} else {
		b.duplicates++
	}
	if rank < p.rank {
		b.stale++
	}
	p.rank = max(p.rank, rank)
	if b.watching {
		p.longest = max(p.longest, now.Sub(p.last))
	}
	p.last = now
}

// failed notes an error that a worker survived.
func (b *book) failed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errs = append(b.errs, err)
}

// watch begins to measure, the pauses anew.
func (b *book) watch() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watching = true
	for i := range b.partitions {
		b.partitions[i].longest = 0
	}
}

// unwatch ends the measuring of pauses, moves and interruptions. Duplicates, stale owners and losses count until the end.
func (b *book) unwatch() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watching = false
}

// settled says whether every partition has processed a record since then, and none has been begun for as long as quiet.
func (b *book) settled(since time.Time, quiet time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.partitions {
		if !b.partitions[i].last.After(since) {
			return false
		}
	}
	return time.Since(b.changed) >= quiet && time.Since(since) >= quiet
}

// lost is how many of the records were not processed: of each partition those below its end.
func (b *book) lost(ends []int64) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	var n int64
	for i, end := range ends {
		n += end - b.partitions[i].seen
	}
	return n
}

// pauses is the longest time between two records, of each partition.
func (b *book) pauses() []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]time.Duration, len(b.partitions))
	for i := range b.partitions {
		list[i] = b.partitions[i].longest
	}
	return list
}

// sum writes the counts so far into an outcome.
func (b *book) sum(o *outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o.interrupts, o.moves, o.duplicates = b.interrupts, b.moves, b.duplicates
}

// finish writes into it what counts until the end.
func (b *book) finish(o *outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o.later, o.stale, o.errs = b.duplicates-o.duplicates, b.stale, b.errs
	if o.crashed == 0 {
		o.duplicates, o.later = b.duplicates, 0
	}
}
