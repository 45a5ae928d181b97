// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package topology tells the leader who takes part in the next plan, when that plan is due, and whether it may move partitions
// that have an owner. It is a value: facts with their times go in, decisions come out. It reads no clock.
//
// Every change is of one of two kinds. A partition without an owner is urgent: each absent member has a deadline of its own,
// and when that is over, its partitions are given away in a plan that moves nothing else. Uneven loads are optional: a newcomer
// without its share, members that describe themselves differently, changed weights. Windows collect optional changes, and the
// cooldown separates them. Neither delays an urgent change.
package topology

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Config holds the windows and ratios. See the configuration of the library for what they mean to a user.
type Config struct {
	ColdStartWindow       time.Duration
	PlannedScaleWindow    time.Duration
	EmergencyGracePeriod  time.Duration
	RestartDetectionRatio float64
	MassLossRatio         float64
	HeartbeatInterval     time.Duration
	HeartbeatTTL          time.Duration
	RebalanceCooldown     time.Duration
	FlapBackoff           time.Duration // 0 for no damping
	ExpectedWorkers       int           // 0 for unknown
}

// Phase is the phase of the group, as the plan announces it.
type Phase int

// The phases.
const (
	Idle Phase = iota
	Scaling
	Rebalancing
	Emergency
)

// String names the phase.
func (p Phase) String() string { return [...]string{"idle", "scaling", "rebalancing", "emergency"}[p] }

// Kind is the reason for a decision.
type Kind int

// The kinds.
const (
	None Kind = iota
	KindColdStart
	KindRestart
	KindPlannedScale
	KindEmergency
	KindMassLoss
	Partitions // the source lists different ones
	Weights    // the source weighs them differently
	KindResume // partitions have no owner, and nobody is awaited to whom they belong
	KindDrain  // members announced that they leave
)

// String names the kind.
func (k Kind) String() string {
	return [...]string{
		"none", "cold start", "restart", "planned scale", "emergency", "mass loss", "partitions", "weights", "resume", "drain",
	}[k]
}

// Decision is what to do at a moment.
type Decision struct {
	Phase   Phase
	Kind    Kind
	Act     bool      // make a plan now, for Members
	Moves   bool      // the plan may move what somebody holds; otherwise it only places what has no owner
	orphans bool      // what it places has lost its owner or never had one, so that it moves nothing else
	Members []string  // sorted
	Away    []string  // those of the members that are not there and keep their place, sorted
	Wake    time.Time // when to ask again if nothing happens; zero for never
	Why     string    // in short; see Explain
}

// Topology is the state. Its invariants, which Valid checks:
//
//  1. a worker is alive or absent, never both;
//  2. whoever is absent is a member, whoever is a newcomer is alive and no member;
//  3. whoever is alive is a member, a newcomer, or leaving;
//  4. every absence and every newcomer has a time at which it is acted on.
type Topology struct {
	cfg     Config
	joined  time.Time
	planned bool // there is a plan
	began   bool

	members   map[string]bool      // of the last plan
	heard     map[string]time.Time // live workers, and when they were last heard of
	leaving   map[string]bool      // live workers that announced that they leave
	absent    map[string]absence
	newcomers map[string]newcomer
	heldBack  map[string]time.Time // by the leader before, until then
	joining   window               // that the last newcomer opened or joined
	flaps     flaps

	gathering window    // of a cold start or a restart
	hold      time.Time // members of a mass loss are awaited until then; zero for none
	replaced  int       // members that live in a session the last plan does not know

	cooldown, postponed time.Time // no optional plan before
	// Optional changes and when they are due; zero for none.
	altered, weighed, uneven time.Time

	sourced bool  // the source lists different partitions: to be planned for at once
	resume  bool  // so are partitions that have no owner because of something else
	active  Phase // Rebalancing or Emergency while a plan is carried out
	kind    Kind  // of the plan that is carried out

	changed bool // since last was decided
	last    Decision
}

