// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/internal/store"
)

var _ store.Store = (*Store)(nil)

// Store is the opened four buckets of a group. It has nothing to close. Its methods may be called from any goroutine, but only
// one goroutine at a time may write one lease, or under one fence.
type Store struct {
	cfg      Config
	js       jetstream.JetStream
	prefix   string // of JetStream API subjects, with its final dot
	writes   string // in front of a subject that is written: the prefix when it is not the default one
	holder   *holder
	format   int                      // the newest that is read and written
	maySplit atomic.Bool              // the user of the connection may publish parts, as far as was tried
	journal  atomic.Int32             // whether the user of the connection may publish the journal, see mayKeepJournal
	split    registry                 // of records that are stored in several messages
	created  [store.Buckets]time.Time // of the streams
	alarm    alarm                    // of the feeds
	planSeen atomic.Uint64            // revision
}

// PlanSeen returns the revision of the newest plan that this store has written or a feed has emitted; 0 for none.
func (s *Store) PlanSeen() uint64 { return s.planSeen.Load() }

func (s *Store) sawPlan(revision uint64) {
	for seen := s.planSeen.Load(); seen < revision && !s.planSeen.CompareAndSwap(seen, revision); seen = s.planSeen.Load() {
	}
}

// Group returns the name of the assignment bucket, by which errors name the group.
func (s *Store) Group() string { return s.cfg.Assignment }

// Bucket returns the name of a bucket.
func (s *Store) Bucket(b store.Bucket) string { return s.cfg.bucket(b) }

// TTL returns the lifetime of the entries of a bucket; 0 for assignments, which do not expire.
func (s *Store) TTL(b store.Bucket) time.Duration { return s.cfg.ttl(b) }
