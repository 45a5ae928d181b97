package actors

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// This file is what follows when an actor of the tree fails: who falls with it, what is begun again, and when it is too much.

// childPanicked hears of a child that panicked and is being stopped; it is never restarted, and what follows is decided
// on a turn of the manager's own.
func (m *manager) childPanicked(who *actor.PID, reason any) {
	for _, c := range m.children {
		if c.pid.Equal(who) {
			m.tell(&childFailed{c.kind, c.tag, asError(reason)})
		}
	}
}

func asError(reason any) error {
	if err, ok := reason.(error); ok {
		return err
	}
	return fmt.Errorf("%w: %v", ErrPanic, reason)
}

// childHasFailed decides who falls with a child. What only acts is replaced; when one fails that knows what is held,
// or that keeps the session alive, everything is given up and the worker rejoins as a newcomer.
func (m *manager) childHasFailed(f *childFailed) {
	c := m.children[f.kind]
	if c == nil || c.tag != f.tag {
		return
	}
	delete(m.children, f.kind)
	m.awaitedOf(f.kind)
	m.reportFailure(f)
	if m.winding != nil {
		m.windDownStep(func(*windDown) {})
		return
	}
	delay, ok := m.failures.add(time.Now())
	if !ok {
		m.leave(fmt.Errorf("%w: %w", ErrGivingUp, f.err))
		return
	}
	switch f.kind {
	case kindCalculator:
		m.after(delay, &leadDue{m.session.fence})
		m.setLeads(false)
	case kindElector:
		m.stopChild(kindCalculator)
		m.setLeads(false)
		m.after(delay, &electorDue{m.session.number})
	default:
		m.endSession(f.err, f.kind == kindFollower || f.kind == kindHost, delay)
	}
}

func (m *manager) reportFailure(f *childFailed) {
	var p *PanicError
	if errors.As(f.err, &p) {
		m.log.Error("actor panicked", "actor", f.kind, "panic", p.Value, slog.String("stack", string(p.Stack)))
	}
	m.problem(f.err)
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
