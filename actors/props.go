// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/statedir"
)

// life outlives a restart of the manager. It knows what the user has been told, and who tells the user.
type life struct {
	view       *View
	runner     *runner
	notifier   *notifier
	strategist *strategist
	measures   *measures
	state      *statedir.Dir // nil without a StateDir
	machine    *fsm.Machine  // where the worker stands
	tenure     *tenure       // of the present session, or of the one whose partitions are carried
	warrant    warrant
	standing   standing
	drainBy    time.Time               // when a drain becomes a stop; zero for never
	askers     atomic.Pointer[[]asker] // who waits for the end of a drain; nil for nobody
	rounds     atomic.Uint64           // cordons asked for from outside, so far
	unheard    atomic.Bool             // it was said that nothing can be asked from outside
	letGoBy    time.Time               // when what is left of the last session must be let go, as others may take over then
	leaving    bool                    // asked to leave: an incarnation that begins now goes on with that
	leaveBy    time.Time               // when a leave must be done, for hooks and deletions alike; zero while nobody leaves
}

// New returns the props of one worker's tree, and the view of it. They are for one actor: spawn them once. If the supervisor
// restarts the actor, it gives up what the user still holds and begins again. It does not survive Resume after an escalation.
func New(set Settings) (*actor.Props, *View) {
	view := newView()
	view.Begin(set.Cordoned)
	var l *life
	props := actor.PropsFromProducerWithActorSystem(func(system *actor.ActorSystem) actor.Actor {
		if l == nil {
			hooks, publish := watched(view, set, func(e *AssignmentChanged) { system.EventStream.Publish(e) })
			set.measures = beginMeasures(set, view)
			set.onlooker = newOnlooker(set.SourceWatch, set.Store.OperationTimeout)
			l = &life{view: view, notifier: newNotifier(set.Logger), strategist: newStrategist(set.Strategy, set.Store.OperationTimeout)}
			l.measures = set.measures
			l.standing = standing{cordoned: view.Status().Cordoned}
			poke := func(pid *actor.PID) { system.Root.Send(pid, &revoked{}) }
			view.handled = set.Handling.used()
			handlers := newHandlers(set.Handling.used(), &l.warrant, poke)
			handlers.grants = &view.grants
			l.runner = newRunner(hooks, handlers, view, publish)
			if set.StateDir != "" {
				l.state = statedir.New(set.StateDir)
			}
		}
		var m *manager
		g := newGuard(kindManager, "", set.Logger, func() { l.end(set.ShutdownTimeout) }, func(g *guard) body {
			m = newManager(g, set, l)
			return m
		})
		return &supervisor{g, m}
	})
	return props, view
}

// end closes the life of a tree that has stopped. It makes the user let go of everything before other workers may take over,
// and delivers the queued calls of hooks. After a leave it may take the time that is left for the leave, and a little more for
// what needs no time; otherwise limit.
func (l *life) end(limit time.Duration) {
	until := time.Now().Add(limit)
	if !l.leaveBy.IsZero() {
		until = l.leaveBy.Add(limit / 64)
	}
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	hurry, cancelHurry := context.WithDeadline(ctx, l.letGoBy)
	defer cancelHurry()
	l.tenure.end(ErrStopping)
	l.runner.become(request{
		ctx: hurry, everything: true, trusted: func() bool { return false }, why: because(ErrStopping), until: ctx.Done(), done: func(error) {},
	})
	l.runner.close()
	wait(ctx, l.runner.ended)
	l.notifier.close()
	wait(ctx, l.notifier.ended)
	l.notifier.cancel()
	if err := l.leftovers(limit); err != nil {
		l.view.left.Store(&err)
		l.notifier.log.Warn("the worker has ended, but not everything is cleaned up", "error", err)
		if l.leaving {
			l.view.blame(err)
		}
	}
	status := *l.view.status.Load()
	status.WorkerID, status.Session = "", 0
	l.view.status.Store(&status)
	l.closeState(limit)
	l.farewell()
	l.measures.meter.Close(ctx.Done())
	close(l.view.done)
}

// closeState releases the StateDir. A disk that hangs does not delay the end: the lock is then released with the process.
func (l *life) closeState(limit time.Duration) {
	if l.state == nil {
		return
	}
	closed := make(chan error, 1)
	go func() { closed <- l.state.Close() }()
	select {
	case err := <-closed:
		l.view.blame(err)
	case <-time.After(limit):
		l.view.blame(fmt.Errorf("%w: it was not closed within %s", ErrStateDir, limit))
	}
}

// wait waits for ended or for the end of ctx, and reports whether ended came first.
func wait(ctx context.Context, ended <-chan struct{}) bool {
	select {
	case <-ended:
		return true
	case <-ctx.Done():
		return isClosed(ended)
	}
}

func isClosed(ended <-chan struct{}) bool {
	select {
	case <-ended:
		return true
	default:
		return false
	}
}
