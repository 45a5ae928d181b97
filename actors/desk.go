// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/control"
	"github.com/parti-go/parti/kv"
)

const kindDesk = "desk"

// desk takes requests from outside to this worker, and answers them. It listens during a session: until the worker's heartbeat
// or claim is about to be deleted, or until the worker is fenced. It performs nothing itself. It asks the manager as the user
// would. A drain is answered when the tree has ended, see [life.farewell].
//
// Only the holder of an ID may speak under it. So the desk checks just before each message that the session may still speak. A
// worker that was frozen ignores the requests that it got meanwhile.
type desk struct {
	*guard
	set  Settings
	life *life
	ask  func(message any) // of the manager

	session session
	store   *kv.Store
	leave   context.CancelFunc // ends the subscription
	errands map[errand]*undertaking
	lists   bool         // a refresh is under way
	ticks   bool         // the next tick is on its way
	queued  atomic.Int64 // requests on their way here
}

// errand is one request. A repeated request is the same errand.
type errand struct {
	reply  string
	action control.Action
}

// undertaking is the state of an errand that is under way.
type undertaking struct {
	asked time.Time // when it was asked for last
	round uint64    // of a cordon: the number under which the manager was asked
	lists bool      // of a refresh: the one under way is for it
}

// asker is a client that waits for the end of a drain.
type asker struct {
	reply   string
	session session
	store   *kv.Store
}

const (
	// mostErrands limits how many errands are under way, and how many requests are in the queue. A request beyond that is
	// refused.
	mostErrands = 100
	// errandTick is the time between two progress reports to the clients.
	errandTick = time.Second
	// errandLasts is how long an errand is kept after its last request. The client repeats a request every twenty seconds at
	// least.
	errandLasts = 90 * time.Second
	// deskPause is how long a desk that has failed stays closed. A client waits longer than that.
	deskPause = time.Second
	// farewellTime limits the time for the last answers.
	farewellTime = 2 * time.Second
)

// What the manager tells the desk, and the desk itself.
type (
	// attend: this session begins. dismiss: it is over.
	attend struct {
		late
		session session
		store   *kv.Store
	}
	dismiss struct{ late }
	// attested: a heartbeat is stored that was sent after the cordon of that round had been asked for.
	attested struct {
		late
		round uint64
	}

	requested struct {
		late
		session uint64
		data    []byte
		reply   string
	}
	refreshOver struct {
		session uint64
		err     error
	}
	errandsDue struct{}
	unheard    struct{ err error }
)

// What the desk asks of the manager, and what that tells itself.
type (
	deskDue    struct{}
	drainAsked struct {
		late
		by time.Time
	}
	cordonAsked struct {
		late
		on    bool
		round uint64
	}
)

func newDesk(g *guard, set Settings, l *life, ask func(message any)) body {
	return &desk{guard: g, set: set, life: l, ask: ask, leave: func() {}, errands: map[errand]*undertaking{}}
}

func (d *desk) started() {}

func (d *desk) stopping(bool) { d.leave() }

func (d *desk) receive(_ actor.Context, message any) {
	switch msg := message.(type) {
	case *attend:
		d.attend(msg)
	case *dismiss:
		d.dismiss()
	case *requested:
		d.queued.Add(-1)
		d.requested(msg)
	case *attested:
		d.attested(msg.round)
	case *refreshOver:
		if msg.session == d.session.number {
			d.refreshed(msg.err)
		}
	case *errandsDue:
		d.ticks = false
		d.tick()
	case *unheard:
		d.unheard(msg.err)
	}
}

// attend starts to listen for the holder of an ID.
func (d *desk) attend(msg *attend) {
	d.dismiss()
	d.session, d.store = msg.session, msg.store
	d.log, d.worker = d.set.Logger.With("worker", msg.session.id), msg.session.id
	ctx, leave := context.WithCancel(d.ctx)
	d.leave = leave
	number := msg.session.number
	d.run(func(context.Context) any {
		err := msg.store.ServeControl(ctx, msg.session.id, func(data []byte, reply string) {
			if d.queued.Add(1) > mostErrands {
				d.queued.Add(-1)
				d.answer(msg.session, msg.store, reply, control.Outcome("", d.progress(msg.session), fmt.Errorf("%w, allowed: %d at a time", control.ErrBusy, mostErrands)))
				return
			}
			d.tell(&requested{session: number, data: data, reply: reply})
		})
		if isCanceled(ctx, err) {
			return nil
		}
		return &unheard{err}
	})
}

