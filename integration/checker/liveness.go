// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package checker

import (
	"slices"
	"strings"
	"time"
)

// Deadlines are what the waits of a group may take. They count while a leader is there that can act (see [Checker.Look]),
// and each gets Slack on top: for latency, for an operation that is repeated, for a strategy that does not answer.
type Deadlines struct {
	HeartbeatTTL         time.Duration
	PlannedScaleWindow   time.Duration
	ColdStartWindow      time.Duration
	EmergencyGracePeriod time.Duration
	HandoffTimeout       time.Duration
	// RestartDetectionRatio is the part of the members below which a leader may wait for the rest of them.
	RestartDetectionRatio float64
	Slack                 time.Duration
}

// massLoss is how many workers that expire together may be held for a HeartbeatTTL: more than two, whatever the ratio.
const massLoss = 3

// described is how long a worker may have described itself in another way before the plan that follows from it is due.
const described = 2 * time.Minute

// liveness is what the judgement of waits and moves needs beside the stored history.
type liveness struct {
	leader    string    // a process that leads and can act; "" for none
	since     time.Time // the leader, or nobody, has been there since then
	restarted time.Time // when too few members were seen last
	held      time.Time // until then a leader that began may wait for members of a mass loss
	listed    map[string]time.Time
	told      map[string]time.Time // waits that were judged, by partition
	reports   []report
	deserted  bool      // all who live leave
	stays     time.Time // since then somebody has been there again who does not leave

	plan     Plan
	planned  bool
	reason   bool // for moving something, since something was moved last
	revoked  []revocation
	suspects []suspect
	reworded time.Time // when a worker last described itself in another way
	wording  map[string]string
}

// report is what the OnError of a process was told.
type report struct {
	at   time.Time
	name string
	text string
}

// revocation is a partition that a version takes from its holder.
type revocation struct {
	partition string
	from      holding
}

// suspect is a revocation that nothing called for, unless its holder's session was over or leaving.
type suspect struct {
	revocation
	at      time.Time
	version int64
	why     string
	events  []string // those before it
}

func newLiveness() liveness {
	return liveness{told: make(map[string]time.Time), wording: make(map[string]string)}
}

// Listed says which partitions the source lists from now on. Before the first call every partition counts as listed.
func (c *Checker) Listed(partitions []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := make(map[string]time.Time, len(partitions))
	for _, p := range partitions {
		at, was := c.live.listed[p]
		if !was {
			at = time.Now()
		}
		next[p] = at
	}
	c.live.listed = next
}

// Reported says that the OnError of a process was told something.
func (c *Checker) Reported(name string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log("%s: OnError: %v", name, err)
	c.live.reports = append(c.live.reports, report{time.Now(), name, err.Error()})
}

// Look says which process leads at this moment and can act: its link is healthy, the store is there, and no other process
// believes that it leads. "" says that there is none. It judges the waits that are over their deadline by then. A wait
// counts from when this leader could act.
func (c *Checker) Look(leader string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cfg.Deadlines == nil {
		return
	}
	now := time.Now()
	if leader != c.live.leader {
		c.live.leader, c.live.since = leader, now
	}
	c.lookForRestart(now)
	if leader == "" {
		return
	}
	for _, partition := range sorted(c.stored.holdings) {
		c.judgeWait(now, partition, c.stored.holdings[partition])
	}
}

// lookForRestart notes when so few members are there that a leader who begins then may wait for the others.
func (c *Checker) lookForRestart(now time.Time) {
	d, members := c.cfg.Deadlines, c.live.plan.Members
	if d != nil && (float64(c.present(members)) < d.RestartDetectionRatio*float64(len(members)) || c.restarting(now)) {
		c.live.restarted = now
	}
}

// restarting says that the leader waits for members of a group that restarts. Only one whose own session is young may: one
// that was there has seen them go.
func (c *Checker) restarting(now time.Time) bool {
	if c.live.plan.Lifecycle != "cold_start" || len(c.stored.terms) == 0 {
		return false
	}
	t := c.stored.terms[len(c.stored.terms)-1]
	all := c.stored.beats[t.Worker]
	first := slices.IndexFunc(all, func(b beat) bool { return b.session == t.Session && !b.gone })
	return first >= 0 && now.Sub(all[first].at) < c.cfg.Deadlines.ColdStartWindow
}

// leaderBegins notes for how long a leader may wait for members that it never saw: it does not know when they went, and
// where they are many, together with those whose sessions began anew, it suspects the store.
func (c *Checker) leaderBegins(at time.Time) {
	if c.cfg.Deadlines == nil {
		return
	}
	n := 0
	for _, w := range c.live.plan.Members {
		beats := c.stored.beats[w]
		if len(beats) == 0 || beats[len(beats)-1].gone || lastChange(beats).at.After(c.live.plan.At) {
			n++
		}
	}
	for _, h := range c.stored.holdings {
		c.live.reason = c.live.reason || h.since > 0 // it does not know for whom that was meant
	}
	if n >= massLoss {
		c.live.held = at.Add(2 * c.cfg.Deadlines.HeartbeatTTL)
	}
}

