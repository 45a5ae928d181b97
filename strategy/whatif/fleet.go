package whatif

import (
	"errors"
	"fmt"
	"time"

	"github.com/parti-go/parti/strategy"
)

// What can be wrong with a question.
var (
	// ErrInvalidChange says that a change cannot happen to the fleet: it names a worker or a partition that is not there, or
	// more workers than there are IDs.
	ErrInvalidChange = errors.New("invalid change")
	// ErrStrategyFailed says that the strategy gave no answer. It wraps what the strategy returned.
	ErrStrategyFailed = errors.New("strategy failed")
)

// Fleet is a group as it is now.
type Fleet struct {
	Workers    []Worker
	Partitions []Partition
	IDs        IDs
	Timing     Timing
	// Unseen is how many partitions the plan has that nobody holds, so that no record names them. A prediction leaves them out.
	Unseen int
	// Moving is how many partitions are on their way to another worker. They count as what their present owner has.
	Moving int
}

// Worker is a worker of the fleet.
type Worker struct {
	strategy.Worker
	// Joining says that it lives and is not planned for yet.
	Joining bool
	// Leaving says that it has announced that it leaves: its partitions are going to others.
	Leaving bool
	// Away says that it has no heartbeat and that its place is kept for a while: it keeps what it has and gets nothing.
	Away bool
}

// Partition is a partition, and the worker that has it: "" for nobody.
type Partition struct {
	strategy.Partition
	Owner string
}

// IDs are the worker IDs of the group, from which workers that join take the lowest free ones.
type IDs struct {
	Prefix   string
	Min, Max int
	// Taken are IDs that somebody holds who is none of the workers.
	Taken []string
}

// ID names the worker of a number.
func (r IDs) ID(n int) string { return fmt.Sprintf("%s-%d", r.Prefix, n) }

// Timing is what decides how long things take in the group: the settings of the library's configuration of the same names.
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
		return nil, fmt.Errorf("%w: workers is +%d, allowed: at most +%d, because only so many IDs from %s to %s are free", ErrInvalidChange, n, len(ids),
			f.IDs.ID(f.IDs.Min), f.IDs.ID(f.IDs.Max))
	}
	return ids, nil
}
