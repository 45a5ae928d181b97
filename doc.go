// Package parti divides a list of partitions among the workers of a fleet, so that at most one worker owns each partition.
// A worker is a process that imports this package. It claims a stable ID, takes part in electing a leader, and gets its
// partitions from that leader. All that it needs is a NATS server with JetStream, 2.12.3 or newer.
//
// # How it is used
//
// Connect with [ConnectOptions]. Make a [Manager] from three things: a [PartitionSource], which lists what there is to
// divide (package source has several), a strategy, which decides who gets what (package strategy), and a [Handler] (see
// [WithHandler]). Parti calls the handler's Run once for each partition that this worker owns. Run gets an [Ownership], which
// carries the fencing token, and returns when its context ends. Package consume has handlers that read a JetStream stream.
//
// A program that works on all partitions in one place uses [Hooks].OnAssignmentChanged instead (see [WithHooks]). It gets
// the partitions that were added and removed, one call at a time:
//
//   - Begin what is added, under the epoch that [Manager.Assignment] gives for it.
//   - End what is removed, and return only when it has ended: when the hook returns, another worker may begin.
//   - Return at once when the context ends: the worker's trust in its leases is over. A call follows in which everything is
//     removed.
//
// [Manager.Start] returns when the first assignment is applied. [Manager.Stop] returns when everything is given up and the
// worker's ID is free for its successor; [Manager.Close] is the same for defer. [Manager.Drain] first hands everything over,
// for a worker that will not come back. [Props] is the same worker for a program that is made of actors.
//
// # What it guarantees
//
// At any moment at most one live worker runs a partition: until its Run has returned, or its OnAssignmentChanged has returned
// from the call that removes the partition, no other worker begins it. The epoch that comes with a partition grows from owner to owner.
// Once faults stop, every partition has an owner within a time that follows from the configuration. A restart in which
// every worker comes back under its ID moves nothing, and neither does a change of leader.
//
// # What it does not
//
// Leases rely on clocks that run at about the same rate (they never compare what clocks show). A handler that ignores
// the end of its context for longer than a quarter of HeartbeatTTL, or a process that is frozen in the middle of one,
// can overlap with the next owner: for that case, and only for it, hand the epoch to whatever you write to and have it
// refuse lower ones. With OnStoreLoss "keep-serving" the epoch is the only guard between workers that cannot reach the
// store and those that can.
//
// A partition can be without an owner for a while between one owner and the next: for a few round trips to the store in a
// planned move and in a Drain, for about HeartbeatTTL after a crash, and for up to PlannedScaleWindow after a clean Stop,
// unless a successor takes the ID.
//
// # Errors
//
// An error that the worker survives goes to [Hooks].OnError and to the log. An error that it does not survive ends the
// worker: [Manager.Done] is closed, and [Manager.Err] returns the error. If something lasts longer than it should, OnError
// gets [ErrStuck], and [Manager.Healthy] returns it until it is over. All errors wrap one of the sentinels of this package.
package parti
