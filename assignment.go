// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"github.com/parti-go/parti/actors"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/strategy"
)

// Strategy decides which worker should own which partition. Package strategy has several, and tools to judge them with.
//
//   - Assign(workers []strategy.Worker, partitions []Partition, previous []int) ([]int, error) returns for each partition the
//     index of the worker that should own it. previous has for each partition the index of its present owner, or
//     strategy.None. Assign is pure and deterministic: equal inputs, in whatever order, give equal owners.
type Strategy = strategy.Strategy

// Assignment is what a worker owns at one moment. [Manager.Assignment] returns a copy, which you may keep and change.
//
//   - Term uint64 is the highest term of a leader that this worker has seen.
//   - Version int64 is the version of the plan that this worker has applied. It never falls while a worker lives.
//   - Lifecycle Lifecycle is the phase of life of the whole group.
//   - Partitions []Partition are the owned partitions, sorted by ID.
//   - Epochs map[string]int64 has the fencing token of each owned partition by its ID. It grows from owner to owner.
type Assignment = actors.Assignment

// Lifecycle says how far a whole group has come: [ColdStart], [PostColdStart] or [Stable]. It is a type of its own, so the
// compiler refuses Stable, a phase of the group, where a [State] of one worker is wanted, and [StateStable] where a Lifecycle is.
type Lifecycle = record.Lifecycle

// The phases of a group's life. Each is a [Lifecycle], as [Assignment] and [Status] show it.
const (
	// ColdStart is the phase before the first plan of a group, and the one in which a restarted group collects itself.
	ColdStart = record.ColdStart
	// PostColdStart is the phase after that, until nothing has changed for RebalanceCooldown.
	PostColdStart = record.PostColdStart
	// Stable is the phase from then on. It says nothing about a single worker: see [StateStable].
	Stable = record.Stable
)
