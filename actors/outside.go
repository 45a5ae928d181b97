// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"fmt"
	"strconv"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/internal/member"
)

// This file is what a manager has to do with its desk, where the worker is asked from outside.

// openDesk begins to take requests from outside, unless the user wants none. The desk is no part of what the member decides
// about: nothing that a worker does depends on it.
func (m *manager) openDesk() {
	if m.set.Uncontrolled || m.ctx.Err() != nil {
		return
	}
	m.tags++
	c := &child{kind: kindDesk, tag: m.tags}
	worker, log, set, l := m.session.id, m.log, m.set, m.life // what is the manager's is read at once, not when the child is made
	props := actor.PropsFromProducer(func() actor.Actor {
		return newGuard(kindDesk, worker, log, nil, func(g *guard) body { return newDesk(g, set, l, m.tell) })
	})
	pid, err := m.actor.SpawnNamed(props, kindDesk+"-"+strconv.FormatUint(c.tag, 10))
	if err != nil {
		panic(fmt.Errorf("spawn %s: %w", kindDesk, err)) // names are never used twice
	}
	c.pid = pid
	m.children[kindDesk] = c
	if m.session.number != 0 && !m.session.trust.silent.Load() {
		m.tellChild(kindDesk, &attend{session: m.session, store: m.store})
	}
}

// deskFailed opens the desk again after a pause. Whoever waits asks again. A desk that fails costs the worker nothing else.
func (m *manager) deskFailed(err error) {
	m.step(&member.Survived{Err: err})
	m.after(deskPause, &deskDue{})
}

// asked does what the desk passes on.
func (m *manager) asked(message any) {
	switch msg := message.(type) {
	case *deskDue:
		m.openDesk()
	case *drainAsked:
		if by := &m.life.drainBy; !msg.by.IsZero() && (by.IsZero() || msg.by.Before(*by)) {
			*by = msg.by
		}
		m.step(&member.DrainAsked{By: msg.by})
	case *cordonAsked:
		m.step(&member.CordonAsked{On: msg.on})
		m.tellChild(member.Heartbeat, &attest{round: msg.round})
	}
}

// hush takes the voice of a session that is over, or about to be: before its entries are deleted, because the next session of
// the ID may begin then.
func (m *manager) hush() {
	if m.session.trust != nil {
		m.session.trust.silent.Store(true)
	}
	m.tellChild(kindDesk, &dismiss{})
}

// forget gives up those who wait for the end of a drain that this session does not live to see.
func (m *manager) forget() {
	m.hush()
	// The mark comes first: the desk may note an asker after the list was emptied.
	if m.session.trust != nil {
		m.session.trust.forgotten.Store(true)
	}
	m.life.askers.Store(nil)
}
