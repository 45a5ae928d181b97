// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/strategy"
)

// fleet is the workers of this process, and a book of who owns what that knows only what their hooks were told.
type fleet struct {
	cfg      parti.Config
	connect  dial
	screen   *screen
	outcomes []outcome
	ctx      context.Context // ends with the fleet
	watching context.CancelFunc
	work     sync.WaitGroup

	mu       sync.Mutex
	started  int
	workers  []*worker
	owner    map[string]*worker   // by partition ID
	free     map[string]time.Time // since when a partition has no owner
	changed  time.Time            // when anything last happened
	gap      time.Duration        // the longest time without an owner in this step
	overlaps int
}

// worker is one member: a Manager on a connection of its own, as if it were a process.
type worker struct {
	name    string // until it has an ID
	id      string
	conn    *nats.Conn
	manager *parti.Manager
	leads   bool
	crashed bool
}

// outcome is what a change cost.
type outcome struct {
	name      string
	moved     int // partitions that have another owner than before
	took, gap time.Duration
}

func newFleet(cfg parti.Config, connect dial, s *screen) *fleet {
	ctx, cancel := context.WithCancel(context.Background())
	f := &fleet{cfg: cfg, connect: connect, screen: s, ctx: ctx, watching: cancel, owner: map[string]*worker{}, free: map[string]time.Time{}}
	f.work.Go(func() { f.watch(ctx) })
	return f
}

// start starts n workers at once and waits until each has its first assignment.
func (f *fleet) start(ctx context.Context, n int, preferred string) error {
	errs := make(chan error, n)
	for range n {
		w, err := f.newWorker(preferred)
		if err != nil {
			return err
		}
		f.work.Go(func() { errs <- w.manager.Start(ctx) })
	}
	var all error
	for range n {
		all = errors.Join(all, <-errs)
	}
	return all
}

func (f *fleet) newWorker(preferred string) (*worker, error) {
	f.mu.Lock()
	f.started++
	w := &worker{name: fmt.Sprintf("process-%d", f.started)}
	f.mu.Unlock()
	conn, err := f.connect(append(parti.ConnectOptions(), nats.Name(w.name))...)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	cfg := f.cfg
	cfg.PreferredID = preferred
	hooks := parti.Hooks{
		OnAssignmentChanged: func(_ context.Context, added, removed []parti.Partition) error {
			f.assigned(w, added, removed)
			return nil
		},
		OnStateChanged: func(_ context.Context, from, to parti.State) error {
			f.stateChanged(w, from, to)
			return nil
		},
		OnError: func(_ context.Context, err error) { f.failed(w, err) },
	}
	w.conn = conn
	w.manager, err = parti.NewManager(cfg, js, parti.StaticSource(orders()...), strategy.NewConsistentHash(),
		parti.WithHooks(hooks), parti.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.workers = append(f.workers, w)
	return w, nil
}

// stop has a worker leave cleanly.
func (f *fleet) stop(ctx context.Context, w *worker) error {
	err := w.manager.Stop(ctx)
	w.conn.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget(w)
	return err
}

// crash cuts a worker off for good in the midst of its work: nothing it holds is given back, nobody is told. What its
// hooks hear from now on does not count, as nothing does that a dead process might still have said.
func (f *fleet) crash(w *worker) error {
	f.mu.Lock()
	w.crashed = true
	f.forget(w)
	f.mu.Unlock()
	w.conn.Close()
	<-w.manager.Done()
	return nil
}

// forget strikes a worker, and what it held has no owner. The caller holds the lock.
func (f *fleet) forget(w *worker) {
	f.workers = slices.DeleteFunc(f.workers, func(o *worker) bool { return o == w })
	for id, owner := range f.owner {
		if owner == w {
			f.release(id)
		}
	}
}

func (f *fleet) release(id string) {
	delete(f.owner, id)
	f.free[id], f.changed = time.Now(), time.Now()
}

func (f *fleet) assigned(w *worker, added, removed []parti.Partition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if w.crashed {
		return
	}
	now := time.Now()
	for _, p := range removed {
		if f.owner[p.ID()] == w {
			f.release(p.ID())
		}
	}
	for _, p := range added {
		if f.owner[p.ID()] != nil {
			f.overlaps++
		}
		if since, ok := f.free[p.ID()]; ok {
			f.gap = max(f.gap, now.Sub(since))
			delete(f.free, p.ID())
		}
		f.owner[p.ID()], f.changed = w, now
	}
}

func (f *fleet) stateChanged(w *worker, from, to parti.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if w.crashed {
		return
	}
	if id := w.manager.WorkerID(); id != "" {
		w.id = id
	}
	f.changed = time.Now()
	f.screen.event(from.String()+" → "+to.String(), w.label())
}

func (f *fleet) failed(w *worker, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !w.crashed {
		f.screen.event("survived: "+err.Error(), w.label())
	}
}

func (w *worker) label() string {
	if w.id == "" {
		return w.name
	}
	return w.id
}

// watch reports who leads, and has the screen print what happened, until ctx ends.
func (f *fleet) watch(ctx context.Context) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		f.mu.Lock()
		for _, w := range f.workers {
			if leads := w.manager.IsLeader(); leads != w.leads {
				w.leads, f.changed = leads, time.Now()
				f.screen.event(map[bool]string{true: "leads the fleet", false: "does not lead any more"}[leads], w.label())
			}
		}
		f.mu.Unlock()
		f.strike()
		f.screen.flush(quiet)
	}
}

