// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

const commitInterval = time.Second // of everybody

// plan is what is shown.
type plan struct {
	workers, partitions int
	every               time.Duration // between two records of a partition
	away                time.Duration // from the end of a process to the start of the next
	quiet               time.Duration // for which nothing must change before the next worker is restarted
	patience            time.Duration // for each restart
	crash               bool          // have a worker crash afterwards
	session             time.Duration // the session timeout of the groups
}

// outcome is what a rolling restart cost.
type outcome struct {
	median, worst    time.Duration // the longest time between two records of a partition
	interrupts       int           // partitions that a worker began anew
	moves            int           // of these, in another slot than before
	duplicates, lost int64
	later            int64 // duplicates after that
	stale            int
	crashed          time.Duration // the longest time between two records after a crash
	took             time.Duration
	errs             []error
}

// leaving bounds the end of a worker whose outcome does not count any more.
const leaving = 5 * time.Second

// compare has all contenders restart at the same time, on the same records. When one fails, all end.
func compare(ctx context.Context, out io.Writer, p plan, k *kafka, all []*contender) ([]outcome, error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	records := k.produce(p.every)
	outcomes, errs := make([]outcome, len(all)), make([]error, len(all))
	var running sync.WaitGroup
	var printing sync.Mutex
	for i, c := range all {
		running.Go(func() {
			var err error
			if outcomes[i], err = c.roll(ctx, p); err != nil {
				fail(fmt.Errorf("%s, %s: %w", c.name, c.how, err)) // the first one counts
				return
			}
			printing.Lock()
			defer printing.Unlock()
			fmt.Fprintf(out, "  %s, %s: %d workers were restarted in %.1fs\n", c.name, c.how, p.workers, outcomes[i].took.Seconds())
		})
	}
	running.Wait()
	ends, err := records.stop()
	if err != nil {
		fail(err)
	}
	failed := context.Cause(ctx)
	for i, c := range all {
		running.Go(func() { errs[i] = c.finish(p, ends, failed == nil, &outcomes[i]) })
	}
	running.Wait()
	if failed != nil {
		return nil, failed
	}
	return outcomes, errors.Join(errs...)
}

// roll starts the workers, and then restarts one after the other.
func (c *contender) roll(ctx context.Context, p plan) (outcome, error) {
	if err := c.begin(ctx, p); err != nil {
		return outcome{}, err
	}
	c.book.watch()
	began := time.Now()
	for slot := range c.members {
		if err := c.restart(ctx, p, slot); err != nil {
			return outcome{}, fmt.Errorf("restart worker %d: %w", slot, err)
		}
	}
	c.book.unwatch()
	pauses := c.book.pauses()
	slices.Sort(pauses)
	o := outcome{median: pauses[len(pauses)/2], worst: pauses[len(pauses)-1], took: time.Since(began)}
	c.book.sum(&o)
	if !p.crash {
		return o, nil
	}
	var err error
	if o.crashed, err = c.crash(ctx, p); err != nil {
		return outcome{}, fmt.Errorf("after a crash: %w", err)
	}
	return o, nil
}

func (c *contender) begin(ctx context.Context, p plan) error {
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	c.members = make([]member, p.workers)
	errs := make([]error, p.workers)
	var starts sync.WaitGroup
	for slot := range p.workers {
		starts.Go(func() { c.members[slot], errs[slot] = c.fleet.start(ctx, slot) })
	}
	starts.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return c.settle(ctx, p)
}

func (c *contender) restart(ctx context.Context, p plan, slot int) error {
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	if c.newFirst {
		if err := c.replace(ctx, p, slot); err != nil {
			return err
		}
		return c.settle(ctx, p)
	}
	old := c.members[slot]
	c.members[slot] = nil
	if err := old.stop(ctx); err != nil {
		return err
	}
	select {
	case <-time.After(p.away):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	var err error
	if c.members[slot], err = c.fleet.start(ctx, slot); err != nil {
		return err
	}
	return c.settle(ctx, p)
}

// replace starts the next process, lets it wait for as long as a process is away otherwise, and then stops the old one.
func (c *contender) replace(ctx context.Context, p plan, slot int) error {
	var next member
	started := make(chan error, 1)
	go func() {
		var err error
		next, err = c.fleet.start(ctx, slot)
		started <- err
	}()
	select {
	case <-time.After(p.away):
	case <-ctx.Done():
	}
	stopped := c.members[slot].stop(ctx)
	err := <-started
	c.members[slot] = next
	return errors.Join(stopped, err)
}

// settle waits until every partition has processed a record from now on, and none has been begun for a while.
func (c *contender) settle(ctx context.Context, p plan) error {
	since := time.Now()
	if !waitFor(ctx, func() bool { return c.book.settled(since, p.quiet) }) {
		return fmt.Errorf("not every partition is worked on: %w", context.Cause(ctx))
	}
	return nil
}

func waitFor(ctx context.Context, met func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// finish waits until every record has been processed, if that can be expected, stops the workers, and completes the outcome.
func (c *contender) finish(p plan, ends []int64, whole bool, o *outcome) error {
	patience := leaving
	if whole {
		patience = p.patience
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if whole {
		waitFor(ctx, func() bool { return c.book.lost(ends) == 0 })
	}
	errs := make([]error, len(c.members))
	var stops sync.WaitGroup
	for i, m := range c.members {
		if m != nil {
			stops.Go(func() { errs[i] = m.stop(ctx) })
		}
	}
	stops.Wait()
	o.lost = c.book.lost(ends)
	c.book.finish(o)
	return errors.Join(errs...)
}
