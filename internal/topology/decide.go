// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decide considers everything, in this order: who may take part, what is urgent, what is optional, and when to look again.
func (t *Topology) decide(now time.Time) Decision {
	t.suspect(now)
	t.endGathering(now)
	if len(t.heard) == 0 {
		return Decision{} // the next heartbeat asks again
	}
	if t.gathering.kind == KindColdStart || t.closes(now) {
		return t.gathered(now)
	}
	d := t.urgent(now)
	if !d.orphans && t.optionalDue(now) { // otherwise what is due as well follows in a plan of its own
		d = t.rebalance(now, d)
	}
	if d.Act {
		slices.Sort(d.Members)
		slices.Sort(d.Away)
		return d
	}
	d = t.waiting(now)
	if t.active != Idle {
		d.Phase, d.Kind = t.active, t.kind
	}
	return d
}

// suspect waits if so many members expire together that the store is the likelier cause. Members that are about to expire count
// as well: the first of a mass loss must not be acted on before the others have followed.
func (t *Topology) suspect(now time.Time) {
	held := false
	for _, a := range t.absent {
		held = held || a.held
	}
	if held && now.Before(t.hold) {
		return
	}
	t.hold = time.Time{}
	var first time.Time
	suspects := 0
	recent := func(a absence) bool {
		return !a.clean && !a.held && now.Sub(a.since) <= t.cfg.HeartbeatInterval
	}
	for _, a := range t.absent {
		if recent(a) {
			suspects++
			first = sooner(first, a.since)
		}
	}
	if suspects == 0 {
		return
	}
	for m := range t.members {
		if at, alive := t.heard[m]; alive && now.Sub(at) >= t.cfg.HeartbeatTTL-t.cfg.HeartbeatInterval {
			suspects++
		}
	}
	if float64(suspects) > t.massLoss() {
		t.await(first.Add(t.cfg.HeartbeatTTL), recent)
	}
}

// endGathering ends a restart if everyone is back. Workers that are new besides have a window of their own.
func (t *Topology) endGathering(now time.Time) {
	if t.gathering.kind != KindRestart || t.living()-t.expiring(now) != len(t.members) {
		return
	}
	t.gathering = window{}
	for w, n := range t.newcomers {
		n.due = later(now, n.since.Add(t.cfg.PlannedScaleWindow))
		t.newcomers[w] = n
	}
}

// closes reports whether the gathering ends now, because its time is over or everyone who is expected is there.
func (t *Topology) closes(now time.Time) bool {
	return t.gathering.kind != None && (!now.Before(t.gathering.closes) || t.complete(now))
}

// complete reports whether exactly the expected number of workers live and stay, and no worker is awaited whose heartbeat
// expired.
func (t *Topology) complete(now time.Time) bool {
	if t.cfg.ExpectedWorkers == 0 || len(t.heard)-len(t.leaving) != t.cfg.ExpectedWorkers {
		return false
	}
	for _, a := range t.absent {
		if !a.clean && now.Before(a.due) {
			return t.gathering.kind != None
		}
	}
	return true
}

// gathered returns the decision for a group that begins. When its window closes, every live worker takes part. Members that
// left while it was open keep their place as long as any members that leave.
func (t *Topology) gathered(now time.Time) Decision {
	if !t.closes(now) {
		return Decision{Phase: Scaling, Kind: t.gathering.kind, Wake: t.gathering.closes, Why: "window open"}
	}
	d := Decision{Phase: Rebalancing, Kind: t.gathering.kind, Act: true, Moves: !now.Before(t.postponed), Why: "window over"}
	for w := range t.heard {
		if !t.leaving[w] || len(t.leaving) == len(t.heard) {
			d.Members = append(d.Members, w)
		}
	}
	for m, a := range t.absent {
		if a.due.After(now) && a.due.After(t.gathering.closes) {
			d.Members, d.Away = append(d.Members, m), append(d.Away, m)
		}
	}
	slices.Sort(d.Members)
	slices.Sort(d.Away)
	return d
}

// urgent returns the plan for partitions that have no owner, or need another one. It leaves out members whose deadline is over,
// and those that have announced that they leave. It includes newcomers that have waited long enough, without moving anything to
// them. It never delays and never hurries another worker.
func (t *Topology) urgent(now time.Time) Decision {
	d := Decision{Phase: Rebalancing, Act: t.sourced || t.resume}
	d.orphans = d.Act
	switch {
	case t.sourced:
		d.Kind = Partitions
	case t.resume:
		d.Kind = KindResume
	}
	act := func(kind Kind) {
		d.Act = true
		if d.Kind != KindEmergency && d.Kind != KindMassLoss {
			d.Kind = kind
		}
	}
	complete := t.complete(now)
	living := 0
	for m := range t.members {
		a, away := t.absent[m]
		keeps := away && now.Before(a.due) && (!a.clean || !complete)
		d.orphans = d.orphans || away && !keeps
		switch {
		case keeps:
			d.Members, d.Away = append(d.Members, m), append(d.Away, m)
		case away && a.held:
			act(KindMassLoss)
		case away && a.clean:
			act(KindPlannedScale)
		case away:
			act(KindEmergency)
		case !t.leaving[m]:
			d.Members = append(d.Members, m)
			living++
		}
	}
	alone := living == 0 && t.gathering.kind == None // nobody else could take the work
	for w, n := range t.newcomers {
		if !t.leaving[w] && (t.mature(now, w, n) || complete || alone && len(d.Away) == 0) {
			act(KindPlannedScale)
			d.Members = append(d.Members, w)
			living++
		}
	}
	for m := range t.members {
		if !t.leaving[m] {
			continue
		}
		if living > 0 {
			act(KindDrain)
		} else {
			d.Members = append(d.Members, m) // there is nobody to hand over to
		}
	}
	if d.Kind == KindEmergency || d.Kind == KindMassLoss {
		d.Phase = Emergency
	}
	if len(d.Members) == len(d.Away) {
		return Decision{} // nobody is there to be given anything
	}
	d.Act = d.Act && (t.sourced || t.resume || !t.same(d.Members))
	d.Why = d.Kind.String()
	return d
}

