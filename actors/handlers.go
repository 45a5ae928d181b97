// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Handling says how the worker runs its partitions, beside the hooks. If both Run and Props are nil, only the hooks do.
type Handling struct {
	// Run is called for each owned partition, see the root package's Handler.
	Run func(ctx context.Context, o *Ownership) error
	// Props makes an actor of the user for each owned partition, as a child of the tree. Set either Props or Run.
	Props func(o *Ownership) *actor.Props
	// RestartFirst and RestartMost limit the pause before a failed handler is called again. The pause doubles, with a jitter
	// of a fifth.
	RestartFirst, RestartMost time.Duration
}

func (h Handling) used() bool { return h.Run != nil || h.Props != nil }

// unsettled lists how the running partitions differ from the record that the worker has applied. Both lists are sorted.
type unsettled struct {
	// Holding are the partitions that were taken away and whose handlers have not returned yet.
	Holding []string
	// Starting are the partitions that are granted and not begun, because a handler of an earlier epoch has not returned yet.
	Starting []string
}

// handlers keeps account of the running handlers. It is a part of the runner, and only the runner's goroutine uses it.
//
// A handler counts as running from the moment before its actor is asked to run it, until that actor has stopped and the
// handler's goroutine has ended. Two handlers of one partition never run at the same time in one worker, whatever sessions they
// belong to: the later one waits.
type handlers struct {
	used    bool
	warrant *warrant
	host    atomic.Pointer[func([]*Ownership)] // has handlers run; nil while there is no host
	changed atomic.Pointer[func()]             // is told of each change of held that no request is about
	poke    func(*actor.PID)                   // tells an actor that its ownership ends
	over    chan *Ownership                    // those whose handlers run no more
	held    atomic.Pointer[unsettled]
	said    unsettled               // what somebody was told of held
	grants  *atomic.Pointer[grants] // the book of the view; nil for none

	runs     map[string]*Ownership // the newest of each partition; the actors have them, or are about to
	ending   map[string]*Ownership // those that were told to end. At most one of a partition: the next waits for its end
	waiting  map[string]holding    // granted, and waiting for one that ends
	homeless bool                  // something was granted while there was no host
	worker   string
	session  uint64
	tenure   *tenure // of the session that is granted to
	trusted  func() bool
}

// briefly is how long an acknowledgement waits for the handlers of its partitions. Most return at once, and then one heartbeat
// reports everything. That heartbeat lists the others as held.
const briefly = 20 * time.Millisecond

func newHandlers(used bool, s *warrant, poke func(*actor.PID)) *handlers {
	return &handlers{
		used: used, warrant: s, poke: poke, over: make(chan *Ownership), runs: map[string]*Ownership{}, ending: map[string]*Ownership{},
		waiting: map[string]holding{}, trusted: func() bool { return false },
	}
}

// begins reports whether a target has partitions whose handlers do not run yet.
func (h *handlers) begins(target map[string]holding) bool {
	for id, want := range target {
		if o := h.runs[id]; h.used && (o == nil || o.epoch != want.epoch) {
			return true
		}
	}
	return false
}

// become starts the handlers of what target lists, and asks the others to end.
func (h *handlers) become(q request) {
	if !h.used {
		return
	}
	for id, o := range h.runs {
		if want, ok := q.target[id]; !ok || want.epoch != o.epoch {
			h.revoke(id, o, h.cause(q, o))
		}
	}
	for id := range h.waiting {
		if _, ok := q.target[id]; !ok {
			delete(h.waiting, id)
		}
	}
	switch {
	case q.everything:
		h.trusted = q.trusted
		return
	case q.shrink:
		return // what is kept was granted to the session before, whose trust is over: nothing begins by that
	}
	h.worker, h.session, h.tenure, h.trusted = q.worker, q.session, q.tenure, q.trusted
	var begin []*Ownership
	for id, want := range q.target {
		if h.runs[id] != nil {
			continue
		}
		if h.ending[id] != nil {
			h.waiting[id] = want
			continue
		}
		delete(h.waiting, id) // it waited for the trust alone
		begin = append(begin, h.own(id, want))
	}
	h.begin(begin)
}

// cause returns why an ownership ends. A partition that keep-serving has carried over from an earlier session may belong to
// another worker by now, and nobody waits until it is let go.
func (h *handlers) cause(q request, o *Ownership) error {
	if !q.everything && q.session != o.session {
		o.cancelHeld(ErrFenced)
		return ErrFenced
	}
	return q.why(o.partition.ID())
}

