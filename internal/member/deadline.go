// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import "time"

// This file is what a member has to look at when nothing happens: its deadlines, by name, and when it is woken.

// deadline names what has a time.
type deadline int

const (
	dueOpen     deadline = iota // the store is tried again
	dueStart                    // the way to the first assignment is too long
	dueTrust                    // the trust is over
	dueHurry                    // the hook that gives up must return
	dueAbandon                  // a handler is not waited for any longer
	dueGiveUp                   // a handler does not return from giving up for a rejoin
	dueWindDown                 // a wind-down must be done
	dueRejoin                   // the next session begins
	dueTerm                     // a new term replaces that of a calculator that failed
	dueElector                  // an elector replaces one that failed
	dueDrain                    // a drain becomes a stop
	deadlines
)

func (d deadline) String() string {
	return [...]string{"open", "start", "trust", "hurry", "abandon", "give up", "wind down", "rejoin", "term", "elector", "drain"}[d]
}

// due sets a deadline. What is over already is due now.
func (m *Member) due(d deadline, now, at time.Time) { m.dues[d] = later(now, at) }

// dueBy sets a deadline unless an earlier one is set.
func (m *Member) dueBy(d deadline, now, at time.Time) {
	if m.dues[d].IsZero() || at.Before(m.dues[d]) {
		m.due(d, now, at)
	}
}

func (m *Member) undue(those ...deadline) {
	for _, d := range those {
		m.dues[d] = time.Time{}
	}
}

// tick does what is due, the earliest first. What is due later than the tick was asked for is left to another one: a worker
// that was held up hears what happened meanwhile before it judges that nothing has.
func (m *Member) tick(now, at time.Time) {
	if !at.Before(m.wake) {
		m.wake = time.Time{}
	}
	m.tellOverdue(now, at)
	for n := 0; n < 2*int(deadlines) && !m.ended; n++ {
		next := deadlines
		for d, t := range m.dues {
			if !t.IsZero() && !t.After(at) && (next == deadlines || t.Before(m.dues[next])) {
				next = deadline(d)
			}
		}
		if next == deadlines {
			return
		}
		m.undue(next)
		m.expire(now, next)
	}
}

func (m *Member) expire(now time.Time, d deadline) {
	switch d {
	case dueOpen:
		m.open(now)
	case dueStart:
		m.startupExpired(now)
	case dueTrust:
		m.trustExpired(now)
	case dueHurry:
		m.hurryUp(now)
	case dueAbandon:
		m.abandon()
	case dueGiveUp:
		m.giveUpExpired(now)
	case dueWindDown:
		m.windDownExpired(now)
	case dueRejoin:
		m.rejoin(now)
	case dueTerm:
		m.tellElector(&NewTerm{m.session.fence})
	case dueElector:
		m.respawnElector(now)
	case dueDrain:
		m.drainExpired(now)
	case deadlines:
	}
}

// next is the earliest deadline; zero for none.
func (m *Member) next() (next time.Time) {
	at := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, t := range m.dues {
		at(t)
	}
	for _, p := range m.waits {
		if !p.told {
			at(p.Due)
		}
	}
	return next
}

// sleep asks to be woken at the next deadline.
func (m *Member) sleep() {
	if next := m.next(); !next.Equal(m.wake) {
		m.wake = next
		m.do(&Wake{next})
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
