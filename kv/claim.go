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

// ClaimID begins a session: it claims a preferred ID, or the lowest that is free; see [Store.SessionNumber].
// [ErrNoFreeID] names the range when every ID is held.
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

// acquireID waits only so long for an answer that may never come: a claim that was stored is known again.
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

// lateExpiry is how long after its time a server that was away, or changed its leader, may show an entry.
const lateExpiry = 5 * time.Second

// awaits: the entry is the prior claim, which is dead and about to expire.
func awaits(e store.Entry, o store.ClaimOptions) bool {
	return o.Prior != nil && e.Key == o.Prior.Key && e.Token.Of(o.Prior.Chain) &&
		!time.Now().Before(o.Prior.TrustedUntil()) && time.Now().Before(o.Prior.Sent.Add(o.Prior.TTL+lateExpiry))
}

func notExpired(e store.Entry) error {
	return fmt.Errorf("%w: our own claim of %q has not expired yet", ErrNotDone, e.Key)
}

// mayTakeOver: the claim is that of this process' prior session, and still trusted, or was made here and its answer lost.
func (s *Store) mayTakeOver(e store.Entry, opts store.ClaimOptions) bool {
	return s.holder.orphaned(e.Token) || opts.Prior != nil && e.Key == opts.Prior.Key && s.holder.wrote(e.Token) && e.Token.Of(opts.Prior.Chain) &&
		time.Now().Before(opts.Prior.TrustedUntil())
}

// choose picks a preferred ID if it is free, otherwise one of the lowest width.
func choose(free, prefer []string, width int) int {
	for _, id := range prefer {
		if n := slices.Index(free, id); n >= 0 {
			return n
		}
	}
	return rand.IntN(min(width, len(free)))
}

// SessionNumber returns the number of the session that a claim begins: its revision, or one more than any session of
// that ID which is named elsewhere. It is named with a higher number only when the claims were restored from an older
// copy than the rest.
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