// mature reports whether a newcomer has lived until its window closed. A silent one may have died before.
func (t *Topology) mature(now time.Time, worker string, n newcomer) bool {
	return !now.Before(n.due) && now.Sub(t.heard[worker]) <= 2*t.cfg.HeartbeatInterval
}

// same reports whether these already are the members.
func (t *Topology) same(members []string) bool {
	for _, m := range members {
		if !t.members[m] {
			return false
		}
	}
	return len(members) == len(t.members)
}

// optionalDue reports whether partitions may be moved now: a change has waited for its window, and the cooldown is over.
func (t *Topology) optionalDue(now time.Time) bool {
	due := t.nextOptional(now)
	return !due.IsZero() && !now.Before(due)
}

// nextOptional returns when the next optional plan is due; zero for never.
func (t *Topology) nextOptional(now time.Time) (at time.Time) {
	if t.gathering.kind != None {
		return at // its end takes everything in
	}
	complete := t.complete(now)
	for w, n := range t.newcomers {
		switch {
		case t.leaving[w], !now.Before(n.due) && !t.mature(now, w, n):
		case complete:
			at = sooner(at, now)
		default:
			at = sooner(at, n.due)
		}
	}
	for _, due := range []time.Time{t.altered, t.weighed, t.uneven} {
		at = sooner(at, due)
	}
	if at.IsZero() {
		return at
	}
	return later(later(at, t.cooldown), t.postponed)
}

// rebalance turns no plan, or a plan that only places partitions, into one that may move partitions with an owner.
func (t *Topology) rebalance(now time.Time, d Decision) Decision {
	if len(d.Members) == 0 {
		return d // nobody is there
	}
	if !d.Act {
		d.Kind = KindPlannedScale
		if !t.weighed.IsZero() && !now.Before(t.weighed) && t.altered.IsZero() && t.uneven.IsZero() {
			d.Kind = Weights
		}
	}
	d.Act, d.Moves, d.Why = true, true, d.Kind.String()+", window over"
	return d
}

// waiting returns the decision to wait. A window shows as scaling. A member that is awaited because its heartbeat expired does
// not, and neither does a newcomer that is held back because it fails again and again.
func (t *Topology) waiting(now time.Time) Decision {
	var d Decision
	wake := func(at time.Time) {
		if at.After(now) {
			d.Wake = sooner(d.Wake, at)
		}
	}
	wake(t.nextOptional(now))
	scaling := !t.altered.IsZero() || !t.weighed.IsZero() || !t.uneven.IsZero() || now.Before(t.hold) || t.gathering.kind != None
	for _, a := range t.absent {
		wake(a.due)
		scaling = scaling || a.clean
	}
	for w, n := range t.newcomers {
		wake(n.due)
		scaling = scaling || !t.leaving[w] && !t.damped(w, n)
	}
	wake(t.gathering.closes)
	wake(t.hold)
	if !scaling {
		return d
	}
	d.Phase, d.Kind, d.Why = Scaling, KindPlannedScale, "window open"
	switch {
	case t.gathering.kind != None:
		d.Kind = t.gathering.kind
	case now.Before(t.hold):
		d.Kind = KindMassLoss
	}
	return d
}

// Explain returns the reason for a decision at this moment: the number of live workers, the number in the last plan, and the
// names of the workers that the decision is about. It considers all of them, so it is for what is written and logged, not for
// every fact.
func (t *Topology) Explain(d Decision) string {
	var lost, left, joined, leaving []string
	for w, a := range t.absent {
		if a.clean {
			left = append(left, w)
		} else {
			lost = append(lost, w)
		}
	}
	for w := range t.newcomers {
		joined = append(joined, w)
	}
	for w := range t.leaving {
		leaving = append(leaving, w)
	}
	before := "none"
	if n := len(t.members); n > 0 {
		before = strconv.Itoa(n)
	}
	live := "1 live worker"
	if n := len(t.heard); n != 1 {
		live = strconv.Itoa(n) + " live workers"
	}
	return fmt.Sprintf("%s: %s, %s in the plan before%s%s%s%s", d.Why, live, before,
		named("lost", lost), named("left", left), named("new", joined), named("leaving", leaving))
}

// named lists the first few of the workers that a change is about; "" if there are none.
func named(what string, workers []string) string {
	const most = 5
	if len(workers) == 0 {
		return ""
	}
	slices.Sort(workers)
	if more := len(workers) - most; more > 0 {
		return fmt.Sprintf(", %s %s and %d more", what, strings.Join(workers[:most], " "), more)
	}
	return fmt.Sprintf(", %s %s", what, strings.Join(workers, " "))
}
