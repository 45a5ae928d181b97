// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/store"
)

const (
	longest     = 16 * time.Second // that a fault of one process lasts, at most: longer than every lease but a claim
	mostWorkers = 8
)

// fault is one thing that can befall a fleet. w lives.
type fault struct {
	name string
	do   func(f *Fleet, w *Worker)
}

// faults are drawn by their number. The first one is nothing.
var faults = []fault{
	{"nothing", func(*Fleet, *Worker) {}},
	{"crash", func(_ *Fleet, w *Worker) { w.Crash() }},
	{"crash and restart", (*Fleet).crashAndRestart},
	{"crash and restart", (*Fleet).crashAndRestart},
	{"leave", func(_ *Fleet, w *Worker) { w.Leave() }},
	{"leave and restart", (*Fleet).leaveAndRestart},
	{"leave and cut", func(f *Fleet, w *Worker) {
		w.Leave()
		f.After(f.Spread(time.Second), func() { f.Store.Cut(f.now, w.client.id) })
	}},
	{"start", (*Fleet).scale},
	{"start", (*Fleet).scale},
	{"drain", (*Fleet).drain},
	{"drain all", (*Fleet).drainAll},
	{"cordon", func(f *Fleet, w *Worker) { w.Cordon(f.Draw(2) == 0) }},
	{"cut", func(f *Fleet, w *Worker) {
		f.Store.Cut(f.now, w.client.id)
		f.heals(w)
	}},
	{"stall", func(f *Fleet, w *Worker) {
		f.Store.Stall(f.now, w.client.id, f.Draw(2) == 0, f.Draw(2) == 0)
		f.heals(w)
	}},
	{"heal", func(f *Fleet, w *Worker) { f.Store.Heal(f.now, w.client.id) }},
	{"elect", func(f *Fleet, _ *Worker) {
		f.Store.Elect(f.now, store.Bucket(f.Draw(int(store.Buckets))), f.now.Add(f.Spread(4*time.Second)))
	}},
	{"store away", (*Fleet).outage},
	{"mood", (*Fleet).moods},
	{"mood", (*Fleet).moods},
	{"source", (*Fleet).another},
	{"source", (*Fleet).another},
	{"source shrinks", (*Fleet).shrinks},
	{"source ails", (*Fleet).ails},
	{"rolling restart", (*Fleet).rolls},
	{"rollout", func(f *Fleet, w *Worker) {
		f.another(w)
		f.rolls(w)
	}},
	{"mass crash", (*Fleet).perishes},
	{"store restored", (*Fleet).restored},
	{"bucket deleted", func(f *Fleet, _ *Worker) {
		b := store.Bucket(f.Draw(int(store.Buckets)))
		f.Store.Delete(f.now, b)
		f.upheaves(b)
	}},
	{"bucket purged", func(f *Fleet, _ *Worker) {
		b := store.Bucket(f.Draw(int(store.Buckets)))
		f.Store.Purge(f.now, b)
		f.upheaves(b)
	}},
	{"garbage", (*Fleet).garbage},
	{"garbage", (*Fleet).garbage},
	{"freeze", (*Fleet).freezes},
	{"freeze", (*Fleet).freezes},
	{"flap", (*Fleet).flaps},
	{"one way", (*Fleet).deafens},
	{"strategy fails", (*Fleet).maddens},
	{"strategy fails", (*Fleet).maddens},
	{"another release", (*Fleet).foreign},
	{"small messages", (*Fleet).narrows},
}

// fault does one thing to the fleet. Zero is nothing.
func (f *Fleet) fault() {
	this := faults[f.Draw(len(faults))]
	live := f.live()
	if len(live) < 2 {
		f.Start()
		return
	}
	w := live[f.Draw(len(live))]
	f.note("%s: %s", this.name, w.Name)
	f.Seen[this.name]++
	this.do(f, w)
}

func (f *Fleet) note(format string, args ...any) {
	if f.Trace != nil {
		f.say("step", fmt.Sprintf(format, args...))
	}
}

func (f *Fleet) live() (live []*Worker) {
	for _, w := range f.Workers {
		if !w.dead {
			live = append(live, w)
		}
	}
	return live
}

// characters draws what kind of fleet it is.
func (f *Fleet) characters() {
	kind := f.Draw(16)
	f.cfg.Member.Handled = kind&1 > 0
	f.source.watched = kind&2 > 0
	f.cfg.Member.KeepServing = kind&12 == 4
	f.cfg.StateDir = f.Draw(2) == 1
	f.source.versioned = f.Draw(4) == 1
	f.cfg.Member.Standby = f.Draw(4) == 1
	if f.Draw(4) == 1 {
		f.cfg.Topology.ExpectedWorkers = 2 + f.Draw(6)
	}
	f.mixed = f.Draw(4) == 1
}