// quiet is how long nothing must have happened for a change to be over.
const quiet = 200 * time.Millisecond

// measure makes a change and waits until every partition has an owner, everybody is Stable, and nothing happens any more.
func (f *fleet) measure(ctx context.Context, name string, change func(context.Context) error) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	f.mu.Lock()
	before := f.owners()
	f.gap = 0
	f.mu.Unlock()
	began := time.Now()
	if err := change(ctx); err != nil {
		return outcome{}, err
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return outcome{}, fmt.Errorf("not settled after %s: %w", time.Since(began).Round(time.Millisecond), context.Cause(ctx))
		case <-tick.C:
		}
		if o, ok := f.settled(name, began, before); ok {
			f.outcomes = append(f.outcomes, o)
			return o, nil
		}
	}
}

func (f *fleet) settled(name string, began time.Time, before map[string]string) (outcome, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.workers {
		if w.manager.State() != parti.StateStable {
			return outcome{}, false
		}
	}
	if len(f.owner) < partitions || time.Since(f.changed) < quiet {
		return outcome{}, false
	}
	o := outcome{name: name, took: f.changed.Sub(began), gap: f.gap}
	for id, owner := range f.owners() {
		if was, ok := before[id]; ok && was != owner {
			o.moved++
		}
	}
	f.screen.flush(0)
	return o, true
}

// owners is the worker ID by partition ID. The caller holds the lock.
func (f *fleet) owners() map[string]string {
	owners := make(map[string]string, len(f.owner))
	for id, w := range f.owner {
		owners[id] = w.id
	}
	return owners
}

// share is one line of the table.
type share struct {
	id    string
	leads bool
	owns  []string // the last keys of its partitions, sorted
}

// view is who owns what now, sorted by worker ID.
func (f *fleet) view() []share {
	f.mu.Lock()
	defer f.mu.Unlock()
	var shares []share
	for _, w := range f.workers {
		s := share{id: w.id, leads: w.leads}
		for _, p := range w.manager.Assignment().Partitions {
			s.owns = append(s.owns, p.Keys[len(p.Keys)-1])
		}
		shares = append(shares, s)
	}
	slices.SortFunc(shares, func(a, b share) int { return strings.Compare(a.id, b.id) })
	return shares
}

func (f *fleet) leader() *worker { return f.find(true) }

// follower is the live worker with the lowest ID that does not lead.
func (f *fleet) follower() *worker { return f.find(false) }

func (f *fleet) find(leads bool) *worker {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found *worker
	for _, w := range f.workers {
		if w.manager.IsLeader() == leads && (found == nil || w.id < found.id) {
			found = w
		}
	}
	return found
}

func (f *fleet) overlapped() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.overlaps
}

// end stops who is left and removes what the demonstration stored.
func (f *fleet) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), f.cfg.ShutdownTimeout+time.Second)
	defer cancel()
	f.watching()
	f.mu.Lock()
	left := slices.Clone(f.workers)
	f.mu.Unlock()
	errs := make([]error, len(left)+1)
	var stops sync.WaitGroup
	for i, w := range left {
		stops.Go(func() { errs[i] = f.stop(ctx, w) })
	}
	stops.Wait()
	f.work.Wait()
	errs[len(left)] = removeBuckets(f.connect, f.cfg)
	return errors.Join(errs...)
}