// wait is a partition without an owner, or one that its owner does not let go.
type wait struct {
	since   time.Time
	allowed time.Duration
	handoff bool
}

func (c *Checker) judgeWait(now time.Time, partition string, h holding) {
	if at, listed := c.live.listed[partition]; c.live.listed != nil && (!listed || h.at.Before(at)) {
		return // nobody has to own it, or nobody knows of it yet
	}
	w, waits := c.wait(partition, h)
	if !waits {
		return
	}
	d := c.cfg.Deadlines
	due := later(w.since, c.live.since).Add(w.allowed)
	if !w.handoff {
		if c.live.deserted {
			return // nobody may be given anything
		}
		due = later(due, c.live.stays.Add(w.allowed))
		due = later(due, c.live.held)
		if !c.live.restarted.IsZero() {
			due = later(due, c.live.restarted.Add(d.ColdStartWindow))
		}
	}
	if due = due.Add(d.Slack); !now.After(due) || c.live.told[partition].Equal(w.since) {
		return
	}
	c.live.told[partition] = w.since
	switch {
	case !w.handoff:
		c.violate("I9", "%s has had no owner since %.3fs, when %s session %d ended or let it go: allowed: %s and %s of slack",
			partition, w.since.Sub(c.began).Seconds(), h.worker, h.session, due.Add(-d.Slack).Sub(later(w.since, c.live.since)), d.Slack)
	case !c.reported(h.worker, h.revoked):
		c.violate("I10", "%s has not been let go by %s session %d since %.3fs, and the leader, %s, has not reported it", partition,
			h.worker, h.session, h.revoked.Sub(c.began).Seconds(), c.live.leader)
	}
}

// wait says what a partition waits for, if it does.
func (c *Checker) wait(partition string, h holding) (wait, bool) {
	d := c.cfg.Deadlines
	all := c.stored.beats[h.worker]
	began := slices.IndexFunc(all, func(b beat) bool { return b.session == h.session && !b.gone && !b.foreign })
	if began < 0 || all[len(all)-1].foreign {
		return wait{}, false // nobody knows how that session is
	}
	after := slices.IndexFunc(all[began:], func(b beat) bool { return b.gone || b.session > h.session })
	if after < 0 {
		if h.since == 0 {
			return wait{}, false
		}
		if at, let := acknowledged(partition, all[began:], h); let {
			// Whom it was meant for may have gone meanwhile, and is waited for.
			return wait{since: at, allowed: d.PlannedScaleWindow + d.EmergencyGracePeriod + 2*d.HeartbeatTTL}, true
		}
		return wait{since: h.revoked, allowed: d.HandoffTimeout, handoff: true}, true
	}
	last := lastChange(all)
	w := wait{since: last.at, allowed: d.PlannedScaleWindow}
	if c.leftForGood(h, last) {
		w.allowed = 0
	}
	if last.expired {
		w.allowed = d.EmergencyGracePeriod
		if c.expiredAround(last.at) >= massLoss {
			w.allowed += 2 * d.HeartbeatTTL
		}
		if h.since > 0 {
			w.allowed += d.PlannedScaleWindow // whom it was meant for may have left
		}
	}
	return w, true
}

// acknowledged says when a session that was asked to let go of a partition said that it has.
func acknowledged(partition string, beats []beat, h holding) (time.Time, bool) {
	for _, b := range beats {
		if b.session == h.session && b.letGo(partition, h.since) {
			return later(b.at, h.revoked), true
		}
	}
	return time.Time{}, false
}

// lastChange is the last beat that ended a session or began one.
func lastChange(beats []beat) beat {
	last := beats[len(beats)-1]
	for i := len(beats) - 2; i >= 0 && beats[i].session == last.session && beats[i].gone == last.gone; i-- {
		last = beats[i]
	}
	return last
}

// expiredAround counts the workers whose sessions ended without a goodbye within a HeartbeatTTL of a moment, before or after
// it: their heartbeats expired, or the next session began before that. A store that was away does either.
func (c *Checker) expiredAround(at time.Time) (n int) {
	for _, beats := range c.stored.beats {
		for i, b := range beats {
			replaced := i > 0 && !beats[i-1].gone && beats[i-1].session < b.session
			if (b.expired || replaced) && b.at.Sub(at).Abs() <= c.cfg.Deadlines.HeartbeatTTL {
				n++
				break
			}
		}
	}
	return n
}

