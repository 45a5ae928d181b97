// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package sim runs the whole protocol on one goroutine: workers, their elections and their leaders, on the store in memory. One
// seed is one life.
//
// The deciders are the real ones ([member.Member], [member.Election], [member.Following], [leader.Leader], [lease.Hold]). In a
// process they are surrounded by the actors, and by package kv over the network. That code waits and runs concurrently, so this
// package replaces it with callbacks on a [Loop]. What this package finds is true of the deciders and of the protocol. It does
// not find a mistake in an actor.
package sim

import (
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store/model"
)

// Loop is what happens and when: the store's events and alarms, in the order of their times. Whatever happens runs to its end
// before the next thing does.
type Loop struct {
	Store *model.Store
	// Trace, if not nil, is called with one line for each thing that happens.
	Trace func(now time.Time, line string)

	// Steps counts how often a value was asked what follows (member, election, following, leader, lease), and what the store was asked.
	Steps int

	// InBytes has records written as bytes, and read from them, as the real store does. What happens is the same, and takes three times
	// as long.
	InBytes bool
	// Narrow is how many partitions a record may name at most; 0 for any number.
	Narrow int

	now    time.Time
	choose *chooser
	turns  []turn // a heap
	n      uint64
	spare  []*alarm // that have rung
	waits  map[model.ID]waiter
	feeds  map[model.ID]waiter
	events []model.Event
	aims   map[aim][]record.Token // who is about to renew or release what; nil where revisions mean one thing only

	moment time.Time
	turned int // since that moment
}

// turn is when an alarm rings.
type turn struct {
	at    int64
	n     uint64
	alarm *alarm
}

// alarm is something to do.
type alarm struct {
	n   uint64 // its number, which is another one when it is used again
	do  func() // nil once it is taken back
	ice *ice   // of the process that does it; nil for none
}

// ring does it now, or when the process is thawed.
func (l *Loop) ring(a *alarm) {
	if a.do != nil && a.ice != nil && a.ice.frozen {
		a.ice.kept = append(a.ice.kept, func() { l.ring(a) })
		return
	}
	do := a.do
	*a = alarm{}
	if l.spare = append(l.spare, a); do != nil {
		do()
	}
}

// timer is an alarm that can be taken back. The zero value is none.
type timer struct {
	alarm *alarm
	n     uint64
}

func (t timer) stop() {
	if t.alarm != nil && t.alarm.n == t.n {
		t.alarm.do = nil
	}
}

// hearer hears what comes of a request.
type hearer interface{ hear(e *model.Event) }

// hears is a function as a hearer.
type hears func(e *model.Event)

func (h hears) hear(e *model.Event) { h(e) }

// waiter is a hearer in a process that may be frozen.
type waiter struct {
	hearer
	ice *ice // nil for none
}

func (w *waiter) tell(e *model.Event) {
	if w.ice != nil && w.ice.frozen {
		w.ice.keep(w.hearer, *e)
		return
	}
	w.hear(e)
}

// reused is a slice that is used again and again. Who needs it while it is in use gets another one.
type reused[T any] struct{ free []T }

func (r *reused[T]) take() (s []T) {
	s, r.free = r.free, nil
	return s
}

func (r *reused[T]) put(s []T) {
	clear(s)
	r.free = s[:0]
}

// NewLoop returns a loop about a healthy store that begins at cfg.Start.
func NewLoop(cfg model.Config) *Loop { return newLoop(newChooser(), cfg) }

func newLoop(c *chooser, cfg model.Config) *Loop {
	return &Loop{
		Store: model.New(cfg, c), now: cfg.Start, choose: c,
		waits: map[model.ID]waiter{}, feeds: map[model.ID]waiter{},
	}
}

// Now is what time it is.
func (l *Loop) Now() time.Time { return l.now }

// Draw returns a number below n: in a step of a script one that it says, otherwise what the weather brings. Zero is benign.
func (l *Loop) Draw(n int) int { return l.choose.draw(n) }

