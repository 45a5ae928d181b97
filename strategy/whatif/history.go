// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package whatif

import (
	"slices"

	"github.com/parti-go/parti/strategy"
)

// Step is the group after something happened to it.
type Step struct {
	// Name says what happened.
	Name       string
	Workers    []strategy.Worker
	Partitions []strategy.Partition
}

// History is a series of changes to a group. Begin starts one, and the methods of History add steps.
type History []Step

// Begin returns the history of a group that starts without owners.
func Begin(name string, workers []strategy.Worker, partitions []strategy.Partition) History {
	return History{{name, workers, partitions}}
}

// Join adds a step in which workers join.
func (h History) Join(name string, workers ...strategy.Worker) History {
	last := h[len(h)-1]
	return append(h, Step{name, slices.Concat(last.Workers, workers), last.Partitions})
}

// Leave adds a step in which workers leave.
func (h History) Leave(name string, ids ...string) History {
	last := h[len(h)-1]
	gone := make(map[string]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	stay := slices.DeleteFunc(slices.Clone(last.Workers), func(w strategy.Worker) bool { return gone[w.ID] })
	return append(h, Step{name, stay, last.Partitions})
}

// Reweigh adds a step with other partitions or other weights.
func (h History) Reweigh(name string, partitions []strategy.Partition) History {
	return append(h, Step{name, h[len(h)-1].Workers, partitions})
}
