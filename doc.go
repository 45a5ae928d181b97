// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package parti divides partitions of work among a fleet of workers. Every worker process imports it, claims a stable ID,
// takes part in electing a leader, and learns which partitions it owns. The only infrastructure is a NATS server with
// JetStream, 2.12.3 or newer.
//
// # How it is used
//
// Connect with [ConnectOptions]. Choose a [PartitionSource], which lists the partitions, and a strategy (package strategy).
// Create a [Manager] with a [Handler]. The Manager calls Run for each partition that the worker owns, with an [Ownership]
// that carries the fencing token. Run returns when its context ends. If you need lists instead, set
// [Hooks].OnAssignmentChanged. It gets the difference to the last assignment, one call at a time:
//
//   - begin the added partitions, under the epochs in [Manager.Assignment];
//   - end the removed partitions, and return only when they have ended: when the hook returns, another worker may begin;
//   - return at once when the context ends: the worker's trust in its leases is over. A call that removes everything
//     follows.
//
// [Manager.Start] returns when the first assignment is applied. [Manager.Stop] returns when everything is given up and the
// worker's ID is free for its successor; [Manager.Close] does the same, for defer. [Manager.Drain] first hands everything
// over, for a worker that will not come back. [Props] returns a worker for programs that are built from actors.
//
// # What it guarantees
//
// At any moment at most one live worker runs a partition: from just before its OnAssignmentChanged hears of the partition
// until just after that hook has returned from giving it up. The epoch that comes with a partition grows from owner to
// owner. Once faults stop, every partition has an owner within a time that follows from the configuration. A restart in
// which every worker comes back under its ID moves nothing, and neither does a change of leader.
//
// # What it does not
//
// Leases rely on clocks that run at about the same rate (they never compare what clocks show). A handler that ignores the
// end of its context for longer than a quarter of HeartbeatTTL can overlap with the next owner. So can a process that
// freezes in the middle of a handler. For these cases, pass the epoch to whatever you write to, and make that refuse lower
// epochs. With OnStoreLoss "keep-serving", the epoch is the only guard between workers that cannot reach the store and
// workers that can.
//
// Between two owners, a partition can be without an owner for a while: for a few round trips to the store in a planned move
// and in a Drain, for about HeartbeatTTL after a crash, and for up to PlannedScaleWindow after a clean Stop, unless a
// successor takes the ID.
//
// # Errors
//
// Parti logs each error that the worker survives, and passes it to Hooks.OnError. Any other error ends the worker:
// [Manager.Done] is closed and [Manager.Err] says why. If something takes longer than it should, OnError gets [ErrStuck],
// and [Manager.Healthy] returns an error until it is over. All errors wrap one of the sentinels of this package.
package parti
