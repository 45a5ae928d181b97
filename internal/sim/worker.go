// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"strconv"
	"time"

	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/strategy"
)

// Config is what the workers of a fleet have in common.
type Config struct {
	Member          member.Config
	Topology        topology.Config
	LeaderTTL       time.Duration
	ElectionTimeout time.Duration
	HomeRetention   time.Duration
	Rebalance       float64 // MinRebalanceThreshold
	IDs             []string
	Confirmations   int           // of a list that lacks most
	Hook            time.Duration // how long the user takes at most to let go
	PreferredIDWait time.Duration
	StateDir        bool // a process that is restarted proves that the one before is dead
	Strategy        strategy.Strategy

	partitions int // that there are at first
}

// Worker is one process: a member and what it spawned. What it owns is what its user runs.
type Worker struct {
	Name  string
	Owned map[string]int64 // partition: epoch

	fleet   *Fleet
	client  *client
	cfg     Config
	member  *member.Member
	facts   []member.Fact
	effects reused[member.Effect]
	steps   bool
	wake    timer
	dead    bool // crashed, or at its end

	children map[member.Kind]*child
	session  member.Begin
	trust    member.Trust
	standing member.Standing
	status   member.Status
	user     *user
	tenure   *tenure
	begun    time.Time // when the session was
	stuckAt  time.Time // when it last said that something is stuck
	proofAt  time.Time // when it last asked for a heartbeat, to lead by

	heartbeat  *heartbeat
	elector    *elector
	calculator *calculator
	edition    int            // of the source
	heirTo     []record.Token // processes before whose death is proved, until their ID is claimed
}

// child is one spawned part of a worker. It says nothing after its end.
type child struct {
	*Worker
	client *client
	kind   member.Kind
	ended  bool
	hangs  bool // it does nothing any more and does not say so
	stops  []func()
}

// from tells what a part reports while it lives.
func (k *child) from(f member.Fact) {
	if !k.over() {
		k.tell(f)
	}
}

func (k *child) over() bool { return k.ended || k.hangs || k.dead }

// lost says that the session is over.
func (k *child) lost(err error) { k.from(&member.Lost{Err: err}) }

func newWorker(f *Fleet, cfg Config, name string, n int) *Worker {
	c := newClient(f.Loop, f.clients, name+"-"+strconv.Itoa(n), f.cfg)
	w := &Worker{
		Name: name, Owned: map[string]int64{}, fleet: f, client: c, cfg: cfg, member: member.New(cfg.Member),
		children: map[member.Kind]*child{},
	}
	w.user = newUser(w)
	return w
}

// tell steps the member with a fact and performs what follows.
func (w *Worker) tell(f member.Fact) {
	w.facts = append(w.facts, f)
	if w.steps {
		return
	}
	w.steps = true
	for i := 0; i < len(w.facts) && !w.dead; i++ {
		w.client.Steps++
		effects := w.member.Step(w.client.now, w.facts[i], w.effects.take())
		for _, e := range effects {
			w.say(e)
			w.perform(e)
		}
		w.effects.put(effects)
	}
	clear(w.facts)
	w.facts, w.steps = w.facts[:0], false
}

func (w *Worker) say(line fmt.Stringer) {
	if w.client.Trace != nil {
		w.client.say(w.Name, line.String())
	}
}

func (w *Worker) perform(effect member.Effect) {
	switch e := effect.(type) {
	case *member.Open:
		w.open()
	case *member.Spawn:
		w.spawn(e)
	case *member.Stop:
		w.stop(e.Kind)
	case *member.Begin:
		w.fleet.judge.begun(w, e)
		w.session, w.begun = *e, w.client.now
		if !e.Keeps {
			w.tenure = &tenure{}
			w.fleet.beginsAnew(w)
		}
	case *member.Trust:
		w.trust = *e
		w.fleet.judge.trusts(w, e)
	case *member.Rejoin:
		w.trust = member.Trust{}
	case *member.Drop:
		w.user.ask(&change{everything: true, tenure: w.tenure})
	case *member.GiveUp:
		w.user.ask(&change{everything: true, until: e.Until, waits: true, done: func(o member.FollowingOutcome, _ bool) {
			if o != member.FollowingSuperseded {
				w.tell(&member.HookDone{ID: e.ID})
			}
		}})
	case *member.Delete:
		w.delete(e)
	case *member.Publish:
		w.status = e.Status
	case *member.Wake:
		w.wake.stop()
		w.wake = timer{}
		if at := e.At; !at.IsZero() {
			w.wake = w.client.At(at, func() {
				if !w.dead {
					w.tell(&member.Ticked{At: at})
				}
			})
		}
	case *member.End:
		w.fleet.judge.ended(w, e)
		w.Crash()
	default:
		w.instruct(effect)
	}
}

