// Package parti divides work among a fleet. Every worker process imports it, claims a stable ID, takes part in electing
// a leader, and is told which partitions are its own; the only infrastructure is a NATS server with JetStream.
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
// refuse lower ones.
package parti
