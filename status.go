package parti

import (
	"fmt"

	"github.com/parti-go/parti/actors"
)

// Status is what a worker looks like at one moment, by its own knowledge. [Manager.Status] returns it.
//
//   - WorkerID string is the ID of the worker; "" before it has one.
//   - Session uint64 is the number of its session; 0 before it has an ID. It grows with each claim of the ID.
//   - State State is where the worker stands in the state machine.
//   - Leader bool is true while this worker leads.
//   - Term uint64, Version int64 and Lifecycle Lifecycle are those of the plan that the worker has applied, as in [Assignment].
//   - Ready bool is true once a first assignment was applied.
//   - Degraded bool is true while the store does not answer.
//   - Draining bool is true while the worker hands everything over in order to leave for good.
//   - Cordoned bool is true while the worker takes nothing new.
//   - TrustedFor time.Duration is how long this worker may still act on what the store has acknowledged, from the moment of the
//     call; 0 when that is over. With OnStoreLoss "keep-serving" the worker goes on at 0.
//   - Partitions []PartitionStatus are the partitions that the worker has, sorted by ID. A partition that a hook or a handler
//     is just giving up is still among them.
//   - Waits []Wait are the things that the worker waits for past their deadlines, the oldest first; empty when it is healthy.
//   - Assignment Assignment is what the worker owns, in the form that [Manager.Assignment] has.
type Status = actors.Status

// PartitionStatus is how the work on one partition of a worker stands, see [Status].
//
//   - Partition Partition is the partition as it was when it was granted.
//   - Epoch int64 is the fencing token under which the worker owns it.
//   - Since time.Time is when it was granted to this session.
//   - Phase Phase says whether its handler runs.
//   - Restarts int counts how often its handler was called again after a failure.
//   - Err error is the last error of its handler; nil while there was none.
type PartitionStatus = actors.PartitionStatus

// Phase says how the work on a partition stands, see [PartitionStatus]. Where there are hooks and no handler, a partition is
// starting, running or stopping.
type Phase = actors.Phase

// The phases of the work on a partition. Each is a [Phase].
const (
	// PhaseStarting is the phase of a partition that is granted. Its handler is not called yet, or OnAssignmentChanged has not
	// returned.
	PhaseStarting = actors.PhaseStarting
	// PhaseRunning is the phase of a partition that is worked on.
	PhaseRunning = actors.PhaseRunning
	// PhaseIdle is the phase of a partition whose handler has returned nil. It stays owned.
	PhaseIdle = actors.PhaseIdle
	// PhaseFailing is the phase of a partition whose handler has failed and will be called again.
	PhaseFailing = actors.PhaseFailing
	// PhaseStopping is the phase of a partition that is to be given up. Its handler, or the hook, has not returned.
	PhaseStopping = actors.PhaseStopping
)

// Wait is something that a worker waits for past its deadline, see [Status] and [Manager.Healthy].
//
//   - What string says what has to happen, with the number of partitions that it concerns and the first of them.
//   - Who string names who has to see to it: a worker, a bucket, the source, the strategy or the leader.
//   - Since time.Time is when the wait began.
type Wait = actors.Wait

// Status is this worker as it is now. It asks nobody and costs as much as a copy of what the worker owns.
func (m *Manager) Status() Status {
	s := m.view.Status()
	s.State = m.State()
	return s
}

// Healthy is nil, or what is stuck and since when: one error for each of Status.Waits, joined, each of which wraps ErrStuck
// and, where there is one, the error of the cause. It is for a liveness probe.
//
// A hook that hangs, a bucket that cannot be followed and a store that does not answer all count, each from its own deadline
// on (HandoffTimeout, HeartbeatTTL, OperationTimeout). A probe that restarts a worker should have more patience than the
// store has outages, because a restart does not end them. A worker that is not started is healthy; one that has ended is
// not: its error is that of Err, or ErrStopped after a clean end.
func (m *Manager) Healthy() error {
	select {
	case <-m.done:
		if err := m.Err(); err != nil {
			return err
		}
		return fmt.Errorf("healthy: %w", ErrStopped)
	default:
		return m.view.Healthy()
	}
}
