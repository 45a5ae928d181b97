// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// The journal has one entry for each version that grants or revokes something, under the key "journal.<version>" of the
// assignment bucket. The entry is stored in the batch of its plan, before the plan. It is for people: nothing waits for it, a
// snapshot leaves it out, and if it cannot be written, the plan is written without it.
//
// The key looks like the key of a part. A release that knows packed records ignores a part that no record asks for. A release
// that does not know them would take the entry for the record of a worker, so there is no journal while such a release is in
// the group.

const (
	journalKey = "journal"
	// journalTTL is how long an entry is kept.
	journalTTL = 24 * time.Hour
)

// Whether the user of the connection may publish the journal.
const (
	journalUntried int32 = iota
	journalAllowed
	journalDenied
)

// mayKeepJournal reports whether the connection's user may publish the journal. The first entry tests it: the server would drop
// a message without permission, and then refuse the batch. If the test fails, the answer is no for this time.
func (s *Store) mayKeepJournal(ctx context.Context) bool {
	if known := s.journal.Load(); known != journalUntried {
		return known == journalAllowed
	}
	m := nats.NewMsg(s.writes + s.subject(store.Assignments, partKey(journalKey, 1)))
	m.Header.Set(jetstream.ExpectedStreamHeader, noStream)
	ctx, cancel := context.WithTimeout(ctx, s.patience())
	defer cancel()
	denied, err := s.mayPublish(ctx, m)
	switch {
	case err != nil:
		return false
	case len(denied) > 0:
		s.journal.Store(journalDenied)
		return false
	}
	s.journal.Store(journalAllowed)
	return true
}

// journal returns the message of an entry, or none if there is nothing to say or nobody who may read it.
func (p *planWriter) journal(j *record.Journal) []*nats.Msg {
	if j == nil || p.format < record.FormatPacked {
		return nil
	}
	_, most := p.store.messageMost()
	value := journalValue(p.store.holder.next(p.chain), *j, most)
	if value == nil {
		return nil
	}
	m := &nats.Msg{Subject: p.store.subject(store.Assignments, partKey(journalKey, int(j.Version))), Data: value, Header: nats.Header{}}
	m.Header.Set(jetstream.MsgTTLHeader, journalTTL.String())
	return []*nats.Msg{m}
}

// journalValue encodes an entry in one message: as it is, packed, or without the changes that do not fit. It returns nil if
// nothing fits.
func journalValue(t record.Token, j record.Journal, most int) []byte {
	for {
		value, err := record.Encode(t, j)
		if err != nil {
			return nil
		}
		if len(value) <= min(plainMost, most) {
			return value
		}
		if pieces, err := record.Pack(t, value, most); err == nil && len(pieces) == 1 {
			return pieces[0]
		}
		if len(j.Changes) == 0 {
			return nil
		}
		j = j.Halve()
	}
}

// isJournal reports whether a key names an entry of the journal.
func isJournal(key string) bool { return strings.HasPrefix(key, journalKey+".") }
