// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import "slices"

// relieve moves partitions away from who has more than its upper bound.
func (b *balance) relieve() (moved bool) {
	over, anyone := make([]bool, len(b.load)), false
	for w := range b.load {
		over[w] = b.load[w] > b.most[w]
		anyone = anyone || over[w]
	}
	if !anyone {
		return false
	}
	start, total := b.offsets(over)
	held := make([]int32, total)
	for q, w := range b.next {
		if w != None && over[w] {
			held[start[w+1]] = int32(q)
			start[w+1]++
		}
	}
	for w := range b.load {
		if over[w] {
			list := slices.DeleteFunc(held[start[w]:start[w+1]], func(q int32) bool { return b.heavy != nil && b.heavy[q] })
			b.byWeight(list)
			moved = b.relieveOne(w, list) || moved
		}
	}
	return moved
}

// relieveOne moves as few of a worker's partitions as bring it below its bound: the lightest one that is enough, or the
// heaviest if none is. What fits nowhere stays, unless the worker is above the bound by more than its lightest partition:
// then that goes to the emptiest.
func (b *balance) relieveOne(from int, list []int32) (moved bool) {
	for b.load[from] > b.most[from] && len(list) > 0 {
		lightest := list[len(list)-1]
		if !b.saturated(from) && float64(b.load[from]) <= b.fair[from]+float64(b.weight(lightest)) {
			return moved
		}
		at, to := b.leaving(from, list)
		if to == None {
			at, to = len(list)-1, b.emptiest(lightest, func(w int) bool { return w != from && !b.saturated(w) })
			if to == None || !b.less(b.load[to]+b.weight(lightest), to, b.load[from], from) {
				return moved
			}
		}
		q := list[at]
		list = slices.Delete(list, at, at+1)
		b.take(q)
		b.give(q, to)
		moved = true
	}
	return moved
}

// leaving picks a partition that can leave and where it goes, or None.
func (b *balance) leaving(from int, list []int32) (at, to int) {
	excess := b.load[from] - b.most[from]
	enough := 0
	for enough+1 < len(list) && b.weight(list[enough+1]) >= excess {
		enough++
	}
	needy := false
	var weight int64
	ok := func(w int) bool {
		return w != from && b.load[w]+weight <= b.most[w] && (!needy || b.load[w] < b.least[w])
	}
	try := func(at int) int {
		if weight = b.weight(list[at]); !b.fits(weight) {
			return None
		}
		if needy = true; b.lacking() {
			if to := b.choose(list[at], ok); to != None {
				return to
			}
		}
		needy = false
		return b.choose(list[at], ok)
	}
	last := int64(-1)
	for i := enough; i < len(list); i++ {
		if b.weight(list[i]) == last {
			continue // what weighs the same fits nowhere either
		}
		last = b.weight(list[i])
		if to := try(i); to != None {
			return i, to
		}
	}
	for i := enough - 1; i >= 0; i-- {
		if b.weight(list[i]) == last {
			continue
		}
		last = b.weight(list[i])
		if to := try(i); to != None {
			return i, to
		}
	}
	return 0, None
}

func (b *balance) lacking() bool {
	for w := range b.load {
		if b.load[w] < b.least[w] {
			return true
		}
	}
	return false
}

// fill brings partitions to who is below its lower bound, from those that stay above theirs or at least as full as the
// receiver gets. Those that would rather be there come first.
func (b *balance) fill() (moved bool) {
	if !b.lacking() {
		return false
	}
	needy := make([]bool, len(b.load))
	for w := range b.load {
		needy[w] = b.load[w] < b.least[w]
	}
	b.prefer.aim(needy)
	var glad, rest []int32
	for q, w := range b.next {
		if needy[w] || b.heavy != nil && b.heavy[q] {
			continue
		}
		if c := b.candidate(int32(q), needy); c.key < gladly {
			glad = append(glad, c.q)
		} else {
			rest = append(rest, c.q)
		}
	}
	for _, list := range [][]int32{glad, rest} {
		if b.lacking() {
			b.byWeight(list)
			moved = b.bring(list, needy) || moved
		}
	}
	b.open(everyone)
	return moved
}

func (b *balance) bring(list []int32, needy []bool) (moved bool) {
	var q int32
	lacking := 0
	for w := range b.load {
		if needy[w] && b.load[w] < b.least[w] {
			lacking++
		}
	}
	ok := func(w int) bool {
		if !needy[w] || b.load[w] >= b.least[w] {
			return false
		}
		from := b.next[q]
		with, without := b.load[w]+b.weight(q), b.load[from]-b.weight(q)
		even := !b.less(without, from, with, w)
		return even || with <= b.most[w] && without >= b.least[from]
	}
	for _, q = range list {
		if lacking == 0 {
			break
		}
		to := b.choose(q, ok)
		if to == None {
			continue
		}
		b.take(q)
		b.give(q, to)
		moved = true
		if b.load[to] >= b.least[to] {
			lacking--
		}
	}
	return moved
}
