// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync/atomic"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/strategy"
)

// runner calls OnAssignmentChanged, and makes handlers start and end. It is one goroutine that outlives sessions and restarts
// of the actors, because it remembers what the user has been told and what still runs. So no change of the actors loses that.
//
// Concurrency: calls are made one at a time, in the order of the requests. become never blocks, however long a hook takes. A
// waiting request is dropped if a later one makes it pointless, see waiting.
type runner struct {
	hook    func(ctx context.Context, added, removed []strategy.Partition) error
	view    *View
	publish func(*AssignmentChanged)
	queue   waiting
	asked   chan struct{} // has one place: something waits
	quit    chan struct{}
	ended   chan struct{}

	handlers *handlers
	calling  atomic.Bool        // the hook is running
	told     map[string]holding // owned by the goroutine
	// position is where the last applied assignment stood.
	highest Assignment
	holds   atomic.Int64 // how many partitions are told
}

// holding is one partition in the user's hands.
type holding struct {
	partition strategy.Partition
	epoch     int64
}

// request asks for a change of what the user holds.
type request struct {
	ctx    context.Context
	tenure *tenure // of the session that asks; nil where nothing is granted
	// session is the number of the session that asks; 0 where everything is given up.
	session uint64
	worker  string
	// target is everything that shall be held afterwards.
	target map[string]holding
	// everything is true if all partitions are given up; target is empty.
	everything bool
	// shrink is true if target grants nothing, and only takes away what it does not list.
	shrink bool
	// position and lifecycle describe the plan that the target comes from. A zero position leaves them as they are.
	position  record.Position
	lifecycle record.Lifecycle
	// trusted is called just before the user hears of anything new.
	trusted func() bool
	// why returns the cause with which the context of a partition's handler ends.
	why func(partition string) error
	// until ends the wait for handlers that do not return; nil waits only briefly for them.
	until <-chan struct{}
	done  func(error)
}

// because returns the same cause for every partition.
func because(cause error) func(string) error { return func(string) error { return cause } }

// waiting is the queue of requests. It has at most two: one that gives everything up, and then one of a follower.
//
// The last request counts. A request that gives everything up makes all earlier ones pointless. A follower has one request
// under way, so a request that still waits when another follower asks belongs to a session that is over. No release is lost
// with it: nobody is left to acknowledge it, and the user is told the difference to the later target.
//
// It is a channel with one place, which holds the requests while nobody changes them.
type waiting chan []request

func newWaiting() waiting {
	w := make(waiting, 1)
	w <- nil
	return w
}

// push adds a request, and returns those that it replaces.
func (w waiting) push(q request) (superseded []request) {
	var keep []request
	for _, before := range <-w {
		if q.everything || !before.everything {
			superseded = append(superseded, before)
		} else {
			keep = append(keep, before)
		}
	}
	w <- append(keep, q)
	return superseded
}

func (w waiting) pop() (q request, ok bool) {
	requests := <-w
	if ok = len(requests) > 0; ok {
		q, requests = requests[0], requests[1:]
	}
	w <- requests
	return q, ok
}

// any reports whether is returns true for a waiting request.
func (w waiting) any(is func(request) bool) bool {
	requests := <-w
	w <- requests
	return slices.ContainsFunc(requests, is)
}

// untrustedRetry is the pause before the runner checks again whether the trust is back.
const untrustedRetry = 100 * time.Millisecond

var errUntrusted = errors.New("trust ended before the hook was called")

// errSuperseded says that the hook was not called, because a later request came before.
var errSuperseded = errors.New("a later request came before the hook was called")

func newRunner(h Hooks, handlers *handlers, view *View, publish func(*AssignmentChanged)) *runner {
	r := &runner{
		handlers: handlers,
		hook:     h.OnAssignmentChanged, view: view, publish: publish,
		queue: newWaiting(), asked: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{}), told: map[string]holding{},
	}
	go r.loop()
	return r
}

// become requests a change. done is called when the hook has returned, or at once with errSuperseded if a later request takes
// the place of this one. done must not block.
func (r *runner) become(q request) {
	for _, before := range r.queue.push(q) {
		before.done(errSuperseded)
	}
	poke(r.asked)
}

// close ends the goroutine after the requests that are queued.
func (r *runner) close() { close(r.quit) }

func (r *runner) loop() {
	defer close(r.ended)
	for {
		var retry <-chan time.Time
		if r.handlers.stalled() {
			retry = time.After(untrustedRetry)
		}
		select {
		case <-r.asked:
			r.handlers.hosted()
			r.serveAll()
		case o := <-r.handlers.over:
			r.handlers.allEnded(o)
			r.handlers.tell()
		case <-retry:
			r.handlers.retry()
			r.handlers.tell()
		case <-r.quit:
			r.serveAll()
			return
		}
	}
}

func (r *runner) serveAll() {
	for q, ok := r.queue.pop(); ok; q, ok = r.queue.pop() {
		q.done(r.serve(q))
	}
}

