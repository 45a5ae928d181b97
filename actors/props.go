package actors

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/statedir"
)

// life is what outlives a restart of the manager: what the user has been told, and who tells it.
type life struct {
	view       *View
	runner     *runner
	notifier   *notifier
	strategist *strategist
	state      *statedir.Dir // nil without a StateDir
	machine    *fsm.Machine  // where the worker stands
	carried    uint64        // the session whose partitions are kept while the store is away
	letGoBy    time.Time     // when what is left of the last session must be let go, as others may take over then
	leaving    bool          // asked to leave: an incarnation that fails now has no successor
}

// New returns the props of one worker's tree and the view of it. They are for one actor: spawn them once. The actor may
// be restarted by its supervisor: it then gives up what the user still holds and begins anew. It does not survive
// Resume after an escalation.
func New(set Settings) (*actor.Props, *View) {
	view := newView()
	var l *life
	props := actor.PropsFromProducerWithActorSystem(func(system *actor.ActorSystem) actor.Actor {
		if l == nil {
			publish := func(e *AssignmentChanged) { system.EventStream.Publish(e) }
			l = &life{
				view: view, runner: newRunner(set.Hooks, view, publish), notifier: newNotifier(set.Logger),
				strategist: newStrategist(set.Strategy, set.Store.OperationTimeout),
			}
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

// end closes the life of a tree that has stopped: the user is told to let go of what it still holds before others may take
// it over, and the notices that are queued are delivered, each for as long as limit.
func (l *life) end(limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	hurry, cancelHurry := context.WithDeadline(ctx, l.letGoBy)
	defer cancelHurry()
	l.runner.become(request{ctx: hurry, everything: true, trusted: func() bool { return false }, done: func(error) {}})
	l.runner.close()
	wait(ctx, l.runner.ended)
	l.notifier.close()
	wait(ctx, l.notifier.ended)
	l.notifier.cancel()
	if l.state != nil {
		l.view.blame(l.state.Close())
	}
	close(l.view.done)
}

func wait(ctx context.Context, ended <-chan struct{}) {
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// supervisor is the guard of the manager: the one actor that has children to answer for.
type supervisor struct {
	*guard
	manager *manager
}

// HandleFailure implements actor.SupervisorStrategy.
func (s *supervisor) HandleFailure(_ *actor.ActorSystem, children actor.Supervisor, who *actor.PID,
	_ *actor.RestartStatistics, reason, _ any,
) {
	children.StopChildren(who)
	if !s.ended {
		s.manager.childPanicked(who, reason)
	}
}

// failures is a sliding window: who fails more than failureLimit times within failureWindow is given up.
type failures struct{ times []time.Time }

const (
	failureLimit  = 5
	failureWindow = time.Minute
	backoffFirst  = 100 * time.Millisecond
	backoffMost   = 5 * time.Second
)

// add records a failure and returns how long to wait before what failed is begun again: doubling, capped, with a jitter
// of a fifth.
func (f *failures) add(now time.Time) (delay time.Duration, ok bool) {
	kept := f.times[:0]
	for _, t := range f.times {
		if now.Sub(t) < failureWindow {
			kept = append(kept, t)
		}
	}
	f.times = append(kept, now)
	delay = min(backoffFirst<<(len(f.times)-1), backoffMost)
	return jitter(delay), len(f.times) <= failureLimit
}

// jitter returns d give or take a fifth.
func jitter(d time.Duration) time.Duration {
	return d - d/5 + time.Duration(rand.Int64N(int64(2*d/5)+1))
}
