// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// Observe opens the buckets of a group for reading only. It writes nothing, creates no bucket, and needs no permission to
// do so. It returns [ErrNoBucket] if there is no such group (yet), and [ErrPermission] with the missing permissions.
func Observe(ctx context.Context, js jetstream.JetStream, cfg Config) (*Store, error) {
	if cfg.OperationTimeout <= 0 {
		cfg.OperationTimeout = 10 * time.Second
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := newStore(js, cfg, newHolder())
	ctx, cancel := s.bound(ctx)
	defer cancel()
	denied, err := s.mayPublish(ctx, s.observerProbes()...)
	if err != nil {
		return nil, err
	}
	if len(denied) > 0 {
		return nil, fmt.Errorf("%w: the user of this connection may not publish to %s", ErrPermission, named(denied))
	}
	for b := range store.Buckets {
		stream, err := ask(ctx, s, func(ctx context.Context) (jetstream.Stream, error) { return s.js.Stream(ctx, s.stream(b)) })
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			return nil, fmt.Errorf("observe bucket %q: %w", cfg.bucket(b), ErrNoBucket)
		case err != nil:
			return nil, fmt.Errorf("observe bucket %q: %w", cfg.bucket(b), notDone(err))
		}
		s.created[b] = stream.CachedInfo().Created
	}
	return s, nil
}

// named lists the first few subjects, and says how many more there are.
func named(subjects []string) string {
	text := strconv.Quote(subjects[0])
	if more := len(subjects) - 1; more > 0 {
		text += fmt.Sprintf(", and %d more; `parti verify` lists them", more)
	}
	return text
}

// observerProbes returns messages without effect for the subjects on which an observer publishes.
func (s *Store) observerProbes() (probes []*nats.Msg) {
	for b := range store.Buckets {
		stream := s.stream(b)
		for _, subject := range []string{
			s.prefix + "STREAM.INFO." + stream, s.prefix + "DIRECT.GET." + stream,
			s.prefix + "CONSUMER.CREATE." + stream + ".probe", s.prefix + "CONSUMER.MSG.NEXT." + stream + ".probe",
		} {
			m := nats.NewMsg(subject)
			m.Header.Set(jetstream.ExpectedStreamHeader, noStream)
			probes = append(probes, m)
		}
	}
	return probes
}

// journalFetch is the number of journal entries in one request.
const journalFetch = 64

// History passes the entries of the journal since a time to emit, the oldest first, with the time at which each was stored.
// It leaves out entries that it cannot read. It returns emit's error.
func (s *Store) History(ctx context.Context, since time.Time, emit func(record.Journal, time.Time) error) error {
	cfg := jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1,
		InactiveThreshold: consumeTimeout, MaxDeliver: 1, FilterSubject: s.subject(store.Assignments, journalKey+".*"),
	}
	if !since.IsZero() {
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &since
	}
	consumer, err := ask(ctx, s, func(ctx context.Context) (jetstream.Consumer, error) {
		return s.js.CreateConsumer(ctx, s.stream(store.Assignments), cfg)
	})
	if err != nil {
		return fmt.Errorf("read the journal: %w", notDone(err))
	}
	for left := consumer.CachedInfo().NumPending; left > 0; {
		batch, err := consumer.Fetch(int(min(left, journalFetch)), jetstream.FetchContext(ctx))
		if err != nil {
			return fmt.Errorf("read the journal: %w", notDone(err))
		}
		before := left
		for m := range batch.Messages() {
			if left, err = s.journaled(m, emit); err != nil {
				return err
			}
		}
		if batch.Error() != nil || left == before {
			return fmt.Errorf("read the journal: %w", notDone(errors.Join(batch.Error(), ctx.Err())))
		}
	}
	return nil
}

// journaled passes one entry on. It returns how many are still to come.
func (s *Store) journaled(m jetstream.Msg, emit func(record.Journal, time.Time) error) (left uint64, err error) {
	meta, err := m.Metadata()
	if err != nil {
		return 0, fmt.Errorf("read the journal: %w", notDone(err))
	}
	j, err := record.DecodeJournal(m.Data())
	if err != nil { // a marker, or nothing of ours
		return meta.NumPending, nil //nolint:nilerr // see above
	}
	return meta.NumPending, emit(j, meta.Timestamp)
}
