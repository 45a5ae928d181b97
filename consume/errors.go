// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import "errors"

// The errors of this package. Each error that a handler's Run returns wraps one of them, or is an error of NATS with a
// sentence before it. Parti reports the error to OnError, with [parti.ErrHandlerFailed], and calls Run again after a pause.
var (
	// ErrStream says that a stream or a bucket does not exist, or has a property that would lose messages or handle them
	// twice. The error names the property and what is allowed.
	ErrStream = errors.New("the stream cannot be used")
	// ErrStreamChanged says that the stored position belongs to an earlier form of the stream: the stream was deleted and
	// created again, or restored from an older copy. No message is handled until you remove or correct the position.
	ErrStreamChanged = errors.New("the position belongs to another stream, or to an earlier state of this one")
	// ErrStale says that an owner with a higher epoch has claimed the position. This owner may write nothing more.
	ErrStale = errors.New("a newer owner has claimed the position")
	// ErrPosition says that the stored position cannot be used: it is not a position, or it belongs to a later release or to
	// another subject.
	ErrPosition = errors.New("the stored position cannot be used")
	// ErrHalted says that a message failed as often as [Retry] allows, and that Retry has no DeadLetter. The partition does
	// not go on.
	ErrHalted = errors.New("the partition is halted")
	// ErrDeadLetter says that a dead letter was not acknowledged, so the position does not move on.
	ErrDeadLetter = errors.New("the dead letter is not stored")
	// ErrOutput says that a message that transform returned cannot be published. It counts as a failure of the input
	// message.
	ErrOutput = errors.New("the output cannot be published")
	// ErrPanic says that the user's function panicked. It counts as a failure of the message.
	ErrPanic = errors.New("the function panicked")
	// ErrManaged is the error that the acknowledging methods of a [Message] return: the return value of its function is its
	// acknowledgement.
	ErrManaged = errors.New("the return value of the function acknowledges the message")
	// ErrSubjectShared says that two partitions have the same filter, so that each would handle the messages of both.
	ErrSubjectShared = errors.New("two partitions have the same subject")
)

// What became of a write or a request.
var (
	errConflict   = errors.New("the condition does not hold")
	errNotDone    = errors.New("not done")
	errUnknown    = errors.New("outcome unknown")
	errUnanswered = errors.New("the client reconnected before the answer came") // errReconnected ends a reader
	errGap        = errors.New("a delivery is missing")
	errSilent     = errors.New("the server is silent")
	errConsumer   = errors.New("the server has ended the consumer")
)