// absence is a member that is not there, with the time until which it keeps its place.
type absence struct {
	since time.Time
	due   time.Time
	clean bool // it left; otherwise its heartbeat expired
	held  bool // it belongs to a mass loss
}

// newcomer is a live worker that is in no plan yet.
type newcomer struct {
	since time.Time
	due   time.Time // of its admission
	heir  bool      // it counts as the successor of a worker that expired
}

// window is a pause in which changes collect.
type window struct {
	kind   Kind
	opened time.Time
	closes time.Time
}

// New returns the state of a leader that has seen nothing yet. joined is when the leader itself joined the group. A cold-start
// window counts from there, so that a change of leader in the middle of it does not restart it. members are those of the last
// plan; planned says whether there is one.
func New(cfg Config, joined time.Time, members []string, planned bool) *Topology {
	t := &Topology{
		cfg: cfg, joined: joined, planned: planned, members: map[string]bool{}, heard: map[string]time.Time{}, leaving: map[string]bool{},
		absent: map[string]absence{}, newcomers: map[string]newcomer{}, heldBack: map[string]time.Time{}, flaps: flaps{},
	}
	if planned {
		for _, m := range members {
			t.members[m] = true
		}
	}
	return t
}

// Seen notes that a heartbeat of the worker arrived. A worker that is neither a member nor known is a newcomer.
func (t *Topology) Seen(now time.Time, worker string) {
	_, alive := t.heard[worker]
	t.heard[worker] = now
	if alive {
		n, is := t.newcomers[worker]
		overdue := is && !now.Before(n.due)
		t.changed = t.changed || overdue || t.gathering.kind == KindRestart // one that seemed to be dying is back
		return
	}
	t.changed = true
	delete(t.absent, worker)
	if !t.members[worker] {
		t.welcome(now, worker)
	}
}

// Aged notes how long ago a live worker was last heard, if the leader found its heartbeat instead of receiving it.
func (t *Topology) Aged(now time.Time, worker string, age time.Duration) {
	if _, alive := t.heard[worker]; alive {
		t.heard[worker], t.changed = now.Add(-age), true
	}
}

// Left notes that the worker deleted its heartbeat, ago before now. A member that announced that will not come back.
func (t *Topology) Left(now time.Time, worker string, ago time.Duration) {
	since := now.Add(-ago)
	due := since.Add(t.cfg.PlannedScaleWindow)
	if t.leaving[worker] {
		due = now
	}
	t.gone(worker, absence{since: since, due: due, clean: true})
}

// Lost notes that the worker's heartbeat expired, or is gone. That counts against its ID, see [Topology.Dampings].
func (t *Topology) Lost(now time.Time, worker string) {
	if last, alive := t.heard[worker]; alive {
		delete(t.newcomers, worker)
		t.expired(now, worker, last)
	}
	a := absence{since: now, due: now.Add(t.cfg.EmergencyGracePeriod)}
	switch {
	case t.gathering.kind == KindRestart:
		a.due = t.gathering.closes
	case now.Before(t.hold):
		a.due, a.held = later(a.due, t.hold), true
	}
	t.gone(worker, a)
}

// gone notes an absence, unless the worker is absent already or is not a member.
func (t *Topology) gone(worker string, a absence) {
	t.changed = true
	delete(t.heard, worker)
	delete(t.newcomers, worker)
	delete(t.leaving, worker)
	if _, known := t.absent[worker]; t.members[worker] && !known {
		t.absent[worker] = a
	}
}

// Leaving notes that a live worker announced that it leaves and will not come back, or that it takes that back. A worker that
// stays after a plan without it is a newcomer.
func (t *Topology) Leaving(now time.Time, worker string, leaves bool) {
	if t.leaving[worker] == leaves {
		return
	}
	t.changed = true
	if leaves {
		t.leaving[worker] = true
		return
	}
	delete(t.leaving, worker)
	_, alive := t.heard[worker]
	if _, known := t.newcomers[worker]; alive && !known && !t.members[worker] {
		t.welcome(now, worker)
	}
}

