// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import (
	"cmp"
	"fmt"
)

// input is what a strategy decides on: checked, without what the cordoned workers keep, and in a form in which the
// caller's order cannot matter: the workers by ID, the partitions told apart by the hashes of their IDs.
type input struct {
	*Prepared
	workers  []Worker
	previous []int
	home     []int // nil if nothing is known

	caller []int // the caller's index of each worker
	kept   []int // the answer for what cordoned workers keep, None elsewhere; nil if nobody is cordoned
	at     []int // where the partitions that nobody keeps are in the caller's list; nil if nobody is cordoned
}

func prepare(q Question) (*input, error) {
	order, err := q.validate()
	if err != nil {
		return nil, err
	}
	in, workers := &input{Prepared: q.List, previous: q.Previous, home: q.Home, caller: order}, q.Workers
	in.cordon(workers)
	if in.inOrder(workers) {
		in.workers = workers
		return in, nil
	}
	rank := make([]int, len(workers)+1) // shifted by one, so that None has a place
	for i := range rank {
		rank[i] = None
	}
	in.workers = make([]Worker, len(in.caller))
	for i, w := range in.caller {
		in.workers[i], rank[w+1] = workers[w], i
	}
	in.previous = translate(in.previous, rank)
	if in.home != nil {
		in.home = translate(in.home, rank)
	}
	if len(in.workers) == 0 && len(in.partitions) > 0 {
		return nil, fmt.Errorf("%w: all %d are cordoned, allowed: at least one that is not, for %d partitions without an owner",
			ErrNoWorkers, len(workers), len(in.partitions))
	}
	return in, nil
}

// validate checks all but the list, and returns the order of the workers' IDs.
func (q Question) validate() ([]int, error) {
	if q.List == nil {
		return nil, errNoList
	}
	order, err := validateWorkers(q.Workers)
	if err != nil {
		return nil, err
	}
	if err := validateOwners("previous", q.Previous, len(q.Workers), q.List.Len()); err != nil {
		return nil, err
	}
	if q.Home == nil {
		return order, nil
	}
	return order, validateOwners("home", q.Home, len(q.Workers), q.List.Len())
}

func translate(owners, rank []int) []int {
	out := make([]int, len(owners))
	for i, w := range owners {
		out[i] = rank[w+1]
	}
	return out
}

func (in *input) inOrder(workers []Worker) bool {
	return in.asCalled() && len(in.caller) == len(workers)
}

// asCalled reports whether each worker has the caller's index.
func (in *input) asCalled() bool {
	for i, w := range in.caller {
		if i != w {
			return false
		}
	}
	return true
}

// cordon sets aside the cordoned workers and what they keep.
func (in *input) cordon(workers []Worker) {
	var open []int
	for _, w := range in.caller {
		if !workers[w].Cordoned {
			open = append(open, w)
		}
	}
	if len(open) == len(workers) {
		return
	}
	in.caller = open
	in.kept = make([]int, len(in.previous))
	list, at := in.Where(func(i int) bool {
		in.kept[i] = None
		if w := in.previous[i]; w != None && workers[w].Cordoned {
			in.kept[i] = w
		}
		return in.kept[i] == None
	})
	in.Prepared, in.at, in.previous = list, at, through(in.previous, at, nil)
	if in.home != nil {
		in.home = through(in.home, at, nil)
	}
}

// answer turns owners by the input's indices into owners by the caller's. It may reuse the slice it is given.
func (in *input) answer(next []int) Plan { return in.complete(Plan{Owners: next}) }

// complete does the same for a plan, and adds what cordoned workers keep.
func (in *input) complete(p Plan) Plan {
	if !in.asCalled() {
		for i, w := range p.Owners {
			if w != None {
				p.Owners[i] = in.caller[w]
			}
		}
	}
	if in.kept == nil {
		return p
	}
	all := Plan{Owners: in.kept}
	all.add(p, in.at, nil)
	return all
}

// even reports whether all partitions weigh the same.
func (l *Prepared) even() bool { return l.weights == nil }

// uniform reports whether all workers have the same capacity.
func (in *input) uniform() bool {
	for i := range in.workers {
		if in.workers[i].Room() != in.workers[0].Room() {
			return false
		}
	}
	return true
}

// compare orders partitions by hash and, where that ties, by ID.
func (in *input) compare(a, b int32) int {
	if c := cmp.Compare(in.hashes[a], in.hashes[b]); c != 0 || a == b {
		return c
	}
	return compareIDs(in.partitions[a].Keys, in.partitions[b].Keys)
}
