// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/strategy"
)

// Ownership is one partition in the hands of a handler. It has one epoch for ever: a partition under a new epoch is a new
// Ownership and a new call of the handler.
//
// All methods may be called from any goroutine.
type Ownership struct {
	partition strategy.Partition
	epoch     int64
	session   uint64
	worker    string
	warrant   *warrant
	since     time.Time

	ctx        context.Context // ends when the work shall end, with the cause
	cancel     context.CancelCauseFunc
	held       context.Context // ends when nothing may be done for the partition any more
	cancelHeld context.CancelCauseFunc

	stage    atomic.Int32              // asked, taken or void
	actor    atomic.Pointer[actor.PID] // who runs the handler
	phase    atomic.Pointer[Phase]
	restarts atomic.Int32
	failure  atomic.Pointer[error] // the last
}

// The stages of an Ownership on its way to its actor. The one who leaves asked decides: the actor that takes it runs the
// handler, and tells when it has ended; the runner that voids it knows that no handler was, or will be, called.
const (
	asked int32 = iota
	taken
	void
)

// Partition returns the owned partition, as it was when it was granted.
func (o *Ownership) Partition() strategy.Partition { return o.partition }

// Epoch returns the fencing token of this ownership. It grows with each owner of the partition.
func (o *Ownership) Epoch() int64 { return o.epoch }

// WorkerID returns the stable ID of the worker that owns the partition.
func (o *Ownership) WorkerID() string { return o.worker }

// Valid returns nil while this worker may act for the partition, by its own clock, at the moment of the call. Otherwise the
// error wraps [ErrFenced] if the trust is over, or the cause for which the partition was let go. After the end of its context
// a handler may act until Held ends.
func (o *Ownership) Valid() error {
	err := context.Cause(o.held)
	if err == nil && !o.warrant.trusted() {
		err = ErrFenced
	}
	if err != nil {
		return fmt.Errorf("partition %s epoch %d: %w", o.partition.ID(), o.epoch, err)
	}
	return nil
}

// Held returns a context that outlives the handler's context. Until it ends, a handler may finish what it has begun. It
// ends when the handler has returned after the end of its context, when the trust is over, and when a Stop has used up
// ShutdownTimeout.
func (o *Ownership) Held() context.Context { return o.held }

// enter notes how the handler stands; what has been told to end is stopping, whatever it did before.
func (o *Ownership) enter(p Phase) { o.phase.Store(&p) }

func (o *Ownership) stands() Phase {
	if o.ctx.Err() != nil {
		return PhaseStopping
	}
	return *o.phase.Load()
}

// describe says how the handler stands. A nil Ownership waits for the one before it.
func (o *Ownership) describe(p *PartitionStatus) {
	if o == nil {
		return
	}
	p.Phase, p.Restarts = o.stands(), int(o.restarts.Load())
	if err := o.failure.Load(); err != nil {
		p.Err = *err
	}
}

// warrant is by what a worker may act for what it owns: the trust in its present session, or the choice to go on without.
type warrant struct {
	trust    atomic.Pointer[trust]
	draining atomic.Bool // what is taken away is taken because this worker leaves
	carried  atomic.Bool // keep-serving: the partitions of the session before are kept
}

func (s *warrant) trusted() bool {
	t := s.trust.Load()
	return s.carried.Load() || t != nil && t.valid()
}

// tenure is how long a session's partitions may be worked on: ctx is what hooks and handlers work under, held ends when
// nothing may be done for them any more. A session that keeps the partitions of the one before keeps its tenure.
type tenure struct {
	ctx, held          context.Context
	cancel, cancelHeld context.CancelCauseFunc
}

func newTenure() *tenure {
	t := &tenure{}
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	t.held, t.cancelHeld = context.WithCancelCause(context.Background())
	return t
}

// wind tells hooks and handlers to end. They may finish what they have begun.
func (t *tenure) wind(cause error) {
	if t != nil {
		t.cancel(cause)
	}
}

// end tells hooks and handlers that nothing may be done any more.
func (t *tenure) end(cause error) {
	if t != nil {
		t.cancel(cause)
		t.cancelHeld(cause)
	}
}
