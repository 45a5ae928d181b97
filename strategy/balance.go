// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// preference says where a partition would rather be; balance decides what it gets.
type preference interface {
	// aim names the workers that are to choose from: at least one.
	aim(at []bool)
	// expect says that until the next aim best is asked for these partitions only. It may be left out.
	expect(hashes []uint64, list []int32)
	// best names the worker that the partition of hash h prefers among those aimed at that are ok, or None.
	best(h uint64, ok func(w int) bool) int
	// pull says how little it minds going from its owner to one of those aimed at: smaller goes first. Below reluctant
	// it prefers one of them to its owner.
	pull(h uint64, from int) uint64
}

const reluctant = 1 << 61

// balance is one plan in the making: everything stays where it is, as far as the bounds of the workers' loads allow;
// the rest goes where it prefers to be. What it promises:
//
//	B1 every partition has an owner in the end
//	B2 where all weigh the same, every load is within its bounds and no plan within them moves less
//	B3 where weights differ, a worker is above its upper bound only if without its lightest partition it would be below
//	   what is fair, or whoever took that would be fuller than it is now
//	B4 asked again with its own answer, it moves nothing
//	B5 the order of the input does not matter
type balance struct {
	*input
	prefer      preference
	next        []int
	load        []int64 // of each worker, like the bounds
	least, most []int64
	low, high   []int64 // inside least and most: where what is given away leaves a worker, so that the next change finds room
	orphans     []int32
	aimed       int // how many workers the preference chooses from
	*heavies        // only where weights differ
}

// evenly solves the case in which all partitions weigh the same: loads are counts.
func (in *input) evenly(prefer preference, bound float64) []int {
	b := &balance{input: in, prefer: prefer, next: slices.Clone(in.previous), load: make([]int64, len(in.workers))}
	b.keep()
	if bound > 1 {
		b.least, b.most = in.band(bound)
		b.low, b.high = in.band(math.Sqrt(bound))
	} else {
		b.least = in.quotas(b.load)
		b.most, b.low, b.high = b.least, b.least, b.least
	}
	b.release()
	b.place()
	return b.next
}

func (b *balance) weight(q int32) int64 {
	if b.weights == nil {
		return 1
	}
	return b.weights[q]
}

// keep leaves everything where it is.
func (b *balance) keep() {
	for q, w := range b.next {
		if w == None {
			b.orphans = append(b.orphans, int32(q))
		} else {
			b.load[w] += b.weight(int32(q))
		}
	}
}

func (b *balance) give(q int32, w int) {
	b.next[q] = w
	b.load[w] += b.weight(q)
}

func (b *balance) take(q int32) {
	b.load[b.next[q]] -= b.weight(q)
	b.next[q] = None
}

// floors are each worker's share of the count, rounded down, and what that cuts off.
func (in *input) floors() (whole []int64, rest []uint64) {
	var room uint64
	for _, w := range in.workers {
		room += uint64(w.Room())
	}
	whole, rest = make([]int64, len(in.workers)), make([]uint64, len(in.workers))
	for i, w := range in.workers {
		hi, lo := bits.Mul64(uint64(len(in.partitions)), uint64(w.Room()))
		quotient, remainder := bits.Div64(hi, lo, room)
		whole[i], rest[i] = int64(quotient), remainder
	}
	return whole, rest
}

// band is between fair ÷ bound and fair × bound, and never narrower than what is fair rounded down and up.
func (in *input) band(bound float64) (least, most []int64) {
	least, rest := in.floors()
	most = make([]int64, len(least))
	var room float64
	for _, w := range in.workers {
		room += float64(w.Room())
	}
	for i, w := range in.workers {
		fair := float64(len(in.partitions)) * float64(w.Room()) / room
		most[i] = max(least[i]+int64(min(rest[i], 1)), int64(fair*bound))
		least[i] = min(least[i], int64(math.Ceil(fair/bound)))
	}
	return least, most
}

