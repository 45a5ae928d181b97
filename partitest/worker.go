// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package partitest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/actors"
)

// Worker runs a handler for the partitions that a test grants. It uses the partition actors of a real worker: it calls a
// failed handler again after a pause, contains panics, and never runs two handlers of one partition at once, except after
// [Worker.Overlap]. There is no server, no leader and no other worker.
//
// Call Grant and Overlap on the test's goroutine. You may call the other methods on any goroutine. Inside testing/synctest,
// create the Worker in the bubble.
type Worker struct {
	t       testing.TB
	handler parti.Handler
	set     settings

	mu      sync.Mutex
	epoch   int64 // the last
	seats   []*seat
	owned   map[string]*grant
	stale   map[string][]*grant // owners that were overlapped, and do not know it
	errs    []error
	begun   map[string]*parti.Ownership // the newest of each partition whose handler was called
	changed chan struct{}               // closed and replaced at each change
}

// seat is one worker process. A test has one, and one more for each successor that overlaps it.
type seat struct {
	bench  *actors.Workbench
	epochs map[string]int64
}

// grant is an ownership in a seat.
type grant struct {
	seat int
	o    *parti.Ownership
}

type settings struct {
	worker      string
	within      time.Duration
	first, most time.Duration
}

// Option is a setting of [New].
type Option func(*settings)

// WithWorkerID sets the result of [parti.Ownership.WorkerID]. The default is "worker-0". Each overlapping owner appends
// "-next" to it.
func WithWorkerID(id string) Option { return func(s *settings) { s.worker = id } }

// WithTimeout limits how long a handler may take to begin, and to return after its context has ended. A handler that takes
// longer fails the test. The default is 10 s, in virtual time inside testing/synctest.
func WithTimeout(within time.Duration) Option { return func(s *settings) { s.within = within } }

// WithRestartBackoff sets the limits of the pause before a failed handler is called again. The defaults are those of
// [parti.RestartBackoff]: 100 ms and 30 s.
func WithRestartBackoff(first, most time.Duration) Option {
	return func(s *settings) { s.first, s.most = first, most }
}

// New returns a worker that owns nothing yet. When the test ends, the worker takes everything back with [parti.ErrStopping],
// and the test fails if a handler does not return.
func New(t testing.TB, h parti.Handler, opts ...Option) *Worker {
	t.Helper()
	if f, ok := h.(parti.HandlerFunc); h == nil || ok && f == nil {
		t.Fatalf("partitest: the handler of New is nil, allowed: a parti.Handler")
	}
	w := &Worker{
		t: t, handler: h, set: settings{worker: "worker-0", within: 10 * time.Second, first: 100 * time.Millisecond, most: 30 * time.Second},
		owned: map[string]*grant{}, stale: map[string][]*grant{}, begun: map[string]*parti.Ownership{}, changed: make(chan struct{}),
	}
	for _, set := range opts {
		set(&w.set)
	}
	t.Cleanup(w.close)
	return w
}

// Grant gives the worker partitions, each under a new epoch. It returns their ownerships in the same order once the handler
// has been called for each. If the worker already owns a partition, Grant gives it a new epoch: the context of its handler
// ends with [parti.ErrRevoked], and the handler is called again under the new epoch when it has returned.
func (w *Worker) Grant(ids ...string) []*parti.Ownership {
	w.t.Helper()
	w.check(ids)
	w.mu.Lock()
	bySeat := map[int][]string{}
	for _, id := range ids {
		at := 0
		if g := w.owned[id]; g != nil {
			at = g.seat
		}
		bySeat[at] = append(bySeat[at], id)
		w.epoch++
		w.seat(at).epochs[id] = w.epoch
	}
	w.mu.Unlock()
	for at, those := range bySeat {
		w.own(at, parti.ErrRevoked, those...)
	}
	owned := make([]*parti.Ownership, len(ids))
	for i, id := range ids {
		owned[i] = w.await(id)
	}
	return owned
}

// Revoke takes partitions back, as a leader does to give them to another worker: the contexts of their handlers end with
// [parti.ErrRevoked]. It returns when the handlers have returned. Without IDs it takes back all partitions of the worker.
func (w *Worker) Revoke(ids ...string) {
	w.t.Helper()
	w.takeBack(parti.ErrRevoked, ids...)
}

