// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"errors"
	"fmt"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// BeginTerm stores the next term: one more than the last, and more than floor. valid is asked right before each attempt
// to write; when it says no the result is [ErrLate]. [ErrUnknown] says that the term may yet be stored: whoever then
// begins a term makes it harmless.
func (s *Store) BeginTerm(ctx context.Context, rec record.Term, floor uint64, valid func() bool) (store.Fence, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	chain := s.holder.chain()
	for {
		entry, err := s.Get(ctx, store.Assignments, store.TermKey)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return store.Fence{}, fmt.Errorf("read the term: %w", err)
		}
		last, err := s.lastTerm(ctx, entry)
		if err != nil {
			return store.Fence{}, err
		}
		if entry.Token.Of(chain) {
			return store.Fence{Term: last, Revision: entry.Revision}, nil // our own write, whose answer was lost
		}
		rec.Number = max(last, floor) + 1
		value, err := encode(s.holder.next(chain), rec)
		if err != nil {
			return store.Fence{}, err
		}
		if !valid() {
			return store.Fence{}, fmt.Errorf("store term %d: %w", rec.Number, ErrLate)
		}
		revision, err := s.put(ctx, store.Assignments, store.TermKey, value, entry.Revision, 0)
		if err == nil {
			return store.Fence{Term: rec.Number, Revision: revision}, nil
		}
		if !errors.Is(err, errConflict) && (!errors.Is(err, ErrUnknown) || ctx.Err() != nil) {
			return store.Fence{}, fmt.Errorf("store term %d: %w", rec.Number, err)
		}
	}
}

// lastTerm is the number of the stored term. Where somebody took it away, or wrote over it, the plan names the last one that
// wrote anything: a lower term would look like an older copy of the store to everybody, and nobody would lead.
func (s *Store) lastTerm(ctx context.Context, e store.Entry) (uint64, error) {
	if e.Revision > 0 && e.Kind == store.Put {
		t, err := record.DecodeTerm(e.Value)
		if !errors.Is(err, ErrCorrupt) {
			return t.Number, err
		}
	}
	e, err := s.Get(ctx, store.Assignments, store.PlanKey)
	if errors.Is(err, ErrNotFound) || err == nil && e.Kind != store.Put {
		return 0, nil // the floor counts on
	}
	if err != nil {
		return 0, err
	}
	plan, err := record.DecodePlan(e.Value)
	if errors.Is(err, ErrCorrupt) {
		return 0, nil
	}
	return plan.Term, err
}
