// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/internal/store"
)

// Inspection is the result of [Inspect] for one bucket.
type Inspection struct {
	Bucket string
	// Want is the stream that a worker would create.
	Want jetstream.StreamConfig
	// Is is the present stream; nil for none.
	Is *jetstream.StreamConfig
	// Problems are the settings that a worker refuses.
	Problems []Problem
	// Mended is Is without the problems that an edit of the stream solves. It means nothing if there is no stream.
	Mended jetstream.StreamConfig
}

// Problem is a setting of a bucket that a worker refuses.
type Problem struct {
	BucketError
	// Editable is true if an edit of the stream solves the problem. Otherwise it needs a new bucket, or a person must look
	// at it.
	Editable bool
}

// Inspect checks the buckets of a group. For each it says what is wrong, or that the bucket is missing. It changes nothing. It
// needs the permission to publish to $JS.API.STREAM.INFO of each bucket's stream.
func Inspect(ctx context.Context, js jetstream.JetStream, cfg Config) ([]Inspection, error) {
	s, err := newInspector(js, &cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	if err := checkVersion(js.Conn().ConnectedServerVersion()); err != nil {
		return nil, err
	}
	found := make([]Inspection, 0, store.Buckets)
	for b := range store.Buckets {
		i := Inspection{Bucket: cfg.bucket(b), Want: s.wanted(b)}
		stream, err := ask(ctx, s, func(ctx context.Context) (jetstream.Stream, error) { return s.js.Stream(ctx, i.Want.Name) })
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
		case err != nil:
			return nil, fmt.Errorf("inspect bucket %q: %w", i.Bucket, notDone(err))
		default:
			i.Is = &stream.CachedInfo().Config
			s.judge(b, &i)
		}
		found = append(found, i)
	}
	return found, nil
}

func newInspector(js jetstream.JetStream, cfg *Config) (*Store, error) {
	if cfg.OperationTimeout <= 0 {
		cfg.OperationTimeout = 10 * time.Second
	}
	cfg.Replicas = max(cfg.Replicas, 1)
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return newStore(js, *cfg, newHolder()), nil
}

// judge finds one problem after the other. It corrects each in its copy of the settings before it looks for the next.
func (s *Store) judge(b store.Bucket, i *Inspection) {
	rest := *i.Is
	i.Mended = *i.Is
	for {
		var problem *BucketError
		if !errors.As(s.checkBucket(b, i.Want, rest), &problem) || !adopt(problem.Field, i.Want, &rest) {
			return
		}
		editable := problem.Field != "storage" && problem.Field != "subjects"
		if editable {
			adopt(problem.Field, i.Want, &i.Mended)
		}
		i.Problems = append(i.Problems, Problem{*problem, editable})
	}
}

// adopt copies the setting of a field, and reports whether there is such a field.
func adopt(field string, want jetstream.StreamConfig, to *jetstream.StreamConfig) bool {
	switch field {
	case "bucket-wide TTL":
		to.MaxAge = want.MaxAge
	case "history":
		to.MaxMsgsPerSubject = want.MaxMsgsPerSubject
	case "per-message TTL":
		to.AllowMsgTTL = want.AllowMsgTTL
	case "delete markers":
		to.SubjectDeleteMarkerTTL = want.SubjectDeleteMarkerTTL
		to.AllowRollup = true // which the server asks for
	case "atomic batches":
		to.AllowAtomicPublish = want.AllowAtomicPublish
	case "direct get":
		to.AllowDirect = want.AllowDirect
	case "storage":
		to.Storage = want.Storage
	case "replicas":
		to.Replicas = want.Replicas
	case "subjects":
		to.Subjects = want.Subjects
	default:
		return false
	}
	return true
}

// MissingPermissions returns the permissions that the connection's user lacks for an observer of the group or, with worker,
// for a worker. It tries them with messages that have no effect.
func MissingPermissions(ctx context.Context, js jetstream.JetStream, cfg Config, worker bool) (missing []string, err error) {
	s, err := newInspector(js, &cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	if worker {
		return s.missing(ctx)
	}
	denied, err := s.mayPublish(ctx, s.observerProbes()...)
	return publishTo(denied), err
}

func publishTo(subjects []string) (missing []string) {
	for _, subject := range subjects {
		missing = append(missing, fmt.Sprintf("publish to %q", subject))
	}
	return missing
}
