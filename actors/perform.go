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

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/store"
)

// This file performs what the member decides. An effect that takes long runs on a goroutine, and its outcome comes back as a
// fact.

func (m *manager) perform(effect member.Effect) {
	switch e := effect.(type) {
	case *member.Open:
		m.open(e)
	case *member.Use:
		m.use()
	case *member.Spawn:
		m.spawn(e)
	case *member.Stop:
		m.stopChild(e.Kind)
	case *member.Begin:
		m.begin(e)
	case *member.Trust:
		m.session.trust.closed.Store(!e.Takes)
		m.session.trust.extend(e.Until)
		m.life.letGoBy = e.LetGo
	case *member.Carry:
		m.life.warrant.carried.Store(e.Does)
	case *member.Rejoin:
		m.forget()
		m.session = session{}
	case *member.Return:
		m.life.tenure.wind(e.Why)
	case *member.Void:
		m.life.tenure.end(e.Why)
		if errors.Is(e.Why, ErrFenced) {
			m.forget()
		}
	case *member.GiveUp:
		m.giveUp(e)
	case *member.Drop:
		m.life.runner.become(m.nothing(m.life.tenure.held, e.Why))
	case *member.Hurry:
		for _, g := range m.giving {
			g.hurry()
		}
	case *member.Abandon:
		m.giving[e.ID].abandon()
	case *member.Delete:
		if e.Bucket != store.Election {
			m.hush()
		}
		m.remove(e)
	case *member.Wake:
		m.wakeAt(e.At)
	case *member.End:
		m.finish(e)
	default:
		m.instruct(effect)
	}
}

// instruct sends the children the effects that concern them.
func (m *manager) instruct(effect member.Effect) {
	switch e := effect.(type) {
	case *member.Beat:
		m.tellChild(member.Heartbeat, &beatNow{fence: e.Fence})
	case *member.Announce:
		m.tellChild(member.Heartbeat, &announce{version: e.Version})
	case *member.Acknowledge:
		m.tellChild(member.Heartbeat, &position{Position: e.Position, now: e.Now})
	case *member.Recount:
		m.tellChild(member.Heartbeat, &heldChanged{})
	case *member.Reads:
		m.tellChild(member.Heartbeat, &groupReads{format: e.Format})
	case *member.Stand:
		m.life.standing = standing{e.Standing.Leaving, e.Standing.Cordoned}
		m.life.warrant.draining.Store(e.Standing.Leaving)
		m.tellChild(member.Heartbeat, &stand{standing: m.life.standing})
	case *member.Complain:
		m.tellChild(member.Heartbeat, &stuck{lines: e.Lines})
	case *member.SawTerm:
		m.tellChild(member.Elector, &termSeen{term: e.Term})
	case *member.NewTerm:
		m.tellChild(member.Elector, &refence{fence: e.Fence})
	case *member.Abstain:
		m.tellChild(member.Elector, &abstain{until: e.Until})
	default:
		m.announce(effect)
	}
}

func (m *manager) begin(e *member.Begin) {
	if !e.Keeps {
		m.life.tenure = newTenure()
	}
	m.session = session{id: e.Worker, number: e.Number, trust: &trust{}, tenure: m.life.tenure}
	m.life.warrant.trust.Store(m.session.trust)
	m.legacy.dead = nil // what was theirs is taken over, or of no use any more
	m.log, m.worker = m.set.Logger.With("worker", e.Worker), e.Worker
	m.tellChild(kindDesk, &attend{session: m.session, store: m.store})
}

