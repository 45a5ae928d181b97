// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package partitest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/actors"
	"github.com/parti-go/parti/strategy"
)

// This file is the Worker's book: which seat owns what under which epoch, which handlers have been called, and who waits.

// held are the partitions that have an owner or a stale one.
func (w *Worker) held() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := maps.Clone(w.owned)
	for id, stale := range w.stale {
		all[id] = stale[0]
	}
	return slices.Sorted(maps.Keys(all))
}

func (w *Worker) check(ids []string) {
	w.t.Helper()
	for _, id := range ids {
		p := strategy.Partition{Keys: strings.Split(id, ".")}
		if err := strategy.ValidatePartitions([]strategy.Partition{p}); err != nil {
			w.t.Fatalf("partitest: partition %q: %v", id, err)
		}
	}
	if seen := slices.Compact(slices.Sorted(slices.Values(ids))); len(seen) < len(ids) {
		w.t.Fatalf("partitest: a partition is named twice in %q, allowed: once", ids)
	}
}

func (w *Worker) mustOwn(ids []string) {
	w.t.Helper()
	held := w.held()
	for _, id := range ids {
		if !slices.Contains(held, id) {
			w.t.Fatalf("partitest: partition %q is not owned, allowed: one of %q", id, held)
		}
	}
}

// seat returns a worker process, which begins when it is needed. The caller holds the lock.
func (w *Worker) seat(at int) *seat {
	for len(w.seats) <= at {
		how := actors.Handling{Run: w.run, RestartFirst: w.set.first, RestartMost: w.set.most}
		id := w.set.worker + strings.Repeat("-next", len(w.seats))
		w.seats = append(w.seats, &seat{bench: actors.NewWorkbench(id, how, w.failed, w.change), epochs: map[string]int64{}})
	}
	return w.seats[at]
}

// release forgets that the worker owns partitions, and says which seats had them.
func (w *Worker) release(ids []string) map[int][]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	bySeat := map[int][]string{}
	for _, id := range ids {
		if g := w.owned[id]; g != nil {
			delete(w.owned, id)
			delete(w.seats[g.seat].epochs, id)
			bySeat[g.seat] = append(bySeat[g.seat], id)
		}
	}
	return bySeat
}

// own has a seat own what its book says, and books the ownerships of those.
func (w *Worker) own(at int, why error, those ...string) {
	w.mu.Lock()
	s := w.seats[at]
	epochs := maps.Clone(s.epochs)
	w.mu.Unlock()
	owned := s.bench.Own(epochs, func(string) error { return why })
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range those {
		if _, is := epochs[id]; is {
			w.owned[id] = &grant{at, owned[id]} // nil where it waits for the handler before it
		}
	}
}

// await waits until the handler of a partition has been called, and returns its ownership.
func (w *Worker) await(id string) *parti.Ownership {
	w.t.Helper()
	var o *parti.Ownership
	if !w.until(func() bool { o = w.running(id); return o != nil }) {
		w.t.Fatalf("partitest: the handler of %s is not called %s after the grant: does the one before it not return?", id, w.set.within)
	}
	return o
}

// running returns the present ownership of a partition, nil while its handler is not called yet.
func (w *Worker) running(id string) *parti.Ownership {
	w.mu.Lock()
	defer w.mu.Unlock()
	g, o := w.owned[id], w.begun[id]
	if g == nil || o == nil || o.Epoch() != w.seats[g.seat].epochs[id] {
		return nil
	}
	g.o = o
	return o
}

// ending returns which of the partitions have handlers that were told to end and have not returned; of all, if there are no IDs.
func (w *Worker) ending(ids []string) (left []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.seats {
		for _, id := range s.bench.Holding() {
			if len(ids) == 0 || slices.Contains(ids, id) {
				left = append(left, id)
			}
		}
	}
	return left
}

// run notes that a handler is called.
func (w *Worker) run(ctx context.Context, o *parti.Ownership) error {
	w.note(o)
	return w.handler.Run(ctx, o)
}

func (w *Worker) note(o *parti.Ownership) {
	w.mu.Lock()
	if id := o.Partition().ID(); w.begun[id] == nil || w.begun[id].Epoch() < o.Epoch() {
		w.begun[id] = o
	}
	w.mu.Unlock()
	w.change()
}

func (w *Worker) failed(err error) {
	w.mu.Lock()
	w.errs = append(w.errs, err)
	w.mu.Unlock()
	w.change()
}

// change wakes those who wait for a condition.
func (w *Worker) change() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
}

// until waits for a condition, and reports whether it came true in time.
func (w *Worker) until(condition func() bool) bool {
	late := time.NewTimer(w.set.within)
	defer late.Stop()
	for {
		w.mu.Lock()
		changed := w.changed
		w.mu.Unlock()
		if condition() {
			return true
		}
		select {
		case <-changed:
		case <-late.C:
			return condition()
		}
	}
}

// close takes everything back, and ends the seats. One whose handler does not return is left behind.
func (w *Worker) close() {
	w.mu.Lock()
	seats := slices.Clone(w.seats)
	for _, s := range seats {
		clear(s.epochs)
	}
	clear(w.owned)
	clear(w.stale)
	w.mu.Unlock()
	for at := range seats {
		w.own(at, parti.ErrStopping)
	}
	w.Await()
	for _, s := range seats {
		if len(s.bench.Holding()) == 0 {
			s.bench.Close()
		}
	}
}
