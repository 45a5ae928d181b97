// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

// Sticky makes loads as even as possible, with as few moves as that allows. When all partitions weigh the same, every
// worker has its fair share (in proportion to its capacity) rounded down or up to whole partitions, and no such plan moves
// less. If weights differ, a worker has more than 1.05 times its fair share only in two cases: without its lightest
// partition it would be below its fair share, or every worker that could take that partition would become fuller than this
// worker is now. A partition that weighs more than the largest worker's fair share gets a worker almost to itself.
//
// Highest random weight (rendezvous) hashing in proportion to capacity decides which partitions move, and where to. So a
// worker that is lost and returns gets most of its partitions back. With homes it gets nearly all of them back.
type Sticky struct{}

// stickyBound is how far from fair a load may be where weights differ: a tighter one would move more at each measurement.
const stickyBound = 1.05

// NewSticky returns the strategy. It has no settings.
func NewSticky() *Sticky { return &Sticky{} }

// Assign implements Strategy.
func (s *Sticky) Assign(workers []Worker, partitions []Partition, previous []int) ([]int, error) {
	return plain(s, workers, partitions, previous, nil)
}

// AssignHome implements Homing.
func (s *Sticky) AssignHome(workers []Worker, partitions []Partition, previous, home []int) ([]int, error) {
	return plain(s, workers, partitions, previous, home)
}

// AssignPrepared implements Preparing.
func (*Sticky) AssignPrepared(q Question) (Plan, error) {
	in, err := prepare(q)
	if err != nil {
		return Plan{}, err
	}
	if len(in.partitions) == 0 {
		return in.answer(nil), nil
	}
	c := newCells(in.workers)
	if in.even() {
		return in.answer(in.evenly(c, 1)), nil
	}
	return in.answer(in.weighed(c, stickyBound)), nil
}
