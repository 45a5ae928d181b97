// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package partitest helps you test handlers. [New] runs a handler as a worker does, without a server and without waiting: the
// test grants partitions, takes them back, ends the trust, or lets two owners of one partition overlap. [Fleet] runs whole
// fleets on a real NATS server in virtual time: minutes of crashes, cuts and pauses take milliseconds.
//
// # What a handler must be tested for
//
//   - It returns soon after its context ends, whatever the cause: [Worker.Revoke] fails the test if it does not.
//   - It writes nothing once the trust is over: call [Worker.Fence], then look at what it has written.
//   - Its output refuses a stale owner. No check of [parti.Ownership.Valid] can do that: a process may be paused between the
//     check and the write. [Worker.Overlap] gives the test the stale owner and its successor, both at work.
//   - It continues where the previous owner stopped: grant, revoke, grant again.
package partitest
