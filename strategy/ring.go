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
}

func newRing(workers []Worker, virtualNodes int) *ring {
	n := places(workers, virtualNodes)
	total := 0
	for _, v := range n {
		total += v
	}
	size := bits.Len(uint(total))
	r := &ring{
		points: make([]uint64, total), buckets: make([]uint32, 1<<size+1), shift: 64 - size,
		mask: 1<<bits.Len(uint(len(workers))) - 1, workers: len(workers),
	}
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
			r.insert(mix(id+uint64(v)*golden)&^r.mask | uint64(i))
		}
	}
	return r
}

// insert puts a point into its bucket, which is filled from its end and kept sorted: it has one or two points.
func (r *ring) insert(p uint64) {
	b := p >> r.shift
	r.buckets[b]--
	at := int(r.buckets[b])
	for ; at+1 < len(r.points) && r.points[at+1] < p && r.points[at+1] != 0 && r.points[at+1]>>r.shift == b; at++ {
		r.points[at] = r.points[at+1]
	}
	r.points[at] = p
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
func (r *ring) aim(at []bool) { r.aimed = at }

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

// pull implements preference: how soon one of those aimed at comes on the ring. It does not look far: looking for
// everyone on behalf of every partition would cost more than it is worth.
func (r *ring) pull(h uint64, from int) uint64 {
	const far = 4
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
