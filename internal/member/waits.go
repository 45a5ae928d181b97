// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// This file keeps the promise that nothing is stuck in silence. Whoever waits for something that may not come says when it
// begins and when it ends. The member owns the deadline: past it the wait is an error to the user, a line of the worker's
// heartbeat that its leader reports as well, and a part of what it shows, until it ends. It is said once, and when it ends
// the log says so.

// Wait is something that is waited for.
type Wait struct {
	Key   string // one wait of a key at a time
	What  string // has to happen
	Who   string // has to see to it
	Since time.Time
	Due   time.Time
	Err   error // what is said of it wraps this as well; nil for being stuck alone
	Quiet bool  // somebody else tells the user of it, or has
}

// Problem is a wait as an error.
func (w Wait) Problem(now time.Time) error {
	err := fmt.Errorf("%w: still waiting (for %s) until %s (%s)", errStuck, now.Sub(w.Since).Round(time.Millisecond), w.What, w.Who)
	if w.Err != nil {
		err = fmt.Errorf("%w: %w", err, w.Err)
	}
	return err
}

// pending is a wait that is under way.
type pending struct {
	Wait
	kind Kind // of the actor with which it ends; "" for none
	told bool
}

// await begins a wait.
func (m *Member) await(kind Kind, w Wait) {
	if m.waits[w.Key] == nil {
		m.waits[w.Key] = &pending{Wait: w, kind: kind}
		m.waited = true
	}
}

// blameWait says why a wait lasts.
func (m *Member) blameWait(key string, err error) {
	if p := m.waits[key]; p != nil && p.Err != err { //nolint:errorlint // the same value is no news
		p.Err = err
		m.waited = true
	}
}

// awaitLonger moves the deadline of a wait that has not been said yet.
func (m *Member) awaitLonger(key string, due time.Time) {
	if p := m.waits[key]; p != nil && !p.told && due.After(p.Due) {
		p.Due = due
		m.waited = true
	}
}

// awaited ends a wait, if it is under way.
func (m *Member) awaited(now time.Time, key string) {
	p := m.waits[key]
	if p == nil {
		return
	}
	delete(m.waits, key)
	m.waited = true
	if p.told {
		m.do(&Say{Level: slog.LevelInfo, Text: "a wait is over", Args: []any{
			"for", p.What, "who", p.Who, "took", now.Sub(p.Since).Round(time.Millisecond),
		}})
		m.complain()
	}
}

// awaitedOf ends the waits of an actor that has ended.
func (m *Member) awaitedOf(now time.Time, kind Kind) {
	for _, p := range m.waitsByAge() {
		if p.kind == kind {
			m.awaited(now, p.Key)
		}
	}
}

// tellOverdue says which waits are past their deadlines.
func (m *Member) tellOverdue(now, at time.Time) {
	for _, p := range m.waitsByAge() {
		if p.told || p.Due.After(at) {
			continue
		}
		p.told = true
		if err := p.Problem(now); p.Quiet {
			m.do(&Say{Level: slog.LevelWarn, Text: "the worker waits past a deadline", Args: []any{"error", err}})
		} else {
			m.report(err)
		}
		m.complain()
	}
}

// mostStuck is how many waits a heartbeat names at most.
const mostStuck = 5

// complain has the heartbeat say what this worker waits for past its deadline. What others were told of already, a leader
// of its own source for instance, is not repeated.
func (m *Member) complain() {
	var lines []string
	for _, p := range m.waitsByAge() {
		if p.told && !p.Quiet && len(lines) < mostStuck {
			lines = append(lines, fmt.Sprintf("still waits (since %s) until %s (%s)", p.Since.UTC().Format(time.RFC3339), p.What, p.Who))
		}
	}
	m.tellHeartbeat(&Complain{lines})
}

func (m *Member) waitsByAge() []*pending {
	list := make([]*pending, 0, len(m.waits))
	for _, p := range m.waits {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *pending) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Key, b.Key)) })
	return list
}

// showWaits shows what is waited for, if that has changed. Whoever reads that compares the deadlines with the time of the
// reading.
func (m *Member) showWaits() {
	if !m.waited {
		return
	}
	m.waited = false
	shown := make([]Wait, 0, len(m.waits))
	for _, p := range m.waitsByAge() {
		shown = append(shown, p.Wait)
	}
	m.do(&Show{shown})
}

