// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"

	"github.com/asynkron/protoactor-go/eventstream"

	"github.com/parti-go/parti/internal/member"
)

// This file passes what the member says on to the user, to the log, and to those who read the View.

func (m *manager) announce(effect member.Effect) {
	view := m.life.view
	switch e := effect.(type) {
	case *member.Fire:
		m.fire(e)
	case *member.Publish:
		s := e.Status
		view.trust.Store(m.session.trust)
		view.status.Store(&Status{
			State: s.State, WorkerID: s.Worker, Session: s.Session, Leader: s.Leader, Degraded: s.Degraded, Ready: s.Ready,
			Draining: s.Standing.Leaving, Cordoned: s.Standing.Cordoned,
		})
	case *member.Lead:
		m.publish(&LeadershipChanged{e.Worker, e.Leads, e.Term})
	case *member.Ready:
		view.markReady()
	case *member.Drained:
		view.drained.Store(true)
	case *member.NoteLeft:
		left := view.held(m.life.runner.handlers.Held().Holding)
		view.undrained.CompareAndSwap(nil, &left)
	case *member.Show:
		view.waits.Store(&e.Waits)
	case *member.Blame:
		if !e.Quiet {
			m.log.Error("the worker ends with an error", "error", e.Err)
			m.tellUser(e.Err)
			m.set.measures.failed(e.Err)
		}
		view.blame(e.Err)
	case *member.Leave:
		m.life.leaving, m.life.leaveBy = !e.Again, e.By
	case *member.Report:
		m.problem(e.Err)
	case *member.Say:
		m.log.Log(m.ctx, e.Level, e.Text, e.Args...)
	}
}

// fire makes a step of the state machine and announces it. An event that the table does not allow is a bug of ours.
func (m *manager) fire(e *member.Fire) {
	from, to, err := m.machine.Fire(e.Event)
	if err != nil {
		panic(err)
	}
	m.log.Debug("state changed", "from", from, "to", to)
	m.publish(&StateChanged{m.session.id, from, to})
	if hook := m.set.Hooks.OnStateChanged; hook != nil {
		m.life.notifier.notify("OnStateChanged", func(ctx context.Context) {
			if err := contain("OnStateChanged", func() error { return hook(ctx, from, to) }); err != nil {
				m.tell(&hookReported{err})
			}
		})
	}
}

// problem reports an error that the worker survives.
func (m *manager) problem(err error) {
	if err == nil {
		return
	}
	m.log.Warn("the worker goes on despite an error", "error", err)
	m.set.measures.failed(err)
	m.tellUser(err)
}

// tellUser calls OnError.
func (m *manager) tellUser(err error) {
	hook := m.set.Hooks.OnError
	if hook == nil {
		return
	}
	m.life.notifier.notify("OnError", func(ctx context.Context) {
		if err := contain("OnError", func() error { hook(ctx, err); return nil }); err != nil {
			m.log.Error("hook OnError failed", "error", err)
		}
	})
}

// publish passes an event to the system's subscribers. They run on this goroutine, so a panic of one is contained.
func (m *manager) publish(event any) {
	m.problem(contain("subscriber", func() error {
		m.events().Publish(event)
		return nil
	}))
}

func (m *manager) events() *eventstream.EventStream { return m.actor.ActorSystem().EventStream }
