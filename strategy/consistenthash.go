// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import "fmt"

// ConsistentHash places workers on a ring of hashes (xxhash) and gives a partition to the first worker at or after the
// partition's own hash that still has room: consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam,
// "Consistent Hashing with Bounded Loads", 2016). It is sticky inside the bounds: owners keep their partitions as long as
// no worker is above fair × bound, or below fair ÷ bound. fair is the load in proportion to capacity. When all partitions
// weigh the same, no plan inside the bounds moves less. The ring decides which partitions move, and where to. A partition
// that moves goes to a worker that stays within the square root of the bound, if there is one. So the next workers to join
// or leave push no worker across the bounds.
//
// The bounds are never narrower than fair rounded down and up to whole partitions. If weights differ, a worker is above its
// bound only in two cases: without its lightest partition it would be below its fair share, or every worker that could take
// that partition would become fuller than this worker is now. A partition that weighs more than the largest worker's fair
// share gets a worker almost to itself, and the others share the rest.
type ConsistentHash struct {
	virtualNodes int
	bound        float64
	err          error
}

// Option is a setting of a ConsistentHash.
type Option func(*ConsistentHash)

// WithVirtualNodes sets how many places on the ring a worker of capacity 100 has. More places spread the load better, and
// cost time and memory. The default is 150; allowed is 1 to 10,000.
func WithVirtualNodes(n int) Option {
	return func(c *ConsistentHash) {
		if n < 1 || n > 10_000 {
			c.err = fmt.Errorf("%w: WithVirtualNodes is %d, allowed: 1 to 10000", ErrInvalidOption, n)
			return
		}
		c.virtualNodes = n
	}
}

// WithLoadBound sets how far a worker's load may be from its fair share: at most fair × bound, at least fair ÷ bound. The
// default is 1.1; allowed is more than 1, at most 100. A bound closer to 1 gives more even loads and more moves.
func WithLoadBound(bound float64) Option {
	return func(c *ConsistentHash) {
		if !(bound > 1 && bound <= 100) {
			c.err = fmt.Errorf("%w: WithLoadBound is %g, allowed: more than 1, at most 100", ErrInvalidOption, bound)
			return
		}
		c.bound = bound
	}
}

// NewConsistentHash returns the strategy.
func NewConsistentHash(opts ...Option) *ConsistentHash {
	c := &ConsistentHash{virtualNodes: 150, bound: 1.1}
	for _, o := range opts {
		o(c)
	}
	return c
}

// Assign implements Strategy.
func (c *ConsistentHash) Assign(workers []Worker, partitions []Partition, previous []int) ([]int, error) {
	return plain(c, workers, partitions, previous, nil)
}

// AssignHome implements Homing.
func (c *ConsistentHash) AssignHome(workers []Worker, partitions []Partition, previous, home []int) ([]int, error) {
	return plain(c, workers, partitions, previous, home)
}

// AssignPrepared implements Preparing.
func (c *ConsistentHash) AssignPrepared(q Question) (Plan, error) {
	if c.err != nil {
		return Plan{}, c.err
	}
	in, err := prepare(q)
	if err != nil {
		return Plan{}, err
	}
	if len(in.partitions) == 0 {
		return in.answer(nil), nil
	}
	r := newRing(in.workers, c.virtualNodes)
	if in.even() {
		return in.answer(in.evenly(r, c.bound)), nil
	}
	return in.answer(in.weighed(r, c.bound)), nil
}
