package kv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// Fence is a leader's term: its number and the revision of its entry, on which every write of a plan depends.
type Fence struct {
	Term     uint64
	Revision uint64
}

// PlanWrite is what a leader stores at once. The plan is always written, and last.
type PlanWrite struct {
	Assignments []Assignment
	Remove      []string // workers whose records are deleted
	Plan        Plan
}

// batchMost is how many messages the server takes in one atomic batch.
const batchMost = 1000

// BeginTerm stores the next term, above the stored one and above floor, and returns the fence for the writes of this
// leader. rec.Number is ignored. valid is asked right before each attempt; when it says no, the lease has ended:
// [ErrLate].
//
// [ErrUnknown] means that the term may be stored, now or later. Begin another: a fence that nobody holds only costs a
// number. [ErrFormat] means that a newer version leads this group.
func (s *Store) BeginTerm(ctx context.Context, rec Term, floor uint64, valid func() bool) (Fence, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	f, err := s.beginTerm(ctx, rec, floor, valid)
	if err != nil {
		return Fence{}, fmt.Errorf("begin a term: %w", err)
	}
	return f, nil
}

func (s *Store) beginTerm(ctx context.Context, rec Term, floor uint64, valid func() bool) (Fence, error) {
	chain := s.holder.chain()
	for pause := (backoff{first: time.Millisecond, most: 100 * time.Millisecond}); ; {
		last, expected, err := s.lastTerm(ctx)
		if err != nil {
			return Fence{}, err
		}
		rec.Number = max(last, floor) + 1
		if !valid() {
			return Fence{}, fmt.Errorf("%w: the lease has ended", ErrLate)
		}
		revision, _, err := s.put(ctx, Assignments, TermKey, s.holder.next(chain), rec, expected)
		if err == nil {
			return Fence{Term: rec.Number, Revision: revision}, nil
		}
		if !errors.Is(err, errConflict) {
			return Fence{}, err
		}
		if !pause.wait(ctx) {
			return Fence{}, fmt.Errorf("%w: %w", ErrNotDone, err)
		}
	}
}

// lastTerm returns the stored term and its revision, both 0 if there is none.
func (s *Store) lastTerm(ctx context.Context) (number, revision uint64, err error) {
	e, err := s.get(ctx, Assignments, TermKey)
	switch {
	case errors.Is(err, ErrNotFound):
		return 0, 0, nil
	case err != nil:
		return 0, 0, err
	case e.Kind != Put:
		return 0, e.Revision, nil
	}
	t, err := DecodeTerm(e.Value)
	if errors.Is(err, ErrCorrupt) {
		return 0, e.Revision, nil // above the floor is all that can be said; refusing would leave the group without a leader
	}
	return t.Number, e.Revision, err
}

// WritePlan stores assignments, removals and the plan under a fence: all of it or nothing, up to 1,000 messages. More go
// in several batches, each all or nothing, the one with the plan last.
//
// [ErrDeposed]: another term is stored. [ErrUnknown]: some or all of it may be stored, now or later; begin a new term and
// read everything again before the next write, which makes what is left of this one harmless. [ErrNotDone]: nothing of
// it is or will be stored.
func (s *Store) WritePlan(ctx context.Context, f Fence, w PlanWrite) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	if err := s.writePlan(ctx, f, w); err != nil {
		return fmt.Errorf("write plan %d of term %d: %w", w.Plan.Version, f.Term, err)
	}
	return nil
}

func (s *Store) writePlan(ctx context.Context, f Fence, w PlanWrite) error {
	write, err := s.planMessages(f, w)
	if err != nil {
		return err
	}
	for first := 0; first < len(write); first += batchMost {
		batch := write[first:min(first+batchMost, len(write))]
		err := s.attempt(ctx, func(ctx context.Context) error { return s.publishAll(ctx, batch) })
		switch {
		case err == nil:
		case errors.Is(err, errConflict):
			return fmt.Errorf("%w: %w", ErrDeposed, err)
		case first > 0 && !errors.Is(err, ErrUnknown):
			return fmt.Errorf("%w: %d of %d messages are stored: %w", ErrUnknown, first, len(write), err)
		default:
			return err
		}
	}
	return nil
}

func (s *Store) publishAll(ctx context.Context, msgs []*nats.Msg) error {
	if len(msgs) > 1 {
		return s.wire.publishBatch(ctx, msgs)
	}
	_, err := s.wire.publish(ctx, msgs[0])
	return err
}

// planMessages encodes a plan's messages, the plan itself last.
func (s *Store) planMessages(f Fence, w PlanWrite) ([]*nats.Msg, error) {
	chain := s.holder.chain()
	msgs := make([]*nats.Msg, 0, len(w.Assignments)+len(w.Remove)+1)
	add := func(key string, record any) error {
		if err := checkKey(key); err != nil {
			return fmt.Errorf("%w: %w", ErrNotDone, err)
		}
		value, err := encode(s.holder.next(chain), record)
		if err != nil {
			return err
		}
		msgs = append(msgs, s.fenced(s.message(Assignments, key, value, 0), f))
		return nil
	}
	for _, a := range w.Assignments {
		if err := add(a.Worker, a); err != nil {
			return nil, err
		}
	}
	for _, key := range w.Remove {
		if err := checkKey(key); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotDone, err)
		}
		msgs = append(msgs, s.fenced(s.marker(Assignments, key, s.holder.next(chain)), f))
	}
	if err := add(PlanKey, w.Plan); err != nil {
		return nil, err
	}
	return msgs, nil
}
