// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package strategy decides which worker should own which partition. Everything in it is pure: a strategy gets the workers,
// the partitions and the present owners, and returns the future owners.
//
// # Which strategy
//
// Begin with [Sticky]. It makes loads as even as whole partitions allow, no equally even plan moves less, and it has no
// settings. Use [ConsistentHash] if a move is expensive (state to load, caches to warm) and a worker may carry a tenth more
// or less than its share. Inside that band nothing moves. So workers that come and go cost about a tenth fewer moves, and
// less weight moves where weights differ a lot. [RoundRobin] makes plans that a person can predict. With [Rendezvous] any
// program can compute the owner of a partition by itself. [Pinned], [Zoned] and [Pools] wrap one of them.
//
// # How a strategy is asked
//
// [Ask] makes any strategy answer a [Question]. It takes a list that [Prepare] has checked, named and hashed once, because
// that costs more than a plan. It gives copies to foreign strategies, because they may write into everything they get, and
// it checks their answers.
package strategy

import "strings"

// Partition is a unit of work that one worker owns at a time.
type Partition struct {
	// Keys name the partition. They become subject tokens, so none may be empty or contain a dot, a star, a greater-than
	// sign, white space or a control character.
	Keys []string
	// Weight is the load it brings, in units of the user's choice; 0 means 100.
	Weight int64
}

// ID joins the keys with dots.
func (p Partition) ID() string { return strings.Join(p.Keys, ".") }

// Load returns the weight with its default applied.
func (p Partition) Load() int64 {
	if p.Weight == 0 {
		return defaultWeight
	}
	return p.Weight
}

// Worker is a member of the group that can own partitions.
type Worker struct {
	ID string
	// Capacity is the worker's share of the load in relation to the other workers; 0 means 100.
	Capacity int64
	Labels   map[string]string
	// Cordoned is true if the worker gets nothing new. It keeps the partitions that previous gives it. To make it lose a
	// partition, leave that partition out of previous.
	Cordoned bool
}

// Room returns the capacity with its default applied.
func (w Worker) Room() int64 {
	if w.Capacity == 0 {
		return defaultCapacity
	}
	return w.Capacity
}

const (
	defaultWeight   = 100
	defaultCapacity = 100
	// MaxIDLength is the longest partition ID in bytes.
	MaxIDLength = 255
)

// None is the index that means no worker.
const None = -1

// Strategy decides which worker should own which partition.
type Strategy interface {
	// Assign returns for each partition the index of the worker that should own it. previous[i] is the index of the
	// present owner or None. Assign is pure and deterministic: equal inputs, in whatever order, give equal owners.
	Assign(workers []Worker, partitions []Partition, previous []int) ([]int, error)
}

// Homing is a strategy that returns partitions to their homes, if balance and moves leave the choice free. The home of a
// partition is the last worker that owned it and was not lost since. home[i] is that worker's index, or None if it is
// unknown or absent. If all of home is None, AssignHome answers like Assign.
type Homing interface {
	Strategy
	AssignHome(workers []Worker, partitions []Partition, previous, home []int) ([]int, error)
}
