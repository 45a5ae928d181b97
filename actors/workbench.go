// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Workbench runs handlers as a worker's tree does, but without a store: the caller decides what the worker owns. Package
// partitest builds on it.
type Workbench struct {
	worker string
	runner *runner
	tenure *tenure
	trust  trust
	system *actor.ActorSystem
	host   *actor.PID
	ended  chan struct{} // closed when the host and all partition actors have ended
}

// trustForTests is for how long a workbench trusts itself: no test takes longer.
const trustForTests = 1000 * time.Hour

// NewWorkbench starts a worker with an ID. It calls failed for each handler that fails, and changed for each handler that
// returns late or begins late. Both are called on goroutines of the workbench and must not block.
func NewWorkbench(worker string, how Handling, failed func(error), changed func()) *Workbench {
	quiet := slog.New(slog.DiscardHandler)
	w := &Workbench{
		worker: worker, tenure: newTenure(), ended: make(chan struct{}),
		system: actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }),
			actor.WithDeadLetterThrottleInterval(time.Millisecond)),
	}
	w.trust.extend(time.Now().Add(trustForTests))
	s := &warrant{}
	s.trust.Store(&w.trust)
	handlers := newHandlers(true, s, func(pid *actor.PID) { w.system.Root.Send(pid, &revoked{}) })
	handlers.changed.Store(&changed)
	w.runner = newRunner(Hooks{}, handlers, newView(), func(*AssignmentChanged) {})
	report := func(r reported) {
		if p, ok := r.(*problem); ok {
			failed(p.err)
		}
	}
	w.host = w.system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor {
		return &housekeeper{newGuard(kindHost, worker, quiet, func() { close(w.ended) }, func(g *guard) body {
			return newHost(g, report, Settings{measures: &measures{}, Handling: how}, w.runner)
		})}
	}))
	return w
}

// Own makes the worker own exactly these partitions, each under its epoch, and returns the ownerships. The contexts of
// other handlers end with the cause that why returns. Own waits for those only briefly: see [Workbench.Holding].
func (w *Workbench) Own(epochs map[string]int64, why func(partition string) error) map[string]*Ownership {
	target := make(map[string]holding, len(epochs))
	for id, epoch := range epochs {
		target[id] = holding{named(id, 0), epoch}
	}
	owned := map[string]*Ownership{}
	served := make(chan struct{})
	w.runner.become(request{
		ctx: w.tenure.ctx, tenure: w.tenure, session: 1, worker: w.worker, target: target, trusted: w.trust.valid, why: why,
		done: func(error) {
			for id, o := range w.runner.handlers.runs {
				owned[id] = o
			}
			close(served)
		},
	})
	<-served
	return owned
}

// Holding lists the partitions that were taken back and whose handlers have not returned yet.
func (w *Workbench) Holding() []string { return w.runner.handlers.Held().Holding }

// Fence ends the trust in one ownership, as if its lease had run out. The handler's context ends at once; Own records its
// end.
func (w *Workbench) Fence(o *Ownership) {
	o.cancelHeld(ErrFenced)
	o.cancel(ErrFenced)
}

// Close ends the worker. Call it after everything was taken back and has ended.
func (w *Workbench) Close() {
	w.tenure.end(ErrStopping)
	w.system.Root.Stop(w.host)
	<-w.ended
	w.runner.close()
	<-w.runner.ended
	w.system.Shutdown()
	<-time.After(2 * time.Millisecond) // what the actor library has begun ends as well
}
