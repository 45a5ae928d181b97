// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

const (
	beatEvery  = 2 * time.Second
	renewEvery = 10 * time.Second
)

var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// world is everything around a worker: a store, actors and hooks, all of which answer at once and obey, unless they are told
// not to. It judges what its worker does, see judge_test.go.
type world struct {
	t      *testing.T
	cfg    Config
	now    time.Time
	member *Member
	wake   time.Time
	facts  []Fact // to be stepped
	steps  bool
	early  bool // the end of an actor is heard before what was said earlier
	heldUp bool // the worker hears nothing until it is over
	show   func(e Effect)
	judge

	store    string // "", "away", "no", "hangs": what opening it says
	opening  bool   // it is being opened
	claim    string // the ID that is claimed next; "" for none
	session  uint64 // the number that is claimed next
	silent   bool   // the store answers no heartbeat and no renewal
	won      bool   // the claimer has an ID
	unclaims bool   // it answers no renewal of a claim
	hook     string // "", "heeds" its context only, "deaf" for that too, "lost": never returns
	keeps    bool   // nothing can be deleted
	hangs    map[Kind]bool
	revision uint64
	lives    map[Kind]bool
	beat     store.Lease
	claimed  store.Lease
	asked    *store.Fence
	fence    store.Fence
	beatAt   time.Time
	renewAt  time.Time
	giving   map[uint64]*GiveUp // hooks that have not returned
	deleting []*Delete          // not answered yet
	status   Status
	waits    []Wait
	drainBy  time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, now: start, show: func(Effect) {}, claim: "worker-0", session: 7, hangs: map[Kind]bool{}, lives: map[Kind]bool{},
		giving: map[uint64]*GiveUp{}, cfg: Config{
			HeartbeatTTL: 6 * time.Second, WorkerIDTTL: 30 * time.Second, OperationTimeout: 10 * time.Second, HandoffTimeout: 20 * time.Second,
			StartupTimeout: time.Minute, ShutdownTimeout: 32 * time.Second, FirstID: "worker-0", LastID: "worker-9", IDs: "parti-ids",
		},
	}
	w.judge = newJudge(w)
	return w
}

// begin begins an incarnation of the worker.
func (w *world) begin(leave bool) {
	w.member = New(w.cfg)
	w.wake = time.Time{}
	w.judge = newJudge(w)
	w.tell(&Began{LeaveAsked: leave})
}

// tell steps the worker with a fact and performs what follows.
func (w *world) tell(f Fact) {
	if w.member == nil {
		return // nobody listens yet
	}
	if _, is := f.(*Stopped); is && w.early && w.heldUp {
		w.facts = slices.Insert(w.facts, 0, f)
	} else {
		w.facts = append(w.facts, f)
	}
	if w.steps || w.heldUp {
		return
	}
	w.steps = true
	defer func() { w.steps = false }()
	for n := 0; len(w.facts) > 0; n++ {
		require.Less(w.t, n, 1000, "facts and effects without end")
		f, w.facts = w.facts[0], w.facts[1:]
		w.hears(f)
		effects := w.member.Step(w.now, f, nil)
		require.NoError(w.t, w.member.valid())
		for _, e := range effects {
			w.sees(e)
			w.show(e)
			w.perform(e)
		}
		w.stepped()
	}
}

// from tells what an actor reports, if it lives.
func (w *world) from(k Kind, f Fact) {
	if w.lives[k] {
		w.tell(f)
	}
}

// perform does what an effect asks for.
func (w *world) perform(e Effect) {
	switch e := e.(type) {
	case *Open:
		require.False(w.t, w.opening, "the store is opened twice at once")
		w.opening = true
		w.open()
	case *Spawn:
		w.lives[e.Kind] = true
		w.spawned(e)
	case *Stop:
		delete(w.lives, e.Kind)
		if !w.hangs[e.Kind] {
			w.tell(&Stopped{e.Kind})
		}
	case *Beat:
		w.asked = &e.Fence
		w.sendBeat()
	case *GiveUp:
		w.giving[e.ID] = e
		if w.hook == "" {
			w.returns(e.ID)
		}
	case *Hurry:
		for id := range w.giving {
			if w.hook == "heeds" {
				w.returns(id)
			}
		}
	case *Abandon:
		if w.hook == "deaf" {
			w.returns(e.ID)
		}
	case *Delete:
		w.deleting = append(w.deleting, e)
		w.delete()
	case *Publish:
		w.status = e.Status
	case *Show:
		w.waits = e.Waits
	case *Wake:
		w.wake = e.At
	case *Rejoin:
		w.beat = store.Lease{}
	}
}

// open answers an Open.
func (w *world) open() {
	if !w.opening || w.store == "hangs" {
		return
	}
	w.opening = false
	switch w.store {
	case "away":
		w.tell(&Opened{Err: fmt.Errorf("open: %w", store.ErrUnknown), Transient: true})
	case "no":
		w.tell(&Opened{Err: errors.New("no JetStream")})
	default:
		w.tell(&Opened{})
	}
}

func (w *world) spawned(e *Spawn) {
	switch e.Kind {
	case Claimer:
		w.won = false
		w.claims()
	case Heartbeat:
		w.beat = store.Lease{}
		w.sendBeat()
	case Calculator:
		w.fence = e.Fence
	case Elector, Follower, Host:
	}
}

