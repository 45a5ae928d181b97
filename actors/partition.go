// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/internal/measure"
)

// host is the parent of the partition actors of one worker. It only spawns them. The runner decides which ones, and when they
// end.
type host struct {
	*guard
	set    Settings
	runner *runner
	report func(reported)
	props  *actor.Props
	next   *Ownership // that the props are for
	begun  uint64
	send   func([]*Ownership)
}

type (
	beginDue struct {
		late
		those []*Ownership
	}
	// partitionFailed: an actor of ours panicked, which is a bug.
	partitionFailed struct{ err error }
	// revoked tells a partition that its ownership ends.
	revoked struct{ late }
)

func newHost(g *guard, report func(reported), set Settings, r *runner) body {
	h := &host{guard: g, set: set, runner: r, report: report}
	// A partition actor is made within the call that spawns it, and never again, so all of them share their props.
	h.props = actor.PropsFromProducer(func() actor.Actor { return newPartition(h, h.next) })
	return h
}

func newPartition(h *host, o *Ownership) actor.Actor {
	var p *partition
	g := newGuard(kindPartition, o.worker, h.log, func() { h.runner.handlerEnded(o) }, func(g *guard) body {
		p = &partition{guard: g, how: &h.set.Handling, o: o, report: h.report, meter: h.set.measures.meter}
		return p
	})
	return &caretaker{g, p}
}

func (h *host) started() {
	root, self := h.root, h.self
	h.send = func(those []*Ownership) { root.Send(self, &beginDue{those: those}) }
	h.runner.handlers.host.Store(&h.send)
	poke(h.runner.asked)
}

// stopping makes room for the next host, which may be there already.
func (h *host) stopping(bool) { h.runner.handlers.host.CompareAndSwap(&h.send, nil) }

func (h *host) receive(_ actor.Context, message any) {
	switch msg := message.(type) {
	case *beginDue:
		for _, o := range msg.those {
			h.begin(o)
		}
	case *partitionFailed:
		panic(msg.err)
	}
}

func (h *host) begin(o *Ownership) {
	if !o.stage.CompareAndSwap(asked, taken) {
		return // it was taken back before it was begun
	}
	h.begun++
	h.next = o
	if _, err := h.actor.SpawnNamed(h.props, strconv.FormatUint(h.begun, 10)); err != nil {
		panic(fmt.Errorf("spawn partition %s: %w", o.partition.ID(), err)) // names are never used twice
	}
}

// housekeeper is the guard of the host, which answers for the partition actors.
type housekeeper struct{ *guard }

// HandleFailure implements actor.SupervisorStrategy. A partition actor contains the failures of the user's code, so its own
// panic is a bug of ours. Everything is given up, as with any actor that knows what is held.
func (s *housekeeper) HandleFailure(_ *actor.ActorSystem, children actor.Supervisor, who *actor.PID,
	_ *actor.RestartStatistics, reason, _ any,
) {
	children.StopChildren(who)
	if !s.ended {
		s.tell(&partitionFailed{asError(reason)})
	}
}

// partition runs the handler of one partition, under one epoch. The handler is a function on a goroutine of its own, or an
// actor of the user's. A handler that fails is called again after a pause, until the ownership ends. Then this actor ends as
// soon as the handler has returned.
type partition struct {
	*guard
	how    *Handling
	o      *Ownership
	report func(reported)
	meter  *measure.Meter

	working bool // the handler runs
	began   time.Time
	pause   time.Duration // the last
	child   *actor.PID    // the user's actor
	failure error         // of that
}

type (
	ran      struct{ err error }
	againDue struct{}
)

// errGoexit is the failure of a handler that ended its goroutine.
var errGoexit = errors.New("it ended its goroutine")

func (p *partition) started() {
	p.o.actor.Store(p.self)
	p.begin()
}

func (p *partition) stopping(bool) {
	p.o.cancel(ErrStopping) // if this tree was stopped, and not the ownership
}

func (p *partition) receive(_ actor.Context, message any) {
	switch msg := message.(type) {
	case *revoked:
		p.revoked()
	case *ran:
		p.ended(msg.err)
	case *againDue:
		p.begin()
	case *actor.Terminated:
		p.child = nil
		p.ended(p.failure)
	}
}

// begin calls the handler, unless the ownership is over.
func (p *partition) begin() {
	if p.o.ctx.Err() != nil {
		p.root.Stop(p.self)
		return
	}
	if !p.began.IsZero() {
		p.o.restarts.Add(1)
		p.meter.Restarted()
	}
	p.working, p.failure, p.began = true, nil, time.Now()
	p.o.enter(PhaseRunning)
	if p.how.Run != nil {
		p.runHandler()
		return
	}
	if err := p.spawnChild(); err != nil {
		p.ended(err)
	}
}

// runHandler calls the user's function on a goroutine. This actor does not end before that goroutine.
func (p *partition) runHandler() {
	p.io.Add(1)
	go func() {
		defer p.io.Done()
		err := errGoexit
		defer func() {
			if r := recover(); r != nil {
				err, _ = asPanicError("handler", r).(*panicError)
			}
			p.tell(&ran{err})
		}()
		err = p.how.Run(p.o.ctx, p.o)
	}()
}

func (p *partition) spawnChild() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err, _ = asPanicError("props", r).(*panicError)
		}
	}()
	props := p.how.Props(p.o)
	if props == nil {
		return errors.New("the function of WithPartitionProps returned nil")
	}
	p.child = p.actor.Spawn(props)
	return nil
}

func (p *partition) revoked() {
	switch {
	case p.child != nil:
		p.root.Stop(p.child)
	case !p.working:
		p.root.Stop(p.self)
	}
}

// ended handles the return of the handler.
func (p *partition) ended(err error) {
	p.working = false
	if p.o.ctx.Err() != nil {
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.Cause(p.o.ctx)) {
			p.failed(err)
		}
		p.root.Stop(p.self)
		return
	}
	if err == nil {
		p.o.enter(PhaseIdle)
		return
	}
	p.failed(err)
	p.o.enter(PhaseFailing)
	if p.pause *= 2; p.pause == 0 || time.Since(p.began) > p.how.RestartMost {
		p.pause = p.how.RestartFirst
	}
	p.pause = min(p.pause, p.how.RestartMost)
	p.after(jitter(p.pause), &againDue{})
}

func (p *partition) failed(err error) {
	err = fmt.Errorf("%w: partition %s epoch %d: %w", ErrHandlerFailed, p.o.partition.ID(), p.o.epoch, err)
	p.o.failure.Store(&err)
	p.report(&problem{err})
}

// caretaker is the guard of a partition, which answers for the user's actor.
type caretaker struct {
	*guard
	partition *partition
}

// HandleFailure implements actor.SupervisorStrategy. It stops the user's actor, which is spawned again after a pause.
func (s *caretaker) HandleFailure(_ *actor.ActorSystem, children actor.Supervisor, who *actor.PID,
	_ *actor.RestartStatistics, reason, _ any,
) {
	s.partition.failure = asError(asPanicError("partition actor", reason)) // on this actor's own turn
	children.StopChildren(who)
}
