package strategy

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// ring is consistent hashing: every worker has places on a ring of hashes, and a partition prefers workers in the order
// in which they come at or after its own hash.
type ring struct {
	points  []point
	buckets []uint32 // the first point of each of the equal parts of the ring
	shift   int
	workers int
	needy   []bool
}

type point struct {
	hash   uint64
	worker int32
}

func newRing(workers []Worker, virtualNodes int) *ring {
	n := places(workers, virtualNodes)
	total := 0
	for _, v := range n {
		total += v
	}
	size := bits.Len(uint(total))
	r := &ring{points: make([]point, total), buckets: make([]uint32, 1<<size+1), shift: 64 - size, workers: len(workers)}
	hashes := make([]uint64, 0, total)
	for i, w := range workers {
		id := xxhash.Sum64String(w.ID)
		for v := range n[i] {
			h := mix(id + uint64(v)*0x9e3779b97f4a7c15)
			hashes = append(hashes, h)
			r.buckets[h>>r.shift+1]++
		}
	}
	for i := 1; i < len(r.buckets); i++ {
		r.buckets[i] += r.buckets[i-1]
	}
	fill := make([]uint32, 1<<size)
	at := 0
	for i := range workers {
		for range n[i] {
			r.insert(fill, point{hashes[at], int32(i)})
			at++
		}
	}
	return r
}

// insert puts a point into its bucket, which is kept sorted: it has one or two points.
func (r *ring) insert(fill []uint32, p point) {
	b := p.hash >> r.shift
	at := r.buckets[b] + fill[b]
	fill[b]++
	for ; at > r.buckets[b] && r.points[at-1].hash > p.hash; at-- {
		r.points[at] = r.points[at-1]
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
	for i < len(r.points) && r.points[i].hash < h {
		i++
	}
	if i == len(r.points) {
		return 0
	}
	return i
}

// best implements preference. It walks far enough to meet nearly everyone, and then asks those that are left in turn.
func (r *ring) best(h uint64, ok func(w int) bool) int {
	at := r.at(h)
	for range min(len(r.points), 8*r.workers) {
		if w := int(r.points[at].worker); ok(w) {
			return w
		}
		if at++; at == len(r.points) {
			at = 0
		}
	}
	start := int(h % uint64(r.workers))
	for i := range r.workers {
		if w := (start + i) % r.workers; ok(w) {
			return w
		}
	}
	return None
}

// aim implements preference.
func (r *ring) aim(needy []bool) { r.needy = needy }

// pull implements preference: how soon one of the needy comes on the ring. It does not look far: looking for everyone
// on behalf of every partition would cost more than it is worth.
func (r *ring) pull(h uint64, from int) uint64 {
	const far = 4
	at := r.at(h)
	for i := range uint64(far) {
		w := int(r.points[at].worker)
		if r.needy[w] {
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
