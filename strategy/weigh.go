// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// heavies is what balance knows of the partitions that weigh more than the largest worker's fair share. Each has a
// worker of its own, as empty as possible, as long as there are enough; the others share what is left.
type heavies struct {
	heavy []bool  // nil if there is none
	base  []int64 // the heavy load of each worker
	fair  []float64
}

// weighed solves the case in which weights differ: local search from the present owners. Each step lowers the load of
// somebody who has too much or raises that of somebody who lacks, so that it ends, and starts nothing where it ended.
func (in *input) weighed(prefer preference, bound float64) []int {
	b := &balance{
		input: in, prefer: prefer, next: slices.Clone(in.previous), load: make([]int64, len(in.workers)),
		heavies: &heavies{base: make([]int64, len(in.workers))},
	}
	b.keep()
	b.open(everyone)
	b.settleHeavy()
	b.least, b.most = make([]int64, len(b.load)), make([]int64, len(b.load))
	for w := range b.load {
		b.least[w], b.most[w] = int64(math.Ceil(b.fair[w]/bound)), int64(b.fair[w]*bound)
		if b.base[w] > 0 {
			b.least[w], b.most[w] = b.base[w], max(b.base[w], b.most[w])
		}
		if b.saturated(w) {
			b.most[w] = b.base[w]
		}
	}
	b.relieve()
	b.placeWeighed()
	for range 32 {
		if moved := b.relieve(); !b.fill() && !moved {
			break
		}
	}
	return b.next
}

func everyone(int) bool { return true }

// saturated: its heavy partition alone is more than what would be fair.
func (b *balance) saturated(w int) bool { return b.base[w] > 0 && float64(b.base[w]) >= b.fair[w] }

// share divides the load in proportion to capacity, where nobody has less than its base.
func (b *balance) share() {
	full := make([]bool, len(b.load))
	for again := true; again; {
		again = false
		left, room := float64(b.total), 0.0
		for w := range b.load {
			if full[w] {
				left -= float64(b.base[w])
			} else {
				room += float64(b.workers[w].Room())
			}
		}
		for w := range b.load {
			if full[w] {
				continue
			}
			b.fair[w] = left * float64(b.workers[w].Room()) / room
			if float64(b.base[w]) > b.fair[w] {
				b.fair[w], full[w], again = float64(b.base[w]), true, true
			}
		}
	}
}

// settleHeavy finds the heavy partitions, and sees to it that no worker has two while another has none. What is heavy
// is taken out of what the others share, which can make more of them heavy.
func (b *balance) settleHeavy() {
	b.fair = make([]float64, len(b.load))
	for range len(b.load) {
		b.share()
		limit := 0.0
		for w := range b.load {
			if b.base[w] == 0 {
				limit = max(limit, b.fair[w])
			}
		}
		var found []int32
		for q, weight := range b.weights {
			if limit > 0 && float64(weight) > limit && (b.heavy == nil || !b.heavy[q]) {
				found = append(found, int32(q))
			}
		}
		if len(found) == 0 {
			return
		}
		b.byWeight(found)
		if !b.seat(found) {
			return
		}
	}
}

// seat gives heavy partitions workers that have none: their own if possible, else the emptiest.
func (b *balance) seat(found []int32) (seated bool) {
	if b.heavy == nil {
		b.heavy = make([]bool, len(b.next))
	}
	var standing []int32
	for _, q := range found {
		if w := b.next[q]; w != None && b.base[w] == 0 {
			b.heavy[q], b.base[w], seated = true, b.weight(q), true
		} else {
			standing = append(standing, q)
		}
	}
	for _, q := range standing {
		to := b.emptiest(q, func(w int) bool { return b.base[w] == 0 })
		if to == None {
			continue
		}
		if w := b.next[q]; w != None {
			if !b.less(b.weight(q), to, b.base[w]+b.weight(q), w) {
				continue
			}
			b.take(q)
		}
		b.give(q, to)
		b.heavy[q], b.base[to], seated = true, b.weight(q), true
	}
	b.orphans = slices.DeleteFunc(b.orphans, func(q int32) bool { return b.next[q] != None })
	return seated
}

// less compares two loads in relation to the capacities of the workers that have them.
func (b *balance) less(x int64, w int, y int64, v int) bool {
	xHigh, xLow := bits.Mul64(uint64(x), uint64(b.workers[v].Room()))
	yHigh, yLow := bits.Mul64(uint64(y), uint64(b.workers[w].Room()))
	return xHigh < yHigh || xHigh == yHigh && xLow < yLow
}

// emptiest is who would be the least full with q, among those that are ok; ties go to whom q prefers.
func (b *balance) emptiest(q int32, ok func(w int) bool) int {
	best, tie := None, false
	for w := range b.load {
		if !ok(w) {
			continue
		}
		switch with := b.load[w] + b.weight(q); {
		case best == None || b.less(with, w, b.load[best]+b.weight(q), best):
			best, tie = w, false
		case !b.less(b.load[best]+b.weight(q), best, with, w):
			tie = true
		}
	}
	if !tie {
		return best
	}
	return b.prefer.best(b.hashes[q], func(w int) bool {
		return ok(w) && !b.less(b.load[best]+b.weight(q), best, b.load[w]+b.weight(q), w)
	})
}

// byWeight sorts the heaviest first.
func (b *balance) byWeight(list []int32) {
	slices.SortFunc(list, func(x, y int32) int {
		if c := cmp.Compare(b.weight(y), b.weight(x)); c != 0 {
			return c
		}
		return b.compare(x, y)
	})
}

// choose is where q would rather be among those that are ok: at home, or else as it prefers.
func (b *balance) choose(q int32, ok func(w int) bool) int {
	if b.home != nil {
		if w := b.home[q]; w != None && ok(w) {
			return w
		}
	}
	return b.prefer.best(b.hashes[q], ok)
}

// placeWeighed gives every orphan a worker, heavy ones first, so that the light ones fit into what is left.
func (b *balance) placeWeighed() {
	b.byWeight(b.orphans)
	var left, lack int64
	for _, q := range b.orphans {
		left += b.weight(q)
	}
	var weight int64
	scarce := false
	ok := func(w int) bool {
		return b.load[w]+weight <= b.most[w] && (!scarce || b.load[w] < b.least[w])
	}
	for w := range b.load {
		lack += max(0, b.least[w]-b.load[w])
	}
	for _, q := range b.orphans {
		weight = b.weight(q)
		scarce = left-weight < lack
		w := None
		if scarce || b.fits(weight) {
			w = b.choose(q, ok)
		}
		if w == None {
			w = b.emptiest(q, func(w int) bool { return !b.saturated(w) })
		}
		lack -= max(0, min(weight, b.least[w]-b.load[w]))
		left -= weight
		b.give(q, w)
	}
	b.orphans = nil
}

// fits reports whether anybody has room for a weight: asked before a preference is, because that takes long to say no.
func (b *balance) fits(weight int64) bool {
	for w := range b.load {
		if b.load[w]+weight <= b.most[w] {
			return true
		}
	}
	return false
}