// Unlist takes partitions back as Revoke does, as when the source no longer lists them: the cause is [parti.ErrUnlisted].
func (w *Worker) Unlist(ids ...string) {
	w.t.Helper()
	w.takeBack(parti.ErrUnlisted, ids...)
}

// Stop takes everything back, as when the worker stops: the cause is [parti.ErrStopping].
func (w *Worker) Stop() {
	w.t.Helper()
	w.takeBack(parti.ErrStopping)
}

func (w *Worker) takeBack(why error, ids ...string) {
	w.t.Helper()
	if len(ids) == 0 {
		ids = w.Owned()
	}
	w.mustOwn(ids)
	for at, those := range w.release(ids) {
		w.own(at, why, those...)
	}
	w.Await(ids...)
}

// Fence ends the trust in partitions without warning, as if the lease of the worker had run out: the context of the handler
// and [parti.Ownership.Held] end with [parti.ErrFenced] at once, and [parti.Ownership.Valid] says so. It does not wait for
// the handlers: see [Worker.Await]. Without IDs it fences all partitions. After [Worker.Overlap] it fences the stale owner, and
// the successor goes on.
func (w *Worker) Fence(ids ...string) {
	w.t.Helper()
	if len(ids) == 0 {
		ids = w.held()
	}
	w.mustOwn(ids)
	var fresh []string
	for _, id := range ids {
		w.mu.Lock()
		stale := w.stale[id]
		delete(w.stale, id)
		w.mu.Unlock()
		for _, g := range stale {
			w.fence(g)
		}
		if len(stale) == 0 {
			fresh = append(fresh, id)
		}
	}
	for _, id := range fresh {
		w.mu.Lock()
		g := w.owned[id]
		w.mu.Unlock()
		w.fence(g)
		w.release([]string{id})
	}
}

func (w *Worker) fence(g *grant) {
	w.mu.Lock()
	s := w.seats[g.seat]
	delete(s.epochs, g.o.Partition().ID())
	w.mu.Unlock()
	s.bench.Fence(g.o)
	w.own(g.seat, parti.ErrFenced)
}

// Overlap plays a worker that was paused for longer than its trust. It returns the stale owner, which does not know that it
// is stale, and its successor under a higher epoch. Their handlers run at the same time. The stale owner's context goes on
// and its [parti.Ownership.Valid] returns nil, as in a process that is paused between that check and its next write. Let both
// write, and check that the writes of the stale owner are refused. Call [Worker.Fence] at the end, to end the stale owner's
// trust.
//
// If the worker does not own the partition yet, Overlap grants it first.
func (w *Worker) Overlap(id string) (stale, fresh *parti.Ownership) {
	w.t.Helper()
	w.check([]string{id})
	w.mu.Lock()
	g := w.owned[id]
	w.mu.Unlock()
	if g == nil {
		w.Grant(id)
	}
	w.mu.Lock()
	g = w.owned[id]
	w.stale[id] = append(w.stale[id], g)
	at := g.seat + 1
	w.epoch++
	w.seat(at).epochs[id] = w.epoch
	w.mu.Unlock()
	w.own(at, parti.ErrRevoked, id)
	return g.o, w.await(id)
}

// Await waits until all handlers of the partitions whose contexts have ended have returned. It fails the test if one takes
// longer than [WithTimeout] allows. Without IDs it waits for all partitions.
func (w *Worker) Await(ids ...string) {
	w.t.Helper()
	var left []string
	if !w.until(func() bool { left = w.ending(ids); return len(left) == 0 }) {
		w.t.Errorf("partitest: the handlers of %s have not returned %s after they were told to end", strings.Join(left, ", "), w.set.within)
	}
}

// Owned returns the IDs of the worker's partitions, sorted.
func (w *Worker) Owned() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.owned))
}

// Errors returns the errors that OnError would have got: each failure of a handler, wrapping [parti.ErrHandlerFailed].
func (w *Worker) Errors() []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.errs)
}

// String names the worker and what it owns, for failures of tests.
func (w *Worker) String() string { return fmt.Sprintf("%s owns %q", w.set.worker, w.Owned()) }
