package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kgo"
)

const commitInterval = time.Second // of everybody

// plan is what is shown.
type plan struct {
	workers, partitions int
	every               time.Duration // between two records of a partition
	away                time.Duration // from the end of a process to the start of the next
	quiet               time.Duration // for which nothing must change before the next worker is restarted
	patience            time.Duration // for each restart
}

// A fleet starts workers. A slot is a place for one: the pod 3, the machine 3. What starts there takes over from what was there.
type fleet interface {
	start(ctx context.Context, slot int) (member, error)
}

// member is a worker at work.
type member interface {
	stop(ctx context.Context) error
}

// contender is a fleet in the comparison.
type contender struct {
	name, how string
	group     string
	newFirst  bool // the next process is started before the one before it is stopped
	fleet     fleet
	book      *book
	members   []member
}

// outcome is what a rolling restart cost.
type outcome struct {
	median, worst    time.Duration // the longest time between two records of a partition
	interrupts       int           // partitions that a worker began anew
	moves            int           // of these, in another slot than before
	duplicates, lost int64
	stale            int
	took             time.Duration
	errs             []error
}

// contenders are two fleets of Parti's and three groups of Kafka's.
func contenders(p plan, k *kafka, connect func(...nats.Option) (*nats.Conn, error), run, dir string) []*contender {
	divided := func(name, how, dir string, newFirst bool) *contender {
		c := &contender{name: name, how: how, newFirst: newFirst, group: fmt.Sprintf("%s-%t", run, newFirst), book: newBook(p.partitions)}
		cfg := partiConfig(c.group, p.workers)
		cfg.Standby = newFirst
		c.fleet = &partiFleet{kafka: k, cfg: cfg, connect: connect, dir: dir, book: c.book}
		return c
	}
	group := func(name, how string, extras func(slot int) []kgo.Opt) *contender {
		c := &contender{name: name, how: how, group: run + "-" + name, book: newBook(p.partitions)}
		c.fleet = &groupFleet{kafka: k, group: c.group, book: c.book, extras: extras}
		return c
	}
	return []*contender{
		divided("parti", "StateDir", filepath.Join(dir, "parti"), false),
		divided("parti", "new first", "", true),
		group("cooperative", "sticky", func(int) []kgo.Opt {
			return []kgo.Opt{kgo.Balancers(kgo.CooperativeStickyBalancer())}
		}),
		group("static", "instance ID", func(slot int) []kgo.Opt {
			return []kgo.Opt{kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.InstanceID(fmt.Sprint("worker-", slot))}
		}),
		group("kip-848", "server side", func(int) []kgo.Opt {
			return []kgo.Opt{kgo.Balancers(kgo.StickyBalancer()), kgo.ServerSideBalancer()}
		}),
	}
}

// compare has all contenders restart at the same time, on the same records.
func compare(ctx context.Context, out io.Writer, p plan, k *kafka, all []*contender) ([]outcome, error) {
	records := k.produce(p.every)
	outcomes, errs := make([]outcome, len(all)), make([]error, len(all)+1)
	var running sync.WaitGroup
	for i, c := range all {
		running.Go(func() {
			if outcomes[i], errs[i] = c.roll(ctx, p); errs[i] != nil {
				errs[i] = fmt.Errorf("%s, %s: %w", c.name, c.how, errs[i])
				return
			}
			fmt.Fprintf(out, "  %s, %s: %d workers were restarted in %.1fs\n", c.name, c.how, p.workers, outcomes[i].took.Seconds())
		})
	}
	running.Wait()
	ends, err := records.stop()
	errs[len(all)] = err
	for i, c := range all {
		running.Go(func() { errs[i] = errors.Join(errs[i], c.finish(p, ends, &outcomes[i])) })
	}
	running.Wait()
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
	return outcome{median: pauses[len(pauses)/2], worst: pauses[len(pauses)-1], took: time.Since(began)}, nil
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
	return errors.Join(errors.Join(errs...), c.settle(ctx, p))
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

// finish waits until every record has been processed, stops the workers, and completes the outcome.
func (c *contender) finish(p plan, ends []int64, o *outcome) error {
	ctx, cancel := context.WithTimeout(context.Background(), p.patience)
	defer cancel()
	waitFor(ctx, func() bool { return c.book.lost(ends) == 0 })
	errs := make([]error, len(c.members))
	var stops sync.WaitGroup
	for i, m := range c.members {
		if m != nil {
			stops.Go(func() { errs[i] = m.stop(ctx) })
		}
	}
	stops.Wait()
	o.lost = c.book.lost(ends)
	c.book.sum(o)
	return errors.Join(errs...)
}
