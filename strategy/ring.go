package strategy

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// ring is consistent hashing: every worker has places on a ring of hashes, and a partition prefers workers in the order
// in which they come at or after its own hash.
type ring struct {
	points  []uint64 // sorted: the higher bits are the place, the lower ones the worker
	buckets []uint32 // the first point of each of the equal parts of the ring
	shift   int
	mask    uint64 // of the worker
	workers int
	aimed   []bool
	near    []bool // buckets from where one of those aimed at is not far, if they are few
	make    func() // makes the ring, when it is first needed
}

func newRing(workers []Worker, virtualNodes int) *ring {
	r := &ring{workers: len(workers)}
	r.make = func() { r.fill(workers, virtualNodes) }
	return r
}

func (r *ring) fill(workers []Worker, virtualNodes int) {
	n := places(workers, virtualNodes)
	total := 0
	for _, v := range n {
		total += v
	}
	size := bits.Len(uint(total))
	r.points, r.buckets, r.shift = make([]uint64, total), make([]uint32, 1<<size), 64-size
	r.mask = 1<<bits.Len(uint(len(workers))) - 1
	const golden = 0x9e3779b97f4a7c15
	ids := make([]uint64, len(workers))
	for i, w := range workers {
		ids[i] = xxhash.Sum64String(w.ID)
		for v := range n[i] {
			r.buckets[mix(ids[i]+uint64(v)*golden)>>r.shift]++
		}
	}
	sum := uint32(0)
	for i, count := range r.buckets {
		sum += count
		r.buckets[i] = sum
	}
	for i, id := range ids {
		for v := range n[i] {
			p := mix(id+uint64(v)*golden)&^r.mask | uint64(i)
			at := &r.buckets[p>>r.shift]
			*at--
			r.points[*at] = p
		}
	}
	for i := 1; i < total; i++ { // each bucket holds about one: next to nothing is out of order
		p, at := r.points[i], i
		for ; at > 0 && r.points[at-1] > p; at-- {
			r.points[at] = r.points[at-1]
		}
		r.points[at] = p
	}
}

// places says how many each worker has, in proportion to its capacity. Where the capacities would make that far more
// than virtualNodes on average, all have fewer.
func places(workers []Worker, virtualNodes int) []int {
	n := make([]int, len(workers))
	for unit := float64(defaultCapacity); ; unit *= 2 {
		total := 0.0
		for i, w := range workers {
			v := max(1, float64(virtualNodes)*float64(w.Room())/unit)
			total += v
			n[i] = int(v)
		}
		if total <= float64(4*virtualNodes*len(workers)) {
			return n
		}
	}
}

// at is the first point at or after a hash.
func (r *ring) at(h uint64) int {
	i := int(r.buckets[h>>r.shift])
	for i < len(r.points) && r.points[i] < h {
		i++
	}
	if i == len(r.points) {
		return 0
	}
	return i
}

func (r *ring) worker(at int) int { return int(r.points[at] & r.mask) }

// aim implements preference.
func (r *ring) aim(at []bool) {
	if r.aimed = at; r.points == nil {
		r.make()
	}
	n := 0
	for _, is := range at {
		if is {
			n++
		}
	}
	r.near = nil
	if n*16*far > r.workers {
		return
	}
	r.near = make([]bool, len(r.buckets))
	for i := range r.points {
		if at[r.worker(i)] {
			r.reach(i)
		}
	}
}

// reach marks the buckets from where a point is not far.
func (r *ring) reach(i int) {
	to := int(r.points[i] >> r.shift)
	from := 0
	if i >= far {
		from = int(r.points[i-far] >> r.shift)
	} else { // on the other side of the ring's beginning
		for b := int(r.points[len(r.points)-1-min(far, len(r.points)-1)] >> r.shift); b < len(r.near); b++ {
			r.near[b] = true
		}
	}
	for b := from; b <= to; b++ {
		r.near[b] = true
	}
}

// far is how many points are looked at on behalf of a partition that need not move: looking for everyone would cost more
// than it is worth.
const far = 4

// best implements preference. It walks far enough to meet nearly everyone, and then asks those that are left in turn.
func (r *ring) best(h uint64, ok func(w int) bool) int {
	at := r.at(h)
	for range min(len(r.points), 8*r.workers) {
		if w := r.worker(at); r.aimed[w] && ok(w) {
			return w
		}
		if at++; at == len(r.points) {
			at = 0
		}
	}
	start := int(h % uint64(r.workers))
	for i := range r.workers {
		if w := (start + i) % r.workers; r.aimed[w] && ok(w) {
			return w
		}
	}
	return None
}

// pull implements preference: how soon one of those aimed at comes on the ring. Where they are few it only tells who is
// near one from who is not.
func (r *ring) pull(h uint64, from int) uint64 {
	if r.near != nil && !r.near[h>>r.shift] {
		return reluctant + h>>8
	}
	at := r.at(h)
	for i := range uint64(far) {
		w := r.worker(at)
		if r.aimed[w] {
			return i<<56 | h>>8
		}
		if w == from {
			return reluctant + far<<56 + h>>8
		}
		if at++; at == len(r.points) {
			at = 0
		}
	}
	return reluctant + h>>8
}
