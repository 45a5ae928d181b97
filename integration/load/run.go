// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// run is a whole run: cold start, nothing, and three kinds of crashes. Every process that it starts has ended when it returns.
func run(ctx context.Context, set settings) (*result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, set.timeout, fmt.Errorf("the run took longer than %s, see -timeout", set.timeout))
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	dir, err := os.MkdirTemp("", "parti-load-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the server: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	f := &fleet{set: set, board: newBoard(set.workers, set.partitions), fail: fail, crashed: make([]bool, set.workers), result: newResult(set)}
	defer f.end()
	if err := f.spawn(ctx, dir); err != nil {
		return nil, err
	}
	for _, s := range []struct {
		name  string
		watch time.Duration
		do    func(context.Context) (time.Time, error)
	}{
		{stepColdStart, 0, f.start},
		{stepIdle, set.idle, func(context.Context) (time.Time, error) { return time.Now(), nil }},
		{stepFollower, set.watch, f.crashFollower},
		{stepLeader, set.watch, f.crashLeader},
		{stepTenth, set.watch, f.crashTenth},
	} {
		if err := f.step(ctx, s.name, s.watch, s.do); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return f.result, nil
}

// The steps of a run.
const (
	stepColdStart = "cold start"
	stepIdle      = "idle"
	stepFollower  = "a follower crashes"
	stepLeader    = "the leader crashes"
	stepTenth     = "a tenth crashes"
)

// fleet is what a run has started.
type fleet struct {
	set      settings
	server   *child
	url      string
	observer *child
	crews    []*child
	homes    []int // the crew of each worker
	crashed  []bool
	board    *board
	fail     context.CancelCauseFunc
	result   *result

	mu       sync.Mutex
	lost     int // sessions in this step
	problems int // in this step
}

// spawn starts the server and the crews. It returns when every worker is connected.
func (f *fleet) spawn(ctx context.Context, dir string) error {
	var err error
	if f.server, err = spawn("the server", roleServer, setup{Dir: filepath.Join(dir, "store")}, func(notice) {}); err != nil {
		return err
	}
	server, err := answer(ctx, f.server, f.server.ready)
	if err != nil {
		return err
	}
	f.url = server.URL
	first := 0
	for i := range f.set.procs {
		n := f.set.workers / f.set.procs
		if i < f.set.workers%f.set.procs {
			n++
		}
		c, err := spawn(fmt.Sprintf("workers %d to %d", first, first+n-1), roleCrew, setup{
			URL: server.URL, First: first, Workers: n, Partitions: f.set.partitions, Config: f.set.config, Verbose: f.set.verbose,
		}, f.hear)
		if err != nil {
			return err
		}
		f.crews = append(f.crews, c)
		for range n {
			f.homes = append(f.homes, i)
		}
		first += n
	}
	for _, c := range f.crews {
		if _, err := answer(ctx, c, c.ready); err != nil {
			return err
		}
	}
	return nil
}

// end ends every process.
func (f *fleet) end() {
	var all sync.WaitGroup
	for _, c := range f.crews {
		all.Go(c.end)
	}
	all.Wait()
	if f.observer != nil {
		f.observer.end()
	}
	if f.server != nil {
		f.server.end()
	}
}

func (f *fleet) hear(n notice) {
	switch {
	case n.Change != nil:
		f.board.note(*n.Change)
	case n.Lost != nil:
		f.mu.Lock()
		f.lost++
		f.mu.Unlock()
	case n.Problem != "":
		f.mu.Lock()
		f.problems++
		f.mu.Unlock()
		f.say("problem: %s", n.Problem)
	case n.Ended != "":
		f.fail(errors.New(n.Ended))
	}
}

// say tells the user of the command, if asked to.
func (f *fleet) say(format string, args ...any) {
	if f.set.verbose {
		fmt.Fprintf(os.Stderr, "%s "+format+"\n", append([]any{time.Now().Format("15:04:05.000")}, args...)...)
	}
}

// step does something and measures until every partition has an owner and the time to watch is over.
func (f *fleet) step(ctx context.Context, name string, watch time.Duration, do func(context.Context) (time.Time, error)) error {
	before, err := f.measure(ctx)
	if err != nil {
		return err
	}
	f.board.begin()
	f.mu.Lock()
	f.lost, f.problems = 0, 0
	f.mu.Unlock()
	f.say("%s", name)
	from, err := do(ctx)
	if err != nil {
		return err
	}
	for f.board.missing() > 0 {
		if err := wait(ctx, f.board.whole); err != nil {
			return fmt.Errorf("%d partitions have no owner: %w", f.board.missing(), err)
		}
	}
	if err := wait(ctx, time.After(time.Until(from.Add(watch)))); err != nil {
		return err
	}
	to := time.Now()
	after, err := f.measureLed(ctx)
	if err != nil {
		return err
	}
	f.result.add(name, f.summary(before, after, from, to))
	if name == stepColdStart { // the plans that follow a start belong to no other step
		if err := f.observe(ctx); err != nil {
			return err
		}
		return wait(ctx, time.After(f.set.config.RebalanceCooldown+f.set.config.PlannedScaleWindow))
	}
	return nil
}

func wait[T any](ctx context.Context, c <-chan T) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// start begins every worker.
func (f *fleet) start(context.Context) (time.Time, error) {
	at := time.Now()
	for _, c := range f.crews {
		if err := c.order(order{Start: &start{Ramp: f.set.ramp}}); err != nil {
			return at, err
		}
	}
	return at, nil
}

func (f *fleet) crashFollower(ctx context.Context) (time.Time, error) {
	m, err := f.measureLed(ctx)
	if err != nil {
		return time.Time{}, err
	}
	followers := f.followers(m.leader)
	return f.crash(followers[len(followers)/2])
}

func (f *fleet) crashLeader(ctx context.Context) (time.Time, error) {
	m, err := f.measureLed(ctx)
	if err != nil {
		return time.Time{}, err
	}
	return f.crash(m.leader)
}

// crashTenth crashes followers only, so that what the leader spends can be told apart.
func (f *fleet) crashTenth(ctx context.Context) (time.Time, error) {
	m, err := f.measureLed(ctx)
	if err != nil {
		return time.Time{}, err
	}
	followers := f.followers(m.leader)
	n := max(1, (len(followers)+1)/10)
	var chosen []int
	for i := range n {
		chosen = append(chosen, followers[i*len(followers)/n])
	}
	return f.crash(chosen...)
}

// followers are the live workers that do not lead.
func (f *fleet) followers(leader int) []int {
	var found []int
	for w, crashed := range f.crashed {
		if !crashed && w != leader {
			found = append(found, w)
		}
	}
	return found
}

// crash ends workers without goodbye: a process that holds only one worker is killed.
func (f *fleet) crash(workers ...int) (time.Time, error) {
	at := time.Now()
	for _, w := range workers {
		f.crashed[w] = true
		f.board.crash(w, at)
		crew := f.crews[f.homes[w]]
		if f.set.procs == f.set.workers {
			crew.kill()
		} else if err := crew.order(order{Crash: []int{w}}); err != nil {
			return at, err
		}
	}
	return at, nil
}
