package kv

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
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

// batchMost is how many messages the server takes in one atomic batch.
const batchMost = 1000

// headersMost is what is left of the server's max_payload for the headers of a message.
const headersMost = 4096

// described names a record for the error that says it is too large.
func described(key string, record any) string {
	switch r := record.(type) {
	case Assignment:
		return fmt.Sprintf("assignment of %s with %d partitions", key, len(r.Owned)+len(r.Releasing))
	case Plan:
		return fmt.Sprintf("plan with %d members", len(r.Members))
	default:
		return fmt.Sprintf("record %q", key)
	}
}

// WritePlan stores a version under a fence: as one atomic batch, or, above 1,000 records, as several with the plan in
// the last.
//
// [ErrDeposed] says that a newer term is stored. [ErrNotDone] says that nothing was stored; it is [ErrTooLarge] when a
// record does not fit into a message of this server, which is found out before anything is sent. After [ErrUnknown] any part
// may be stored, now or later: begin a new term before writing again, which alone makes what is still under way
// harmless.
func (s *Store) WritePlan(ctx context.Context, f Fence, w PlanWrite) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	messages, err := s.planMessages(w)
	if err != nil {
		return err
	}
	for first := 0; first < len(messages); first += batchMost {
		batch := messages[first:min(first+batchMost, len(messages))]
		if err := s.writeFenced(ctx, f, batch); err != nil {
			if first > 0 && errors.Is(err, ErrNotDone) {
				// Not an ErrNotDone itself: part of the version is stored.
				err = fmt.Errorf("%w: after %d of %d records: %s", ErrUnknown, first, len(messages), err.Error())
			}
			return fmt.Errorf("write plan version %d under term %d: %w", w.Plan.Version, f.Term, err)
		}
	}
	return nil
}

func (s *Store) planMessages(w PlanWrite) ([]*nats.Msg, error) {
	var messages []*nats.Msg
	chain := s.holder.chain()
	add := func(key string, record any) error {
		if err := checkKey(key); err != nil {
			return fmt.Errorf("%w: %w", ErrNotDone, err)
		}
		value, err := encode(s.holder.next(chain), record)
		if err != nil {
			return err
		}
		if limit := s.js.Conn().MaxPayload(); limit > 0 && int64(len(value)) > limit-headersMost {
			return fmt.Errorf("%w: %s has %d bytes, allowed: %d (max_payload of the server is %d)", ErrTooLarge, described(key, record),
				len(value), limit-headersMost, limit)
		}
		messages = append(messages, &nats.Msg{Subject: s.subject(Assignments, key), Data: value, Header: nats.Header{}})
		return nil
	}
	for _, a := range w.Assignments {
		if a.Worker == TermKey || a.Worker == PlanKey {
			return nil, fmt.Errorf("%w: %w: %q is no worker", ErrNotDone, ErrConfig, a.Worker)
		}
		if err := add(a.Worker, a); err != nil {
			return nil, err
		}
	}
	for _, worker := range w.Remove {
		m := s.marker(Assignments, worker)
		m.Header.Set(jetstream.MsgTTLHeader, markerTTL.String())
		messages = append(messages, m)
	}
	return messages, add(PlanKey, w.Plan)
}

func (s *Store) writeFenced(ctx context.Context, f Fence, messages []*nats.Msg) error {
	var err error
	if len(messages) == 1 {
		_, err = s.write(ctx, messages[0], 0, jetstream.WithExpectLastSequenceForSubject(f.Revision, s.subject(Assignments, TermKey)))
	} else {
		err = s.writeBatch(ctx, f, messages)
	}
	if errors.Is(err, errConflict) {
		return fmt.Errorf("%w: %w", ErrDeposed, err)
	}
	return err
}

func (s *Store) writeBatch(ctx context.Context, f Fence, messages []*nats.Msg) error {
	for _, m := range messages {
		m.Subject = s.writes + m.Subject
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, fmt.Sprint(f.Revision))
		m.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, s.subject(Assignments, TermKey))
	}
	_, err := bounded(ctx, func() (*jetstreamext.BatchAck, error) {
		return jetstreamext.PublishMsgBatch(ctx, s.js, messages, jetstreamext.BatchFlowControl{})
	})
	return outcome(err)
}
