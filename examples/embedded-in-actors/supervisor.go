// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/eventstream"

	"github.com/parti-go/parti"
)

// supervisor is the user's actor. All its fields are for its own turns only.
type supervisor struct {
	out   io.Writer
	began time.Time
	tree  *actor.Props
	self  *actor.PID

	worker   *actor.PID // the root of the tree
	events   *eventstream.Subscription
	lives    int // how often the tree has come up
	restarts int
	failure  error
	ended    chan struct{} // closed when it is over; failure may then be read
}

type (
	survived struct{ err error }
	leaveNow struct{}
)

// Receive implements actor.Actor.
func (s *supervisor) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		s.started(ctx)
	case *parti.StateChanged:
		s.say("%-10s %s → %s", msg.WorkerID, msg.From, msg.To)
		if msg.To == parti.StateStable {
			s.up(ctx)
		}
	case *parti.AssignmentChanged:
		s.say("%-10s has %d partitions (%d added, %d removed) by term %d version %d", msg.WorkerID,
			len(msg.Assignment.Partitions), len(msg.Added), len(msg.Removed), msg.Assignment.Term, msg.Assignment.Version)
	case *parti.LeadershipChanged:
		s.say("%-10s leads: %t (term %d)", msg.WorkerID, msg.Leader, msg.Term)
	case *parti.Status:
		s.status(ctx, msg)
	case *note:
		s.say("%-10s %s is %s by its porter (epoch %d)", msg.o.WorkerID(), msg.o.Partition().ID(), msg.text, msg.o.Epoch())
	case *survived:
		s.say("%-10s %v", "survived", msg.err)
	case *leaveNow:
		ctx.Send(s.worker, &parti.Leave{})
	case *actor.Terminated:
		// The tree has ended, and so do we; after the events that are still in the mailbox, which Stop would overtake.
		ctx.Poison(ctx.Self())
	case *actor.Stopped:
		s.say("ended")
		close(s.ended)
	}
}

// started subscribes to the events of the tree and spawns it. A subscriber runs on the publisher's goroutine: it must be
// quick and must not panic, so it only passes on what it hears.
func (s *supervisor) started(ctx actor.Context) {
	root, self := ctx.ActorSystem().Root, ctx.Self()
	s.events = ctx.ActorSystem().EventStream.Subscribe(func(event any) {
		switch event.(type) {
		case *parti.StateChanged, *parti.AssignmentChanged, *parti.LeadershipChanged:
			root.Send(self, event)
		}
	})
	pid, err := ctx.SpawnNamed(s.tree, "worker")
	if err != nil {
		s.failure = err
		ctx.Stop(self)
		return
	}
	s.worker = pid
}

// up asks the tree how it is, once in each of its lives.
func (s *supervisor) up(ctx actor.Context) {
	if s.lives == s.restarts {
		s.lives++
		ctx.Request(s.worker, &parti.GetStatus{})
	}
}

// status is the answer. The first life is then broken on purpose; the second leaves cleanly.
func (s *supervisor) status(ctx actor.Context, status *parti.Status) {
	s.say("status: %s is %s, leads: %t, session %d, %d partitions", status.WorkerID, status.State, status.Leader, status.Session,
		len(status.Assignment.Partitions))
	if s.restarts == 0 {
		s.say("now an actor of the tree is made to panic, until the tree gives up")
		sabotage(failuresToGiveUp)
		return
	}
	s.say("a clean leave")
	ctx.Send(s.worker, &parti.Leave{})
}

// restartsMost is how often a tree that gives up is begun anew.
const restartsMost = 3

// HandleFailure implements actor.SupervisorStrategy for the one child there is. A tree that gives up has let go of
// everything and left the group already; Restart begins it as a newcomer, Stop leaves it at that. Resume is no answer.
func (s *supervisor) HandleFailure(_ *actor.ActorSystem, children actor.Supervisor, child *actor.PID,
	_ *actor.RestartStatistics, reason, _ any,
) {
	err, ok := reason.(error)
	if !ok {
		err = fmt.Errorf("panic: %v", reason)
	}
	s.restarts++
	if errors.Is(err, parti.ErrGivingUp) && s.restarts <= restartsMost {
		s.say("escalated: %v", err)
		s.say("the supervisor restarts the tree")
		children.RestartChildren(child)
		return
	}
	s.failure = err
	children.StopChildren(child)
}

func (s *supervisor) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, "%6.2fs  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}
