// Package consume reads JetStream streams partition by partition, with handlers for [parti.WithHandler]: each partition in
// order, by the worker that owns it, from where the owner before it stopped.
//
// # Which one
//
//   - [Pipeline], where the result goes into another stream: exactly once. Results and position are one atomic batch.
//   - [Stream], where the effect is anything else: at least once. It is exactly once for a sink that stores
//     [Message.Position] with the effect and ignores what it has already, or that takes an effect twice without harm.
//   - [Stream] with [Durable], where the stream is a work queue or keeps messages by interest. The position is what the
//     server knows to be acknowledged.
//
// Each partition has one filter, [Config.Subject], and one consumer at the server, which is made and dropped whole. The
// subject transform of a stream can number the partitions, such as "orders.*" to "orders.{{partition(6,1)}}.{{wildcard(1)}}";
// the filter of partition 3 then is "orders.3.*".
//
// # What is promised
//
//   - Order: within a partition no message is handled before the one in front of it is done with. A delivery that is lost on
//     its way is fetched again, and never skipped.
//   - One owner: a new owner claims the position, under its epoch, before it reads its first message. From then on the owner
//     before it cannot move the position, nor store a batch of a pipeline, however late its writes arrive: [ErrStale].
//   - A partition that is revoked finishes the message in hand and stores its position, and only then is let go. What is
//     fetched and not handled is dropped; the next owner reads it again.
//   - A position never falls. A stream that was deleted and made again, or restored from an older copy, is [ErrStreamChanged],
//     and not a silence or a second reading.
//
// # What is not promised
//
//   - Effects of a handle function are not undone. A worker that crashes leaves up to [Config.Every] messages, or those of
//     [Config.Interval], and the ones under way, to be handled once more.
//   - A stale owner may still be inside handle when its trust ends. Its context ends then. A sink that must not see late effects
//     compares [parti.Ownership.Epoch].
//   - In mode Durable a message may come again alone: where its acknowledgement was lost, and those behind it were not. Every
//     message is handled in order at first, and none is lost, but a repetition does not repeat what came behind it.
//   - In mode Durable the server accepts an acknowledgement of a stale owner. It is sent only by an owner that trusts itself.
//   - What a stream drops by its own limits (MaxAge, MaxMsgs, MaxBytes) before it was read is lost. Choose limits that are
//     longer than the longest outage.
//   - There is no order between partitions.
//   - A function that hangs holds up its partition. Parti reports it when the partition has to be let go.
//
// # What streams need
//
// The stream that is read: Retention limits, or mode Durable. The bucket of the positions is made with the replicas of the
// stream, in files. Only an application of its own may use it: epochs of different groups cannot be compared.
//
// The output stream of a Pipeline: AllowAtomicPublish; Retention limits; no MaxAge, or AllowMsgTTL beside it, with which
// positions outlive it; Discard new where MaxMsgs or MaxBytes is set; no DiscardNewPerSubject, NoAck or counters. Otherwise a
// position could vanish, and the partition would begin again. Do not purge the subjects of the positions. Where the stream
// stores files, each batch costs the server a few files as well: a pipeline is at its best with batches of hundreds.
//
// Whatever is not fit is [ErrStream], with the property and what is allowed.
//
// # Failures
//
// A message whose function fails or panics is tried again, see [Retry]; then it becomes a dead letter, or halts its
// partition. What keeps a partition from its work for twenty seconds (a server that does not answer, say) is an error of Run:
// Parti reports it and calls Run again.
package consume
