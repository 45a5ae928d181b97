// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package whatif

import (
	"encoding/json"
	"time"
)

// Answer says what a change would do.
type Answer struct {
	// Change says what changes, Strategy which strategy plans.
	Change   string `json:"change"`
	Strategy string `json:"strategy"`
	// Verdict is the answer in one sentence.
	Verdict string  `json:"verdict"`
	Before  Balance `json:"before"`
	After   Balance `json:"after"`
	// Moves are the partitions that get another owner, in the order of the moves and then by their keys. A partition that
	// moves twice is in the list twice.
	Moves []Move `json:"moves"`
	// LeastMoves is the fewest moves to loads as even as those after the change. It is exact when all partitions weigh the
	// same and all workers have the same capacity; otherwise it is a lower bound.
	LeastMoves int         `json:"leastMoves"`
	Ownerless  []Ownerless `json:"ownerless"`
	Waits      []Wait      `json:"waits"`
	// Notes are further remarks, a sentence each.
	Notes []string `json:"notes"`
}

// Balance says how the load is divided among the workers.
type Balance struct {
	Partitions int `json:"partitions"`
	// Unowned is the number of partitions without an owner.
	Unowned int `json:"unowned"`
	// Imbalance is the highest load in relation to capacity, divided by the fair load: 1 is perfect. LeastImbalance is a
	// lower bound on it, for any plan.
	Imbalance      float64 `json:"imbalance"`
	LeastImbalance float64 `json:"leastImbalance"`
	Workers        []Load  `json:"workers"`
}

// Load is the load of one worker.
type Load struct {
	ID         string `json:"id"`
	Capacity   int64  `json:"capacity"`
	Partitions int    `json:"partitions"`
	Load       int64  `json:"load"`
	// Share is the load divided by the worker's fair load.
	Share float64 `json:"share"`
	// State is "" for an ordinary worker, otherwise one of: joins, crashes, drains, stops, leaves, cordoned, away.
	State string `json:"state"`
}

// Move is a partition that gets another owner.
type Move struct {
	Partition string `json:"partition"`
	From      string `json:"from"` // "" for nobody
	To        string `json:"to"`
	Weight    int64  `json:"weight"`
	// When says in which plan it moves: "first", with what has no owner, or "later", for an even load.
	When string `json:"when"`
	Why  string `json:"why"`
}

// The plans in which a partition can move, see [Move].
const (
	First = "first" // with what has no owner
	Later = "later" // for an even load
)

// Ownerless says how long some partitions have no owner. The times are estimates for one partition. They exclude the
// latency of the network and the time that handlers take to return.
type Ownerless struct {
	What       string // happens to them
	Partitions int
	Least      time.Duration
	Typical    time.Duration
	Most       time.Duration
	// Seconds is the sum of the typical times of all partitions.
	Seconds float64
	Why     string // so long
}

// MarshalJSON writes the times in milliseconds.
func (o Ownerless) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		What       string  `json:"what"`
		Partitions int     `json:"partitions"`
		Least      int64   `json:"leastMs"`
		Typical    int64   `json:"typicalMs"`
		Most       int64   `json:"mostMs"`
		Seconds    float64 `json:"partitionSeconds"`
		Why        string  `json:"why"`
	}{o.What, o.Partitions, o.Least.Milliseconds(), o.Typical.Milliseconds(), o.Most.Milliseconds(), o.Seconds, o.Why})
}

// Wait lists partitions that no worker may have.
type Wait struct {
	Cause      string   `json:"cause"`
	Partitions []string `json:"partitions"`
	// AfterMS is the number of milliseconds after which they go to other workers; 0 for never.
	AfterMS int64 `json:"afterMs"`
}
