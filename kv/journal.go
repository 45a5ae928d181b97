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

// The journal is one entry for each version that grants or revokes something, under the key "journal.<version>" of the
// assignments. It is in the batch of its plan, before it. It is for people: nothing waits for it, a snapshot leaves it
// out, and a plan whose journal cannot be written is written without it.
//
// The key looks like that of a part, which every release that knows packed records leaves alone where no record asks for
// it. A release that does not would take the entry for the record of a worker, so while one is in the group there is no
// journal.

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

// mayKeepJournal reports whether the user of the connection may publish the journal. It is tried out with the first entry:
// the server would drop a denied message, and with it refuse the batch. A trial that fails says no for this time.
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

// journal makes the message of an entry, none where there is nothing to say, or nobody who may be told.
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

// journalValue encodes an entry in one message: as it is, or packed, or without the changes that do not fit. It returns
// nil where nothing fits.
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

// isJournal reports whether a key is that of an entry of the journal.
func isJournal(key string) bool { return strings.HasPrefix(key, journalKey+".") }
