package strategy

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// preference says where a partition would rather be; balance decides what it gets.
type preference interface {
	// best names the worker that the partition of hash h prefers among those that are ok, or None if nobody is.
	best(h uint64, ok func(w int) bool) int
	// aim names the workers that pull: at least one.
	aim(needy []bool)
	// pull says how little it minds going from its owner to one of them: smaller goes first. Below reluctant it prefers
	// one of them to its owner.
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
	weights     []int64 // nil: all count as one
	load        []int64 // of each worker, like the bounds
	least, most []int64
	orphans     []int32
	*heavies    // only where weights differ
}

// evenly solves the case in which all partitions weigh the same: loads are counts.
func (in *input) evenly(prefer preference, bound float64) []int {
	b := &balance{input: in, prefer: prefer, next: slices.Clone(in.previous), load: make([]int64, len(in.workers))}
	b.keep()
	if bound > 1 {
		b.least, b.most = in.band(bound)
	} else {
		b.least = in.quotas(b.load)
		b.most = b.least
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
	excess, lack := make([]int64, len(b.load)), -int64(len(b.orphans))
	giving, needy, anyone := make([]bool, len(b.load)), make([]bool, len(b.load)), false
	for w, load := range b.load {
		excess[w] = max(0, load-b.most[w])
		needy[w] = load < b.least[w]
		anyone = anyone || needy[w]
		lack += max(0, b.least[w]-load) - excess[w]
	}
	busy := false
	for w, load := range b.load {
		giving[w] = excess[w] > 0 || lack > 0 && load > b.least[w]
		busy = busy || giving[w]
		needy[w] = needy[w] || !anyone && load < b.most[w]
	}
	if !busy {
		return
	}
	b.prefer.aim(needy)
	start, held := b.holdings(giving)
	var pool []candidate
	for w := range b.load {
		if !giving[w] {
			continue
		}
		list := b.candidates(held[start[w]:start[w+1]], needy)
		if n := int(excess[w]); n > 0 {
			b.smallest(list, n)
			for _, c := range list[:n] {
				b.take(c.q)
				b.orphans = append(b.orphans, c.q)
			}
			list = list[n:]
		}
		if lack > 0 {
			pool = append(pool, list...)
		}
	}
	b.draw(pool, lack)
}

// draw takes as many as lack from the pool, gladly going ones first, and from nobody so much that it falls below its
// lower bound.
func (b *balance) draw(pool []candidate, lack int64) {
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
}

// holdings lists the partitions of some workers: those of w are held[start[w]:start[w+1]].
func (b *balance) holdings(of []bool) (start, held []int32) {
	start = make([]int32, len(of)+2)
	for _, w := range b.next {
		if w != None && of[w] {
			start[w+2]++
		}
	}
	for i := 1; i < len(start); i++ {
		start[i] += start[i-1]
	}
	held = make([]int32, start[len(start)-1])
	for q, w := range b.next {
		if w != None && of[w] {
			held[start[w+1]] = int32(q)
			start[w+1]++
		}
	}
	return start, held
}

// candidates says how gladly partitions would go to the needy. Home comes before all else, in both directions.
func (b *balance) candidates(held []int32, needy []bool) []candidate {
	list := make([]candidate, len(held))
	for i, q := range held {
		from := b.next[q]
		if b.home != nil && b.home[q] != None && (b.home[q] == from || needy[b.home[q]]) {
			list[i] = candidate{b.hashes[q] >> 8, q}
			if b.home[q] == from {
				list[i].key |= 1 << 63
			}
			continue
		}
		list[i] = candidate{1<<60 + b.prefer.pull(b.hashes[q], from), q}
	}
	return list
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
	for n > 0 && n < len(list) {
		if len(list) <= 12 {
			b.sort(list)
			return
		}
		mid := len(list) / 2
		pivot := median(b, list[0], list[mid], list[len(list)-1])
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

// place gives every orphan a worker: its home if there is room, else its first choice if there is, else the next that
// has. While the orphans are no more than what lacks below the lower bounds, only who lacks has room.
func (b *balance) place() {
	slices.SortFunc(b.orphans, b.compare)
	left, lack, scarce := int64(len(b.orphans)), int64(0), false
	for w := range b.load {
		lack += max(0, b.least[w]-b.load[w])
	}
	ok := func(w int) bool { return b.load[w] < b.most[w] && (!scarce || b.load[w] < b.least[w]) }
	all := func(int) bool { return true }
	rest := b.orphans
	for pass := range 3 {
		now := rest
		rest = rest[:0]
		for _, q := range now {
			scarce = left <= lack
			w := None
			switch {
			case pass == 0 && b.home != nil:
				w = b.home[q]
			case pass == 1:
				w = b.prefer.best(b.hashes[q], all)
			case pass == 2:
				w = b.prefer.best(b.hashes[q], ok)
			}
			if w == None || !ok(w) {
				rest = append(rest, q)
				continue
			}
			if b.load[w] < b.least[w] {
				lack--
			}
			left--
			b.give(q, w)
		}
	}
	b.orphans = rest
}
