// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Prepared is a list of partitions that was checked, named and hashed once, so that plans need not repeat that. It contains
// copies and never changes. The zero value is an empty list.
type Prepared struct {
	partitions []Partition
	hashes     []uint64
	sorted     bool // known to be in the order of the IDs
	totals
}

// totals is what all weights of a list come to.
type totals struct {
	weights         []int64 // nil if all are the same
	total, heaviest int64
}

// Prepare checks a list of partitions as ValidatePartitions does and prepares it for Ask.
func Prepare(partitions []Partition) (*Prepared, error) {
	list, err := inspect(copied(partitions))
	if err != nil {
		return nil, err
	}
	list.sorted = slices.IsSortedFunc(list.partitions, func(a, b Partition) int { return compareIDs(a.Keys, b.Keys) })
	return list, nil
}

// inspect checks a list and prepares it without copying it: for the time of one call.
func inspect(partitions []Partition) (*Prepared, error) {
	hashes, err := hashPartitions(partitions)
	if err != nil {
		return nil, err
	}
	return &Prepared{partitions: partitions, hashes: hashes, totals: totalled(partitions)}, nil
}

func totalled(partitions []Partition) (t totals) {
	even := true
	for i := range partitions {
		load := partitions[i].Load()
		t.total += load
		t.heaviest = max(t.heaviest, load)
		even = even && load == partitions[0].Load()
	}
	if even {
		return t
	}
	t.weights = make([]int64, len(partitions))
	for i := range partitions {
		t.weights[i] = partitions[i].Load()
	}
	return t
}

// Len returns the number of partitions.
func (l *Prepared) Len() int { return len(l.partitions) }

// Partitions returns a copy of the list, the keys included.
func (l *Prepared) Partitions() []Partition { return copied(l.partitions) }

// Where returns a list of the partitions for which keep returns true, and the index of each in l. It is for strategies that
// divide a list among other strategies. It repeats no checks and no hashes.
func (l *Prepared) Where(keep func(i int) bool) (part *Prepared, at []int) {
	for i := range l.partitions {
		if keep(i) {
			at = append(at, i)
		}
	}
	return l.part(at), at
}

// part is the list of the partitions at some places, in ascending order.
func (l *Prepared) part(at []int) *Prepared {
	if len(at) == len(l.partitions) {
		return l
	}
	part := &Prepared{partitions: make([]Partition, len(at)), hashes: make([]uint64, len(at)), sorted: l.sorted}
	for i, q := range at {
		part.partitions[i], part.hashes[i] = l.partitions[q], l.hashes[q]
	}
	part.totals = totalled(part.partitions)
	return part
}

// copied copies partitions with their keys. Nobody who appends to one partition's keys reaches the next one's.
func copied(partitions []Partition) []Partition {
	n := 0
	for i := range partitions {
		n += len(partitions[i].Keys)
	}
	keys, out := make([]string, 0, n), slices.Clone(partitions)
	for i := range out {
		from := len(keys)
		keys = append(keys, out[i].Keys...)
		out[i].Keys = keys[from:len(keys):len(keys)]
	}
	return out
}

// copiedWorkers copies workers with their labels.
func copiedWorkers(workers []Worker) []Worker {
	out := slices.Clone(workers)
	for i := range out {
		out[i].Labels = maps.Clone(out[i].Labels)
	}
	return out
}

// Question is the input of a strategy. Previous and Home mean the same as in Assign and AssignHome; Home may be nil.
type Question struct {
	Workers        []Worker
	List           *Prepared
	Previous, Home []int
	// Waited says how long each cause has held partitions back, see [Wait]. A strategy has no clock of its own.
	Waited map[string]time.Duration
}

// Plan is the answer of a strategy: the owner of each partition, and the partitions that must wait for one.
type Plan struct {
	// Owners is the index of a worker for each partition, or None if one of Waits names the partition.
	Owners []int
	Waits  []Wait
}

// Wait says that partitions have no owner because no worker may have them.
//
// The caller must remember how long each cause has been among the Waits of every plan, and pass that in Question.Waited. If
// After is set, the caller asks again as soon as the cause has lasted that long. The strategy then gives the partitions to
// other workers. The cause stays among the Waits, without partitions, until it is gone.
type Wait struct {
	// Cause explains the wait to the operator. Equal causes have equal texts.
	Cause string
	// Partitions are the indices of the waiting partitions, in ascending order; none once the cause has lasted longer than
	// After.
	Partitions []int
	// After is how long the partitions wait at most; 0 means as long as the cause lasts.
	After time.Duration
}