// handlerEnded reports that the handler of a partition has ended.
func (r *runner) handlerEnded(o *Ownership) {
	select {
	case r.handlers.over <- o:
	case <-r.ended:
	}
}

// another reports whether a request waits that ends the wait for the handlers of this one. Only another request of its kind
// replaces one that gives everything up: a follower that was still at work when its session ended may ask for something, but
// does not report that everything is given up.
func (r *runner) another(q request) func() bool {
	return func() bool { return r.queue.any(func(next request) bool { return q.until == nil || next.everything }) }
}

func (r *runner) serve(q request) error {
	if q.shrink {
		q.target = common(r.told, q.target)
	}
	if !q.shrink && (grantsMore(r.told, q.target) || r.handlers.begins(q.target)) && !q.trusted() {
		return errUntrusted
	}
	added, removed := difference(r.told, q.target)
	a := r.assignment(q)
	r.view.removing.Store(&removed) // before the assignment lacks it
	defer r.view.removing.Store(nil)
	r.view.show(&a)
	r.told = q.target
	r.holds.Store(int64(len(q.target)))
	r.handlers.become(q)
	if r.handlers.note(); q.until != nil {
		r.handlers.tell() // it may take long
	}
	err := r.tellUser(q, a, added, removed)
	settled := r.handlers.settle(q.until, r.another(q), r.asked)
	r.handlers.tell()
	if settled != nil {
		return settled
	}
	return err
}

// tellUser calls the hook, unless nothing has changed. It notes the handlers that end meanwhile.
func (r *runner) tellUser(q request, a Assignment, added, removed []strategy.Partition) error {
	if len(added) == 0 && len(removed) == 0 {
		return nil
	}
	// Subscribers run on the publisher's goroutine: one that panics is contained like a hook.
	published := contain("subscriber to AssignmentChanged", func() error {
		r.publish(&AssignmentChanged{q.worker, a.clone(), added, removed})
		return nil
	})
	return errors.Join(published, r.call(q.ctx, added, removed))
}

func (r *runner) call(ctx context.Context, added, removed []strategy.Partition) error {
	if r.hook == nil {
		return nil
	}
	r.calling.Store(true)
	defer r.calling.Store(false)
	returned := make(chan error, 1)
	go func() {
		returned <- contain("OnAssignmentChanged", func() error { return r.hook(ctx, added, removed) })
	}()
	for {
		select {
		case err := <-returned:
			return err
		case o := <-r.handlers.over:
			r.handlers.allEnded(o)
			r.handlers.tell()
		}
	}
}

// contain calls a hook on a goroutine of its own, so that nothing that the hook does to its goroutine reaches ours. It turns
// the hook's error or panic into the error to report.
func contain(name string, hook func() error) (err error) {
	ended := make(chan struct{})
	returned := false
	go func() {
		defer close(ended)
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("%w: %w", ErrHookPanic, asPanicError("hook "+name, r).(*panicError))
			} else if !returned {
				err = fmt.Errorf("%w: %s ended its goroutine", ErrHookPanic, name)
			}
		}()
		if failure := hook(); failure != nil {
			err = fmt.Errorf("%w: %s: %w", ErrHookFailed, name, failure)
		}
		returned = true
	}()
	<-ended
	return err
}

func (r *runner) assignment(q request) Assignment {
	r.highest.Term = max(r.highest.Term, q.position.Term)
	r.highest.Version = max(r.highest.Version, q.position.Version)
	if q.position.Version > 0 {
		r.highest.Lifecycle = q.lifecycle
	}
	a := Assignment{Term: r.highest.Term, Version: r.highest.Version, Lifecycle: r.highest.Lifecycle, Epochs: map[string]int64{}}
	for id, h := range q.target {
		a.Partitions = append(a.Partitions, h.partition)
		a.Epochs[id] = h.epoch
	}
	byID(a.Partitions)
	return a
}

// difference lists what target has and told lacks, and the reverse, each sorted by ID. A partition under a new epoch stays,
// because it never left.
func difference(told, target map[string]holding) (added, removed []strategy.Partition) {
	for id, h := range target {
		if _, ok := told[id]; !ok {
			added = append(added, h.partition)
		}
	}
	for id, h := range told {
		if _, ok := target[id]; !ok {
			removed = append(removed, h.partition)
		}
	}
	byID(added)
	byID(removed)
	return added, removed
}

// grantsMore reports whether target has something that told lacks, or has under another epoch.
func grantsMore(told, target map[string]holding) bool {
	for id, h := range target {
		if before, ok := told[id]; !ok || before.epoch != h.epoch {
			return true
		}
	}
	return false
}

// common returns the partitions of told that are also in target.
func common(told, target map[string]holding) map[string]holding {
	kept := map[string]holding{}
	for id, h := range told {
		if _, ok := target[id]; ok {
			kept[id] = h
		}
	}
	return kept
}

func byID(p []strategy.Partition) {
	sort.Slice(p, func(i, j int) bool { return p[i].ID() < p[j].ID() })
}