// The keys of the waits that begin here.
const (
	waitsForStore      = "store"
	waitsForID         = "ID"
	waitsForGiveUp     = "give-up"
	waitsForAssignment = "assignment"
	waitsForHandler    = "handler " // and the partition
	waitsForFormat     = "format"
)

// whom names this worker, which is known by its last ID while it has none.
func (m *Member) whom() string { return cmp.Or(m.session.id, m.previous, "this worker") }

// awaitStore bounds how long the store is away, or says no. What it answers is reported where it is heard.
func (m *Member) awaitStore(now time.Time) {
	m.await("", Wait{
		Key: waitsForStore, What: "the store is open", Who: "the store", Since: now, Due: now.Add(m.cfg.OperationTimeout), Quiet: true,
	})
}

// awaitID bounds how long a worker that was in the group waits for an ID. The way to a first assignment has StartupTimeout,
// and a standby waits for as long as it takes.
func (m *Member) awaitID(now time.Time) {
	if m.ready {
		m.await("", Wait{
			Key: waitsForID, What: "this worker has an ID again", Who: fmt.Sprintf("bucket %q", m.cfg.IDs), Since: now,
			Due: now.Add(m.cfg.StartupTimeout),
		})
	}
}

// awaitAssignment bounds how long a worker that rejoined is given nothing at all, not even an empty assignment.
func (m *Member) awaitAssignment(now time.Time) {
	if m.ready && !m.applied {
		what := fmt.Sprintf("session %d of %s has its first assignment", m.session.number, m.session.id)
		m.await(Follower, Wait{Key: waitsForAssignment, What: what, Who: "the leader", Since: now, Due: now.Add(m.cfg.StartupTimeout)})
	}
}

// awaitGiveUp bounds how long a session that is over keeps the next from beginning. It has to be waited for, because what is
// still run must not be run by the next session as well.
func (m *Member) awaitGiveUp(now time.Time) {
	if m.winding.rejoin {
		what := fmt.Sprintf("session %d has given everything up, so that %s can rejoin", m.session.number, m.whom())
		m.await("", Wait{
			Key: waitsForGiveUp, What: what, Who: m.whom(), Since: now, Due: now.Add(m.cfg.HandoffTimeout), Err: errHandoffTimeout,
		})
	}
}

// mostHandlers is how many handlers that do not return are waited for by name.
const mostHandlers = 20

// awaitHandlers bounds how long a handler takes to return that was told to.
func (m *Member) awaitHandlers(now time.Time, held []string) {
	m.tellHeartbeat(&Recount{})
	for _, p := range m.waitsByAge() {
		if id, is := strings.CutPrefix(p.Key, waitsForHandler); is && !slices.Contains(held, id) {
			m.awaited(now, p.Key)
		}
	}
	for _, id := range held[:min(len(held), mostHandlers)] {
		m.await("", Wait{
			Key: waitsForHandler + id, What: "the handler of " + id + ", whose context has ended, returns", Who: m.whom(), Since: now,
			Due: now.Add(m.cfg.HandoffTimeout), Err: errHandoffTimeout,
		})
	}
}

// awaitFormat bounds how long a worker takes nothing up because of records that it cannot read. The first is reported at once.
func (m *Member) awaitFormat(now time.Time, err error) {
	if err == nil {
		m.awaited(now, waitsForFormat)
		return
	}
	m.await(Follower, Wait{
		Key: waitsForFormat, What: "every record can be read, so that assignments can be applied", Who: "the store", Since: now,
		Due: now.Add(m.cfg.HandoffTimeout), Err: fmt.Errorf("%w: %w", ErrNewerFormat, err), Quiet: true,
	})
}

// callBegan bounds a call of the user's code: a hook should not last longer than a handoff. That a strategy does is reported
// where its answer is missed.
func (m *Member) callBegan(f *CallBegan) {
	w := Wait{Key: f.Name, What: f.What, Who: m.whom(), Since: f.Since, Due: f.Since.Add(m.cfg.HandoffTimeout), Err: f.Err}
	if f.Limit > 0 {
		w.Who, w.Due, w.Quiet = f.Name, f.Since.Add(f.Limit), true
	}
	m.await("", w)
}