// calms ends every fault.
func (f *Fleet) calms() {
	f.calm = true
	f.Store.Start(f.now)
	f.source.fails, f.source.partial, f.source.takes, f.thinks, f.wits = false, false, 0, 0, sound
	f.Narrow = 0
	f.cures()
	for _, w := range f.Workers {
		f.Store.Heal(f.now, w.client.id)
		f.thaws(w)
		w.Become(Mood{Takes: w.cfg.Hook})
		w.edition = len(f.source.editions) - 1 // every rollout is done
	}
	f.upgrades()
	f.Start()
	f.revives()
	f.refreshes(time.Second)
}

// revives starts a process whenever none is left: all have drained, or had no assignment within their StartupTimeout.
func (f *Fleet) revives() {
	f.After(5*time.Second, func() {
		if len(f.live()) == 0 {
			f.Start()
		}
		f.revives()
	})
}

// refreshes asks for a refresh again and again until one is answered.
func (f *Fleet) refreshes(every time.Duration) {
	answered := false
	var ask func()
	ask = func() {
		if answered {
			return
		}
		f.Refresh(func(err error) { answered = answered || err == nil })
		f.After(every, ask)
	}
	ask()
}

// unlisted names a partition that runs and is not listed; "" if there is none.
func (f *Fleet) unlisted() string {
	for _, w := range f.Workers {
		for _, p := range w.running() {
			if !f.source.lists(p) && !w.user.overstays(p) {
				return w.Name + ": " + p
			}
		}
	}
	return ""
}

// later does something to the fleet after a while, unless the faults are over by then.
func (f *Fleet) later(most time.Duration, do func()) {
	f.After(f.Spread(most), func() {
		if !f.calm {
			do()
		}
	})
}

func (f *Fleet) crashAndRestart(w *Worker) {
	w.Crash()
	f.later(longest, func() { f.Restart(w) })
}

func (f *Fleet) leaveAndRestart(w *Worker) {
	w.Leave()
	f.later(longest, func() { f.Restart(w) })
}

func (f *Fleet) scale(*Worker) {
	most := mostWorkers
	if f.cfg.Member.Standby {
		most += 2 // who finds no ID free waits for one
	}
	for range 1 + f.Draw(2) {
		if len(f.live()) < most {
			f.Start()
		}
	}
}

// drain drains a worker, and another in the same instant or a moment later, for a while that may be too short.
func (f *Fleet) drain(w *Worker) {
	w.Drain(f.Spread(40 * time.Second))
	if other := f.Draw(3); other > 0 {
		live := f.live()
		w := live[f.Draw(len(live))]
		f.After(time.Duration(f.Draw(4))*5*time.Millisecond, func() { w.Drain(f.Spread(40 * time.Second)) })
	}
}

// drainAll drains everybody within moments, and starts others in time or not.
func (f *Fleet) drainAll(*Worker) {
	within := f.Spread(100 * time.Millisecond)
	for _, w := range f.live() {
		f.After(f.Spread(within), func() { w.Drain(40 * time.Second) })
	}
	f.later(longest, func() { f.Start() })
}

// heals heals a link some time later, or leaves that to the calm.
func (f *Fleet) heals(w *Worker) {
	if f.Draw(4) < 3 {
		f.later(longest, func() { f.Store.Heal(f.now, w.client.id) })
	}
}

// outage takes the store away.
func (f *Fleet) outage(*Worker) {
	f.Store.Stop(f.now)
	f.After(f.Spread(20*time.Second), func() { f.Store.Start(f.now) })
}

// moods changes how the user of a worker behaves.
func (f *Fleet) moods(w *Worker) {
	takes := []time.Duration{w.cfg.Hook, 20 * time.Second, Stuck}
	w.Become(Mood{Takes: takes[f.Draw(3)], Deaf: f.Draw(3) == 1, Fails: f.Draw(3) == 1})
	f.later(2*time.Minute, func() { w.Become(Mood{Takes: w.cfg.Hook}) })
}

// rolls restarts everybody, one after the other.
func (f *Fleet) rolls(*Worker) {
	every := time.Second + f.Spread(5*time.Second)
	for n, w := range f.live() {
		f.After(time.Duration(n)*every, func() {
			if !w.dead && !f.calm {
				w.Leave()
				f.After(time.Second, func() { f.Restart(w) })
			}
		})
	}
}

// perishes crashes most of the fleet in one instant; some are restarted.
func (f *Fleet) perishes(*Worker) {
	for n, w := range f.live() {
		if n%3 == 0 {
			continue
		}
		w.Crash()
		if f.Draw(2) == 0 {
			f.later(longest, func() { f.Restart(w) })
		}
	}
}
