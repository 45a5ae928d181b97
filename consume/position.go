// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/parti-go/parti"
)

// owner is the part of a [parti.Ownership] that this package needs.
type owner interface {
	Partition() parti.Partition
	Epoch() int64
	WorkerID() string
	Valid() error
	Held() context.Context
}

var _ owner = (*parti.Ownership)(nil)

// formatNewest is the format in which positions are written, and the newest format that this release reads.
const formatNewest = 1

// record is a position as it is stored, in JSON.
type record struct {
	Format   int       `json:"format"`
	Epoch    int64     `json:"epoch"`    // of the owner that wrote it
	Position uint64    `json:"position"` // the sequence of the last message that is done
	Worker   string    `json:"worker"`
	Stream   string    `json:"stream"`
	Created  time.Time `json:"created"` // when that stream was made
	Subject  string    `json:"subject"` // the filter
}

// place is where a position is stored: in the last message of a subject of a stream.
type place struct {
	client  *client
	stream  string
	subject string // as it is stored
	publish string // as it is published, which differs in another domain
	never   bool   // the message outlives the stream's MaxAge
}

// mark is a claimed position, as this owner has last stored it. Only a mark with the last sequence of its place can be moved.
// So of all owners, only the last one that claimed the place can move it.
//
// Invariants: a mark is claimed before the first message is read; its position never falls; it has one epoch.
type mark struct {
	place
	record
	sequence uint64 // of the message
}

// claim writes the epoch of this owner beside the stored position, so that no previous owner can move the position any more. It
// tries for as long as patience allows.
//
// Unknown outcomes need no care here. What is stored is read again, and only an acknowledged claim counts. An own write that is
// still under way has lost its condition by then.
//
// mine.Position is the lowest position that may be stored: 0 for a new owner.
func claim(ctx context.Context, p place, mine record) (*mark, error) {
	deadline := time.Now().Add(patience)
	again := pauses{pauseFirst, pauseMost}
	for {
		m, err := p.claimOnce(ctx, mine)
		switch {
		case err == nil:
			return m, nil
		case errors.Is(err, ErrStale), errors.Is(err, ErrPosition), errors.Is(err, ErrStreamChanged):
			return nil, err
		case time.Now().After(deadline), !again.wait(ctx):
			return nil, fmt.Errorf("claim the position %s in stream %s: %w", p.subject, p.stream, err)
		}
	}
}

func (p place) claimOnce(ctx context.Context, mine record) (*mark, error) {
	last, err := p.client.last(ctx, p.stream, p.subject)
	if err != nil {
		return nil, err
	}
	m := &mark{place: p, record: mine, sequence: last.sequence}
	m.Format, m.Position = formatNewest, 0
	if last.sequence > 0 && last.header.Get("KV-Operation") == "" && last.header.Get("Nats-Marker-Reason") == "" {
		if m.Position, err = p.read(last.data, mine); err != nil {
			return nil, err
		}
	}
	if m.Position < mine.Position {
		return nil, fmt.Errorf("%w: %s in stream %s fell from %d to %d while epoch %d held it; was it removed?",
			ErrPosition, p.subject, p.stream, mine.Position, m.Position, mine.Epoch)
	}
	return m, m.write(ctx, m.Position)
}

// read returns the stored position, if this owner may continue from it.
func (p place) read(data []byte, mine record) (uint64, error) {
	where := fmt.Sprintf("%s in stream %s", p.subject, p.stream)
	var was record
	if err := json.Unmarshal(data, &was); err != nil || was.Format == 0 {
		return 0, fmt.Errorf("%w: %s is %.80q, allowed: a position; does something else publish there?", ErrPosition, where, data)
	}
	switch {
	case was.Format > formatNewest:
		return 0, fmt.Errorf("%w: %s has format %d, allowed: at most %d; it was written by a later release", ErrPosition, where, was.Format, formatNewest)
	case was.Stream != mine.Stream || was.Subject != mine.Subject:
		return 0, fmt.Errorf("%w: %s belongs to subject %q of stream %q, allowed: subject %q of stream %q; give each reader positions of its own",
			ErrPosition, where, was.Subject, was.Stream, mine.Subject, mine.Stream)
	case was.Epoch > mine.Epoch:
		return 0, fmt.Errorf("%w: %s is held under epoch %d by %s, this owner has epoch %d; "+
			"if the buckets of the group were made anew, remove the position or write it again with a lower epoch", ErrStale, where, was.Epoch, was.Worker, mine.Epoch)
	case !was.Created.Equal(mine.Created):
		return 0, fmt.Errorf("%w: %s is %d in the stream %q that was made at %s, but that stream was made at %s; "+
			"remove the position to begin at the first message, or correct it", ErrStreamChanged, where, was.Position, mine.Stream, was.Created, mine.Created)
	}
	return was.Position, nil
}

// message returns the message that moves the position.
func (m *mark) message(position uint64) (*nats.Msg, error) {
	r := m.record
	r.Position = position
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode the position: %w", err)
	}
	msg := &nats.Msg{Subject: m.publish, Data: data, Header: nats.Header{}}
	if m.never {
		msg.Header.Set("Nats-TTL", "never")
	}
	return msg, nil
}

// write moves the position. Its error wraps errConflict, errNotDone or errUnknown. It changes the mark only if there is no
// error.
func (m *mark) write(ctx context.Context, position uint64) error {
	msg, err := m.message(position)
	if err != nil {
		return err
	}
	sequence, err := m.client.publish(ctx, msg, m.sequence)
	if err != nil {
		return err
	}
	m.moved(position, sequence)
	return nil
}

func (m *mark) moved(position, sequence uint64) { m.Position, m.sequence = position, sequence }

// settle finds out what is stored after a write that was refused or has an unknown outcome. It claims the place again. The
// position is then the one before that write, or the one that it wrote.
func (m *mark) settle(ctx context.Context) error {
	now, err := claim(ctx, m.place, m.record)
	if err != nil {
		return err
	}
	*m = *now
	return nil
}

// move moves the position, and settles unknown outcomes. It fails if patience ends, or if this owner is stale.
func (m *mark) move(ctx context.Context, position uint64) error {
	err := m.write(ctx, position)
	if err == nil {
		return nil
	}
	deadline := time.Now().Add(patience)
	again := pauses{pauseFirst, pauseMost}
	for {
		if failed := m.settle(ctx); failed != nil {
			return failed
		}
		if m.Position >= position {
			return nil
		}
		if err = m.write(ctx, position); err == nil {
			return nil
		}
		if time.Now().After(deadline) || !again.wait(ctx) {
			return fmt.Errorf("move the position %s to %d: %w", m.subject, position, err)
		}
	}
}

// keyed encodes a text for the key of a bucket or the name of a consumer: each byte that is not allowed there becomes '=' and
// two digits. Different partitions have different keys.
func keyed(id string, plain func(byte) bool) string {
	var b strings.Builder
	for _, c := range []byte(id) {
		if plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}

func letter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-'
}

// keyOf returns the key of a partition in a bucket.
func keyOf(id string) string {
	return keyed(id, func(c byte) bool { return letter(c) || c == '_' || c == '.' })
}
