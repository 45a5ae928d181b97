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

// BeginTerm stores the next term, which is one more than the last and more than floor. It calls valid just before each attempt
// to write, and returns [ErrLate] if valid says no. [ErrUnknown] says that the term may still be stored: the next worker that
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

// lastTerm returns the number of the stored term. If somebody has removed or overwritten the term, the plan names the last term
// that wrote anything. A lower term would look to everybody like an older copy of the store, and nobody would lead.
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
