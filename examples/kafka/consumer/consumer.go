// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package consumer reads a Kafka topic whose partitions Parti divides, instead of a consumer group. Each partition is read in
// order by the worker that owns it, and offsets are committed so that Kafka refuses the commits of a stale owner.
package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/parti-go/parti"
)

// Process works on one record. ctx is [parti.Ownership.Held]: it outlives the order to let the partition go, so that what has
// begun can be finished, and ends when nothing may be written any more. The records of a partition come one after the
// other; those of different partitions at the same time.
//
// A record may come again when its worker ended before its offset was committed: Process is called at least once. Send
// o.Epoch() along with writes to a store that can compare it.
type Process func(ctx context.Context, o *parti.Ownership, r *kgo.Record) error

// Config says what is read and when offsets are committed.
type Config struct {
	Topic string
	Group string // the offsets are stored under this group ID; no consumer group of that ID may be running

	CommitEvery    int           // after so many records; default 500
	CommitInterval time.Duration // and so long after the first record that is not committed yet; default 1s
	CommitTimeout  time.Duration // of one commit: so long a partition that is taken away waits for Kafka; default 5s
	// Refresh is after how long an offset that has not changed is committed again. Without it Kafka forgets the offset of a
	// partition that is idle for offsets.retention.minutes, because the group has no members. Default 1h.
	Refresh time.Duration
}

// Consumer is a [parti.Handler] for the partitions of a topic. One per worker: all its partitions share one client.
type Consumer struct {
	cfg     Config
	client  *kgo.Client
	feeds   *feeds
	process Process
}

// New returns a consumer with a client of its own. The options say where Kafka is and how to log in; what is consumed is up to
// the consumer.
func New(cfg Config, process Process, opts ...kgo.Opt) (*Consumer, error) {
	if cfg.Topic == "" || cfg.Group == "" || process == nil {
		return nil, fmt.Errorf("consumer of topic %q in group %q: allowed: a topic, a group and a Process", cfg.Topic, cfg.Group)
	}
	if cfg.CommitEvery <= 0 {
		cfg.CommitEvery = 500
	}
	if cfg.CommitInterval <= 0 {
		cfg.CommitInterval = time.Second
	}
	if cfg.CommitTimeout <= 0 {
		cfg.CommitTimeout = 5 * time.Second
	}
	if cfg.Refresh <= 0 {
		cfg.Refresh = time.Hour
	}
	client, err := kgo.NewClient(append(opts[:len(opts):len(opts)],
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{}), // none yet: each Run adds its own
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.MaxVersions(classicTransactions()),
	)...)
	if err != nil {
		return nil, fmt.Errorf("consumer of topic %s: %w", cfg.Topic, err)
	}
	return &Consumer{cfg: cfg, client: client, feeds: newFeeds(client, cfg.Topic), process: process}, nil
}

// Close closes the client. Stop the worker first: its last commits need the client.
func (c *Consumer) Close() { c.feeds.close() }

// Run implements [parti.Handler]. It reads the partition from the committed offset until ctx ends. What fails is reported to
// OnError, the last commit included. If ctx has not ended, Run is called again after a pause: it raises the fence anew, and goes
// on at the committed offset.
func (c *Consumer) Run(ctx context.Context, o *parti.Ownership) (err error) {
	number, err := Number(c.cfg.Topic, o.Partition())
	if err != nil {
		return err
	}
	w := &work{consumer: c, o: o, fence: newFence(c.client, c.cfg, number, o.Epoch())}
	if w.done, err = w.fence.raise(ctx, o.Valid); err != nil {
		return err
	}
	w.committed, w.at = w.done, time.Now()
	feed, err := c.feeds.attach(number, w.done)
	if err != nil {
		return err
	}
	defer c.feeds.detach(feed)
	return w.run(ctx, feed)
}

// work is one call of Run.
type work struct {
	consumer  *Consumer
	o         *parti.Ownership
	fence     *fence
	done      int64 // the offset after the last record that was processed
	committed int64
	at        time.Time // of the last commit
	since     time.Time // when the first record was processed that is not committed
}

// run processes records until ctx ends, and commits what it has processed however it ends, except after the trust is over.
func (w *work) run(ctx context.Context, f *feed) error {
	err := w.follow(ctx, f)
	if errors.Is(err, errFenced) || w.o.Valid() != nil {
		return err // write nothing more: another worker may own the partition already
	}
	if w.done == w.committed {
		return err
	}
	return errors.Join(err, w.commit())
}

func (w *work) follow(ctx context.Context, f *feed) error {
	for {
		records, err := f.next(ctx, w.dueIn())
		if err != nil {
			return err
		}
		for _, r := range records {
			if ctx.Err() != nil {
				break // what is not begun is left to the next owner
			}
			if err := w.handle(r); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if w.dueIn() > 0 {
			continue
		}
		if err := w.commit(); err != nil {
			return err
		}
	}
}

func (w *work) handle(r *kgo.Record) error {
	if err := w.o.Valid(); err != nil {
		return err
	}
	if err := w.consumer.process(w.o.Held(), w.o, r); err != nil {
		return fmt.Errorf("record %s/%d at offset %d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	if w.done == w.committed {
		w.since = time.Now()
	}
	w.done = r.Offset + 1
	if w.done-w.committed >= int64(w.consumer.cfg.CommitEvery) || w.dueIn() <= 0 {
		return w.commit()
	}
	return nil
}

// dueIn is the time until the next commit.
func (w *work) dueIn() time.Duration {
	if w.done == w.committed {
		return time.Until(w.at.Add(w.consumer.cfg.Refresh))
	}
	return time.Until(w.since.Add(w.consumer.cfg.CommitInterval))
}

func (w *work) commit() error {
	ctx, cancel := context.WithTimeout(w.o.Held(), w.consumer.cfg.CommitTimeout)
	defer cancel()
	if err := w.fence.commit(ctx, w.done); err != nil {
		return err
	}
	w.committed, w.at = w.done, time.Now()
	return nil
}
