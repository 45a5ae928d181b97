// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import (
	"math"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// ring is consistent hashing: every worker has places on a ring of hashes, and a partition prefers workers in the order
// in which they come at or after its own hash. To sort all places takes longer than most plans do otherwise. So the ring
// is made in parts, and only those that a plan asks about, until it asks about too many or about one that is not made.
type ring struct {
	ids     []uint64 // the hashes of the workers' IDs
	count   []int    // of each worker's places
	total   int
	mask    uint64 // of the worker
	spacing uint64 // from one place to the next, on average

	points []uint64 // sorted: the higher bits are the place, the lower ones the worker
	start  []uint32 // the first point of each of the equal parts of the ring
	shift  int      // how far a hash is shifted to find its part
	made   []bool   // parts of which all points are made; nil once all are
	stale  bool     // parts were added to made since points were

	aimed    []bool
	expected bool   // expect was called since, and nobody else is asked about
	few      bool   // all places of those aimed at are made, because they are few
	near     []bool // parts from where one of those aimed at is not far, if they are few
}

func newRing(workers []Worker, virtualNodes int) *ring {
	r := &ring{count: places(workers, virtualNodes), ids: make([]uint64, len(workers))}
	for i, w := range workers {
		r.ids[i] = xxhash.Sum64String(w.ID)
		r.total += r.count[i]
	}
	r.mask = 1<<bits.Len(uint(len(workers))) - 1
	const small = 4 * reach
	r.spacing = math.MaxUint64 / uint64(max(r.total, small))
	size := bits.Len(uint(r.total / 4))
	r.start, r.shift = make([]uint32, 1<<size), 64-size
	if r.total < small {
		r.complete()
	} else {
		r.made = make([]bool, len(r.start))
	}
	return r
}

// place is where the v-th of a worker's places is.
func (r *ring) place(worker, v int) uint64 {
	const golden = 0x9e3779b97f4a7c15
	return mix(r.ids[worker]+uint64(v)*golden)&^r.mask | uint64(worker)
}

// fill makes the points of the parts that are called made.
func (r *ring) fill() {
	r.stale = false
	room := r.total
	if r.made != nil {
		room = 0
		for _, is := range r.made {
			if is {
				room += r.total/len(r.made) + 2
			}
		}
	}
	found := make([]uint64, 0, room)
	clear(r.start)
	for i, n := range r.count {
		for v := range n {
			if p := r.place(i, v); r.made == nil || r.made[p>>r.shift] {
				found = append(found, p)
				r.start[p>>r.shift]++
			}
		}
	}
	sum := uint32(0)
	for i, count := range r.start {
		sum += count
		r.start[i] = sum
	}
	r.points = make([]uint64, len(found))
	for _, p := range found {
		at := &r.start[p>>r.shift]
		*at--
		r.points[*at] = p
	}
	for i := 1; i < len(r.points); i++ { // each part holds a few: next to nothing is far from its place
		p, at := r.points[i], i
		for ; at > 0 && r.points[at-1] > p; at-- {
			r.points[at] = r.points[at-1]
		}
		r.points[at] = p
	}
}

// complete makes all points.
func (r *ring) complete() {
	r.made = nil
	r.fill()
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

// at is the first point at or after a hash, of those that are made.
func (r *ring) at(h uint64) int {
	i := int(r.start[h>>r.shift])
	for i < len(r.points) && r.points[i] < h {
		i++
	}
	if i == len(r.points) {
		return 0
	}
	return i
}

func (r *ring) worker(at int) int { return int(r.points[at] & r.mask) }

// want marks the parts between two hashes, which may lie on both sides of the ring's beginning, and says whether one of
// them was not marked before.
func (r *ring) want(parts []bool, from, to uint64) (added bool) {
	last := int(to >> r.shift)
	for part := int(from >> r.shift); ; part++ {
		if part == len(parts) {
			part = 0
		}
		added = added || !parts[part]
		if parts[part] = true; part == last {
			return added
		}
	}
}

const (
	// far is how many points are looked at on behalf of a partition that need not move: looking for everyone would cost
	// more than it is worth.
	far = 4
	// span and reach are how many points are made after the places of those aimed at, and after partitions that are to be
	// placed: nearly always enough to find far of them, or one that has room.
	span, reach = 2 * far, 64
)

// aim implements preference.
func (r *ring) aim(at []bool) {
	r.aimed, r.expected = at, false
	n := 0
	for _, is := range at {
		if is {
			n++
		}
	}
	r.near = nil
	if r.few = n*16*far <= len(at); !r.few {
		return
	}
	r.near = make([]bool, len(r.start))
	for w, is := range at {
		for v := 0; is && v < r.count[w]; v++ {
			p := r.place(w, v)
			r.want(r.near, p-far*r.spacing, p)
			if r.made != nil {
				r.stale = r.want(r.made, p-far*r.spacing, p+span*r.spacing+1<<r.shift) || r.stale
			}
		}
	}
}

// expect implements preference.
func (r *ring) expect(hashes []uint64, list []int32) {
	r.expected = true
	if r.made == nil || r.few {
		return
	}
	if uint64(len(list)) > math.MaxUint64/r.spacing/reach/2 {
		r.complete()
		return
	}
	for _, q := range list {
		r.stale = r.want(r.made, hashes[q], hashes[q]+reach*r.spacing) || r.stale
	}
}

// best implements preference. It walks far enough to meet nearly everyone, and then asks those that are left in turn.
func (r *ring) best(h uint64, ok func(w int) bool) int {
	if r.stale {
		r.fill()
	}
	if r.made != nil && !r.few && !r.expected {
		r.complete()
	}
	at := r.at(h)
	for range min(len(r.points), 8*len(r.ids)) {
		if r.made != nil && !r.few && r.points[at]-h > reach*r.spacing {
			r.complete() // it has left what was made on its behalf
			return r.best(h, ok)
		}
		if w := r.worker(at); r.aimed[w] && ok(w) {
			return w
		}
		if at++; at == len(r.points) {
			at = 0
		}
	}
	if r.made != nil && !r.few {
		r.complete()
		return r.best(h, ok)
	}
	start := int(h % uint64(len(r.ids)))
	for i := range r.ids {
		if w := (start + i) % len(r.ids); r.aimed[w] && ok(w) {
			return w
		}
	}
	return None
}

// pull implements preference: how soon one of those aimed at comes on the ring. Where they are few it only tells who is
// near one from who is not.
func (r *ring) pull(h uint64, from int) uint64 {
	switch {
	case r.near != nil && !r.near[h>>r.shift]:
		return reluctant + h>>8
	case r.stale:
		r.fill()
	case r.near == nil && r.made != nil:
		r.complete()
	}
	at := r.at(h)
	for i := range uint64(far) {
		p := r.points[at]
		if p-h > span*r.spacing {
			break
		}
		w := int(p & r.mask)
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
