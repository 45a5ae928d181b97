// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// This file is how a manager hears that an actor of its tree has failed. What follows its member decides.

// childPanicked hears of a child that panicked and is being stopped; it is never restarted, and what follows is decided
// on a turn of the manager's own.
func (m *manager) childPanicked(who *actor.PID, reason any) {
	for _, c := range m.children {
		if c.pid.Equal(who) {
			m.tell(&childFailed{string(c.kind), c.tag, asError(reason)})
		}
	}
}

func asError(reason any) error {
	if err, ok := reason.(error); ok {
		return err
	}
	return fmt.Errorf("%w: %v", ErrPanic, reason)
}

// childFailed: a child panicked and is being stopped.
type childFailed struct {
	kind string
	tag  uint64
	err  error
}

func (f *childFailed) log(log *slog.Logger) {
	var p *panicError
	if errors.As(f.err, &p) {
		log.Error("actor panicked", "actor", f.kind, "panic", p.Value, slog.String("stack", string(p.Stack)))
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

// jitter returns d give or take a fifth.
func jitter(d time.Duration) time.Duration {
	return d - d/5 + time.Duration(rand.Int64N(int64(2*d/5)+1))
}