var errNoList = fmt.Errorf("%w: Question.List is nil, allowed: a list made by Prepare", ErrInvalidOption)

// Preparing is a strategy that can plan from a prepared list, as all strategies of this package can. If your strategy
// embeds one of them and answers differently, implement AssignPrepared as well; otherwise [Ask] calls the embedded one.
type Preparing interface {
	Strategy
	// AssignPrepared answers like Assign, or like AssignHome if Home is not nil. Only a strategy with this method can let
	// partitions wait.
	AssignPrepared(q Question) (Plan, error)
}

// Ask makes a strategy answer a question, through the best interface that the strategy implements. It checks that every
// partition has an existing owner, or waits. A foreign strategy may write into everything it gets and keep its answer, so
// both it and the caller get copies.
func Ask(s Strategy, q Question) (Plan, error) {
	if q.List == nil {
		return Plan{}, errNoList
	}
	p, err := answer(s, q)
	if err != nil {
		return Plan{}, err
	}
	return p, q.check(p)
}

func answer(s Strategy, q Question) (p Plan, err error) {
	preparing, is := s.(Preparing)
	if is && ours(s) {
		return preparing.AssignPrepared(q)
	}
	given := Question{copiedWorkers(q.Workers), q.List, slices.Clone(q.Previous), slices.Clone(q.Home), maps.Clone(q.Waited)}
	if is {
		p, err = preparing.AssignPrepared(given)
	} else if h, ok := s.(Homing); ok && q.Home != nil {
		p.Owners, err = h.AssignHome(given.Workers, q.List.Partitions(), given.Previous, given.Home)
	} else {
		p.Owners, err = s.Assign(given.Workers, q.List.Partitions(), given.Previous)
	}
	p.Owners, p.Waits = slices.Clone(p.Owners), slices.Clone(p.Waits)
	for i := range p.Waits {
		p.Waits[i].Partitions = slices.Clone(p.Waits[i].Partitions)
	}
	return p, err
}

// ours names the strategies of this package: they write into nothing that they are given.
func ours(s Strategy) bool {
	switch s.(type) {
	case *ConsistentHash, *Sticky, *RoundRobin, *Rendezvous, *Pinned, *Zoned, *Pools:
		return true
	}
	return false
}

// plain has a strategy of this package answer a caller without a prepared list. Nothing can wait: nobody would be told.
func plain(s Preparing, workers []Worker, partitions []Partition, previous, home []int) ([]int, error) {
	list, err := inspect(partitions)
	if err != nil {
		return nil, err
	}
	p, err := s.AssignPrepared(Question{Workers: workers, List: list, Previous: previous, Home: home})
	if err != nil {
		return nil, err
	}
	for _, wait := range p.Waits {
		if len(wait.Partitions) > 0 {
			return nil, fmt.Errorf("%w: partitions[%d] (%q) and %d more: %s", ErrPartitionMissing, wait.Partitions[0],
				partitions[wait.Partitions[0]].ID(), len(wait.Partitions)-1, wait.Cause)
		}
	}
	return p.Owners, nil
}

// check is Check for plans in which partitions may wait.
func (q Question) check(p Plan) error {
	if len(p.Waits) == 0 {
		return Check(q.Workers, q.List.partitions, p.Owners)
	}
	if len(p.Owners) != len(q.List.partitions) {
		return fmt.Errorf("%w: len(Owners) is %d, allowed: the length of the list = %d", ErrPartitionMissing, len(p.Owners), len(q.List.partitions))
	}
	owners := slices.Clone(p.Owners)
	for i, wait := range p.Waits {
		for _, at := range wait.Partitions {
			if at < 0 || at >= len(owners) || owners[at] != None {
				return fmt.Errorf("%w: Waits[%d].Partitions has %d, allowed: indices of partitions without an owner, each once", ErrInvalidOwner, i, at)
			}
			owners[at] = 0
		}
	}
	return Check(q.Workers, q.List.partitions, owners)
}
