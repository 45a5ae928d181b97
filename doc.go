// Package parti divides work among a fleet. Every worker process imports it, claims a stable ID, takes part in electing
// a leader, and is told which partitions are its own; the only infrastructure is a NATS server with JetStream, 2.12.3 or
// newer.
//
// # How it is used
//
// Connect with [ConnectOptions], say what there is to divide ([PartitionSource]) and by which strategy (package
// strategy), and make a [Manager] with a [Handler]: its Run is called for each partition that the worker owns, with an
// [Ownership] that carries the fencing token, and returns when its context ends. Who needs lists instead is told by
// [Hooks].OnAssignmentChanged, as true differences, one call at a time:
//
//   - begin what is added, under the epoch that [Manager.Assignment] gives for it;
//   - end what is removed, and return only when it has ended: when the hook returns, another worker may begin;
//   - return at once when the context ends: the worker's trust in its leases is over. A call in which everything is
//     removed follows.
//
// [Manager.Start] returns when the first assignment is applied, [Manager.Stop] when everything is given up and the
// worker's ID is free for its successor; [Manager.Close] is the same for defer. [Manager.Drain] hands everything over first,
// for a worker that will not come back. [Props] is the same for a program that is made of actors.
//
// # What it guarantees
//
// At any moment at most one live worker runs a partition: from just before its OnAssignmentChanged is told of it until
// just after that hook has returned from giving it up. The epoch that comes with a partition grows from owner to owner.
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
// What goes wrong and is survived is told to Hooks.OnError and logged; what is not ends the worker: [Manager.Done] is
// closed and [Manager.Err] says why. What only lasts longer than it should is told as well, with [ErrStuck], and
// [Manager.Healthy] says so until it is over. All errors wrap one of the sentinels of this package.
package parti
