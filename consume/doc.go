// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package consume reads JetStream streams partition by partition. It provides handlers for [parti.WithHandler]. The worker
// that owns a partition reads it in order, and continues where the previous owner stopped.
//
// # Which one
//
//   - [Pipeline], if the result goes into another stream: exactly once. Results and position are one atomic batch.
//   - [Stream], if the effect is anything else: at least once. It is exactly once for a sink that stores [Message.Position]
//     with the effect and ignores what it already has, or that takes an effect twice without harm.
//   - [Stream] with [Durable], if the stream is a work queue or keeps messages by interest. The server keeps the position:
//     the messages that were acknowledged.
//
// Each partition has one filter, [Config.Subject], and one consumer on the server, which is created and deleted as a whole.
// The subject transform of a stream can number the partitions, such as "orders.*" to
// "orders.{{partition(6,1)}}.{{wildcard(1)}}"; the filter of partition 3 then is "orders.3.*".
//
// # What is promised
//
//   - Order: within a partition, a message is handled only after the previous one is finished. A delivery that is lost on
//     its way is fetched again, and never skipped.
//   - One owner: a new owner claims the position under its epoch before it reads its first message. From then on the
//     previous owner can neither move the position nor store a batch of a pipeline, however late its writes arrive: it gets
//     [ErrStale].
//   - A revoked partition finishes the message in hand, stores its position, and only then is let go. Messages that are
//     fetched and not handled are dropped; the next owner reads them again.
//   - A position never falls. If a stream was deleted and created again, or restored from an older copy, the handler
//     returns [ErrStreamChanged]. It neither falls silent nor reads the messages again.
//
// # What is not promised
//
//   - Effects of a handle function are not undone. After a crash, up to [Config.Every] messages, or those of one
//     [Config.Interval], and the messages in hand are handled again.
//   - A stale owner may still be inside handle when its trust ends. Its context ends then. If a sink must not see late
//     effects, let it compare [parti.Ownership.Epoch].
//   - In mode Durable a single message may come again, if its acknowledgement was lost and later ones were not. Every
//     message is first handled in order, and none is lost. But a repeated message comes without the messages that followed
//     it.
//   - In mode Durable the server accepts an acknowledgement of a stale owner. An owner sends it only while it trusts its
//     leases.
//   - A message that a stream drops by its own limits (MaxAge, MaxMsgs, MaxBytes) before it was read is lost. Choose limits
//     that outlast the longest outage.
//   - There is no order between partitions.
//   - A function that hangs holds up its partition. Parti reports it when the partition must be let go.
//
// # What streams need
//
// The input stream needs Retention limits, or mode Durable. The bucket of the positions is created in files, with the
// replicas of the stream. Only one application may use that bucket, because epochs of different groups cannot be compared.
//
// The output stream of a Pipeline needs AllowAtomicPublish; Retention limits; no MaxAge, or AllowMsgTTL together with it,
// so that positions outlive it; Discard new if MaxMsgs or MaxBytes is set; no DiscardNewPerSubject, NoAck or counters.
// Otherwise a position could vanish, and the partition would begin again. Do not purge the subjects of the positions. If
// the stream is stored in files, each batch also costs the server a few files, so a pipeline works best with batches of
// hundreds.
//
// If a property is wrong, the handler returns [ErrStream], which names the property and what is allowed.
//
// # Failures
//
// A message whose function fails or panics is tried again, see [Retry]. After the last attempt it becomes a dead letter, or
// halts its partition. If a partition cannot work for twenty seconds (for example because a server does not answer), Run
// returns an error: Parti reports it and calls Run again.
package consume
