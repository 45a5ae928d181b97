// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"fmt"
	"strconv"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/internal/member"
)

// This file is the manager's work with its desk, which takes requests from outside.

// openDesk starts to take requests from outside, unless the user has switched them off. The member does not know about the
// desk, because nothing that a worker does depends on it.
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

// deskFailed opens the desk again after a pause. Clients repeat their requests. The failure of a desk has no other effect.
func (m *manager) deskFailed(err error) {
	m.step(&member.Survived{Err: err})
	m.after(deskPause, &deskDue{})
}

// asked does what the desk asks for.
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

// hush stops a session that is over, or about to be, from speaking. This happens before its entries are deleted, because the
// next session of the ID may begin then.
func (m *manager) hush() {
	if m.session.trust != nil {
		m.session.trust.silent.Store(true)
	}
	m.tellChild(kindDesk, &dismiss{})
}

// forget drops the clients that wait for the end of a drain which this session does not live to see.
func (m *manager) forget() {
	m.hush()
	// The mark is set first, because the desk may note a client after the list was emptied.
	if m.session.trust != nil {
		m.session.trust.forgotten.Store(true)
	}
	m.life.askers.Store(nil)
}