// Spread returns a duration up to d.
func (l *Loop) Spread(d time.Duration) time.Duration {
	return time.Duration(l.Draw(int(d/time.Microsecond)+1)) * time.Microsecond
}

// At does something at a time, or as soon as possible where that is over, unless the timer is stopped before.
func (l *Loop) At(at time.Time, do func()) timer { return l.set(at, do, nil) }

// After does something after a while, unless the timer is stopped before.
func (l *Loop) After(d time.Duration, do func()) timer { return l.set(l.now.Add(d), do, nil) }

func (l *Loop) set(at time.Time, do func(), i *ice) timer {
	l.n++
	var a *alarm
	if last := len(l.spare) - 1; last >= 0 {
		a, l.spare = l.spare[last], l.spare[:last]
	} else {
		a = new(alarm)
	}
	*a = alarm{l.n, do, i}
	l.push(turn{at: at.UnixNano(), n: l.n, alarm: a})
	return timer{a, l.n}
}

// Run lets everything happen until a time.
func (l *Loop) Run(until time.Time) {
	end := until.UnixNano()
	for {
		next, stored := l.Store.Next()
		at := next.UnixNano()
		rings := len(l.turns) > 0 && (!stored || l.turns[0].at < at)
		switch {
		case rings && l.turns[0].at <= end:
			t := l.pop()
			if t.at > l.now.UnixNano() {
				l.pass(time.Unix(0, t.at).UTC())
			}
			l.ring(t.alarm)
		case !rings && stored && at <= end:
			l.pass(next)
		default:
			l.pass(until)
			return
		}
		l.watch()
	}
}

// watch ends a life in which time does not go on.
func (l *Loop) watch() {
	if l.now.After(l.moment) {
		l.moment, l.turned = l.now, 0
		return
	}
	if l.turned++; l.turned > momentMost {
		panic(fmt.Sprintf("at %s more than %d things happen and time does not go on", l.now.Format("15:04:05.000"), momentMost))
	}
}

// momentMost is how many things may happen at one time.
const momentMost = 100_000

// pass hands on what the store tells up to a time.
func (l *Loop) pass(to time.Time) {
	if to.After(l.now) {
		l.now = to
	}
	events := l.Store.Advance(l.now, l.events[:0])
	l.events = nil // what is called below may come here again
	for i := range events {
		e := &events[i]
		if e.Kind == model.Delivered || e.Kind == model.Lost {
			if w, ok := l.feeds[e.ID]; ok {
				w.tell(e)
			}
			continue
		}
		if w, ok := l.waits[e.ID]; ok {
			delete(l.waits, e.ID)
			w.tell(e)
		}
	}
	clear(events)
	l.events = events
}

// await has what comes of a request heard.
func (l *Loop) await(id model.ID, w waiter) {
	l.Steps++
	l.waits[id] = w
}

func (l *Loop) say(who, line string) {
	if l.Trace != nil {
		l.Trace(l.now, who+": "+line)
	}
}

func (t *turn) before(o *turn) bool { return t.at < o.at || t.at == o.at && t.n < o.n }

func (l *Loop) push(t turn) {
	l.turns = append(l.turns, t)
	turns, i := l.turns, len(l.turns)-1
	for i > 0 {
		parent := (i - 1) / 2
		if !t.before(&turns[parent]) {
			break
		}
		turns[i] = turns[parent]
		i = parent
	}
	turns[i] = t
}

func (l *Loop) pop() turn {
	turns, last := l.turns, len(l.turns)-1
	first, t := turns[0], turns[last]
	turns[last] = turn{}
	l.turns = turns[:last]
	for i := 0; last > 0; {
		child := 2*i + 1
		if child+1 < last && turns[child+1].before(&turns[child]) {
			child++
		}
		if child >= last || !turns[child].before(&t) {
			turns[i] = t
			break
		}
		turns[i] = turns[child]
		i = child
	}
	return first
}