// Replaced notes that a member lives in a session that the last plan does not know. Before Begin, this tells a leader that more
// sessions have ended than workers are missing: the store was away, and the missing workers are on their way.
func (t *Topology) Replaced(worker string) {
	if t.members[worker] {
		t.replaced++
	}
}

// Begin notes that everything from earlier leaders is known. A member without any news is lost. wentOn says that the last plan
// knows this leader's own session. Then the missing members went while the leader was there, which is never a restart of the
// group.
func (t *Topology) Begin(now time.Time, wentOn bool) {
	wentOn = wentOn || !now.Before(t.joined.Add(t.cfg.ColdStartWindow))
	for m := range t.members {
		if _, alive := t.heard[m]; !alive {
			t.Lost(now, m)
		}
	}
	expiring, lost := t.expiring(now), 0
	for _, a := range t.absent {
		if !a.clean {
			lost++
		}
	}
	switch {
	case !t.planned:
		t.gather(KindColdStart)
	case len(t.absent)+expiring == 0:
	case !wentOn && float64(t.living()-t.replaced-expiring) < t.cfg.RestartDetectionRatio*float64(len(t.members)):
		t.gather(KindRestart)
	case lost+expiring > 0 && float64(lost+t.replaced+expiring) > t.massLoss():
		t.await(now.Add(t.cfg.HeartbeatTTL), func(a absence) bool { return !a.clean })
	}
	t.began, t.changed = true, true
}

// gather opens the window of a group that begins. When it closes, the topology acts on every absent and every new worker.
func (t *Topology) gather(kind Kind) {
	t.gathering = window{kind: kind, opened: t.joined, closes: t.joined.Add(t.cfg.ColdStartWindow)}
	for m, a := range t.absent {
		a.due = t.gathering.closes
		t.absent[m] = a
	}
	for w, n := range t.newcomers {
		n.due = t.gathering.closes
		t.newcomers[w] = n
	}
}

// await holds members of a mass loss.
func (t *Topology) await(until time.Time, which func(absence) bool) {
	t.hold = until
	for m, a := range t.absent {
		if which(a) {
			a.due, a.held = later(a.due, until), true
			t.absent[m] = a
		}
	}
}

// expiring counts the members whose heartbeat is older than HeartbeatTTL, so that they are about to be lost.
func (t *Topology) expiring(now time.Time) int {
	n := 0
	for m := range t.members {
		if at, alive := t.heard[m]; alive && now.Sub(at) >= t.cfg.HeartbeatTTL {
			n++
		}
	}
	return n
}

// massLoss returns how many members may go at once before the store is suspected.
func (t *Topology) massLoss() float64 { return max(2, t.cfg.MassLossRatio*float64(len(t.members))) }

// living counts the members that live.
func (t *Topology) living() int {
	n := 0
	for m := range t.members {
		if _, alive := t.heard[m]; alive {
			n++
		}
	}
	return n
}

// PartitionsChanged notes that the source lists different partitions (Partitions) or different weights (Weights) than were
// planned for, or neither (None).
func (t *Topology) PartitionsChanged(now time.Time, k Kind) {
	t.changed = true
	switch {
	case k == None:
		t.weighed, t.sourced = time.Time{}, false
	case k == Weights && t.weighed.IsZero():
		t.weighed = now.Add(t.cfg.PlannedScaleWindow)
	case k == Partitions:
		t.sourced = true
	}
}

// MembersAltered notes whether the members describe themselves differently than in the last plan: another capacity, other
// labels, cordoned or not any more.
func (t *Topology) MembersAltered(now time.Time, altered bool) { t.optional(now, &t.altered, altered) }

// Uneven notes whether the strategy would move partitions that the last plan left where they are.
func (t *Topology) Uneven(now time.Time, uneven bool) { t.optional(now, &t.uneven, uneven) }

func (t *Topology) optional(now time.Time, due *time.Time, is bool) {
	switch {
	case !is && !due.IsZero():
		*due, t.changed = time.Time{}, true
	case is && due.IsZero():
		*due, t.changed = now.Add(t.cfg.PlannedScaleWindow), true
	}
}

