// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import "math/bits"

// place gives every orphan a worker: its home if there is room, else its first choice of those that had room to begin
// with if there still is, else the next that has. There is room below high. While the orphans are no more than what lacks
// below the lower bounds, or else below low, only who lacks has room. So a fresh plan stays clear of the bounds, and the
// next workers to join or leave push nobody across.
func (b *balance) place() {
	if len(b.orphans) == 0 {
		return
	}
	b.orphans = b.byHash(b.orphans)
	s := b.scarcity(int64(len(b.orphans)))
	ok := func(w int) bool { return b.load[w] < b.high[w] && (s.floor == nil || b.load[w] < s.floor[w]) }
	rest := b.orphans
	for pass := range 3 {
		if len(rest) == 0 || pass == 0 && b.home == nil {
			continue
		}
		open := b.open(ok)
		now := rest
		if pass > 0 {
			b.prefer.expect(b.hashes, now)
		}
		rest = rest[:0]
		for i, q := range now {
			w := None
			switch pass {
			case 0:
				w = b.home[q]
			case 1:
				w = b.prefer.best(b.hashes[q], everyone)
			case 2:
				w = b.prefer.best(b.hashes[q], ok)
			}
			if w == None || !ok(w) {
				rest = append(rest, q)
				continue
			}
			changed := s.given(w)
			b.give(q, w)
			if pass == 2 && s.left > 0 && (changed || !ok(w)) {
				if open--; changed || open*2 < b.aimed {
					open = b.open(ok)
					b.prefer.expect(b.hashes, now[i+1:])
				}
			}
		}
	}
	b.orphans = nil
}

// scarcity keeps account of what is left to give away and of what lacks.
type scarcity struct {
	*balance
	left       int64
	must, want int64   // what lacks below the lower bounds, and below low
	floor      []int64 // below which a worker has to be to get anything; nil if that does not matter
}

func (b *balance) scarcity(left int64) *scarcity {
	s := &scarcity{balance: b, left: left}
	for w := range b.load {
		s.must += max(0, b.least[w]-b.load[w])
		s.want += max(0, b.low[w]-b.load[w])
	}
	s.level()
	return s
}

func (s *scarcity) level() {
	switch {
	case s.left <= s.must:
		s.floor = s.least
	case s.left <= s.want:
		s.floor = s.low
	}
}

// given is told of each worker that is about to be given one, and says whether that changes who may have the next.
func (s *scarcity) given(w int) (changed bool) {
	if s.load[w] < s.least[w] {
		s.must--
	}
	if s.load[w] < s.low[w] {
		s.want--
	}
	s.left--
	was := s.floor
	s.level()
	return len(was) != len(s.floor) || len(was) > 0 && &was[0] != &s.floor[0]
}

// open aims at the workers that are ok and counts them.
func (b *balance) open(ok func(w int) bool) (n int) {
	at := make([]bool, len(b.load))
	for w := range at {
		if at[w] = ok(w); at[w] {
			n++
		}
	}
	b.prefer.aim(at)
	b.aimed = n
	return n
}

// byHash sorts by hash. It drops the partitions into as many buckets as there are, since hashes are spread evenly.
func (b *balance) byHash(list []int32) []int32 {
	size := bits.Len(uint(len(list)))
	shift := 64 - size
	start := make([]uint32, 1<<size+1)
	for _, q := range list {
		start[b.hashes[q]>>shift+1]++
	}
	for i := 1; i < len(start); i++ {
		start[i] += start[i-1]
	}
	sorted := make([]int32, len(list))
	for _, q := range list {
		at := &start[b.hashes[q]>>shift]
		sorted[*at] = q
		*at++
	}
	for i := 1; i < len(sorted); i++ {
		q := sorted[i]
		at := i
		for ; at > 0 && b.compare(sorted[at-1], q) > 0; at-- {
			sorted[at] = sorted[at-1]
		}
		sorted[at] = q
	}
	return sorted
}
