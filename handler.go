// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/actors"
)

// Ownership is one partition in the hands of a handler. Its epoch never changes: when the partition comes back under
// another epoch, Run is called again with another Ownership. You may call all methods from any goroutine.
//
//   - Partition() Partition returns the partition as it was when it was granted.
//   - Epoch() int64 returns the fencing token. Each owner of a partition has a higher one than the owner before. Pass it to
//     whatever you write to, and make that refuse lower ones.
//   - WorkerID() string returns the stable ID of the worker that owns the partition.
//   - Valid() error returns nil while this worker may act for the partition: by its own clock, at the moment of the call.
//     Otherwise the error wraps [ErrFenced], or the cause for which the partition was let go. Ask it before a write that
//     cannot carry the epoch.
//   - Held() context.Context returns a context that outlives the one of Run: until it ends, a handler may finish what it has
//     begun. It ends when Run has returned after it was told to end, when the trust is over, and when a Stop has used up
//     ShutdownTimeout.
type Ownership = actors.Ownership

// Handler works on one partition for as long as this worker owns it.
//
// Run is called on a goroutine of its own once the partition is granted; an actor of the tree supervises it. Handlers of
// different partitions run at the same time. Within one worker, two calls for the same partition never run at the same
// time.
//
// When ctx ends, finish or drop the work in hand and return. [context.Cause] says why:
//
//   - [ErrRevoked]: the partition is handed to another worker, which waits until Run has returned.
//   - [ErrUnlisted]: the source no longer lists the partition.
//   - [ErrStopping]: this worker stops or drains.
//   - [ErrFenced]: the trust is over. Write nothing more: another worker may own the partition already.
//
// After each of these except ErrFenced, [Ownership.Held] goes on: until it ends, Run may finish what it has begun. A Run
// that does not return holds up only its own partition. The leader and this worker report it after HandoffTimeout.
//
// If Run returns nil before ctx ends, the handler is idle: the worker keeps the partition, and does not call Run again for
// this epoch. If Run returns an error or panics, OnError gets [ErrHandlerFailed], and the worker calls Run again after a
// pause, with the same Ownership; see [RestartBackoff].
//
// Stop, Drain and Close wait for Run to return. Inside Run, call them on another goroutine.
type Handler interface {
	Run(ctx context.Context, o *Ownership) error
}

// HandlerFunc makes a [Handler] of a function.
type HandlerFunc func(ctx context.Context, o *Ownership) error

// Run implements [Handler].
func (f HandlerFunc) Run(ctx context.Context, o *Ownership) error { return f(ctx, o) }

// WithHandler makes the worker run h for each partition that it owns. You can use it together with hooks. Both hear of a
// change at the same time, neither waits for the other, and the worker lets a partition go when both have returned.
//
// NewManager refuses a nil handler with [ErrNilArgument], and a handler beside [WithPartitionProps] with
// [ErrInvalidConfig].
func WithHandler(h Handler, opts ...HandlerOption) Option {
	return func(o *options) {
		o.handlers++
		if f, ok := h.(HandlerFunc); h == nil || ok && f == nil {
			o.wrong = append(o.wrong, fmt.Errorf("%w: the handler of WithHandler is nil, allowed: a Handler", ErrNilArgument))
			return
		}
		o.handling.Run = h.Run
		for _, set := range opts {
			if set != nil {
				set(o)
			}
		}
	}
}

// HandlerOption is a setting of [WithHandler].
type HandlerOption func(*options)

// The pauses of [RestartBackoff] by default.
const (
	defaultRestartFirst = 100 * time.Millisecond
	defaultRestartMost  = 30 * time.Second
)

// RestartBackoff sets the pause before the worker calls a failed handler again. The pause is first after the first failure,
// and doubles with each further one, up to most, give or take a fifth. After a handler has run for longer than most, the
// pause starts at first again. The defaults are 100 ms and 30 s. NewManager refuses first below 1 ms, and most below first,
// with [ErrInvalidConfig].
func RestartBackoff(first, most time.Duration) HandlerOption {
	return func(o *options) {
		o.handling.RestartFirst, o.handling.RestartMost = first, most
		if first < time.Millisecond {
			o.wrong = append(o.wrong, fmt.Errorf("%w: RestartBackoff first is %s, allowed: 1ms or more", ErrInvalidConfig, first))
		}
		if most < first {
			o.wrong = append(o.wrong, fmt.Errorf("%w: RestartBackoff most is %s, allowed: first (%s) or more", ErrInvalidConfig, most, first))
		}
	}
}

// WithPartitionProps makes the worker run an actor of yours for each partition that it owns, instead of a [Handler]. f
// returns its props; the worker's tree spawns the actor as a child. When the partition must be let go, the worker stops the
// actor, and lets the partition go when the actor and its children have terminated. [Ownership.Valid] says whether the
// actor may still act.
//
// If the actor panics, the worker stops it, reports [ErrHandlerFailed], and spawns a new one after the default pause of
// [RestartBackoff]. If the actor stops by itself, the worker does not spawn it again under this epoch.
func WithPartitionProps(f func(o *Ownership) *actor.Props) Option {
	return func(o *options) {
		o.handlers++
		if f == nil {
			o.wrong = append(o.wrong, fmt.Errorf("%w: the function of WithPartitionProps is nil, allowed: a function that returns props", ErrNilArgument))
			return
		}
		o.handling.Props = f
	}
}

// check says what is wrong with the options.
func (o options) check() error {
	if len(o.wrong) > 0 {
		return o.wrong[0]
	}
	if o.handlers > 1 {
		return fmt.Errorf("%w: WithHandler and WithPartitionProps are used %d times, allowed: one of them, once", ErrInvalidConfig, o.handlers)
	}
	return o.recorder.check()
}
