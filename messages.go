// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import "github.com/parti-go/parti/actors"

// GetStatus is a message to a tree under an actor of your own, see [Props]. It has no fields. The tree answers with a *Status.
type GetStatus = actors.GetStatus

// Leave is a message to a tree, see [Props]: give everything up, delete the worker's entries from the store and stop, as
// [Manager.Stop] does. It has no fields. A tree that is stopped without it leaves its entries to expire.
type Leave = actors.Leave

// Drain is a message to a tree, see [Props]: have the leader hand everything over while the worker goes on, then leave, as
// [Manager.Drain] does. It has no fields. A drain that nobody can take over from goes on until a [Leave] comes.
type Drain = actors.Drain

// Cordon is a message to a tree, see [Props]: take nothing new from now on, as [Manager.Cordon] has it. It has no fields.
type Cordon = actors.Cordon

// Uncordon is a message to a tree, see [Props]. It takes [Cordon] back. It has no fields.
type Uncordon = actors.Uncordon

// Refresh is a message to a tree, see [Props]: have the leader of the group list its source again, as
// [Manager.RefreshPartitions] does. It has no fields. The tree answers with a *Refreshed within OperationTimeout.
type Refresh = actors.Refresh

// Refreshed is the answer to [Refresh].
//
//   - Err error is nil when new and gone partitions have been planned for. Otherwise it says why not, or that OperationTimeout
//     was over before the leader answered.
type Refreshed = actors.Refreshed

// StateChanged is an event that a tree publishes on the event stream of its actor system after each step of the worker's
// state machine.
//
//   - WorkerID string is the ID of the worker, "" before it has one.
//   - From, To State are the states before and after.
type StateChanged = actors.StateChanged

// AssignmentChanged is an event that a tree publishes on the event stream of its actor system just before it calls
// OnAssignmentChanged of [Hooks].
//
//   - WorkerID string is the ID of the worker.
//   - Assignment Assignment is what the worker owns now.
//   - Added, Removed []Partition are the difference from what it owned before.
type AssignmentChanged = actors.AssignmentChanged

// LeadershipChanged is an event that a tree publishes on the event stream of its actor system when its worker begins or
// ceases to lead.
//
//   - WorkerID string is the ID of the worker.
//   - Leader bool is true when the worker leads now.
//   - Term uint64 is the term that begins or ends.
type LeadershipChanged = actors.LeadershipChanged
