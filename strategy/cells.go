package strategy

import (
	"math"

	"github.com/cespare/xxhash/v2"
)

// cells is highest random weight (rendezvous) hashing in a form that is as cheap for a thousand workers as for ten.
// Each worker lives in a cell of a table, at the hash of its ID. Each partition visits all the cells in a random order of
// its own, and prefers workers in the order in which it meets them. The order is a permutation that can be computed in
// both directions: where few workers are to choose from, they are asked when they will be met; where they are many, the
// cells are walked. Both give the same answer. A worker of twice the capacity is met as if in half the time.
type cells struct {
	cell  []uint32 // of each worker
	owner []int32  // of each cell: the worker + 1
	slow  []uint64 // how much later than the biggest worker each is met
	least uint64   // the smallest of those
	bits  uint
	needy []int32 // those that pull
	near  []int32 // owner, of the needy alone
}

// direct is up to how many workers are asked rather than looked for.
const direct = 128

func newCells(workers []Worker) *cells {
	c := &cells{bits: 14}
	for 1<<c.bits < 4*len(workers) {
		c.bits += 2
	}
	c.cell, c.slow = make([]uint32, len(workers)), make([]uint64, len(workers))
	c.owner = make([]int32, 1<<c.bits)
	least, most := workers[0].Room(), workers[0].Room()
	for _, w := range workers {
		least, most = min(least, w.Room()), max(most, w.Room())
	}
	mask := uint32(1)<<c.bits - 1
	c.least = math.MaxUint64
	for i, w := range workers {
		at := uint32(xxhash.Sum64String(w.ID)) & mask
		for c.owner[at] != 0 {
			at = (at + 1) & mask
		}
		c.cell[i], c.owner[at] = at, int32(i+1)
		if c.slow[i] = 1; least != most {
			c.slow[i] = slowness(most, w.Room())
		}
		c.least = min(c.least, c.slow[i])
	}
	return c
}

// slowness is most ÷ room with six bits after the point, at most 2^24.
func slowness(most, room int64) uint64 {
	return min(uint64(float64(most)/float64(room)*64), 1<<24)
}

// journey is the order in which one partition visits the cells.
type journey struct {
	there1, there2, back1, back2, off1, off2, mask uint32
	half                                           uint
}

func (c *cells) journey(h uint64) journey {
	g := mix(h)
	return journey{
		there1: uint32(h) | 1, there2: uint32(g) | 1, off1: uint32(h >> 32), off2: uint32(g >> 32),
		mask: uint32(1)<<c.bits - 1, half: c.bits / 2,
	}
}

// when is at which step a cell is visited: two rounds of add, multiply and fold, each of which can be undone.
func (j *journey) when(cell uint32) uint64 {
	x := (cell ^ j.off1) * j.there1 & j.mask
	x ^= x >> j.half
	x = (x ^ j.off2) * j.there2 & j.mask
	return uint64(x ^ x>>j.half)
}

// turn makes ready for where.
func (j *journey) turn() { j.back1, j.back2 = inverse(j.there1), inverse(j.there2) }

// where is the cell that is visited at a step.
func (j *journey) where(step uint32) uint32 {
	x := step ^ step>>j.half
	x = x*j.back2&j.mask ^ j.off2&j.mask
	x ^= x >> j.half
	return x*j.back1&j.mask ^ j.off1&j.mask
}

// inverse of an odd number, modulo 2^32.
func inverse(a uint32) uint32 {
	x := a // right in three bits; each step doubles them
	for range 4 {
		x *= 2 - a*x
	}
	return x
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// met is when a worker is met; smaller is preferred.
func (c *cells) met(j *journey, w int) uint64 { return (j.when(c.cell[w]) + 1) * c.slow[w] }

// best implements preference.
func (c *cells) best(h uint64, ok func(w int) bool) int {
	j := c.journey(h)
	if len(c.cell) > direct {
		return c.walk(&j, c.owner, ok)
	}
	best, first := None, uint64(math.MaxUint64)
	for w := range c.cell {
		if m := c.met(&j, w); m < first && ok(w) {
			best, first = w, m
		}
	}
	return best
}

// walk visits the cells until nobody who is met later can be preferred.
func (c *cells) walk(j *journey, owner []int32, ok func(w int) bool) int {
	j.turn()
	best, first := None, uint64(math.MaxUint64)
	for step := uint32(0); step <= j.mask; step++ {
		at := uint64(step+1) * c.least
		if at >= first {
			break
		}
		w := int(owner[j.where(step)]) - 1
		if w < 0 {
			continue
		}
		if m := uint64(step+1) * c.slow[w]; m < first && ok(w) {
			best, first = w, m
		}
	}
	return best
}

// aim implements preference.
func (c *cells) aim(needy []bool) {
	c.needy, c.near = c.needy[:0], nil
	for w, is := range needy {
		if is {
			c.needy = append(c.needy, int32(w))
		}
	}
	if len(c.needy) <= direct {
		return
	}
	c.near = make([]int32, len(c.owner))
	for _, w := range c.needy {
		c.near[c.cell[w]] = w + 1
	}
}

// pull implements preference: by how much earlier than its owner a partition meets the first of the needy.
func (c *cells) pull(h uint64, from int) uint64 {
	j := c.journey(h)
	first := uint64(math.MaxUint64)
	if c.near == nil {
		for _, w := range c.needy {
			first = min(first, c.met(&j, int(w)))
		}
	} else {
		first = c.met(&j, c.walk(&j, c.near, func(int) bool { return true }))
	}
	return reluctant + first - c.met(&j, from)
}