// quotas are what is fair rounded down or up: up for those that have more already, so that the fewest move, and then for
// those from whom rounding down would cut off most.
func (in *input) quotas(has []int64) []int64 {
	quota, rest := in.floors()
	left := int64(len(in.partitions))
	var order []int
	for i, q := range quota {
		left -= q
		if rest[i] > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(x, y int) int {
		if moreX, moreY := has[x] > quota[x], has[y] > quota[y]; moreX != moreY {
			return cmp.Compare(has[y]-quota[y], has[x]-quota[x])
		}
		return cmp.Compare(rest[y], rest[x])
	})
	up := order[:left]
	for _, i := range up {
		quota[i]++
	}
	return quota
}

// candidate is a partition that could move; smaller keys move first.
type candidate struct {
	key uint64
	q   int32
}

// release takes from who has more than the upper bound, and beyond that as much as those below the lower one lack.
func (b *balance) release() {
	over, excess, lack := make([]bool, len(b.load)), int64(0), -int64(len(b.orphans))
	needy, anyone := make([]bool, len(b.load)), false
	for w, load := range b.load {
		over[w] = load > b.most[w]
		excess += max(0, load-b.most[w])
		lack += max(0, b.least[w]-load)
		needy[w] = load < b.least[w]
		anyone = anyone || needy[w]
	}
	lack -= excess
	if excess == 0 && lack <= 0 {
		return
	}
	for w, load := range b.load {
		needy[w] = needy[w] || !anyone && load < b.high[w]
	}
	b.prefer.aim(needy)
	if excess > 0 {
		for _, c := range b.surplus(over, needy) {
			b.take(c.q)
			b.orphans = append(b.orphans, c.q)
		}
	}
	if lack > 0 {
		lack = b.draw(b.pool(needy, gladly, math.MaxUint64), lack)
	}
	for among := 64*lack + 1024; lack > 0; among *= 16 {
		window := uint64(math.MaxUint64) // of hashes: to ask everyone for the sake of a few would take long
		if n := int64(len(b.next)); among < n {
			window = window / uint64(n) * uint64(among)
		}
		lack = b.draw(b.pool(needy, math.MaxUint64, window), lack)
		if window == math.MaxUint64 {
			return
		}
	}
}

// surplus lists what has to leave those that have more than the upper bound: of each the ones that mind the least.
func (b *balance) surplus(over, needy []bool) (leave []candidate) {
	most, start := int64(0), make([]int64, len(b.load)+1)
	for w, load := range b.load {
		n := max(0, load-b.most[w])
		most, start[w+1] = max(most, n), start[w]+n
	}
	if most <= fewAre { // kept sorted while the rest passes by: no list of all that they have
		leave = make([]candidate, start[len(b.load)])
		n := make([]int, len(b.load))
		for q, w := range b.next {
			if w != None && over[w] {
				n[w] = b.insert(leave[start[w]:start[w+1]], n[w], b.candidate(int32(q), needy))
			}
		}
		return leave
	}
	from, list := b.candidates(over, needy)
	for w := range b.load {
		if own, n := list[from[w]:from[w+1]], start[w+1]-start[w]; n > 0 {
			b.smallest(own, int(n))
			leave = append(leave, own[:n]...)
		}
	}
	return leave
}

// pool is who is above the lower bound, has a hash inside a window, and would go for less than a limit.
func (b *balance) pool(needy []bool, limit, window uint64) (pool []candidate) {
	for q, w := range b.next {
		if w != None && b.load[w] > b.least[w] && b.hashes[q] <= window {
			if c := b.candidate(int32(q), needy); c.key < limit {
				pool = append(pool, c)
			}
		}
	}
	return pool
}

// draw takes as many as lack from the pool, and from nobody so much that it falls below its lower bound. It returns what
// lacks after that.
func (b *balance) draw(pool []candidate, lack int64) int64 {
	for part := int(2*lack) + 64; lack > 0 && len(pool) > 0; part = len(pool) {
		part = min(part, len(pool))
		b.smallest(pool, part)
		b.sort(pool[:part])
		for _, c := range pool[:part] {
			if w := b.next[c.q]; lack > 0 && b.load[w] > b.least[w] {
				b.take(c.q)
				b.orphans = append(b.orphans, c.q)
				lack--
			}
		}
		pool = pool[part:]
	}
	return lack
}

