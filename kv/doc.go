// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package kv is the store as the workers see it: leases, terms, plans, snapshots and feeds over four JetStream key-value
// buckets. It is the only package that knows subjects, headers and error codes of NATS.
//
// # Who is authoritative
//
// The store is, one bucket at a time: each bucket is a stream of its own, and nothing here depends on the order of events
// in two of them. A process itself only knows how long it may trust the last answer of the store.
//
// # Trust
//
// The holder of a lease (on an ID, on a heartbeat, on leadership) trusts it while
//
//	now < sent + TTL − TTL/4
//
// where sent is the local, monotonic time just before the last acknowledged write was handed to the connection and TTL the
// lifetime that this write gave the entry. The store counts the TTL from the moment it stored the write, which is never
// before sent. So the holder stops trusting the lease at least a quarter of the TTL before anyone else can learn that the
// entry is gone. Three rules follow:
//
//   - [Store.Renew] never writes once trust has ended, because the expiry marker may be on its way already;
//   - an acknowledgement that arrives after trust has ended prolongs nothing ([ErrLate]);
//   - an answer that never came ([ErrUnknown]) prolongs nothing either, whatever was stored.
//
// Clocks need to run at about the same rate; they never need to show the same time.
//
// # Writes
//
// Every write is conditional: on the revision of its own key, or (plans) on the revision of the entry "term". So a
// write that comes late, after its writer gave up waiting, finds the store changed and is refused. A write has one of
// five outcomes. Applied and refused are definite. Busy (another write to that key is in flight on a replicated
// stream) and not sent prove nothing and are retried while the context lasts, then [ErrNotDone]. Unknown (timeout, the
// connection or the context ended after the send) is [ErrUnknown]: maybe done, now or later; only another conditional
// write settles it. Every value carries a token that no other write has, so a refusal caused by one's own earlier,
// unanswered write is recognised and is not taken for a lost lease.
//
// # Terms
//
// A term is the revision of the entry "term". Each message of a plan is fenced on it: once a new leader has stored its
// term, nothing of an earlier leader is stored any more, wherever it was delayed.
//
// # Reads
//
// [Store.Get] asks the leader of the stream. [Store.Snapshot] may be answered by any replica and says up to which
// sequence it is complete; it is retried until that is far enough. [Store.Feed] is a snapshot followed by every change;
// it announces the end of a key only when a marker was delivered or an up-to-date snapshot lacks the key and the
// stream's leader confirms it. Silence means nothing about a worker; a feed that sees nothing itself says so.
//
// # Records
//
// A small record is readable JSON. A plan or an assignment beyond 64 KiB is compressed, and beyond one message it is
// split over several keys that are written in one atomic batch, where every reader knows that: see store.PlanWrite and
// the Reads of a record.Heartbeat. Readers are handed whole records only. What cannot be put together is [ErrCorrupt].
//
// # What is not promised
//
// A holder that ignores the end of its trust (a handler that does not return) can overlap with the next one; the
// epochs of partitions are for that case. A store that is rolled back or recreated is noticed by a feed
// ([ErrRolledBack]) at its next contact, not before.
package kv
