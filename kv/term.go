package kv

import (
	"context"
	"errors"
	"fmt"
)

// BeginTerm stores the next term: one more than the last, and more than floor. valid is asked right before each attempt
// to write; when it says no the result is [ErrLate]. [ErrUnknown] says that the term may yet be stored: whoever then
// begins a term makes it harmless.
func (s *Store) BeginTerm(ctx context.Context, record Term, floor uint64, valid func() bool) (Fence, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	chain := s.holder.chain()
	for {
		entry, err := s.Get(ctx, Assignments, TermKey)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return Fence{}, fmt.Errorf("read the term: %w", err)
		}
		last, err := lastTerm(entry)
		if err != nil {
			return Fence{}, err
		}
		if entry.Token.Of(chain) {
			return Fence{Term: last, Revision: entry.Revision}, nil // our own write, whose answer was lost
		}
		record.Number = max(last, floor) + 1
		value, err := encode(s.holder.next(chain), record)
		if err != nil {
			return Fence{}, err
		}
		if !valid() {
			return Fence{}, fmt.Errorf("store term %d: %w", record.Number, ErrLate)
		}
		revision, err := s.put(ctx, Assignments, TermKey, value, entry.Revision, 0)
		if err == nil {
			return Fence{Term: record.Number, Revision: revision}, nil
		}
		if !errors.Is(err, errConflict) && (!errors.Is(err, ErrUnknown) || ctx.Err() != nil) {
			return Fence{}, fmt.Errorf("store term %d: %w", record.Number, err)
		}
	}
}

func lastTerm(e Entry) (uint64, error) {
	if e.Revision == 0 || e.Kind != Put {
		return 0, nil
	}
	t, err := DecodeTerm(e.Value)
	if errors.Is(err, ErrCorrupt) {
		return 0, nil // the floor counts on
	}
	return t.Number, err
}