// offsets says where the partitions of some workers begin in a list of them all: those of w are at start[w] up to
// start[w+1], once each has been put at start[w+1] and counted there.
func (b *balance) offsets(of []bool) (start []int32, total int32) {
	start = make([]int32, len(of)+2)
	for _, w := range b.next {
		if w != None && of[w] {
			start[w+2]++
		}
	}
	for i := 1; i < len(start); i++ {
		start[i] += start[i-1]
	}
	return start, start[len(start)-1]
}

// candidates lists the partitions of some workers with how gladly they would go to the needy.
func (b *balance) candidates(of, needy []bool) (start []int32, list []candidate) {
	start, total := b.offsets(of)
	list = make([]candidate, total)
	for q, w := range b.next {
		if w != None && of[w] {
			list[start[w+1]] = b.candidate(int32(q), needy)
			start[w+1]++
		}
	}
	return start, list
}

// candidate says how gladly a partition would go to the needy. Home comes before all else, in both directions.
func (b *balance) candidate(q int32, needy []bool) candidate {
	from, h := b.next[q], b.hashes[q]
	if b.home != nil {
		switch home := b.home[q]; {
		case home == None:
		case home == from:
			return candidate{1<<63 | h>>8, q}
		case needy[home]:
			return candidate{h >> 8, q}
		}
	}
	return candidate{1<<60 + b.prefer.pull(h, from), q}
}

const gladly = 1<<60 + reluctant

func (b *balance) compareCandidates(x, y candidate) int {
	if x.key != y.key {
		return cmp.Compare(x.key, y.key)
	}
	return b.compare(x.q, y.q)
}

func (b *balance) sort(list []candidate) { slices.SortFunc(list, b.compareCandidates) }

// smallest brings the n smallest to the front, in any order.
func (b *balance) smallest(list []candidate, n int) {
	if n <= fewAre && n < len(list) {
		b.few(list, n)
		return
	}
	for n > 0 && n < len(list) {
		if len(list) <= 12 {
			b.sort(list)
			return
		}
		pivot := median(b, list[0], list[len(list)/2], list[len(list)-1])
		lo, hi := 0, len(list)-1
		for lo <= hi {
			for b.compareCandidates(list[lo], pivot) < 0 {
				lo++
			}
			for b.compareCandidates(list[hi], pivot) > 0 {
				hi--
			}
			if lo <= hi {
				list[lo], list[hi] = list[hi], list[lo]
				lo++
				hi--
			}
		}
		switch {
		case n <= hi+1:
			list = list[:hi+1]
		case n >= lo:
			list, n = list[lo:], n-lo
		default:
			return
		}
	}
}

// few does the same for a few: they are kept sorted while the rest passes by.
func (b *balance) few(list []candidate, n int) {
	b.sort(list[:n])
	for i := n; i < len(list); i++ {
		c, last := list[i], list[n-1]
		b.insert(list[:n], n, c)
		if list[n-1] != last {
			list[i] = last
		}
	}
}

// fewAre is up to how many it is quicker to keep sorted than to look for among all.
const fewAre = 16

// insert keeps the smallest that it is given in a list, sorted; n is how many there are already, and it returns that.
func (b *balance) insert(list []candidate, n int, c candidate) int {
	if n == len(list) {
		if last := list[n-1]; c.key > last.key || b.compareCandidates(c, last) > 0 {
			return n
		}
		n--
	}
	at := n
	for ; at > 0 && b.compareCandidates(list[at-1], c) > 0; at-- {
		list[at] = list[at-1]
	}
	list[at] = c
	return n + 1
}

func median(b *balance, x, y, z candidate) candidate {
	if b.compareCandidates(x, y) > 0 {
		x, y = y, x
	}
	if b.compareCandidates(y, z) > 0 {
		y = z
	}
	if b.compareCandidates(x, y) > 0 {
		y = x
	}
	return y
}
