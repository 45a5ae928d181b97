// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"strings"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// ID names a request, or a feed. IDs grow.
type ID uint64

// Client is who asks: a connection to the store. Any number will do; clients are made as they are named.
type Client int

// Message is what is written under a key.
type Message struct {
	Key   string
	Value []byte // the model keeps it: it must not be changed
	Kind  store.Kind
	TTL   time.Duration // 0 for a message that does not expire
	// Token and Format are what a reader finds in the value.
	Token  record.Token
	Format int
	Record any // what Value says, for readers that are to be spared it; see [store.Entry]
}

// Condition is what a write depends on: that a revision is the last one of a key.
type Condition struct {
	Key      string // "" for the key that is written
	Revision uint64 // 0 for nothing: neither a value nor a marker
}

// Outcome is what the client learns of a request.
type Outcome int

// The outcomes. Only the first two are definite news of the store.
const (
	Applied Outcome = iota // done, or answered
	Refused                // not done: the condition does not hold
	Busy                   // not done: another write that the condition depends on is under way
	NotSent                // not done: nobody took it
	Unknown                // nobody answered: done, or to be done, or not
)

// String names the outcome.
func (o Outcome) String() string {
	return [...]string{"applied", "refused", "busy", "not sent", "unknown"}[o]
}

// EventKind is what an event tells.
type EventKind int

// The kinds of events.
const (
	Written   EventKind = iota // the outcome of a write or a batch, and its last revision
	Got                        // the answer of the leader about one key: the entry, or none
	Listed                     // the answer of a replica: entries, markers included, in the order of their revisions; or none
	Described                  // the answer of the leader about a bucket; none where there is no such bucket
	Followed                   // a feed has begun, or could not be begun
	Delivered                  // a feed tells an entry
	Lost                       // a feed has ended: nothing was told since some time ago
)

// String names the kind.
func (k EventKind) String() string {
	return [...]string{"written", "got", "listed", "described", "followed", "delivered", "lost"}[k]
}

// Event is what a client learns, and when.
type Event struct {
	At       time.Time
	ID       ID // of the request; of the feed for what feeds tell
	Client   Client
	Bucket   store.Bucket
	Kind     EventKind
	Outcome  Outcome // of a question that nobody answered: NotSent, because it has changed nothing
	None     bool    // nothing is there; a replica then does not say up to which revision it knows
	Revision uint64  // of a write: of its last message; of a listing: up to which it is complete
	Entry    store.Entry
	Entries  []store.Entry
	Info     Info
}

// Info describes a bucket.
type Info struct {
	Created  time.Time // of its incarnation
	First    uint64    // the lowest revision it holds; one more than Last where it holds nothing
	Last     uint64    // the highest revision that was ever stored
	Messages int       // values and markers
	At       time.Time // when the last message was stored; zero where none was
	Now      time.Time // of the server
	Replicas int
}

// String tells the event in one line.
func (e Event) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s #%d client %d: %s %s", e.At.UTC().Format("15:04:05.000000000"), e.ID, e.Client, e.Kind, e.Bucket)
	if e.Outcome != Applied {
		fmt.Fprintf(&b, " %s", e.Outcome)
		return b.String()
	}
	switch {
	case e.None:
		b.WriteString(" nothing")
	case e.Kind == Written:
		fmt.Fprintf(&b, " revision %d", e.Revision)
	case e.Kind == Got, e.Kind == Delivered:
		b.WriteString(" " + line(e.Entry))
	case e.Kind == Listed:
		fmt.Fprintf(&b, " up to %d:", e.Revision)
		for _, entry := range e.Entries {
			b.WriteString(" " + line(entry))
		}
	case e.Kind == Described:
		fmt.Fprintf(&b, " created %s, %d messages from %d to %d",
			e.Info.Created.UTC().Format("15:04:05.000"), e.Info.Messages, e.Info.First, e.Info.Last)
	}
	return b.String()
}

func line(e store.Entry) string {
	kind := [...]string{"=", " deleted", " expired"}[e.Kind]
	return fmt.Sprintf("%s@%d%s%q", e.Key, e.Revision, kind, e.Value)
}
