// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package whatif

import (
	"errors"
	"fmt"
	"time"

	"github.com/parti-go/parti/strategy"
)

// What can be wrong with a question.
var (
	// ErrInvalidChange says that a change cannot happen to the fleet: it names a worker or a partition that does not exist,
	// or needs more workers than there are IDs.
	ErrInvalidChange = errors.New("invalid change")
	// ErrStrategyFailed says that the strategy gave no answer. It wraps what the strategy returned.
	ErrStrategyFailed = errors.New("strategy failed")
)

// Fleet describes a group as it is now.
type Fleet struct {
	Workers    []Worker
	Partitions []Partition
	IDs        IDs
	Timing     Timing
	// Unseen is the number of partitions of the plan that no record names as listed, because no worker holds them. A prediction leaves
	// them out.
	Unseen int
	// Moving is the number of partitions that are on their way to another worker. They count for their present owner.
	Moving int
}

// Worker is a worker of the fleet.
type Worker struct {
	strategy.Worker
	// Joining is true if the worker lives and is in no plan yet.
	Joining bool
	// Leaving is true if the worker has announced that it leaves. Its partitions go to other workers.
	Leaving bool
	// Away is true if the worker has no heartbeat and its place is kept for a while. It keeps its partitions and gets
	// nothing new.
	Away bool
}

// Partition is a partition and its owner; "" for none.
type Partition struct {
	strategy.Partition
	Owner string
}

// IDs are the worker IDs of the group. Workers that join take the lowest free ones.
type IDs struct {
	Prefix   string
	Min, Max int
	// Taken are IDs that are held by a process outside the list of workers.
	Taken []string
}

// ID returns the ID of the worker with a number.
func (r IDs) ID(n int) string { return fmt.Sprintf("%s-%d", r.Prefix, n) }

// Timing decides how long things take in the group. The fields are the settings of the same names in the library's
// configuration.
type Timing struct {
	HeartbeatInterval     time.Duration
	HeartbeatTTL          time.Duration
	EmergencyGracePeriod  time.Duration
	PlannedScaleWindow    time.Duration
	MassLossRatio         float64
	MinRebalanceThreshold float64
}

// worker returns a worker by its ID; nil for none.
func (f *Fleet) worker(id string) *Worker {
	for i := range f.Workers {
		if f.Workers[i].ID == id {
			return &f.Workers[i]
		}
	}
	return nil
}

// free returns the n lowest IDs that no worker has.
func (f *Fleet) free(n int) ([]string, error) {
	taken := make(map[string]bool, len(f.Workers))
	for _, id := range f.IDs.Taken {
		taken[id] = true
	}
	for _, w := range f.Workers {
		taken[w.ID] = true
	}
	var ids []string
	for i := f.IDs.Min; i <= f.IDs.Max && len(ids) < n; i++ {
		if id := f.IDs.ID(i); !taken[id] {
			ids = append(ids, id)
		}
	}
	if len(ids) < n {
		return nil, fmt.Errorf("%w: workers is +%d, allowed: at most +%d, because no more IDs from %s to %s are free", ErrInvalidChange, n, len(ids),
			f.IDs.ID(f.IDs.Min), f.IDs.ID(f.IDs.Max))
	}
	return ids, nil
}
