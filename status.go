// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

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

// Status returns the present status of this worker, from memory. It costs as much as a copy of the assignment.
func (m *Manager) Status() Status {
	s := m.view.Status()
	s.State = m.State()
	return s
}

// Healthy returns nil, or an error that says what is stuck and since when. It joins one error for each of Status.Waits.
// Each wraps ErrStuck and, if there is one, the error of the cause. Use it for a liveness probe.
//
// A hook that hangs, a bucket that the worker cannot follow and a store that does not answer all count as stuck, each after
// its own deadline (HandoffTimeout, HeartbeatTTL, OperationTimeout). A probe that restarts workers should wait longer than
// an outage of the store usually lasts, because a restart does not end the outage. A worker that is not started is healthy.
// A worker that has ended is not: Healthy returns the error of Err, or ErrStopped after a clean end.
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
