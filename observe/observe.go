// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package observe watches a group from outside, with read-only permissions: the owners of partitions, the state of workers,
// and the reasons for moves. Use it for routing, web pages and tools.
//
// An [Observer] follows the buckets of a group and answers from memory. Each answer was true when the store recorded it. It
// is at least one delivery late, and later while the store does not answer; [Group.Stale] says so. So an answer of
// [Observer.Owner] tells you where to send work, but gives nobody the right to do it. Send the epoch along, and let the
// worker refuse an epoch that is not its own.
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
	// ErrUnowned says that the partition has no known owner: it is on its way to another worker, or the source does not list
	// it.
	ErrUnowned = errors.New("partition has no owner")
	// ErrNoGroup says that a bucket of the group does not exist (yet). An observer creates no buckets.
	ErrNoGroup = kv.ErrNoBucket
	// ErrClosed says that the observer was closed.
	ErrClosed = errors.New("observer closed")
)

const (
	reopenFirst = 100 * time.Millisecond
	reopenMost  = 5 * time.Second
)

// Observer watches a group. You may call its methods from any goroutine. Only [Open] creates one.
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

// Open begins to observe a group. From the configuration it uses KVBuckets, the worker IDs and OperationTimeout. It returns
// when it has read everything that is stored, or when ctx ends. If there is no such group, it returns [ErrNoGroup]: Open
// creates nothing. The connection belongs to the caller, and stays open. Call Close at the end.
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

// Group returns the present view of the group.
func (o *Observer) Group() Group {
	g, _ := o.model.Load().group()
	return g
}

// Wait returns the present view of the group as soon as it differs from a given Group. It may skip intermediate changes. It
// returns [ErrClosed] if nothing more will come.
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

// Owner returns the owner of a partition, from memory, or [ErrUnowned] if it has none. The answer may be out of date when
// you use it, so a worker must refuse work with an epoch that is not its own.
func (o *Observer) Owner(partition string) (Owner, error) {
	owner, ok := o.model.Load().owner(partition)
	if !ok {
		return Owner{}, ErrUnowned
	}
	return owner, nil
}

// Heard returns the time at which the newest heartbeat of a worker was stored, by the clock of the server. It returns the
// zero time if there was none. A [Group] does not have this time, because a heartbeat with nothing new does not change the
// Group.
func (o *Observer) Heard(worker string) time.Time { return o.model.Load().heard(worker) }

// Done returns a channel that is closed when the observer is closed.
func (o *Observer) Done() <-chan struct{} { return o.ctx.Done() }

// Close ends the observer and waits until all its goroutines have ended. You can still read the last view.
func (o *Observer) Close() error {
	o.close()
	o.work.Wait()
	return nil
}

// run follows the store until the observer is closed. If the store was replaced, run begins again, and the old view stays until
// the new store has been read.
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

// reopen opens the store again, however long that takes. It returns nil if the observer is closed.
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

// follow runs the feeds of a store until one of them ends.
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