// present counts the workers whose heartbeats are there.
func (c *Checker) present(workers []string) (n int) {
	for _, w := range workers {
		if beats := c.stored.beats[w]; len(beats) > 0 && !beats[len(beats)-1].gone {
			n++
		}
	}
	return n
}

// reported says that the leader's OnError has named a worker since a moment.
func (c *Checker) reported(worker string, since time.Time) bool {
	return slices.ContainsFunc(c.live.reports, func(r report) bool {
		return r.name == c.live.leader && !r.at.Before(since) && names(r.text, worker)
	})
}

// names says that a text has a worker's ID in it, and not only one that begins with it.
func names(text, worker string) bool {
	for {
		_, after, found := strings.Cut(text, worker)
		if !found {
			return false
		}
		if after == "" || after[0] < '0' || after[0] > '9' {
			return true
		}
		text = after
	}
}

// revokes notes that a version takes a partition from its holder.
func (c *Checker) revokes(partition string, from holding) {
	if _, listed := c.live.listed[partition]; listed || c.live.listed == nil {
		c.live.revoked = append(c.live.revoked, revocation{partition, from})
	}
}

// grants notes that a version gives a partition to another worker. Where its holder was not asked for it, or was asked in
// an earlier term, it had no owner that anybody planned for, and that is a reason to look at the balance again.
func (c *Checker) granted(from, to holding, term uint64) {
	if from.worker != to.worker && (from.since == 0 || from.term < term) {
		c.live.reason = true
	}
}

// planStored judges the moves of a version, whose plan is its last message. A plan needs a reason for taking a partition
// from a live worker: since something was moved last, the members, what they say of themselves, or the source have changed,
// a session has ended, a leader has begun while something was in flight, or something had to be given away. And a plan in
// which nothing changes but that members are missing takes nothing from those who are left, unless it ends a restart: what
// has no owner is given first, in a plan that moves nothing else.
func (c *Checker) planStored(p Plan) {
	before, revoked := c.live.plan, c.live.revoked
	first := !c.live.planned
	c.live.plan, c.live.planned, c.live.revoked = p, true, nil
	if first {
		c.live.reason = false
		return
	}
	same := slices.Equal(before.Members, p.Members)
	if !same || before.Digest != p.Digest || before.Workers != p.Workers {
		c.live.reason = true
	}
	why := ""
	switch {
	case len(revoked) == 0:
		return
	case !c.live.reason:
		why = "nothing has changed since the last move"
	case !same && subset(p.Members, before.Members) && before.Digest == p.Digest && p.At.Sub(c.live.reworded) > described && !c.restartedLately(p.At):
		why = "members are missing, and nothing else has changed"
	}
	c.live.reason = false
	if why == "" {
		return
	}
	events := slices.Clone(c.recent())
	for _, r := range revoked {
		c.live.suspects = append(c.live.suspects, suspect{r, p.At, p.Version, why, events})
	}
}

// restartedLately says that the plan may be the one with which a restart ends: it takes everyone in who is there.
func (c *Checker) restartedLately(at time.Time) bool {
	d := c.cfg.Deadlines
	return d != nil && at.Sub(c.live.restarted) <= d.ColdStartWindow+d.Slack
}

func subset(part, whole []string) bool {
	return !slices.ContainsFunc(part, func(s string) bool { return !slices.Contains(whole, s) })
}

// judgeMoves judges the revocations without a reason that are stored since it did so last. The two streams have no common
// order within one instant: a session that ended in that instant has the benefit of the doubt.
func (c *Checker) judgeMoves() {
	suspects := c.live.suspects
	c.live.suspects = nil
	if c.cfg.Deadlines == nil {
		return
	}
	for _, s := range suspects {
		if c.stored.stays(s.from, s.at) && len(c.stored.unread[Assignment]) == 0 {
			c.violateAfter(s.events, "I7", "version %d takes %s from %s session %d, which lives and stays: %s", s.version, s.partition,
				s.from.worker, s.from.session, s.why)
		}
	}
}

// stays says that a session lived at a moment and did not say that it was leaving.
func (s *stored) stays(h holding, at time.Time) bool {
	lives := false
	for _, b := range s.beats[h.worker] {
		if b.at.After(at) {
			break
		}
		switch {
		case b.session == h.session && !b.gone && !b.foreign:
			lives = !b.leaving
		case b.gone, b.foreign, b.session > h.session:
			lives = false
		}
	}
	return lives
}

// words notes how a worker describes itself.
func (c *Checker) words(e Entry, wording string) {
	if before, known := c.live.wording[e.Key]; known && before != wording {
		c.live.reworded = e.At
	}
	c.live.wording[e.Key] = wording
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
