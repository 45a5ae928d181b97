// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"cmp"
	"slices"
	"time"
)

// flapMemory is how long an expiry counts against a worker.
const flapMemory = 10 * time.Minute

// flaps are the times at which workers failed, by ID. A worker that crashes often returns under another ID, because its last
// one is still taken. So the first newcomer after an expiry counts as its successor, and inherits the count. If that is a
// mistake, an innocent newcomer waits for a limited time, and the leader reports that.
type flaps map[string][]time.Time

// add notes a failure.
func (f flaps) add(now time.Time, worker string) { f[worker] = append(f.recent(now, worker), now) }

// recent returns the failures that still count.
func (f flaps) recent(now time.Time, worker string) []time.Time {
	return slices.DeleteFunc(slices.Clone(f[worker]), func(at time.Time) bool { return now.Sub(at) >= flapMemory })
}

// inherit gives heir the failures of its predecessor if those are more than its own.
func (f flaps) inherit(heir, from string) {
	if len(f[from]) > len(f[heir]) {
		f[heir] = slices.Clone(f[from])
	}
}

// Failed notes that a live worker begins again after a failure that the store did not show, a panic.
func (t *Topology) Failed(now time.Time, worker string) {
	t.flaps.add(now, worker)
	if n, is := t.newcomers[worker]; is && t.gathering.kind == None {
		n.due = later(n.due, n.since.Add(t.pause(now, worker)))
		t.newcomers[worker], t.changed = n, true
	}
}

// welcome gives a newcomer the window that its joining opens. Workers that start together share one.
func (t *Topology) welcome(now time.Time, worker string) {
	n := newcomer{since: now}
	if from, found := t.predecessor(now, worker); found {
		t.flaps.inherit(worker, from)
		n.heir = true
	}
	together := min(t.cfg.HeartbeatInterval, t.cfg.PlannedScaleWindow/4)
	pause := t.pause(now, worker)
	switch {
	case t.gathering.kind != None:
		n.due = t.gathering.closes
	case pause > t.cfg.PlannedScaleWindow:
		n.due = now.Add(pause)
	case !t.joining.opened.IsZero() && now.Sub(t.joining.opened) < together:
		n.due = t.joining.closes
	default:
		n.due = now.Add(pause)
		t.joining = window{kind: KindPlannedScale, opened: now, closes: n.due}
	}
	if until := t.heldBack[worker]; until.After(n.due) && t.gathering.kind == None {
		n.due = until
	}
	t.newcomers[worker] = n
}

// HeldBack notes until when the previous leader gave a worker nothing because it failed again and again. That leader had
// another clock, so the time is never longer than FlapBackoff.
func (t *Topology) HeldBack(now time.Time, worker string, until time.Time) {
	most := now.Add(t.cfg.FlapBackoff)
	if until.After(most) {
		until = most
	}
	if until.After(now) {
		t.heldBack[worker] = until
		t.flaps[worker] = []time.Time{now, now} // at least
	}
}

// pause returns how long a newcomer waits: the planned window, doubled with each failure after the first, up to FlapBackoff.
func (t *Topology) pause(now time.Time, worker string) time.Duration {
	pause, most := t.cfg.PlannedScaleWindow, t.cfg.FlapBackoff
	for range len(t.flaps.recent(now, worker)) - 1 {
		if pause >= most {
			break
		}
		pause = min(2*pause, most)
	}
	return pause
}

// expired notes an expiry. The first newcomer since the worker was last heard is its successor.
func (t *Topology) expired(now time.Time, worker string, last time.Time) {
	if t.cfg.FlapBackoff == 0 {
		return
	}
	t.flaps.add(now, worker)
	for w := range t.flaps {
		if len(t.flaps.recent(now, w)) == 0 {
			delete(t.flaps, w)
		}
	}
	heir := ""
	for w, n := range t.newcomers {
		if n.heir || !n.since.After(last) {
			continue
		}
		if first, found := t.newcomers[heir]; !found || cmp.Or(n.since.Compare(first.since), cmp.Compare(w, heir)) < 0 {
			heir = w
		}
	}
	if heir == "" {
		return
	}
	t.flaps.inherit(heir, worker)
	n := t.newcomers[heir]
	n.heir = true
	if t.gathering.kind == None {
		n.due = later(n.due, n.since.Add(t.pause(now, heir)))
	}
	t.newcomers[heir] = n
}

// predecessor finds the worker that expired last without a successor, within the planned window before now.
func (t *Topology) predecessor(now time.Time, worker string) (from string, found bool) {
	if len(t.flaps[worker]) > 0 {
		return "", false // it has failures of its own
	}
	var latest time.Time
	for w, times := range t.flaps {
		at := times[len(times)-1]
		if _, alive := t.heard[w]; alive || t.succeeded(w, at) || now.Sub(at) >= t.cfg.PlannedScaleWindow {
			continue
		}
		if c := at.Compare(latest); !found || c > 0 || c == 0 && w < from {
			from, latest, found = w, at, true
		}
	}
	return from, found
}

// succeeded reports whether a newcomer has inherited that very failure.
func (t *Topology) succeeded(worker string, at time.Time) bool {
	for w, times := range t.flaps {
		if w != worker && slices.ContainsFunc(times, at.Equal) {
			return true
		}
	}
	return false
}

// damped reports whether a newcomer waits longer than the planned window because it failed again and again.
func (t *Topology) damped(worker string, n newcomer) bool {
	return t.cfg.FlapBackoff > 0 && n.due.After(n.since.Add(t.cfg.PlannedScaleWindow)) && len(t.flaps[worker]) > 1 && t.gathering.kind == None
}

// Damping is a newcomer that is held back because it, or the worker that it succeeds, failed again and again.
type Damping struct {
	Worker   string
	Until    time.Time
	Failures int // within ten minutes
}

// Dampings lists the newcomers that are held back, sorted by worker.
func (t *Topology) Dampings(now time.Time) []Damping {
	var list []Damping
	for w, n := range t.newcomers {
		if now.Before(n.due) && t.damped(w, n) {
			list = append(list, Damping{w, n.due, len(t.flaps.recent(now, w))})
		}
	}
	slices.SortFunc(list, func(a, b Damping) int { return cmp.Compare(a.Worker, b.Worker) })
	return list
}
