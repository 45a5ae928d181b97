// Package observe watches a group from outside, with rights to read only: who owns which partition, how the workers are,
// and why partitions have moved. It is for routing, pages and tools.
//
// An [Observer] follows the buckets of a group and answers from memory. What it answers was true when it was stored. It is
// one delivery late at best, and later while the store does not answer, which [Group.Stale] says. So an answer of
// [Observer.Owner] is a hint where to send work, never the right to do it: send the epoch along, and let the worker refuse
// an epoch that is not its own.
package observe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv"
)

var (
	// ErrUnowned: nobody owns the partition as far as is known: it is on its way to another worker, or not listed.
	ErrUnowned = errors.New("partition has no owner")
	// ErrNoGroup: a bucket of the group does not exist (yet). An observer makes none.
	ErrNoGroup = kv.ErrNoBucket
	// ErrClosed: the observer was closed.
	ErrClosed = errors.New("observer closed")
)

const (
	reopenFirst = 100 * time.Millisecond
	reopenMost  = 5 * time.Second
)

// Observer watches a group. Its methods may be called from any goroutine. Only [Open] makes one.
type Observer struct {
	js    jetstream.JetStream
	group parti.Config
	cfg   kv.Config
	store atomic.Pointer[kv.Store]
	model atomic.Pointer[model]

	ctx   context.Context
	close context.CancelFunc
	work  sync.WaitGroup
}

// Open begins to observe the group of a configuration, of which it uses KVBuckets, the worker IDs and OperationTimeout. It
// returns once it has seen everything that is stored, or when ctx ends. Where there is no such group it is
// [ErrNoGroup]: Open creates nothing. The connection is the caller's, and stays open. Call Close at the end.
func Open(ctx context.Context, js jetstream.JetStream, cfg parti.Config) (*Observer, error) {
	if js == nil {
		return nil, fmt.Errorf("observe: %w: js is nil, allowed: a JetStream context", parti.ErrNilArgument)
	}
	cfg.ApplyDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("observe: %w", err)
	}
	o := &Observer{js: js, group: cfg, cfg: storeConfig(cfg)}
	buckets, err := kv.Observe(ctx, js, o.cfg)
	if err != nil {
		return nil, fmt.Errorf("observe: %w", err)
	}
	o.ctx, o.close = context.WithCancel(context.Background())
	m := o.newModel()
	o.store.Store(buckets)
	o.model.Store(m)
	o.work.Go(func() { o.run(buckets, m) })
	select {
	case <-m.ready:
		return o, nil
	case <-ctx.Done():
		_ = o.Close()
		return nil, fmt.Errorf("observe: read what is stored: %w", ctx.Err())
	}
}

func (o *Observer) newModel() *model {
	m := newModel()
	m.name, m.bucket = o.group.Group, o.cfg.Assignment
	return m
}

func storeConfig(cfg parti.Config) kv.Config {
	return kv.Config{
		StableID: cfg.KVBuckets.StableID, Election: cfg.KVBuckets.Election, Heartbeat: cfg.KVBuckets.Heartbeat,
		Assignment: cfg.KVBuckets.Assignment, Storage: cfg.KVBuckets.Storage, Replicas: cfg.KVBuckets.Replicas,
		IDPrefix: cfg.WorkerIDPrefix, IDMin: cfg.WorkerIDMin, IDMax: cfg.WorkerIDMax,
		WorkerIDTTL: cfg.WorkerIDTTL, HeartbeatTTL: cfg.HeartbeatTTL, LeaderTTL: cfg.LeaderTTL,
		OperationTimeout: cfg.OperationTimeout,
	}
}

// Group returns what is known now.
func (o *Observer) Group() Group {
	g, _ := o.model.Load().group()
	return g
}

// Wait returns what is known now as soon as it is not what a Group says. Changes in between are not told one by one.
// [ErrClosed] says that nothing will come any more.
func (o *Observer) Wait(ctx context.Context, after Group) (Group, error) {
	for {
		g, changed := o.model.Load().group()
		if g.model != after.model || g.seq != after.seq {
			return g, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Group{}, fmt.Errorf("observe: wait for a change: %w", ctx.Err())
		case <-o.ctx.Done():
			return Group{}, fmt.Errorf("observe: %w", ErrClosed)
		}
	}
}

// Owner returns who owns a partition, from memory. [ErrUnowned] says that nobody does. The answer may be out of date by the
// time it is used: who gets work with an epoch that is not its own has to refuse it.
func (o *Observer) Owner(partition string) (Owner, error) {
	owner, ok := o.model.Load().owner(partition)
	if !ok {
		return Owner{}, ErrUnowned
	}
	return owner, nil
}

// Heard returns when the newest heartbeat of a worker was stored, by the clock of the server; the zero time where none was seen.
// A [Group] does not have it: a heartbeat that says nothing new changes no Group.
func (o *Observer) Heard(worker string) time.Time { return o.model.Load().heard(worker) }

// Done is closed when the observer is closed.
func (o *Observer) Done() <-chan struct{} { return o.ctx.Done() }

// Close ends the observer and waits until nothing of it runs any more. What is known stays readable.
func (o *Observer) Close() error {
	o.close()
	o.work.Wait()
	return nil
}

// run follows the store until the observer is closed. When the store is another one than it was, it begins anew, and what
// was known stays until the new one has been read.
func (o *Observer) run(buckets *kv.Store, m *model) {
	for o.ctx.Err() == nil {
		o.follow(buckets, m)
		o.model.Load().fail(time.Now())
		buckets, m = o.reopen(), o.newModel()
		if buckets != nil {
			o.store.Store(buckets)
		}
	}
}

// reopen opens the store again, however long that takes; nil when the observer is closed.
func (o *Observer) reopen() *kv.Store {
	for pause := reopenFirst; ; pause = min(2*pause, reopenMost) {
		select {
		case <-time.After(pause):
		case <-o.ctx.Done():
			return nil
		}
		if buckets, err := kv.Observe(o.ctx, o.js, o.cfg); err == nil {
			return buckets
		}
	}
}

// follow takes the feeds of a store until one of them ends.
func (o *Observer) follow(buckets *kv.Store, m *model) {
	ctx, cancel := context.WithCancel(o.ctx)
	defer cancel()
	var feeds sync.WaitGroup
	for _, b := range []store.Bucket{store.StableIDs, store.Heartbeats, store.Assignments} {
		feeds.Go(func() {
			defer cancel()
			_ = buckets.Feed(ctx, b, nil, 0, func(u store.Update) { m.told(u, b) })
		})
	}
	if before := o.model.Load(); before != m {
		select {
		case <-m.ready:
			o.model.Store(m)
			before.replaced() // who waits for a change of it looks again
		case <-ctx.Done():
		}
	}
	feeds.Wait()
}
