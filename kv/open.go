// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/internal/inject"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// markerTTL is how long the server keeps the marker of a deleted or expired key.
const markerTTL = time.Hour

// codeNoReplicas is the error of a server without a cluster that is asked for replicas.
const codeNoReplicas jetstream.ErrorCode = 10074

// minVersion is the first server release whose atomic batches and delete markers can be relied on.
const minVersion = "2.12.3"

// Open creates missing buckets and checks existing ones.
//
// It fails with [ErrConfig], [ErrPermission], [ErrNoJetStream], [ErrServerVersion] or a [*BucketError] if trying again does
// not help, and with [ErrNotDone] or [ErrUnknown] if it may help.
func Open(ctx context.Context, js jetstream.JetStream, cfg Config) (*Store, error) {
	if cfg.OperationTimeout <= 0 {
		cfg.OperationTimeout = 10 * time.Second
	}
	cfg.Replicas = max(cfg.Replicas, 1)
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := newStore(js, cfg, newHolder())
	ctx, cancel := s.bound(ctx)
	defer cancel()
	if err := s.checkPermissions(ctx); err != nil {
		return nil, err
	}
	return s.open(ctx)
}

// Reopen opens the buckets again, for the same holder of leases. It creates buckets that were deleted meanwhile.
func (s *Store) Reopen(ctx context.Context) (*Store, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return newStore(s.js, s.cfg, s.holder).open(ctx)
}

func newStore(js jetstream.JetStream, cfg Config, h *holder) *Store {
	s := &Store{cfg: cfg, js: js, prefix: apiPrefix(js), holder: h, format: record.Newest}
	if known := inject.Format.Load(); known != nil {
		s.format = (*known)(js.Conn().Opts.Name)
	}
	if s.prefix != jetstream.DefaultAPIPrefix {
		s.writes = s.prefix
	}
	return s
}

func (s *Store) open(ctx context.Context) (*Store, error) {
	if err := s.checkServer(ctx); err != nil {
		return nil, err
	}
	for b := range store.Buckets {
		info, err := s.openBucket(ctx, b)
		if err != nil {
			return nil, fmt.Errorf("open bucket %q: %w", s.cfg.bucket(b), err)
		}
		s.created[b] = info.Created
	}
	return s, nil
}

func apiPrefix(js jetstream.JetStream) string {
	o := js.Options()
	switch {
	case o.APIPrefix != "":
		return strings.TrimSuffix(o.APIPrefix, ".") + "."
	case o.Domain != "":
		return "$JS." + o.Domain + ".API."
	}
	return jetstream.DefaultAPIPrefix
}

func (s *Store) checkServer(ctx context.Context) error {
	if _, err := ask(ctx, s, s.js.AccountInfo); err != nil {
		if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
			return fmt.Errorf("%w: allowed: a server with JetStream enabled for this account: %w", ErrNoJetStream, err)
		}
		return fmt.Errorf("ask for JetStream: %w", outcome(err))
	}
	return checkVersion(s.js.Conn().ConnectedServerVersion())
}

func checkVersion(version string) error {
	if version != "" && older(version, minVersion) {
		return fmt.Errorf("%w: version is %s, allowed: %s or newer", ErrServerVersion, version, minVersion)
	}
	return nil
}

// older compares release numbers; a pre-release counts as its release.
func older(a, b string) bool {
	x, y := numbers(a), numbers(b)
	for i := range x {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}

func numbers(version string) (n [3]int) {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "v"), "-")
	version, _, _ = strings.Cut(version, "+")
	for i, part := range strings.SplitN(version, ".", 3) {
		n[i], _ = strconv.Atoi(part)
	}
	return n
}

func (s *Store) stream(b store.Bucket) string { return "KV_" + s.cfg.bucket(b) }
func (s *Store) subject(b store.Bucket, key string) string {
	return "$KV." + s.cfg.bucket(b) + "." + key
}