// spawn starts a child under a name never used before.
func (m *manager) spawn(e *member.Spawn) {
	m.tags++
	c := &child{kind: e.Kind, tag: m.tags}
	build, s, tell := m.builder(e), m.session, func(message reported) { m.tell(&report{string(e.Kind), c.tag, message}) }
	props := actor.PropsFromProducer(func() actor.Actor {
		g := newGuard(string(e.Kind), s.id, m.log, nil, func(g *guard) body { return build(g, tell) })
		if e.Kind == member.Host {
			return &housekeeper{g}
		}
		return g
	})
	pid, err := m.actor.SpawnNamed(props, string(e.Kind)+"-"+strconv.FormatUint(c.tag, 10))
	if err != nil {
		panic(fmt.Errorf("spawn %s: %w", e.Kind, err)) // names are never used twice
	}
	c.pid = pid
	m.children[e.Kind] = c
}

// builder returns a function that makes a child's body. It reads the manager's fields at once, not when the child is made.
func (m *manager) builder(e *member.Spawn) func(*guard, func(reported)) body {
	set, buckets, s, left, l := m.set, m.store, m.session, m.legacy, m.life
	switch e.Kind {
	case member.Claimer:
		return func(g *guard, report func(reported)) body {
			return newClaimer(g, report, set, buckets, e.Prefer, e.Prior, left)
		}
	case member.Heartbeat:
		return func(g *guard, report func(reported)) body {
			h := newHeartbeat(g, report, set, buckets, s.id, s.number, e.Anew, l.runner.handlers.Held)
			h.standing = standing{e.Standing.Leaving, e.Standing.Cordoned}
			h.shown = e.Shown
			h.begun = e.Begun
			return h
		}
	case member.Elector:
		return func(g *guard, report func(reported)) body {
			return newElector(g, report, set, buckets, s.id, s.number, e.Floor.Term)
		}
	case member.Follower:
		own, compare := leader.Edition{}, comparer(set, buckets)
		if e.First {
			own = m.own
		}
		return func(g *guard, report func(reported)) body {
			return newFollower(g, report, buckets, l.runner, s, e.Highest, e.Carried, own, compare)
		}
	case member.Calculator:
		return func(g *guard, report func(reported)) body {
			return newCalculator(g, report, set, l.strategist, buckets, s, e)
		}
	default:
		return func(g *guard, report func(reported)) body { return newHost(g, report, set, l.runner) }
	}
}

func (m *manager) tellChild(kind member.Kind, message any) {
	if c := m.children[kind]; c != nil {
		m.root.Send(c.pid, message)
	}
}

func (m *manager) stopChild(kind member.Kind) {
	if c := m.children[kind]; c != nil {
		delete(m.children, kind)
		m.root.Stop(c.pid)
	}
}

// giving is a request to the hook and the handlers to give everything up.
type giving struct {
	hurry   context.CancelFunc // ends the context of the hook
	abandon context.CancelFunc // ends the wait for handlers that do not return
}

// nothing returns the request to hold nothing any more.
func (m *manager) nothing(ctx context.Context, why error) request {
	return request{ctx: ctx, everything: true, trusted: func() bool { return false }, why: because(why), done: func(error) {}}
}

func (m *manager) giveUp(e *member.GiveUp) {
	ctx, cancel := context.WithDeadline(context.Background(), e.Until)
	abandoned, abandon := context.WithCancel(context.Background())
	m.giving[e.ID] = giving{cancel, abandon}
	q := m.nothing(ctx, e.Why)
	q.worker, q.until = e.Worker, abandoned.Done()
	q.done = func(err error) {
		cancel()
		if errors.Is(err, errSuperseded) {
			return // whoever asked later is told when everything is given up
		}
		if err != nil {
			m.tell(&hookReported{err})
		}
		m.tell(&gaveUp{e.ID})
	}
	m.life.runner.become(q)
}

func (m *manager) wakeAt(at time.Time) {
	m.wake()
	m.wake = func() {}
	if !at.IsZero() {
		m.wake = m.after(time.Until(at), &member.Ticked{At: at})
	}
}

// finish stops the tree, or passes the decision to the supervisor above.
func (m *manager) finish(e *member.End) {
	m.wake()
	m.hasty = e.Hasty
	if e.Err != nil {
		panic(&escalation{e.Err})
	}
	m.root.Stop(m.self)
}
