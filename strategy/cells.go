// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

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
	slow  []uint64 // how much later than the biggest worker each is met
	least uint64   // the smallest of those
	bits  uint
	half  uint    // of the bits
	mask  uint32  // of a cell
	few   []int32 // those aimed at, if they are asked
	many  []int32 // those aimed at, if they are looked for: of each cell the worker + 1
}

func newCells(workers []Worker) *cells {
	c := &cells{bits: 12}
	for 1<<c.bits < 8*len(workers) {
		c.bits += 2
	}
	c.cell, c.slow = make([]uint32, len(workers)), make([]uint64, len(workers))
	taken := make([]bool, 1<<c.bits)
	least, most := workers[0].Room(), workers[0].Room()
	for _, w := range workers {
		least, most = min(least, w.Room()), max(most, w.Room())
	}
	c.half, c.mask = c.bits/2, uint32(1)<<c.bits-1
	c.least = math.MaxUint64
	for i, w := range workers {
		at := uint32(xxhash.Sum64String(w.ID)) & c.mask
		for taken[at] {
			at = (at + 1) & c.mask
		}
		c.cell[i], taken[at] = at, true
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

// journey is the order in which one partition visits the cells. It is small enough for the compiler to keep it in
// registers: a plan asks about most partitions.
type journey struct{ first, second uint64 }

func (c *cells) journey(h uint64) journey { return journey{h, mix(h)} }

// when is at which step a cell is visited: two rounds of add, multiply and fold, each of which can be undone.
func (c *cells) when(j journey, cell uint32) uint64 {
	x := (cell ^ uint32(j.first>>32)) * (uint32(j.first) | 1) & c.mask
	x ^= x >> (c.half & 31)
	x = (x ^ uint32(j.second>>32)) * (uint32(j.second) | 1) & c.mask
	return uint64(x ^ x>>(c.half&31))
}

// where is the cell that is visited at a step; back1 and back2 are the inverses of the journey's factors.
func (c *cells) where(j journey, back1, back2, step uint32) uint32 {
	x := step ^ step>>(c.half&31)
	x = (x*back2 ^ uint32(j.second>>32)) & c.mask
	x ^= x >> (c.half & 31)
	return (x*back1 ^ uint32(j.first>>32)) & c.mask
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
func (c *cells) met(j journey, w int) uint64 { return (c.when(j, c.cell[w]) + 1) * c.slow[w] }

// aim implements preference. As many cells are walked on average as there are for each worker: that many workers, or
// fewer, are quicker asked than looked for.
func (c *cells) aim(at []bool) {
	c.few, c.many = c.few[:0], nil
	for w, is := range at {
		if is {
			c.few = append(c.few, int32(w))
		}
	}
	if n := len(c.few); n*n <= 1<<c.bits {
		return
	}
	c.many = make([]int32, 1<<c.bits)
	for _, w := range c.few {
		c.many[c.cell[w]] = w + 1
	}
}

// expect implements preference: there is nothing to prepare.
func (c *cells) expect([]uint64, []int32) {}

// best implements preference.
func (c *cells) best(h uint64, ok func(w int) bool) int {
	j := c.journey(h)
	if c.many != nil {
		return c.walk(j, ok)
	}
	best, first := None, uint64(math.MaxUint64)
	for _, w := range c.few {
		if m := c.met(j, int(w)); m < first && ok(int(w)) {
			best, first = int(w), m
		}
	}
	return best
}

// walk visits the cells until nobody who is met later can be preferred.
func (c *cells) walk(j journey, ok func(w int) bool) int {
	back1, back2 := inverse(uint32(j.first)|1), inverse(uint32(j.second)|1)
	best, first := None, uint64(math.MaxUint64)
	for step := uint32(0); step <= c.mask; step++ {
		if uint64(step+1)*c.least >= first {
			break
		}
		w := int(c.many[c.where(j, back1, back2, step)]) - 1
		if w < 0 {
			continue
		}
		if m := uint64(step+1) * c.slow[w]; m < first && ok(w) {
			best, first = w, m
		}
	}
	return best
}

// pull implements preference: by how much earlier than its owner a partition meets the first of those aimed at.
func (c *cells) pull(h uint64, from int) uint64 {
	j := c.journey(h)
	first := uint64(math.MaxUint64)
	if c.many != nil {
		first = c.met(j, c.walk(j, everyone))
	} else {
		for _, w := range c.few {
			first = min(first, c.met(j, int(w)))
		}
	}
	return reluctant + first - c.met(j, from)
}
