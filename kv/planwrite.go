// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

const (
	// batchMost is how many messages the server takes in one atomic batch. It has no bound for their bytes.
	batchMost = 1000
	// headersMost is the part of the server's max_payload that is reserved for the headers of a message.
	headersMost = 4096
	// payloadUsual is the max_payload that is assumed while the server has not announced one.
	payloadUsual = 1 << 20
	// plainMost is the length up to which a value stays readable JSON even if all readers know packed records.
	plainMost = 64 << 10
	// packedMost is how many bytes a packed record may have in all its messages. A snapshot of one key cannot be read in several
	// requests, so it has to fit into one answer.
	packedMost = answerMost * 3 / 4
)

// described names a record for the error that says it is too large.
func described(key string, r any) string {
	switch r := r.(type) {
	case record.Assignment:
		return fmt.Sprintf("assignment of %s with %d partitions", key, len(r.Owned)+len(r.Releasing))
	case record.Plan:
		return fmt.Sprintf("plan with %d members", len(r.Members))
	default:
		return fmt.Sprintf("record %q", key)
	}
}

// WritePlan stores one version of the plan under a fence. It writes one atomic batch, or, for more than 1,000 messages, several
// with the plan in the last one. All messages of a record are in the same batch, the parts before the record itself.
//
// [ErrDeposed] says that a newer term is stored. [ErrNotDone] says that nothing was stored. It is also [ErrTooLarge] if a
// record is larger than the store accepts, which WritePlan finds out before it sends anything. After [ErrUnknown] any part of
// the version may be stored, now or later: begin a new term before the next write. Only a new term makes the writes that are
// still under way harmless.
//
// WritePlan removes the parts that an earlier version of a record needed and this one does not. It knows them from the last
// snapshot of all assignments, which a leader takes when its term begins.
func (s *Store) WritePlan(ctx context.Context, f store.Fence, w store.PlanWrite) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	if w.Journal != nil && !s.mayKeepJournal(ctx) {
		w.Journal = nil
	}
	p, err := s.planMessages(w)
	if err != nil {
		return err
	}
	if p.split != "" {
		if err := s.checkSplit(ctx); err != nil {
			return fmt.Errorf("%s: %w", p.split, err)
		}
	}
	s.split.expect(p.parts)
	batches := p.batches
	for i, batch := range batches {
		last, err := s.writeFenced(ctx, f, batch)
		if err != nil {
			if i > 0 && errors.Is(err, ErrNotDone) {
				// Not an ErrNotDone itself: part of the version is stored.
				err = fmt.Errorf("%w: after %d of %d batches: %s", ErrUnknown, i, len(batches), err.Error())
			}
			return fmt.Errorf("write plan version %d under term %d: %w", w.Plan.Version, f.Term, err)
		}
		if i == len(batches)-1 {
			s.sawPlan(last - afterPlan(batch))
		}
	}
	s.split.stored(p.parts)
	return nil
}

// afterPlan counts the messages that follow the plan in a batch. They remove parts that the plan no longer needs.
func afterPlan(batch []*nats.Msg) (n uint64) {
	for _, m := range slices.Backward(batch) {
		if strings.HasSuffix(m.Subject, "."+store.PlanKey) {
			break
		}
		n++
	}
	return n
}

// planMessages returns the messages of a version. The messages of the plan come last.
func (s *Store) planMessages(w store.PlanWrite) (*planWriter, error) {
	p := &planWriter{store: s, format: min(max(w.Format, record.Oldest), s.format), chain: s.holder.chain(), parts: map[string]int{}}
	for _, a := range w.Assignments {
		if a.Worker == store.TermKey || a.Worker == store.PlanKey || a.Worker == journalKey {
			return nil, fmt.Errorf("%w: %w: %q is not the ID of a worker", ErrNotDone, ErrConfig, a.Worker)
		}
		if err := p.put(a.Worker, a); err != nil {
			return nil, err
		}
	}
	for _, worker := range w.Remove {
		if err := p.remove(worker); err != nil {
			return nil, err
		}
	}
	return p, p.put(store.PlanKey, w.Plan, p.journal(w.Journal)...)
}

// planWriter builds the messages of one version, in as few batches as possible.
type planWriter struct {
	store   *Store
	format  int
	chain   record.Token
	parts   map[string]int // of the records that it has made
	batches [][]*nats.Msg
	split   string // a record that needs more than one message; "" for none
}

