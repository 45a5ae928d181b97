// Package strategy decides who should own what. Everything in it is pure: a strategy is given the workers, the
// partitions and the present owners, and answers with the owners to come.
//
// # Which strategy
//
// Begin with [Sticky]: loads are as even as whole partitions allow, no plan that even moves less, and it has nothing to
// set. Take [ConsistentHash] where a move is expensive (state to load, caches to warm) and a worker may as well carry a
// tenth more or less than its share: inside that band nothing moves, so that workers that come and go cost about a tenth
// fewer moves, and where weights differ a lot less weight moves. [RoundRobin] is for plans that a person can foresee;
// [Rendezvous] lets anybody compute an owner without asking. [Pinned], [Zoned] and [Pools] go around one of them.
//
// # How a strategy is asked
//
// [Ask] has any strategy answer a [Question]. It takes a list that [Prepare] has checked, named and hashed once, because
// that costs more than a plan; it gives copies to strategies from elsewhere, which may write into everything they are
// given, and checks their answers.
package strategy

import "strings"

// Partition is a unit of work that one worker owns at a time.
type Partition struct {
	// Keys name the partition; they become subject tokens, so none may be empty or hold a dot, a star, a greater-than
	// sign, white space or a control character.
	Keys []string
	// Weight is the load it brings, in units of the user's choice; 0 means 100.
	Weight int64
}

// ID joins the keys with dots.
func (p Partition) ID() string { return strings.Join(p.Keys, ".") }

// Load is the weight with its default applied.
func (p Partition) Load() int64 {
	if p.Weight == 0 {
		return defaultWeight
	}
	return p.Weight
}

// Worker is a member of the group that can own partitions.
type Worker struct {
	ID string
	// Capacity is the share of the load it should have in relation to the others; 0 means 100.
	Capacity int64
	Labels   map[string]string
	// Cordoned says that it is on its way out: it keeps what previous says it has and gets nothing new. To make it lose a
	// partition, leave that partition out of previous.
	Cordoned bool
}

// Room is the capacity with its default applied.
func (w Worker) Room() int64 {
	if w.Capacity == 0 {
		return defaultCapacity
	}
	return w.Capacity
}

const (
	defaultWeight   = 100
	defaultCapacity = 100
	// MaxIDLength bounds a partition ID in bytes.
	MaxIDLength = 255
)

// None is the index of no worker.
const None = -1

// Strategy decides who should own what.
type Strategy interface {
	// Assign returns for each partition the index of the worker that should own it. previous[i] is the index of the
	// present owner or None. Assign is pure and deterministic: equal inputs, in whatever order, give equal owners.
	Assign(workers []Worker, partitions []Partition, previous []int) ([]int, error)
}

// Homing is implemented by strategies that, where balance and movement leave the choice free, bring a partition back to
// the worker that it was at home with: the last one that owned it and was not lost since. home[i] is that worker's index,
// or None if it is not known or not there. Where all of home is None the answer is that of Assign.
type Homing interface {
	Strategy
	AssignHome(workers []Worker, partitions []Partition, previous, home []int) ([]int, error)
}
