// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package store describes the store in the words of the protocol: the requests and their answers, as plain values. It knows
// neither subjects nor error codes; package kv implements it over JetStream.
package store

import (
	"context"
	"time"

	"github.com/parti-go/parti/internal/record"
)

// Store is the interface of workers and leaders to the four buckets of a group. Its methods may be called from any goroutine,
// but only one goroutine at a time may write one lease, or under one fence. Package kv says what each method promises.
type Store interface {
	Leases
	Reader
	Plans
	Refreshes
}

// Leases are holds on entries that end by themselves.
type Leases interface {
	// TTL returns the lifetime of the entries of a bucket; 0 for assignments, which do not expire.
	TTL(b Bucket) time.Duration
	// Acquire begins a hold on a key. It overwrites a live entry only if over says so; otherwise it returns [ErrTaken].
	Acquire(ctx context.Context, b Bucket, key string, r record.Record, over func(Entry) bool) (Lease, error)
	// Renew extends a hold that is still trusted.
	Renew(ctx context.Context, l Lease, r record.Record) (Lease, error)
	// Release ends a hold.
	Release(ctx context.Context, l Lease) error
	// Left lists the holds of this process that may still be in a bucket.
	Left(b Bucket) []Lease
	// ClaimID begins a session under a free worker ID.
	ClaimID(ctx context.Context, r record.Claim, opts ClaimOptions) (Lease, error)
	// SessionNumber returns the number of the session that a claim begins.
	SessionNumber(ctx context.Context, claim Lease) (uint64, error)
}

// Reader reads what is stored.
type Reader interface {
	// Get returns what was stored under a key when the store answered, markers included.
	Get(ctx context.Context, b Bucket, key string) (Entry, error)
	// Snapshot returns what a bucket holds under the keys (nil for all), complete up to a sequence that is not below atLeast.
	Snapshot(ctx context.Context, b Bucket, keys []string, atLeast uint64) (Snapshot, error)
	// Feed emits what is stored under the keys, and then every change, until ctx ends.
	Feed(ctx context.Context, b Bucket, keys []string, atLeast uint64, emit func(Update)) error
}

// Plans are what a leader writes.
type Plans interface {
	// BeginTerm stores the next term.
	BeginTerm(ctx context.Context, r record.Term, floor uint64, valid func() bool) (Fence, error)
	// WritePlan stores one version of a plan under a fence.
	WritePlan(ctx context.Context, f Fence, w PlanWrite) error
}

// Refreshes ask the leader to list its source again.
type Refreshes interface {
	// RequestRefresh asks the leader, and waits until the leader has planned for the new list.
	RequestRefresh(ctx context.Context) error
	// ServeRefresh calls handle for each request until stop is called.
	ServeRefresh(handle func(reply func(error))) (stop func(), err error)
}
