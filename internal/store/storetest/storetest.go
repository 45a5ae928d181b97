// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package storetest is the conformance suite of the store. Each case shows one thing that the buckets do to their clients. The
// same cases run against the model (package model) and against the real server, so the model is never kinder than NATS.
//
// A case lists the outcomes that are possible. The real server must show one of them. The model must be able to show each of
// them, and no other.
package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// Request is what a client asks. Its kind is that of the event that answers it.
type Request struct {
	Kind     model.EventKind
	Client   model.Client
	Bucket   store.Bucket
	Messages []model.Message // of a write
	Atomic   bool            // the messages are a batch, even one alone
	When     model.Condition
	Keys     []string // of a listing or a feed, nil for all; the key of a question
	After    uint64   // of a feed
	Within   time.Duration
}

// Trouble is what happens to a client or to the store.
type Trouble int

// The troubles.
const (
	StallUp    Trouble = iota // what a client sends waits
	StallDown                 // what a client is sent waits
	Cut                       // the connection of a client breaks
	Heal                      // the connection of a client is as before
	Stop                      // the store stops
	Start                     // the store starts again
	Copy                      // a copy is made of the stopped store
	Restore                   // the copy replaces one bucket of the stopped store
	RestoreAll                // the copy replaces the stopped store
	Delete                    // a bucket is deleted
	Create                    // a bucket that was deleted is made again
	Purge                     // a bucket is emptied
	Elect                     // another server begins to lead a bucket
)

// Subject is a store under test. Its clients are 0, which can have troubles, and 1, which cannot.
type Subject interface {
	// Ask sends requests at once and waits for all their outcomes.
	Ask(requests ...Request) []model.Event
	// Send sends one request and does not wait.
	Send(r Request) (outcome func() model.Event)
	// Told returns what a feed has told since it was asked last.
	Told(feed model.ID) []model.Event
	// Sleep lets time pass. Now is what time it is.
	Sleep(d time.Duration)
	Now() time.Time
	// Suffer begins or ends a trouble.
	Suffer(what Trouble, c model.Client, b store.Bucket)
	// Late is how late the marker of an expiry may be.
	Late() time.Duration
}

// Case is one thing that a store does.
type Case struct {
	// Name says it in a sentence.
	Name string
	// Hazard says what follows for who uses the store.
	Hazard string
	// Needs lists the troubles.
	Needs []Trouble
	// Alone says that it needs a store without replicas, and Replicated that it needs one with them.
	Alone, Replicated bool
	// Can lists what may be seen. The first is what the benign model shows.
	Can []string
	// Run does it and says what was seen.
	Run func(s *Session) string
}

// Runs says whether a case can run on a store.
func (c Case) Runs(replicated bool, troubles ...Trouble) bool {
	for _, need := range c.Needs {
		if !slices.Contains(troubles, need) {
			return false
		}
	}
	if replicated {
		return !c.Alone
	}
	return !c.Replicated
}

// Try runs a case and fails the test if something was seen that must not be.
func (c Case) Try(t testing.TB, s Subject) (seen string) {
	t.Helper()
	seen = c.Run(&Session{TB: t, Subject: s})
	if !slices.Contains(c.Can, seen) {
		t.Errorf("%s: seen %q, allowed: %q", c.Name, seen, c.Can)
	}
	return seen
}

// Cases returns all cases.
func Cases() []Case { return slices.Concat(writes, leases, networks, reads, stores) }
