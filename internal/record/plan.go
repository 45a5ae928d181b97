// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package record

import "time"

// Phase is what the leader is doing.
type Phase string

// The phases.
const (
	PhaseIdle        Phase = "idle"
	PhaseScaling     Phase = "scaling"
	PhaseRebalancing Phase = "rebalancing"
	PhaseEmergency   Phase = "emergency"
)

// Lifecycle is the phase of life of the whole group.
type Lifecycle string

// The phases of life.
const (
	ColdStart     Lifecycle = "cold_start"
	PostColdStart Lifecycle = "post_cold_start"
	Stable        Lifecycle = "stable"
)

// Plan is the leader's last word to everyone.
type Plan struct {
	Term       uint64    `json:"term"`
	Version    int64     `json:"version"`
	Phase      Phase     `json:"phase"`
	Lifecycle  Lifecycle `json:"lifecycle"`
	Members    []string  `json:"members"`
	Partitions int       `json:"partitions"`
	Digest     string    `json:"digest"`
	// Listed is the digest of the list that the leader goes by, where that is not the one that Digest says: its names or its weights
	// are not planned for yet. "" where it is, and in what earlier releases wrote.
	Listed string `json:"listed,omitempty"`
	// SourceVersion is the version of the source that the plan was made for; 0 where it is not versioned, and in what
	// earlier releases wrote.
	SourceVersion uint64 `json:"sourceVersion,omitempty"`
	// Workers is how the members described themselves when the plan was made, as a hash; "" where that is not known.
	Workers string `json:"workers,omitempty"`
	// Certificate is that of the last plan that anything was calculated for.
	Certificate Certificate `json:"certificate"`
	// Reads is the newest format that every member reads, as far as the leader knows; 0 is [Oldest].
	Reads int `json:"reads,omitempty"`
	// Strategy describes the strategy of the leader; "" in what earlier releases wrote.
	Strategy string `json:"strategy,omitempty"`
	// Damped are the workers that are given nothing for a while because they failed again and again.
	Damped []Damped `json:"damped,omitempty"`
}

// Damped is a worker that is held back, and until when by its leader's clock.
type Damped struct {
	Worker string    `json:"worker"`
	Until  time.Time `json:"until"`
}

// Certificate says what a plan costs and what it brings, each beside the least that is possible.
type Certificate struct {
	Moves          int     `json:"moves"`
	LeastMoves     int     `json:"leastMoves"`
	Imbalance      float64 `json:"imbalance"`
	LeastImbalance float64 `json:"leastImbalance"`
}

// Assignment is everything one worker has, not a difference.
type Assignment struct {
	Worker    string      `json:"worker"`
	Session   uint64      `json:"session"`
	Term      uint64      `json:"term"`
	Version   int64       `json:"version"`
	Owned     []Owned     `json:"owned,omitempty"`
	Releasing []Releasing `json:"releasing,omitempty"`
	// Unread is the version that the session has to acknowledge because an earlier record of it could not be read.
	Unread int64 `json:"unread,omitempty"`
}

// Owned is a partition that its worker runs.
type Owned struct {
	Partition string `json:"partition"`
	Weight    int64  `json:"weight"`
	Epoch     int64  `json:"epoch"`
}

// Releasing is a partition that its worker has to let go, since the version that took it.
type Releasing struct {
	Partition string `json:"partition"`
	Weight    int64  `json:"weight"`
	Epoch     int64  `json:"epoch"`
	Since     int64  `json:"since"`
	// Unlisted says that the source does not list it any more.
	Unlisted bool `json:"unlisted,omitempty"`
}