// advise tells the user what concerns it.
func (w *Worker) advise(effect member.Effect) {
	switch e := effect.(type) {
	case *member.Return:
		w.user.wind(w.tenure, false)
	case *member.Void:
		w.user.wind(w.tenure, true)
	case *member.Hurry:
		w.user.hurry()
	case *member.Abandon:
		w.user.abandon()
	case *member.Report:
		w.fleet.told(w, e.Err)
	}
}

// instruct tells the parts what concerns them.
func (w *Worker) instruct(effect member.Effect) {
	switch e := effect.(type) {
	case *member.Stand:
		w.standing = e.Standing
		w.beats(func(h *heartbeat) { h.hurry() })
	case *member.Beat:
		fence := e.Fence
		w.proofAt = w.client.now
		w.beats(func(h *heartbeat) { h.asked, h.question = &fence, h.hurry() })
	case *member.Reads:
		w.beats(func(h *heartbeat) { h.reads = e.Format })
	case *member.Announce:
		w.beats(func(h *heartbeat) { h.shown = max(h.shown, e.Version) })
	case *member.Acknowledge:
		w.beats(func(h *heartbeat) {
			h.applied = e.Position
			if e.Now {
				h.hurry()
			}
		})
	case *member.Recount:
		w.beats(func(h *heartbeat) { h.hurry() })
	case *member.Complain:
		w.beats(func(h *heartbeat) {
			h.stuck = e.Lines
			h.hurry()
		})
	case *member.SawTerm:
		w.elects(&member.ElectionTermSeen{Term: e.Term})
	case *member.NewTerm:
		w.elects(&member.ElectionFenceLost{Fence: e.Fence})
	case *member.Abstain:
		w.elects(&member.ElectionAbstain{Until: e.Until})
	default:
		w.advise(effect)
	}
}

func (w *Worker) beats(do func(*heartbeat)) {
	if w.heartbeat != nil && !w.heartbeat.over() {
		do(w.heartbeat)
	}
}

func (w *Worker) elects(f member.ElectionFact) {
	if w.elector != nil {
		w.elector.step(f)
	}
}

func (w *Worker) open() {
	w.client.open(w.client.now.Add(w.client.timeout), func(err error) {
		if !w.dead {
			w.tell(&member.Opened{Err: err, Transient: err != nil})
		}
	})
}

func (w *Worker) spawn(e *member.Spawn) {
	k := &child{Worker: w, kind: e.Kind}
	k.client = w.client.of(k.over)
	w.children[e.Kind] = k
	switch e.Kind {
	case member.Claimer:
		newClaimer(k, e)
	case member.Heartbeat:
		newHeartbeat(k, e)
	case member.Elector:
		newElector(k, e)
	case member.Follower:
		newFollower(k, e)
	case member.Calculator:
		w.fleet.judge.leads(w)
		newCalculator(k, e)
	case member.Host:
	}
}

func (w *Worker) stop(kind member.Kind) {
	if k := w.children[kind]; k != nil {
		delete(w.children, kind)
		k.end()
	}
	w.tell(&member.Stopped{Kind: kind})
}

func (k *child) end() {
	k.ended = true
	for _, stop := range k.stops {
		stop()
	}
}

// delete deletes what the worker has in a bucket, again and again.
func (w *Worker) delete(e *member.Delete) {
	own := w.client.left(e.Bucket)
	var try func(n int)
	try = func(n int) {
		if w.dead {
			return
		}
		if n == len(own) {
			w.tell(&member.Deleted{ID: e.ID, Bucket: e.Bucket})
			return
		}
		w.client.release(own[n], w.client.now.Add(2*time.Second), func(err error) {
			if err == nil || !w.holds(own[n]) {
				try(n + 1)
				return
			}
			w.client.After(100*time.Millisecond, func() { try(n) })
		})
	}
	try(0)
}

func (w *Worker) holds(l store.Lease) bool {
	for _, left := range w.client.left(l.Bucket) {
		if left.Chain == l.Chain {
			return true
		}
	}
	return false
}

// Crash ends the process without goodbye.
func (w *Worker) Crash() {
	if w.dead {
		return
	}
	w.dead = true
	w.client.ice.frozen, w.client.ice.kept = false, nil
	clear(w.Owned)
	w.user.calls, w.user.serving, w.user.queue = nil, nil, nil
	w.wake.stop()
	for _, kind := range kinds {
		if k := w.children[kind]; k != nil {
			k.end()
		}
	}
}

var kinds = []member.Kind{member.Calculator, member.Follower, member.Elector, member.Heartbeat, member.Claimer, member.Host}