func (h *handlers) own(id string, want holding) *Ownership {
	o := &Ownership{partition: want.partition, epoch: want.epoch, session: h.session, worker: h.worker, warrant: h.warrant, since: time.Now()}
	o.ctx, o.cancel = context.WithCancelCause(h.tenure.ctx)
	o.held, o.cancelHeld = context.WithCancelCause(h.tenure.held)
	o.enter(PhaseStarting)
	h.runs[id] = o
	if h.grants != nil {
		if g := h.grants.Load().held[id]; g.handler != nil {
			g.handler.Store(o)
		}
	}
	return o
}

func (h *handlers) begin(those []*Ownership) {
	if len(those) == 0 {
		return
	}
	if host := h.host.Load(); host != nil {
		(*host)(those)
	} else {
		h.homeless = true
	}
}

// hosted makes a host begin what was granted before the host was there.
func (h *handlers) hosted() {
	if !h.homeless || h.host.Load() == nil {
		return
	}
	h.homeless = false
	var those []*Ownership
	for _, o := range h.runs {
		if o.stage.Load() == asked {
			those = append(those, o)
		}
	}
	h.begin(those)
}

func (h *handlers) revoke(id string, o *Ownership, cause error) {
	delete(h.runs, id)
	h.ending[id] = o
	if errors.Is(cause, ErrRevoked) && h.warrant.draining.Load() {
		cause = ErrStopping
	}
	o.cancel(cause)
	if o.stage.CompareAndSwap(asked, void) {
		h.ended(o)
		return
	}
	if pid := o.actor.Load(); pid != nil {
		h.poke(pid)
	}
}

// ended notes the end of a handler, and begins the one that waits for it.
func (h *handlers) ended(o *Ownership) {
	id := o.partition.ID()
	o.cancel(ErrStopping) // its actor was stopped, if it was not told to end
	o.cancelHeld(context.Cause(o.ctx))
	if h.runs[id] == o {
		delete(h.runs, id)
	}
	if h.ending[id] == o {
		delete(h.ending, id)
	}
	if want, ok := h.waiting[id]; ok && h.trusted() {
		delete(h.waiting, id)
		h.begin([]*Ownership{h.own(id, want)})
	}
}

// allEnded notes the end of a handler, and of all others that have ended by now.
func (h *handlers) allEnded(o *Ownership) {
	for h.ended(o); ; h.ended(o) {
		select {
		case o = <-h.over:
		default:
			return
		}
	}
}

// retry begins the handlers that could not begin at the end of an earlier one because the trust seemed to be over.
func (h *handlers) retry() {
	var begin []*Ownership
	for id, want := range h.waiting {
		if h.ending[id] == nil && h.trusted() {
			delete(h.waiting, id)
			begin = append(begin, h.own(id, want))
		}
	}
	h.begin(begin)
}

// stalled reports whether a handler waits for nothing but trust.
func (h *handlers) stalled() bool {
	for id := range h.waiting {
		if h.ending[id] == nil {
			return true
		}
	}
	return false
}

// note publishes what is held.
func (h *handlers) note() {
	now := &unsettled{}
	for id := range h.ending {
		now.Holding = append(now.Holding, id)
	}
	for id := range h.waiting {
		now.Starting = append(now.Starting, id)
	}
	slices.Sort(now.Holding)
	slices.Sort(now.Starting)
	h.held.Store(now)
}

// tell publishes what is held, and passes it on if it has changed since the last time.
func (h *handlers) tell() {
	h.note()
	now := h.Held()
	if slices.Equal(h.said.Holding, now.Holding) && slices.Equal(h.said.Starting, now.Starting) {
		return
	}
	h.said = now
	if changed := h.changed.Load(); changed != nil {
		(*changed)()
	}
}

// Held returns what is held now. It may be called from any goroutine.
func (h *handlers) Held() unsettled {
	if now := h.held.Load(); now != nil {
		return *now
	}
	return unsettled{}
}

// settle waits until the handlers that must end have returned. It waits briefly, or until a channel is closed if there is one.
// Another request ends the wait as well.
func (h *handlers) settle(until <-chan struct{}, another func() bool, asked chan struct{}) error {
	var brief <-chan time.Time
	if until == nil && len(h.ending) > 0 {
		timer := time.NewTimer(briefly)
		defer timer.Stop()
		brief = timer.C
	}
	for len(h.ending) > 0 {
		select {
		case o := <-h.over:
			h.ended(o)
		case <-brief:
			return nil
		case <-until:
			return nil
		case <-asked:
			if !another() {
				h.hosted()
				continue
			}
			if poke(asked); until != nil {
				return errSuperseded
			}
			return nil
		}
	}
	return nil
}

// poke puts a note into a channel that has one place.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // there is one already
	}
}