func (s *Store) key(b store.Bucket, subject string) string {
	return strings.TrimPrefix(subject, s.subject(b, ""))
}

func (s *Store) wanted(b store.Bucket) jetstream.StreamConfig {
	storage := jetstream.FileStorage
	if s.cfg.Storage == "memory" {
		storage = jetstream.MemoryStorage
	}
	return jetstream.StreamConfig{
		Name: s.stream(b), Subjects: []string{s.subject(b, ">")},
		MaxMsgsPerSubject: 1, MaxBytes: -1, MaxMsgs: -1, MaxMsgSize: -1, MaxConsumers: -1,
		Storage: storage, Replicas: s.cfg.Replicas, Discard: jetstream.DiscardNew, Duplicates: 2 * time.Minute,
		AllowRollup: true, DenyDelete: true, AllowDirect: true,
		AllowMsgTTL: true, SubjectDeleteMarkerTTL: markerTTL, AllowAtomicPublish: b == store.Assignments,
		FirstSeq: firstSequence(),
	}
}

// firstSequence makes the revisions of a recreated bucket continue above those of the deleted one. Revisions are the numbers of
// sessions: if one were used twice, a worker could take up what was granted to another worker.
func firstSequence() uint64 { return uint64(max(time.Now().UnixMilli(), 1)) }

func (s *Store) openBucket(ctx context.Context, b store.Bucket) (*jetstream.StreamInfo, error) {
	want := s.wanted(b)
	look := func(ctx context.Context) (jetstream.Stream, error) { return s.js.Stream(ctx, want.Name) }
	stream, err := ask(ctx, s, look)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		denied, denial := s.mayPublish(ctx, nats.NewMsg(s.prefix+"STREAM.CREATE."+want.Name))
		if denial != nil {
			return nil, denial
		}
		if len(denied) > 0 {
			return nil, fmt.Errorf("%w: it does not exist, and the user of this connection may not publish to %q", ErrPermission, denied[0])
		}
		stream, err = s.js.CreateStream(ctx, want)
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another worker was faster
		stream, err = ask(ctx, s, look)
	}
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == codeNoReplicas {
		return nil, &BucketError{s.cfg.bucket(b), "replicas", strconv.Itoa(want.Replicas), "1 on a server without a cluster"}
	}
	if err != nil {
		return nil, outcome(err)
	}
	info := stream.CachedInfo()
	return info, s.checkBucket(b, want, info.Config)
}

func (s *Store) checkBucket(b store.Bucket, want, is jetstream.StreamConfig) error {
	refuse := func(field string, value, allowed any) error {
		return &BucketError{s.cfg.bucket(b), field, fmt.Sprint(value), fmt.Sprint(allowed)}
	}
	switch {
	case is.MaxAge != 0:
		return refuse("bucket-wide TTL", is.MaxAge, "none")
	case is.MaxMsgsPerSubject != 1:
		return refuse("history", is.MaxMsgsPerSubject, 1)
	case !is.AllowMsgTTL:
		return refuse("per-message TTL", "off", "on")
	case is.SubjectDeleteMarkerTTL < want.SubjectDeleteMarkerTTL:
		return refuse("delete markers", is.SubjectDeleteMarkerTTL, "at least "+want.SubjectDeleteMarkerTTL.String())
	case want.AllowAtomicPublish && !is.AllowAtomicPublish:
		return refuse("atomic batches", "off", "on")
	case !is.AllowDirect:
		return refuse("direct get", "off", "on")
	case is.Storage != want.Storage:
		return refuse("storage", is.Storage, want.Storage)
	case is.Replicas < want.Replicas: // more are never worse
		return refuse("replicas", is.Replicas, fmt.Sprintf("at least %d", want.Replicas))
	case len(is.Subjects) != 1 || is.Subjects[0] != want.Subjects[0]:
		return refuse("subjects", is.Subjects, want.Subjects)
	}
	return nil
}
