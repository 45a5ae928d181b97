// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
)

// handler is shared by the partitions of one [Stream] or [Pipeline].
//
// Concurrency: the goroutine of its Run works on each partition. mu guards two maps, for moments only. asking has one place,
// for the goroutine that asks about a stream while the others wait for its result.
type handler struct {
	client *client
	cfg    Config
	fit    func(*jetstream.StreamInfo) error // whether the stream is fit to be read
	resets func(version string) bool         // whether a server can reset a consumer

	readers  atomic.Int64
	mu       sync.Mutex
	subjects map[string]string // the partition that a filter is in use by
	halted   map[string]halt   // by partition

	asking chan struct{} // held by the one who asks about a stream
	infos  map[string]answered
}

func newHandler(js jetstream.JetStream, cfg Config) *handler {
	return &handler{
		client: newClient(js), cfg: cfg, fit: fitCheckpoint, resets: resetting,
		subjects: map[string]string{}, halted: map[string]halt{}, infos: map[string]answered{}, asking: make(chan struct{}, 1),
	}
}

// filter returns the filter of a partition, and marks it as in use until done is called.
func (h *handler) filter(p parti.Partition) (subject string, done func(), err error) {
	if err := contained(func() error { subject = h.cfg.Subject(p); return nil }); err != nil {
		return "", nil, fmt.Errorf("Config.Subject of partition %s: %w", p.ID(), err)
	}
	if !filter(subject) {
		return "", nil, &parti.ConfigError{
			Field: fmt.Sprintf("Config.Subject of partition %s", p.ID()), Value: subject,
			Allowed: "a subject: tokens that are not empty, separated by dots, without white space",
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if other, taken := h.subjects[subject]; taken && other != p.ID() {
		return "", nil, fmt.Errorf("%w: partitions %s and %s have the filter %q, allowed: filters that do not overlap", ErrSubjectShared, other, p.ID(), subject)
	}
	h.subjects[subject] = p.ID()
	return subject, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subjects, subject)
	}, nil
}

// ordered opens a reader behind a position. The reader has a consumer of its own with one filter. The server keeps that
// consumer in memory, and removes it when nobody asks it. After every doubt a new consumer is made.
func (h *handler) ordered(p pull, subject string, created time.Time) func(context.Context, uint64) (*reader, error) {
	return func(ctx context.Context, position uint64) (*reader, error) {
		return opened(ctx, func(ctx context.Context) (*reader, error) {
			if err := h.unchanged(ctx, created, position); err != nil {
				return nil, err
			}
			made, err := bounded(ctx, h.client.nc, func(ctx context.Context) (jetstream.Consumer, error) {
				return h.client.js.CreateConsumer(ctx, h.cfg.Stream, jetstream.ConsumerConfig{
					DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: position + 1, FilterSubject: subject,
					AckPolicy: jetstream.AckNonePolicy, MaxDeliver: 1, MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Minute,
				})
			})
			if full := tooMany(h.cfg.Stream, err); full != nil {
				return nil, full
			}
			if err != nil {
				return nil, fmt.Errorf("make a consumer of %q in stream %q: %w", subject, h.cfg.Stream, err)
			}
			name := made.CachedInfo().Name
			r, err := h.openReader(name, p)
			if err != nil {
				return nil, err
			}
			r.remove = h.client.prefix + "CONSUMER.DELETE." + h.cfg.Stream + "." + name
			return r, nil
		})
	}
}

// contained calls a function of the user's, and turns a panic into an error.
func contained(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked(r)
		}
	}()
	return f()
}