// put adds a record: its parts, the record itself, and the removal of parts that it no longer needs. messages are stored in the
// same batch, before the record.
func (p *planWriter) put(key string, r any, messages ...*nats.Msg) error {
	if err := checkKey(key); err != nil {
		return fmt.Errorf("%w: %w", ErrNotDone, err)
	}
	t := p.store.holder.next(p.chain)
	value, err := encode(t, r)
	if err != nil {
		return err
	}
	pieces := [][]byte{value}
	limit, most := p.store.messageMost()
	if p.format > record.Oldest && len(value) > min(plainMost, most) {
		if pieces, err = record.Pack(t, value, most); err != nil {
			return fmt.Errorf("%w: %s has %d bytes: %w", ErrTooLarge, described(key, r), len(value), err)
		}
	}
	size, allowed := 0, most
	for _, piece := range pieces {
		size += len(piece)
	}
	if len(pieces) > 1 {
		allowed = packedMost
	}
	if size > allowed {
		return fmt.Errorf("%w: %s has %d bytes, allowed: %d (max_payload of the server is %d)", ErrTooLarge, described(key, r), size, allowed, limit)
	}
	parts := len(pieces) - 1
	if parts > 0 && p.split == "" {
		p.split = described(key, r)
	}
	for i, piece := range pieces {
		name := key
		if i < parts {
			name = partKey(key, i+1)
		}
		messages = append(messages, &nats.Msg{Subject: p.store.subject(store.Assignments, name), Data: piece, Header: nats.Header{}})
	}
	p.parts[key] = parts
	return p.add(append(messages, p.removals(key, parts)...))
}

// remove adds the messages that delete a record and its parts.
func (p *planWriter) remove(key string) error {
	p.parts[key] = 0
	return p.add(append([]*nats.Msg{p.removal(key)}, p.removals(key, 0)...))
}

// removals returns the messages that delete the parts which a record had and no longer needs.
func (p *planWriter) removals(key string, parts int) []*nats.Msg {
	var messages []*nats.Msg
	for n := parts + 1; n <= p.store.split.of(key); n++ {
		messages = append(messages, p.removal(partKey(key, n)))
	}
	return messages
}

func (p *planWriter) removal(key string) *nats.Msg {
	m := p.store.marker(store.Assignments, key)
	m.Header.Set(jetstream.MsgTTLHeader, markerTTL.String())
	return m
}

// add puts the messages of one record into the present batch, or into a new one. They are never split over two batches, so no
// reader sees half of a record.
func (p *planWriter) add(messages []*nats.Msg) error {
	if len(messages) > batchMost {
		return fmt.Errorf("%w: %d messages for %q, allowed: %d", ErrTooLarge, len(messages), messages[0].Subject, batchMost)
	}
	last := len(p.batches) - 1
	if last < 0 || len(p.batches[last])+len(messages) > batchMost {
		p.batches = append(p.batches, nil)
		last++
	}
	p.batches[last] = append(p.batches[last], messages...)
	return nil
}

// messageMost returns the server's max_payload and what it leaves for a value.
func (s *Store) messageMost() (limit, most int) {
	limit = int(s.js.Conn().MaxPayload())
	if limit <= 0 {
		limit = payloadUsual
	}
	return limit, limit - headersMost
}

func (s *Store) writeFenced(ctx context.Context, f store.Fence, messages []*nats.Msg) (last uint64, err error) {
	if len(messages) == 1 {
		last, err = s.write(ctx, messages[0], 0, jetstream.WithExpectLastSequenceForSubject(f.Revision, s.subject(store.Assignments, store.TermKey)))
	} else {
		last, err = s.writeBatch(ctx, f, messages)
	}
	if errors.Is(err, errConflict) {
		return 0, fmt.Errorf("%w: %w", ErrDeposed, err)
	}
	return last, err
}

// flow makes the server confirm a large batch bit by bit. Otherwise the server drops whatever waits for the stream beyond 128
// MB.
func (s *Store) flow(messages []*nats.Msg) jetstreamext.BatchFlowControl {
	const unconfirmed = 16 << 20
	bytes := 0
	for _, m := range messages {
		bytes += len(m.Data)
	}
	if bytes <= unconfirmed {
		return jetstreamext.BatchFlowControl{}
	}
	return jetstreamext.BatchFlowControl{AckEvery: max(1, len(messages)*unconfirmed/bytes), AckTimeout: s.patience()}
}

func (s *Store) writeBatch(ctx context.Context, f store.Fence, messages []*nats.Msg) (last uint64, err error) {
	for _, m := range messages {
		m.Subject = s.writes + m.Subject
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, fmt.Sprint(f.Revision))
		m.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, s.subject(store.Assignments, store.TermKey))
	}
	ack, err := bounded(ctx, func() (*jetstreamext.BatchAck, error) {
		return jetstreamext.PublishMsgBatch(ctx, s.js, messages, s.flow(messages))
	})
	if err != nil {
		return 0, outcome(err)
	}
	return ack.Sequence, nil
}
