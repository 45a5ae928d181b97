// Package sim lives the whole protocol on one goroutine: workers, their elections and their leaders on the store in memory. One
// seed is one life.
//
// The deciders are the real ones ([member.Member], [member.Election], [member.Following], [leader.Leader], [lease.Hold]). What
// is around them in a process (the actors, and package kv over the network) is written anew here as callbacks on a [Loop],
// because theirs waits and runs at the same time. So what this package finds is true of the deciders and of the protocol; what
// is wrong in an actor it does not find.
package sim

import (
	"time"

	"github.com/parti-go/parti/internal/store/model"
)

// Loop is what happens and when: the store's events and alarms, in the order of their times. Whatever happens runs to its end
// before the next thing does.
type Loop struct {
	Store *model.Store
	// Trace, if not nil, is called with one line for each thing that happens.
	Trace func(now time.Time, line string)

	// Steps counts what the values were told (each call of a Step) and what the store was asked for.
	Steps int

	now    time.Time
	choose *chooser
	alarms []*alarm // a heap
	n      uint64
	waits  map[model.ID]func(model.Event)
	feeds  map[model.ID]func(model.Event)
	events []model.Event
}

// alarm is something to do at a time.
type alarm struct {
	at time.Time
	n  uint64
	do func() // nil once it is taken back
}

// NewLoop returns a loop about a healthy store that begins at cfg.Start.
func NewLoop(cfg model.Config) *Loop { return newLoop(newChooser(), cfg) }

func newLoop(c *chooser, cfg model.Config) *Loop {
	return &Loop{
		Store: model.New(cfg, c), now: cfg.Start, choose: c,
		waits: map[model.ID]func(model.Event){}, feeds: map[model.ID]func(model.Event){},
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

// At does something at a time, or as soon as possible where that is over, unless stop is called before.
func (l *Loop) At(at time.Time, do func()) (stop func()) {
	l.n++
	a := &alarm{at: at, n: l.n, do: do}
	l.push(a)
	return func() { a.do = nil }
}

// After does something after a while, unless stop is called before.
func (l *Loop) After(d time.Duration, do func()) (stop func()) { return l.At(l.now.Add(d), do) }

// Run lets everything happen until a time.
func (l *Loop) Run(until time.Time) {
	for {
		at, stored := l.Store.Next()
		rings := len(l.alarms) > 0 && (!stored || l.alarms[0].at.Before(at))
		switch {
		case rings && !l.alarms[0].at.After(until):
			a := l.pop()
			if a.at.After(l.now) {
				l.pass(a.at)
			}
			if a.do != nil {
				a.do()
			}
		case !rings && stored && !at.After(until):
			l.pass(at)
		default:
			l.pass(until)
			return
		}
	}
}

// pass hands on what the store tells up to a time.
func (l *Loop) pass(to time.Time) {
	if to.After(l.now) {
		l.now = to
	}
	events := l.Store.Advance(l.now, l.events[:0])
	l.events = nil // what is called below may come here again
	for i := range events {
		e := events[i]
		if e.Kind == model.Delivered || e.Kind == model.Lost {
			if tell := l.feeds[e.ID]; tell != nil {
				tell(e)
			}
			continue
		}
		if done := l.waits[e.ID]; done != nil {
			delete(l.waits, e.ID)
			done(e)
		}
	}
	l.events = events
}

// await calls done with what comes of a request.
func (l *Loop) await(id model.ID, done func(model.Event)) { l.waits[id] = done }

func (l *Loop) say(who, line string) {
	if l.Trace != nil {
		l.Trace(l.now, who+": "+line)
	}
}

func (a *alarm) before(b *alarm) bool { return a.at.Before(b.at) || a.at.Equal(b.at) && a.n < b.n }

func (l *Loop) push(a *alarm) {
	l.alarms = append(l.alarms, a)
	for i := len(l.alarms) - 1; i > 0; {
		parent := (i - 1) / 2
		if !l.alarms[i].before(l.alarms[parent]) {
			return
		}
		l.alarms[i], l.alarms[parent] = l.alarms[parent], l.alarms[i]
		i = parent
	}
}

func (l *Loop) pop() *alarm {
	first, last := l.alarms[0], len(l.alarms)-1
	l.alarms[0] = l.alarms[last]
	l.alarms[last] = nil
	l.alarms = l.alarms[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < last && l.alarms[child+1].before(l.alarms[child]) {
			child++
		}
		if child >= last || !l.alarms[child].before(l.alarms[i]) {
			return first
		}
		l.alarms[i], l.alarms[child] = l.alarms[child], l.alarms[i]
		i = child
	}
}
