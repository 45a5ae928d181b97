// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// The formats of records. A record is written in the oldest format that can express it.
const (
	// Oldest is the format that every release reads and writes: readable JSON.
	Oldest = 1
	// FormatPacked is a plan or an assignment of the oldest format in packed form: compressed, and spread over several messages
	// if it does not fit into one. Small records are not packed.
	FormatPacked = 2
	// FormatHolding is a heartbeat that lists held partitions. A reader that ignored the list would treat them as let go.
	FormatHolding = 3
	// Newest is the newest format that this release reads and writes.
	Newest = FormatHolding
)

// The errors of decoding. Test for them with errors.Is; each implies what the caller can do next.
var (
	// ErrFormat says that a record has a format that this release does not know. Take nothing up, and do not lead.
	ErrFormat = errors.New("unknown record format")
	// ErrCorrupt says that a value is not a record.
	ErrCorrupt = errors.New("corrupt record")
)

// Token names one write of a record. No two writes have the same token.
type Token string

// Of reports whether t belongs to the chain of writes whose tokens have this prefix.
func (t Token) Of(chain Token) bool {
	return chain != "" && strings.HasPrefix(string(t), string(chain))
}

// envelope is the beginning of every record. It also shows whether a record is packed.
type envelope struct {
	Format int             `json:"format"`
	Token  Token           `json:"token"`
	Parts  int             `json:"parts"`
	Packed json.RawMessage `json:"packed"`
}

// Encode puts the envelope in front of a record, whose encoding is an object with at least one field.
func Encode(t Token, record any) ([]byte, error) {
	body, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", record, err)
	}
	return fmt.Appendf(nil, `{"format":%d,"token":%q,%s`, FormatOf(record), t, body[1:]), nil
}

// FormatOf returns the format in which a record is written.
func FormatOf(record any) int {
	if h, ok := record.(Heartbeat); ok && len(h.Holding) > 0 {
		return FormatHolding
	}
	return Oldest
}

// Envelope returns the format and the token of a value in any format; 0 and "" if it has none.
func Envelope(value []byte) (format int, t Token) {
	var e envelope
	if json.Unmarshal(value, &e) != nil {
		return 0, ""
	}
	return e.Format, e.Token
}

// DecodeClaim reads a claim. As in all Decode functions, [ErrFormat] means a newer writer, and [ErrCorrupt] means garbage.
func DecodeClaim(b []byte) (Claim, error) { return decode[Claim]("claim", b) }

// DecodeLeader reads a leader's record.
func DecodeLeader(b []byte) (Leader, error) { return decode[Leader]("leader", b) }

// DecodeHeartbeat reads a heartbeat. A negative capacity, which no strategy could plan with, is [ErrCorrupt].
func DecodeHeartbeat(b []byte) (Heartbeat, error) {
	h, err := decode[Heartbeat]("heartbeat", b)
	if err == nil && h.Capacity < 0 {
		return Heartbeat{}, fmt.Errorf("%w: heartbeat: capacity %d, allowed: 0 or more", ErrCorrupt, h.Capacity)
	}
	return h, err
}

// DecodeTerm reads a term.
func DecodeTerm(b []byte) (Term, error) { return decode[Term]("term", b) }

// DecodeAssignment reads a worker's assignment.
func DecodeAssignment(b []byte) (Assignment, error) { return decode[Assignment]("assignment", b) }

// DecodeJournal reads an entry of the journal, packed or not.
func DecodeJournal(b []byte) (Journal, error) {
	if p, packed := PieceOf(b); packed && p.Parts == 0 {
		value, err := p.Unpack(nil)
		if err != nil {
			return Journal{}, fmt.Errorf("%w: journal: %w", ErrCorrupt, err)
		}
		b = value
	}
	return decode[Journal]("journal", b)
}

// DecodePlan reads a plan. An unknown phase or lifecycle is [ErrCorrupt].
func DecodePlan(b []byte) (Plan, error) {
	p, err := decode[Plan]("plan", b)
	if err != nil {
		return Plan{}, err
	}
	switch p.Phase {
	case PhaseIdle, PhaseScaling, PhaseRebalancing, PhaseEmergency:
	default:
		return Plan{}, fmt.Errorf("%w: plan: phase %q", ErrCorrupt, p.Phase)
	}
	switch p.Lifecycle {
	case ColdStart, PostColdStart, Stable:
	default:
		return Plan{}, fmt.Errorf("%w: plan: lifecycle %q", ErrCorrupt, p.Lifecycle)
	}
	return p, nil
}

func decode[T any](kind string, b []byte) (record T, err error) {
	var none T
	var e envelope
	if err := json.Unmarshal(b, &e); err != nil {
		return none, fmt.Errorf("%w: %s: %w", ErrCorrupt, kind, err)
	}
	if e.Format < Oldest { // every record has had one from the first release on
		return none, fmt.Errorf("%w: %s: no format, allowed: %d to %d", ErrCorrupt, kind, Oldest, Newest)
	}
	if e.Format > Newest {
		return none, fmt.Errorf("%w: %s: found %d, known %d", ErrFormat, kind, e.Format, Newest)
	}
	if e.Format == FormatPacked && (e.Parts != 0 || e.Packed != nil) { // the store hands out what it could unpack
		return none, fmt.Errorf("%w: %s: it is packed, and a piece of it is missing or damaged", ErrCorrupt, kind)
	}
	if err := json.Unmarshal(b, &record); err != nil {
		return none, fmt.Errorf("%w: %s: %w", ErrCorrupt, kind, err)
	}
	return record, nil
}
