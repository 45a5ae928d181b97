package strategy

import (
	"cmp"
	"fmt"
)

// input is what a strategy decides on: checked, without what the cordoned workers keep, and in a form in which the
// caller's order cannot matter: the workers by ID, the partitions told apart by the hashes of their IDs.
type input struct {
	workers    []Worker
	partitions []Partition
	hashes     []uint64
	previous   []int
	home       []int // nil if nothing is known

	caller []int // the caller's index of each worker
	kept   []int // the answer for what cordoned workers keep, None elsewhere; nil if nobody is cordoned
}

func prepare(workers []Worker, partitions []Partition, previous, home []int) (*input, error) {
	order, err := validateWorkers(workers)
	if err != nil {
		return nil, err
	}
	if err := validateOwners("previous", previous, len(workers), len(partitions)); err != nil {
		return nil, err
	}
	if home != nil {
		if err := validateOwners("home", home, len(workers), len(partitions)); err != nil {
			return nil, err
		}
	}
	hashes, err := hashPartitions(partitions)
	if err != nil {
		return nil, err
	}
	in := &input{partitions: partitions, hashes: hashes, previous: previous, home: home, caller: order}
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

func translate(owners, rank []int) []int {
	out := make([]int, len(owners))
	for i, w := range owners {
		out[i] = rank[w+1]
	}
	return out
}

func (in *input) inOrder(workers []Worker) bool {
	for i, w := range in.caller {
		if i != w {
			return false
		}
	}
	return len(in.caller) == len(workers)
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
	all := *in
	in.partitions, in.hashes, in.previous, in.home = nil, nil, nil, nil
	in.kept = make([]int, len(all.partitions))
	for i, w := range all.previous {
		in.kept[i] = w
		if w != None && workers[w].Cordoned {
			continue
		}
		in.kept[i] = None
		in.partitions = append(in.partitions, all.partitions[i])
		in.hashes = append(in.hashes, all.hashes[i])
		in.previous = append(in.previous, w)
		if all.home != nil {
			in.home = append(in.home, all.home[i])
		}
	}
}

// answer turns owners by the input's indices into owners by the caller's. It may reuse the slice it is given.
func (in *input) answer(next []int) []int {
	for i, w := range next {
		next[i] = in.caller[w]
	}
	if in.kept == nil {
		return next
	}
	at := 0
	for i, w := range in.kept {
		if w == None {
			in.kept[i] = next[at]
			at++
		}
	}
	return in.kept
}

// even reports whether all partitions weigh the same.
func (in *input) even() bool {
	for i := range in.partitions {
		if in.partitions[i].Load() != in.partitions[0].Load() {
			return false
		}
	}
	return true
}

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
