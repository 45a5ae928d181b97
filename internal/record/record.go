// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package record defines the records in the store (claims, leaders, heartbeats, terms, plans and assignments) and how they are
// encoded. It is pure: it knows neither the store nor the clock.
//
// Every record is a JSON object that begins with its format and the token of the write that stored it. A reader ignores fields
// that it does not know, so a record can gain fields without a new format. A new format is for a change that an older reader
// would misunderstand. The older reader refuses it with [ErrFormat].
package record

import "time"

// Record is a value that a lease can hold: a [Claim], a [Leader] or a [Heartbeat].
type Record interface{ record() }

// Claim says who holds a worker ID.
type Claim struct {
	// Session is the number of the session; 0 in its first claim, whose revision then is the number.
	Session uint64    `json:"session"`
	Host    string    `json:"host"`
	Process int       `json:"process"`
	Since   time.Time `json:"since"`
}

// Leader says who leads, or is about to. Only the term makes a leader.
type Leader struct {
	Worker  string    `json:"worker"`
	Session uint64    `json:"session"`
	Since   time.Time `json:"since"`
	// Plan is the revision of the newest plan that the leader has seen stored; 0 for none. A worker that has seen only older
	// ones has missed something.
	Plan uint64 `json:"plan,omitempty"`
}

// Position is a place in the history of plans.
type Position struct {
	Term    uint64 `json:"term"`
	Version int64  `json:"version"`
}

// Heartbeat says that a session lives, and what it has applied and let go.
type Heartbeat struct {
	Session uint64   `json:"session"`
	Applied Position `json:"applied"`
	Leaving bool     `json:"leaving,omitempty"`
	// Holding are the partitions that a record up to the applied one took away and whose handlers have not returned yet: all
	// of them, sorted. A heartbeat that has any is of format [FormatHolding], because who ignores the list would give them
	// to others while they run.
	Holding []string `json:"holding,omitempty"`
	// Shown is the newest version that the user was shown, or is being shown, where that is newer than what is applied; 0 where
	// it is not. What that version grants may run already: only a store that lost its records needs to know.
	Shown int64 `json:"shown,omitempty"`
	// Starting are some of the partitions that are granted and not begun yet, sorted.
	Starting []string `json:"starting,omitempty"`
	// Cordoned is true if the worker takes nothing new.
	Cordoned bool `json:"cordoned,omitempty"`
	// Failed is true if this session follows one that ended in a panic.
	Failed   bool              `json:"failed,omitempty"`
	Capacity int64             `json:"capacity,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	// Stuck is what the worker has waited for past its deadline, a sentence for each wait. The leader reports it.
	Stuck []string `json:"stuck,omitempty"`
	// Reads is the newest format of plans and assignments that the worker reads; 0 is [Oldest]. The store fills it in.
	Reads int `json:"reads,omitempty"`
}

func (Claim) record()     {}
func (Leader) record()    {}
func (Heartbeat) record() {}

// Term is the entry that fences: the worker that wrote it last leads.
type Term struct {
	Number  uint64 `json:"number"`
	Worker  string `json:"worker"`
	Session uint64 `json:"session"`
}