func (w *world) lease(b store.Bucket, key string, ttl time.Duration) store.Lease {
	w.revision++
	return store.Lease{Bucket: b, Key: key, Revision: w.revision, Sent: w.now, TTL: ttl}
}

func (w *world) claims() {
	switch {
	case w.claim == "":
		w.from(Claimer, &Unclaimed{store.ErrNoFreeID})
	case w.silent:
		w.from(Claimer, &Unclaimed{fmt.Errorf("claim: %w", store.ErrUnknown)})
	default:
		w.wins()
	}
}

func (w *world) wins() {
	if w.won || !w.lives[Claimer] {
		return
	}
	w.won = true
	w.claimed = w.lease(store.StableIDs, w.claim, w.cfg.WorkerIDTTL)
	w.renewAt = w.now.Add(renewEvery)
	w.from(Claimer, &Claimed{w.claimed, w.session})
	w.session++
}

func (w *world) sendBeat() {
	w.beatAt = w.now.Add(beatEvery)
	switch {
	case !w.lives[Heartbeat]:
	case w.silent:
		w.from(Heartbeat, &Missed{fmt.Errorf("heartbeat: %w", store.ErrUnknown)})
	case w.beat.Revision != 0 && !w.now.Before(w.beat.TrustedUntil()):
		w.from(Heartbeat, &Lost{fmt.Errorf("heartbeat: %w", store.ErrLate)})
	default:
		w.beat = w.lease(store.Heartbeats, w.claimed.Key, w.cfg.HeartbeatTTL)
		asked := w.asked
		w.asked = nil
		w.from(Heartbeat, &Heard{w.beat, asked})
	}
}

func (w *world) renew() {
	w.renewAt = w.now.Add(renewEvery)
	if w.lives[Claimer] && w.won && !w.silent && !w.unclaims && w.now.Before(w.claimed.TrustedUntil()) {
		w.claimed = w.lease(store.StableIDs, w.claimed.Key, w.cfg.WorkerIDTTL)
		w.from(Claimer, &Renewed{w.claimed})
	}
}

func (w *world) returns(id uint64) {
	if w.giving[id] != nil {
		delete(w.giving, id)
		w.tell(&HookDone{id})
	}
}

func (w *world) delete() {
	if w.keeps {
		return
	}
	for _, d := range w.deleting {
		w.tell(&Deleted{d.ID, d.Bucket})
	}
	w.deleting = nil
}

func (w *world) fail(k Kind, jitter float64) {
	if w.lives[k] {
		facts := []Fact{&Failed{k, fmt.Errorf("%w: a bug", ErrPanic), jitter}, &Stopped{k}}
		if w.early {
			slices.Reverse(facts)
		}
		for _, f := range facts {
			w.tell(f)
			delete(w.lives, k)
		}
	}
}

// run lets time pass, from one thing that happens to the next.
func (w *world) run(d time.Duration) {
	until := w.now.Add(d)
	w.pass()
	for w.now.Before(until) {
		next := until
		at := []time.Time{w.wake}
		if w.lives[Heartbeat] {
			at = append(at, w.beatAt)
		}
		if w.lives[Claimer] && w.won {
			at = append(at, w.renewAt)
		}
		for _, g := range w.giving {
			at = append(at, g.Until)
		}
		for _, t := range at {
			if t.After(w.now) && t.Before(next) {
				next = t
			}
		}
		w.now = next
		w.pass()
	}
}

// pass does what is due now.
func (w *world) pass() {
	if w.lives[Claimer] && w.won && !w.now.Before(w.renewAt) {
		w.renew()
	}
	if w.lives[Heartbeat] && !w.now.Before(w.beatAt) {
		w.sendBeat()
	}
	for n := 0; !w.wake.IsZero() && !w.now.Before(w.wake); n++ {
		require.Less(w.t, n, 100, "the worker ticks without end")
		at := w.wake
		w.wake = time.Time{}
		w.tell(&Ticked{at})
	}
	for id, g := range w.giving {
		if w.hook == "heeds" && !w.now.Before(g.Until) {
			w.returns(id)
		}
	}
	if !w.heldUp {
		w.passed()
	}
}

// holdUp holds the worker up: what happens meanwhile it hears afterwards.
func (w *world) holdUp(d time.Duration) {
	w.heldUp = true
	w.run(d)
	w.heldUp = false
	w.tell(&Held{})
	w.pass()
}

// restart fails the worker and begins its next incarnation, as its shell does.
func (w *world) restart() {
	w.tell(&Interrupted{w.state, true})
	w.cfg.Before = Before{
		State: w.state, Ready: w.ready, Standing: w.standing, DrainBy: w.drainBy, LetGo: w.letGo, Leaving: w.leaving, LeaveBy: w.leaveBy,
	}
	if w.state == fsm.Shutdown && !w.leaving {
		w.cfg.Before.State, w.cfg.Before.LeaveBy = fsm.Init, time.Time{}
	}
	w.opening = false
	w.lives, w.facts, w.giving = map[Kind]bool{}, nil, map[uint64]*GiveUp{}
	w.begin(false)
}

// drain asks for a drain within a time; 0 for no bound.
func (w *world) drain(within time.Duration) {
	f := &DrainAsked{}
	if within > 0 {
		f.By = w.now.Add(within)
		if w.drainBy.IsZero() || f.By.Before(w.drainBy) {
			w.drainBy = f.By
		}
	}
	w.tell(f)
}

// at is a position in the history of plans.
func at(term uint64, version int64) record.Position {
	return record.Position{Term: term, Version: version}
}
