// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/internal/inject"
)

// A body is an actor proper: what it does with its messages. It runs inside a guard.
type body interface {
	// started is called first, once.
	started()
	// receive handles one message on the actor's turn.
	receive(ctx actor.Context, message any)
	// stopping is called once before the children stop; it must not send to them. restarts says that the supervisor
	// begins a new incarnation afterwards.
	stopping(restarts bool)
}

// guard is the thin layer between protoactor and every actor of the tree. It gives an incarnation an epoch, a context, timers,
// and I/O goroutines whose outcomes come back only as messages of that epoch. It also closes three holes of the actor library:
// a panic during the stop neither revives an actor nor hangs its parent; a stopped actor stays stopped; and done is closed only
// after everything that the actor started has ended.
type guard struct {
	kind   string
	worker string
	log    *slog.Logger
	body   body

	epoch  uint64
	actor  actor.Context // of this actor, for use on its own turn only
	self   *actor.PID
	root   *actor.RootContext
	ctx    context.Context
	cancel context.CancelFunc
	timers map[*time.Timer]struct{}
	io     sync.WaitGroup
	ended  bool
	hasty  bool // its end is announced without waiting for its children
	onEnd  func()
}

var epochs atomic.Uint64

// dated is a message that counts only for the incarnation that asked for it.
type dated struct {
	late
	epoch   uint64
	message any
}

// late marks a message that may arrive after the end of its receiver. Then it is not logged.
type late struct{}

// IgnoreDeadLetterLogging implements actor.IgnoreDeadLetterLogging.
func (late) IgnoreDeadLetterLogging() {}

// fired is a dated message of a timer.
type fired struct {
	dated
	timer *time.Timer
}

// stray is a panic of an I/O goroutine on its way to its actor.
type stray struct{ err *panicError }

// panicError is the reason that the supervisor of a panicked actor gets.
type panicError struct {
	Kind  string // of the actor, or of the hook
	Value any
	Stack []byte
}

// Error implements error. The stack is not part of the text.
func (e *panicError) Error() string { return fmt.Sprintf("%s panicked: %v", e.Kind, e.Value) }

// Unwrap makes errors.Is find ErrPanic, and the value where it is an error.
func (e *panicError) Unwrap() []error {
	if err, ok := e.Value.(error); ok {
		return []error{ErrPanic, err}
	}
	return []error{ErrPanic}
}

// newGuard wraps a body that make builds around its guard. onEnd, if not nil, runs on a goroutine of its own after the
// actor has stopped and its I/O has ended.
func newGuard(kind, worker string, log *slog.Logger, onEnd func(), build func(*guard) body) *guard {
	g := &guard{kind: kind, worker: worker, log: log, epoch: epochs.Add(1), timers: map[*time.Timer]struct{}{}, onEnd: onEnd}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.body = build(g)
	return g
}

// Receive implements actor.Actor.
func (g *guard) Receive(ctx actor.Context) {
	if g.ended {
		g.receiveEnded(ctx)
		return
	}
	switch message := ctx.Message().(type) {
	case *actor.Started:
		g.actor, g.self, g.root = ctx, ctx.Self(), ctx.ActorSystem().Root
		g.protect(func() { g.tap(message); g.body.started() })
	case *actor.Stopping:
		g.end(false)
	case *actor.Restarting:
		g.end(true)
	case *actor.Stopped:
		g.end(false)
		g.finish()
	case *dated:
		if message.epoch == g.epoch {
			g.protect(func() { g.deliver(ctx, message.message) })
		}
	case *fired:
		if message.epoch == g.epoch {
			delete(g.timers, message.timer)
			g.protect(func() { g.deliver(ctx, message.message) })
		}
	default:
		g.protect(func() { g.deliver(ctx, message) })
	}
}

func (g *guard) deliver(ctx actor.Context, message any) {
	if s, ok := message.(*stray); ok {
		panic(s.err)
	}
	g.tap(message)
	g.body.receive(ctx, message)
}

func (g *guard) tap(message any) {
	if f := inject.Receive.Load(); f != nil {
		(*f)(g.kind, g.worker, message)
	}
}

// protect passes a panic on to the supervisor, with its stack.
func (g *guard) protect(f func()) {
	defer func() {
		if r := recover(); r != nil {
			panic(asPanicError(g.kind, r))
		}
	}()
	f()
}

func asPanicError(kind string, r any) any {
	switch v := r.(type) {
	case *panicError, *escalation:
		return v
	}
	return &panicError{Kind: kind, Value: r, Stack: debug.Stack()}
}

// receiveEnded keeps a stopped actor stopped: whatever wakes it, it does nothing but end again.
func (g *guard) receiveEnded(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Stopped:
		g.finish()
	case *actor.Started:
		ctx.Stop(ctx.Self())
	}
}

// end is the first half of stopping. Nothing new is started, and everything that runs is asked to end.
func (g *guard) end(restarts bool) {
	if g.ended {
		return
	}
	g.ended = true
	g.cancel()
	for t := range g.timers {
		t.Stop()
	}
	defer func() {
		if r := recover(); r != nil {
			g.log.Error("actor panicked while stopping", "actor", g.kind, "panic", r, "stack", string(debug.Stack()))
		}
	}()
	g.body.stopping(restarts)
	if g.hasty && !restarts {
		g.finish()
	}
}

func (g *guard) finish() {
	if g.onEnd == nil {
		return
	}
	onEnd := g.onEnd
	g.onEnd = nil
	go func() {
		g.io.Wait()
		onEnd()
	}()
}

// tell sends a message to this incarnation. It may be called from any goroutine after started.
func (g *guard) tell(message any) { g.root.Send(g.self, &dated{epoch: g.epoch, message: message}) }

// after sends this incarnation the message when d has passed. The returned function stops the timer. It does not stop a message
// on its way, so a receiver compares generations if that matters.
func (g *guard) after(d time.Duration, message any) (stop func()) {
	if g.ended {
		return func() {}
	}
	f := &fired{dated: dated{epoch: g.epoch, message: message}}
	f.timer = time.AfterFunc(max(d, 0), func() { g.root.Send(g.self, f) })
	g.timers[f.timer] = struct{}{}
	return func() {
		f.timer.Stop()
		delete(g.timers, f.timer)
	}
}

// at sends this incarnation the message at a time, or up to a spread later. For the zero time it never does.
func (g *guard) at(t time.Time, spread time.Duration, message any) (stop func()) {
	if t.IsZero() {
		return func() {}
	}
	return g.after(time.Until(t)+rand.N(spread+1), message)
}

// run does blocking work on a goroutine of its own with the incarnation's context, and sends the outcome to the actor, unless
// that is nil. A panic of the work is a panic of the actor.
func (g *guard) run(work func(ctx context.Context) any) {
	if g.ended {
		return
	}
	g.io.Add(1)
	go func() {
		defer g.io.Done()
		defer func() {
			if r := recover(); r != nil {
				err, _ := asPanicError(g.kind, r).(*panicError)
				g.tell(&stray{err})
			}
		}()
		if outcome := work(g.ctx); outcome != nil {
			g.tell(outcome)
		}
	}()
}

// escalation is a panic on purpose: it hands an error to the supervisor of the tree.
type escalation struct{ err error }

func (e *escalation) Error() string { return e.err.Error() }
func (e *escalation) Unwrap() error { return e.err }

// isCanceled reports whether an outcome only says that its actor has ended.
func isCanceled(ctx context.Context, err error) bool {
	return err == nil || ctx.Err() != nil || errors.Is(err, context.Canceled)
}
