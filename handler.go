package parti

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/actors"
)

// Ownership is one partition in the hands of a handler. Its epoch never changes: when the partition comes back under another
// epoch, Run is called again with another Ownership. All methods may be called from any goroutine.
//
//   - Partition() Partition returns the partition as it was when it was granted.
//   - Epoch() int64 returns the fencing token. Each owner of a partition has a higher one than the owner before. Hand it to
//     what you write to, and have that refuse lower ones.
//   - WorkerID() string returns the stable ID of the worker that owns the partition.
//   - Valid() error returns nil while this worker may act for the partition: by its own clock, at the moment of the call.
//     Otherwise the error wraps [ErrFenced], or the cause for which the partition was let go. Ask it before a write that
//     cannot carry the epoch.
//   - Held() context.Context returns a context that outlives the one of Run: until it ends, a handler may finish what it has
//     begun. It ends when Run has returned after it was told to end, when the trust is over, and when a Stop has used up
//     ShutdownTimeout.
type Ownership = actors.Ownership

// A Handler works on one partition for as long as this worker owns it.
//
// Run is called on a goroutine of its own, supervised by an actor of the tree, once the partition is granted. Handlers of
// different partitions run at the same time. Two calls for the same partition never do within one worker.
//
// When ctx ends, finish or drop what is under way and return. [context.Cause] says why:
//
//   - [ErrRevoked]: the partition is handed to another worker, which waits until Run has returned.
//   - [ErrUnlisted]: the source does not list the partition any more.
//   - [ErrStopping]: this worker stops or drains.
//   - [ErrFenced]: the trust is over. Write nothing more: another worker may own the partition already.
//
// After all but ErrFenced, [Ownership.Held] goes on: until it ends, Run may finish what it has begun. A Run that does not
// return holds up its own partition only. The leader and this worker report it after HandoffTimeout.
//
// What Run returns before ctx ends says how it goes on. After nil the handler is idle: the partition stays owned, and Run
// is not called again for this epoch. After an error or a panic, OnError is told with [ErrHandlerFailed], and Run is called
// again after a pause, with the same Ownership; see [RestartBackoff].
//
// Stop, Drain and Close may be called from inside Run, but they wait for Run to return: call them on another goroutine.
type Handler interface {
	Run(ctx context.Context, o *Ownership) error
}

// HandlerFunc is a function as a [Handler].
type HandlerFunc func(ctx context.Context, o *Ownership) error

// Run implements [Handler].
func (f HandlerFunc) Run(ctx context.Context, o *Ownership) error { return f(ctx, o) }

// WithHandler has h run for each partition that this worker owns. It can be used beside hooks: both are told at the same
// time, neither waits for the other, and a partition is let go when both have returned.
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

// HandlerOption sets something of [WithHandler].
type HandlerOption func(*options)

// The pauses of [RestartBackoff] by default.
const (
	defaultRestartFirst = 100 * time.Millisecond
	defaultRestartMost  = 30 * time.Second
)

// RestartBackoff bounds the pause before a handler that failed is called again. It is first after the first failure and
// doubles with each further one, up to most, give or take a fifth. A handler that ran for longer than most begins with
// first again. The defaults are 100 ms and 30 s. NewManager refuses first below 1 ms, and most below first, with
// [ErrInvalidConfig].
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

// WithPartitionProps has an actor of your own run for each partition that this worker owns, in place of a [Handler]. f makes
// its props; the actor is a child of ours. It is stopped when the partition has to be let go, and the partition is let go
// when the actor and its children have terminated. [Ownership.Valid] says whether the actor may still act.
//
// An actor that panics is stopped, reported with [ErrHandlerFailed], and spawned anew after the pause of [RestartBackoff],
// with its defaults. One that stops by itself is not spawned again under this epoch.
func WithPartitionProps(f func(o *Ownership) *actor.Props) Option {
	return func(o *options) {
		o.handlers++
		if f == nil {
			o.wrong = append(o.wrong, fmt.Errorf("%w: the function of WithPartitionProps is nil, allowed: one that makes props", ErrNilArgument))
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
		return fmt.Errorf("%w: WithHandler and WithPartitionProps are given %d times, allowed: one of them, once", ErrInvalidConfig, o.handlers)
	}
	return o.recorder.check()
}
