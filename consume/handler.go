package consume

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
)

// freshFor is how long what the server said about a stream is used again: workers begin many partitions at once.
const freshFor = time.Second

// handler is what the partitions of one [Stream] or [Pipeline] have in common.
//
// Concurrency: each partition is worked on by the goroutine of its Run. mu guards two maps, for moments only;
// asking has one place, for the one goroutine that asks about a stream while the others wait for what it learns.
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

// answered is what the server said about a stream, and when.
type answered struct {
	info *jetstream.StreamInfo
	at   time.Time
}

func newHandler(js jetstream.JetStream, cfg Config) *handler {
	return &handler{
		client: newClient(js), cfg: cfg, fit: fitCheckpoint, resets: resetting,
		subjects: map[string]string{}, halted: map[string]halt{}, infos: map[string]answered{}, asking: make(chan struct{}, 1),
	}
}

// filter returns the filter of a partition, and notes that it is in use until done is called.
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

// about asks the server about a stream, or returns what it said a moment ago, if that was after since.
func (h *handler) about(ctx context.Context, stream string, since time.Time) (*jetstream.StreamInfo, error) {
	select {
	case h.asking <- struct{}{}:
		defer func() { <-h.asking }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if a, ok := h.infos[stream]; ok && a.at.After(since) && time.Since(a.at) < freshFor {
		return a.info, nil
	}
	at := time.Now()
	s, err := bounded(ctx, h.client.nc, func(ctx context.Context) (jetstream.Stream, error) { return h.client.js.Stream(ctx, stream) })
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("%w: stream %q does not exist", ErrStream, stream)
	}
	if err != nil {
		return nil, fmt.Errorf("ask about stream %q: %w", stream, err)
	}
	h.infos[stream] = answered{s.CachedInfo(), at}
	return s.CachedInfo(), nil
}

// input checks the stream that is read, and that a partition's filter can match something in it.
func (h *handler) input(ctx context.Context, subject string) (*jetstream.StreamInfo, error) {
	again := pauses{pauseFirst, pauseMost}
	deadline := time.Now().Add(patience)
	for {
		info, err := h.about(ctx, h.cfg.Stream, time.Time{})
		if err == nil {
			return info, errors.Join(h.fit(info), matches(info.Config, subject))
		}
		if errors.Is(err, ErrStream) || time.Now().After(deadline) || !again.wait(ctx) {
			return nil, err
		}
	}
}

// ordered opens a reader behind a position: a consumer of its own, of one filter, that the server keeps in memory and
// forgets when nobody asks it. It is made anew after every doubt.
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

// unchanged says whether the stream still is the one that a position belongs to. What was heard before now may be older than
// the position, and just after a change of its leader a stream can look older than it is: so it is asked again, for a while.
func (h *handler) unchanged(ctx context.Context, created time.Time, position uint64) error {
	var since time.Time
	for began := time.Now(); ; {
		info, err := h.about(ctx, h.cfg.Stream, since)
		if err != nil {
			return err
		}
		if err = same(info, created, position); err == nil || time.Since(began) > suspicion || !sleep(ctx, pauseFirst) {
			return err
		}
		since = began
	}
}

// suspicion is how long a stream has to look like another one.
const suspicion = 2 * time.Second

// contained calls a function of the user's and turns a panic into an error.
func contained(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked(r)
		}
	}()
	return f()
}
