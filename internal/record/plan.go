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

// Plan is the leader's newest message to all workers.
type Plan struct {
	Term       uint64    `json:"term"`
	Version    int64     `json:"version"`
	Phase      Phase     `json:"phase"`
	Lifecycle  Lifecycle `json:"lifecycle"`
	Members    []string  `json:"members"`
	Partitions int       `json:"partitions"`
	Digest     string    `json:"digest"`
	// Listed is the digest of the leader's list, if that differs from Digest because its names or weights are not planned for
	// yet. It is "" if they are the same, and in plans of earlier releases.
	Listed string `json:"listed,omitempty"`
	// Names is the digest of the names in the leader's list. Weights are not in it, because a record keeps them for as long as
	// nothing else in it changes. A leader that goes by the records carries it over. It is "" in plans of earlier releases.
	Names string `json:"names,omitempty"`
	// Sample has the lowest hashes of these names (a bottom-k sketch), 8 bytes each. It is nil in plans of earlier releases.
	Sample []byte `json:"sample,omitempty"`
	// SourceVersion is the version of the list that the plan was made for; 0 for a source without versions, and in plans of
	// earlier releases.
	SourceVersion uint64 `json:"sourceVersion,omitempty"`
	// Workers is a hash of how the members described themselves when the plan was made; "" if that is not known.
	Workers string `json:"workers,omitempty"`
	// Certificate is the certificate of the last plan for which one was computed.
	Certificate Certificate `json:"certificate"`
	// Reads is the newest format that every member reads, as far as the leader knows; 0 is [Oldest].
	Reads int `json:"reads,omitempty"`
	// Strategy describes the strategy of the leader; "" in plans of earlier releases.
	Strategy string `json:"strategy,omitempty"`
	// Damped are the workers that get nothing for a while because they failed again and again.
	Damped []Damped `json:"damped,omitempty"`
}

// Damped is a worker that is held back, and the end of that time by its leader's clock.
type Damped struct {
	Worker string    `json:"worker"`
	Until  time.Time `json:"until"`
}

// Certificate says what a plan costs and how even it is, each beside the best possible value.
type Certificate struct {
	Moves          int     `json:"moves"`
	LeastMoves     int     `json:"leastMoves"`
	Imbalance      float64 `json:"imbalance"`
	LeastImbalance float64 `json:"leastImbalance"`
}

// Assignment is everything that one worker has, not a difference.
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
	// Unlisted is true if the source no longer lists the partition.
	Unlisted bool `json:"unlisted,omitempty"`
}
