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
	// headersMost is what is left of the server's max_payload for the headers of a message.
	headersMost = 4096
	// payloadUsual is the max_payload of a server that has not said another.
	payloadUsual = 1 << 20
	// plainMost is the longest value that is stored as readable JSON where the readers know a packed one.
	plainMost = 64 << 10
	// packedMost is how many bytes a packed record may have in all its messages: a snapshot of one key, which cannot be
	// asked for in parts, has to fit into one answer.
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

// WritePlan stores a version under a fence: as one atomic batch, or, above 1,000 messages, as several with the plan in
// the last. All messages of one record are in one batch, its parts before the record itself.
//
// [ErrDeposed] says that a newer term is stored. [ErrNotDone] says that nothing was stored; it is [ErrTooLarge] when a
// record is larger than the store takes, which is found out before anything is sent. After [ErrUnknown] any part may be
// stored, now or later: begin a new term before writing again, which alone makes what is still under way harmless.
//
// Parts that an earlier version of a record needed, and this one does not, are removed with it. Which there are is known
// from the last snapshot of all assignments, which a leader takes when its term begins.
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

// afterPlan counts the messages of a batch behind the plan: what removes parts that it does not need any more.
func afterPlan(batch []*nats.Msg) (n uint64) {
	for _, m := range slices.Backward(batch) {
		if strings.HasSuffix(m.Subject, "."+store.PlanKey) {
			break
		}
		n++
	}
	return n
}

// planMessages makes the messages of a version, the plan's last.
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

// planWriter makes the messages of one version, in as few batches as hold them.
type planWriter struct {
	store   *Store
	format  int
	chain   record.Token
	parts   map[string]int // of the records that it has made
	batches [][]*nats.Msg
	split   string // a record that needs more than one message; "" for none
}

// put adds a record: its parts, the record itself, and the removal of parts that it does not need any more. What has to be
// in the same batch comes first.
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

// remove adds the end of a record and of its parts.
func (p *planWriter) remove(key string) error {
	p.parts[key] = 0
	return p.add(append([]*nats.Msg{p.removal(key)}, p.removals(key, 0)...))
}

// removals end the parts that a record had and does not need any more.
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

// add puts the messages of one record into the batch that is being filled, or into a new one: a reader never sees one
// batch half stored.
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

// flow has the server confirm a large batch bit by bit: it drops what waits for a stream beyond 128 MB.
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