// dismiss stops listening. Clients of unfinished errands get no answer, because another session may hold the ID.
func (d *desk) dismiss() {
	d.leave()
	d.leave = func() {}
	d.session, d.errands, d.lists = session{}, map[errand]*undertaking{}, false
}

// unheard logs, once in the life of a tree, that nobody can send requests to this worker. The worker works without them.
func (d *desk) unheard(err error) {
	level := slog.LevelWarn
	if d.life.unheard.Swap(true) {
		level = slog.LevelDebug
	}
	d.log.Log(d.ctx, level, "the worker cannot receive remote requests such as drain and cordon; WithoutRemoteControl switches them off", "error", err)
}

// speaks reports whether the session may say anything under its ID.
func (s session) speaks() bool { return s.number != 0 && !s.trust.silent.Load() && s.trust.valid() }

// progress returns the state of the worker for an answer.
func (d *desk) progress(s session) control.Progress {
	view := d.life.view
	status := view.status.Load()
	return control.Progress{
		Worker: s.id, Session: s.number, Left: view.holds(d.life.runner.handlers.Held().Holding),
		Draining: status.Draining, Leaving: status.State == fsm.Shutdown, Cordoned: status.Cordoned,
	}
}

func (d *desk) leaving() bool { return d.life.view.status.Load().State == fsm.Shutdown }

// requested handles one request.
func (d *desk) requested(msg *requested) {
	s := d.session
	if msg.session != s.number || !s.speaks() {
		return
	}
	r, err := control.DecodeRequest(msg.data)
	if err == nil && !r.Made.IsZero() && !r.Made.Equal(d.store.Made()) {
		return // it is for a bucket of the same name in another domain
	}
	e := errand{msg.reply, r.Action}
	if err == nil {
		err = d.refuse(e, r)
	}
	if errors.Is(err, control.ErrBusy) && r.Action == control.Drain && r.Within > 0 {
		d.drain(r.Within)
		err = fmt.Errorf("%w; the drain goes on for at most %s, but this request gets no answer when it ends", err, r.Within)
	}
	switch {
	case err != nil:
		d.say(e, err)
	case r.Action == control.Hello:
		d.say(e, nil)
	default:
		d.undertake(e, r)
	}
}

// refuse returns the reason why a request is refused; nil if it is not.
func (d *desk) refuse(e errand, r control.Request) error {
	_, known := d.errands[e]
	switch s := d.session; {
	case r.Session != 0 && r.Session != s.number:
		return fmt.Errorf("%w: the request is for session %d, but session %d holds %s now", control.ErrSession, r.Session, s.number, s.id)
	case d.leaving() && (isCordon(r.Action) || r.Action == control.Refresh):
		return fmt.Errorf("%w: session %d of %s is ending", control.ErrLeaving, s.number, s.id)
	case !known && r.Action != control.Hello && len(d.errands) >= mostErrands:
		return fmt.Errorf("%w, allowed: %d at a time", control.ErrBusy, mostErrands)
	}
	return nil
}

// undertake starts to do what a request asks for. A repeated request is answered with the progress.
func (d *desk) undertake(e errand, r control.Request) {
	if a, known := d.errands[e]; known {
		a.asked = time.Now()
	} else {
		d.log.Info("a remote request has arrived", "action", r.Action, "by", r.By, "within", r.Within)
		d.errands[e] = &undertaking{asked: time.Now()}
		switch r.Action {
		case control.Drain:
			d.life.await(asker{e.reply, d.session, d.store})
			d.drain(r.Within)
		case control.Cordon, control.Uncordon:
			d.cordon(e)
		default:
			d.refresh()
		}
	}
	d.report(e, d.progress(d.session))
	if !d.ticks {
		d.ticks = true
		d.after(errandTick, &errandsDue{})
	}
}

// tick reports the progress to the clients.
func (d *desk) tick() {
	if d.leaving() {
		d.settle(fmt.Errorf("%w: session %d of %s is ending", control.ErrLeaving, d.session.number, d.session.id), func(e errand, _ *undertaking) bool {
			return e.action != control.Drain
		})
	}
	d.drop(time.Now().Add(-errandLasts))
	if len(d.errands) == 0 {
		return
	}
	stands := d.progress(d.session)
	for e := range d.errands {
		d.report(e, stands)
	}
	d.ticks = true
	d.after(errandTick, &errandsDue{})
}
