// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

const claimSpread = 50 * time.Millisecond

// ClaimID begins a session. It claims a preferred ID, or else one of the lowest free IDs; see [Store.SessionNumber]. If every
// ID is held, it returns [ErrNoFreeID], whose text names the range.
func (s *Store) ClaimID(ctx context.Context, rec record.Claim, opts store.ClaimOptions) (store.Lease, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	if opts.Spread && !pause(ctx, rand.N(claimSpread)) {
		return store.Lease{}, fmt.Errorf("claim an ID: %w: %w", ErrNotDone, ctx.Err())
	}
	if lease, done, err := s.claimPreferred(ctx, rec, opts); done || err != nil {
		return lease, err
	}
	width := 1
	for {
		free, err := s.freeIDs(ctx, opts)
		if err != nil {
			return store.Lease{}, fmt.Errorf("claim an ID: %w", err)
		}
		for range 2 {
			if len(free) == 0 {
				break
			}
			n := choose(free, opts.Prefer, width)
			lease, err := s.acquireID(ctx, free[n], rec, opts)
			if !errors.Is(err, ErrTaken) {
				return lease, err
			}
			free = slices.Delete(free, n, n+1)
			width *= 4
		}
		if len(free) == 0 {
			return store.Lease{}, fmt.Errorf("%w: all %d from %s to %s are held", ErrNoFreeID, s.cfg.IDMax-s.cfg.IDMin+1,
				s.cfg.ID(s.cfg.IDMin), s.cfg.ID(s.cfg.IDMax))
		}
	}
}

// acquireID limits the wait for an answer that may never come. If the claim was stored anyway, the next attempt recognises it.
func (s *Store) acquireID(ctx context.Context, id string, rec record.Claim, opts store.ClaimOptions) (store.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience())
	defer cancel()
	return s.Acquire(ctx, store.StableIDs, id, rec, func(e store.Entry) bool { return s.mayTakeOver(e, opts) })
}

// freeIDs lists the IDs that can be claimed, lowest first.
func (s *Store) freeIDs(ctx context.Context, opts store.ClaimOptions) ([]string, error) {
	snapshot, err := s.Snapshot(ctx, store.StableIDs, nil, 0)
	if err != nil {
		return nil, err
	}
	held := make(map[string]bool, len(snapshot.Entries))
	for _, e := range snapshot.Entries {
		if awaits(e, opts) {
			return nil, notExpired(e)
		}
		held[e.Key] = !s.mayTakeOver(e, opts)
	}
	var free []string
	for n := s.cfg.IDMin; n <= s.cfg.IDMax; n++ {
		if id := s.cfg.ID(n); !held[id] {
			free = append(free, id)
		}
	}
	return free, nil
}

// lateExpiry is how long a server may still show an expired entry after it was away or has changed its leader.
const lateExpiry = 5 * time.Second

// awaits reports whether the entry is the prior claim of a dead process that is about to expire.
func awaits(e store.Entry, o store.ClaimOptions) bool {
	return o.Prior != nil && e.Key == o.Prior.Key && e.Token.Of(o.Prior.Chain) &&
		!time.Now().Before(o.Prior.TrustedUntil()) && time.Now().Before(o.Prior.Sent.Add(o.Prior.TTL+lateExpiry))
}

func notExpired(e store.Entry) error {
	return fmt.Errorf("%w: our own claim of %q has not expired yet", ErrNotDone, e.Key)
}

// mayTakeOver reports whether the claim may be taken over: it is the claim of this process's prior session and still trusted,
// or this process made it and the answer was lost.
func (s *Store) mayTakeOver(e store.Entry, opts store.ClaimOptions) bool {
	return s.holder.orphaned(e.Token) || opts.Prior != nil && e.Key == opts.Prior.Key && s.holder.wrote(e.Token) && e.Token.Of(opts.Prior.Chain) &&
		time.Now().Before(opts.Prior.TrustedUntil())
}

// choose returns a preferred ID if it is free, and otherwise one of the lowest width free IDs.
func choose(free, prefer []string, width int) int {
	for _, id := range prefer {
		if n := slices.Index(free, id); n >= 0 {
			return n
		}
	}
	return rand.IntN(min(width, len(free)))
}

// SessionNumber returns the number of the session that a claim begins. It is the revision of the claim. If any entry names a
// session of that ID with a number as high or higher, it is one more than that number: this happens only when the claims were
// restored from an older copy than the other buckets.
func (s *Store) SessionNumber(ctx context.Context, claim store.Lease) (uint64, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	number := claim.Revision
	for _, b := range []store.Bucket{store.Heartbeats, store.Assignments} {
		e, err := s.Get(ctx, b, claim.Key)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("number the session of %s: %w", claim.Key, err)
		}
		var named struct{ Session uint64 }
		if json.Unmarshal(e.Value, &named) == nil {
			number = max(number, named.Session+1)
		}
	}
	return number, nil
}
