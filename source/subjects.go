// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
)

// Subjects returns a source that lists the subjects of the messages in a stream that match a filter such as "orders.>". A
// partition's ID is the whole subject, and its keys are the tokens of the subject, so a consumer can use the ID as its
// filter.
//
// Subjects lists a subject while the stream holds a message for it. If a stream expires its messages, or is a work queue, a
// partition vanishes with its last message and returns with the next one. For such a stream keep the list elsewhere, for
// instance in KV.
//
// Watch asks the server at the interval every, but at most once a second. More than 100,000 subjects take several
// questions. If subjects vanish between two of them, another subject can be missing from that listing.
func Subjects(js jetstream.JetStream, stream, filter string, every time.Duration) parti.WatchedSource {
	return subjects{js, stream, filter, every}
}

type subjects struct {
	js             jetstream.JetStream
	stream, filter string
	every          time.Duration
}

func (s subjects) check() error {
	var errs []error
	if s.js == nil {
		errs = append(errs, missing("Subjects", "js", "a JetStream context"))
	}
	if s.stream == "" {
		errs = append(errs, argument("Subjects", "stream", `""`, "the name of a stream"))
	}
	if s.filter == "" {
		errs = append(errs, argument("Subjects", "filter", `""`, `a subject, which may have wildcards; ">" for all`))
	}
	return errors.Join(append(errs, checkEvery("Subjects", s.every))...)
}

// ListPartitions implements parti.PartitionSource. The client fetches as many pages as there are.
func (s subjects) ListPartitions(ctx context.Context) ([]parti.Partition, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	stream, err := s.js.Stream(ctx, s.stream)
	if err != nil {
		return nil, fmt.Errorf("subjects of the stream %q: %w", s.stream, err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(s.filter))
	if err != nil {
		return nil, fmt.Errorf("subjects of the stream %q: %w", s.stream, err)
	}
	b := newBuilder(fmt.Sprintf("subjects %q of the stream %q", s.filter, s.stream))
	for subject := range info.State.Subjects {
		b.add("the stream", subject, "")
	}
	return b.done()
}

// Watch implements parti.WatchedSource.
func (s subjects) Watch(ctx context.Context, changed func()) error {
	if err := s.check(); err != nil {
		return err
	}
	return poll(ctx, s.every, looksAt(s), changed)
}