// Altered reports whether members describe themselves differently than in the last plan.
func (t *Topology) Altered() bool { return !t.altered.IsZero() }

// Unplanned notes that some partitions have no owner, and that no worker is awaited for them.
func (t *Topology) Unplanned() { t.resume, t.changed = true, true }

// Planned notes that the plan which a decision asked for is made.
func (t *Topology) Planned(now time.Time, d Decision) {
	t.changed, t.planned = true, true
	t.kind, t.active, t.sourced, t.resume = d.Kind, Rebalancing, false, false
	if d.Kind == KindEmergency || d.Kind == KindMassLoss {
		t.active = Emergency
	}
	admitted := t.setMembers(d.Members)
	if t.gathering.kind != None && d.Kind == t.gathering.kind {
		t.gathering = window{}
	}
	switch {
	case d.Moves:
		t.cooldown = now.Add(t.cfg.RebalanceCooldown)
		t.altered, t.weighed, t.uneven = time.Time{}, time.Time{}, time.Time{}
	case admitted:
		t.uneven = now // the share of whoever is new only waits for the cooldown
	}
	for m := range t.members {
		// Whoever went while the plan was being made was no member then.
		if _, alive := t.heard[m]; !alive {
			t.Lost(now, m)
		}
	}
	for _, w := range slices.Sorted(maps.Keys(t.heard)) {
		// Whoever came back while it was being planned without was a member then.
		if _, known := t.newcomers[w]; !known && !t.members[w] && !t.leaving[w] {
			t.welcome(now, w)
		}
	}
}

// setMembers replaces the members and reports whether one of them was a newcomer.
func (t *Topology) setMembers(members []string) (admitted bool) {
	t.members = make(map[string]bool, len(members))
	for _, m := range members {
		t.members[m] = true
		if _, is := t.newcomers[m]; is {
			admitted = true
			delete(t.newcomers, m)
		}
	}
	maps.DeleteFunc(t.absent, func(m string, _ absence) bool { return !t.members[m] })
	return admitted
}

// Settled notes that nothing of the plan is outstanding any more.
func (t *Topology) Settled() {
	if t.active != Idle {
		t.active, t.changed = Idle, true
	}
}

// Decide returns what to do now. It costs nothing as long as nothing has changed and the time to wake has not come.
func (t *Topology) Decide(now time.Time) Decision {
	if !t.began {
		return Decision{}
	}
	if t.Stale(now) {
		t.last, t.changed = t.decide(now), false
	}
	return t.last
}

// Valid returns the first invariant that is broken.
func (t *Topology) Valid() error {
	for m, a := range t.absent {
		if _, alive := t.heard[m]; alive || !t.members[m] || a.due.IsZero() {
			return fmt.Errorf("%s is absent: alive %t, member %t, due %s", m, alive, t.members[m], a.due)
		}
	}
	for w, n := range t.newcomers {
		if _, alive := t.heard[w]; !alive || t.members[w] || n.due.IsZero() {
			return fmt.Errorf("%s is a newcomer: alive %t, member %t, due %s", w, alive, t.members[w], n.due)
		}
	}
	for w := range t.heard {
		if _, is := t.newcomers[w]; !is && !t.members[w] && !t.leaving[w] {
			return fmt.Errorf("%s is alive, and neither a member nor a newcomer", w)
		}
	}
	for m := range t.members {
		_, alive := t.heard[m]
		if _, away := t.absent[m]; t.began && alive == away {
			return fmt.Errorf("member %s: alive %t, absent %t", m, alive, away)
		}
	}
	return nil
}

// sooner returns the earlier of two times; the zero time is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Stale reports whether Decide would consider everything again, because something has changed or it is time.
func (t *Topology) Stale(now time.Time) bool {
	return t.began && (t.changed || !t.last.Wake.IsZero() && !now.Before(t.last.Wake))
}

// Postpone delays optional changes, because the strategy cannot be asked earlier.
func (t *Topology) Postpone(until time.Time) { t.postponed, t.changed = until, true }
