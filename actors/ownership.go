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

// Ownership is one partition in the hands of a handler. Its epoch never changes: for a partition under a new epoch, the handler
// is called again with a new Ownership.
//
// You may call all methods from any goroutine.
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

// The stages of an Ownership on its way to its actor. Whoever moves it out of the stage asked decides. If the actor takes it,
// the actor runs the handler and reports its end. If the runner voids it, the runner knows that no handler was or will be
// called.
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

// enter notes the phase of the handler. A handler that was asked to end is stopping, whatever it did before.
func (o *Ownership) enter(p Phase) { o.phase.Store(&p) }

func (o *Ownership) stands() Phase {
	if o.ctx.Err() != nil {
		return PhaseStopping
	}
	return *o.phase.Load()
}

// describe returns the status of the handler. A nil Ownership waits for the one before it.
func (o *Ownership) describe(p *PartitionStatus) {
	if o == nil {
		return
	}
	p.Phase, p.Restarts = o.stands(), int(o.restarts.Load())
	if err := o.failure.Load(); err != nil {
		p.Err = *err
	}
}

// warrant is what allows a worker to act for its partitions: the trust in its present session, or the setting to go on without
// it.
type warrant struct {
	trust    atomic.Pointer[trust]
	draining atomic.Bool // what is taken away is taken because this worker leaves
	carried  atomic.Bool // keep-serving: the partitions of the session before are kept
}

func (s *warrant) trusted() bool {
	t := s.trust.Load()
	return s.carried.Load() || t != nil && t.valid()
}

// tenure is the time in which a session's partitions may be worked on. ctx is the context of hooks and handlers; held ends when
// nothing may be done for the partitions any more. A session that keeps the partitions of the one before also keeps its tenure.
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

// wind asks hooks and handlers to end. They may finish what they have begun.
func (t *tenure) wind(cause error) {
	if t != nil {
		t.cancel(cause)
	}
}

// end tells hooks and handlers to do nothing more.
func (t *tenure) end(cause error) {
	if t != nil {
		t.cancel(cause)
		t.cancelHeld(cause)
	}
}
