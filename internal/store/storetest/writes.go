// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// words joins what was seen one after the other.
func words(seen ...any) string {
	return fmt.Sprint(fmt.Sprintln(seen...)[:len(fmt.Sprintln(seen...))-1])
}

// writes are the cases about conditions, fences and batches.
var writes = []Case{
	{
		Name:   "a value is overwritten only by a write with its revision",
		Hazard: "every write is conditional, so a late one finds the store changed and is refused",
		Can:    []string{"applied refused refused applied refused"},
		Run: func(s *Session) string {
			first := s.put(store.Heartbeats, "a", 0, time.Minute)
			create := s.put(store.Heartbeats, "a", 0, time.Minute)
			other := s.put(store.Heartbeats, "a", first.Revision+1000, time.Minute)
			renew := s.put(store.Heartbeats, "a", first.Revision, time.Minute)
			late := s.put(store.Heartbeats, "a", first.Revision, time.Minute)
			if renew.Revision <= first.Revision {
				return "the revision does not grow"
			}
			return words(first.Outcome, create.Outcome, other.Outcome, renew.Outcome, late.Outcome)
		},
	},
	{
		Name:   "one of many creators of a key succeeds",
		Hazard: "a conflict is 10071, or 10164 with replicas, which proves nothing",
		Can:    []string{"one"},
		Run: func(s *Session) string {
			requests := make([]Request, 8)
			for i := range requests {
				requests[i] = s.write(Steady, store.StableIDs, s.message("a", time.Minute), model.Condition{})
			}
			applied := 0
			for _, e := range s.Ask(requests...) {
				switch e.Outcome {
				case model.Applied:
					applied++
				case model.Refused, model.Busy:
				case model.NotSent, model.Unknown:
					return e.Outcome.String()
				}
			}
			if applied == 1 && s.is(store.StableIDs, "a") == "value" {
				return "one"
			}
			return words(applied, "of 8")
		},
	},
	{
		Name:   "a write under a fence is stored only while the fence stands",
		Hazard: "a deposed leader stores nothing",
		Can:    []string{"applied applied refused applied"},
		Run: func(s *Session) string {
			fence := func(key string, revision uint64) model.Outcome {
				when := model.Condition{Key: store.TermKey, Revision: revision}
				return s.again(s.write(Steady, store.Assignments, s.message(key, 0), when)).Outcome
			}
			first := s.must(store.Assignments, store.TermKey, 0, 0)
			one, two := fence("a", first), fence("a", first) // the key's own revision is not asked for
			second := s.must(store.Assignments, store.TermKey, first, 0)
			return words(one, two, fence("a", first), fence("b", second))
		},
	},
	{
		Name:   "a batch is stored whole or not at all",
		Hazard: "a plan of several records is one atomic batch",
		Can:    []string{"applied refused"},
		Run: func(s *Session) string {
			first := s.must(store.Assignments, store.TermKey, 0, 0)
			old := model.Condition{Key: store.TermKey, Revision: first}
			stored := s.batch(store.Assignments, old, "a", "b", "plan")
			if all := s.whole("a", "b", "plan"); all != "value value value" {
				return "stored: " + all
			}
			s.must(store.Assignments, store.TermKey, first, 0)
			refused := s.batch(store.Assignments, old, "c", "d")
			if none := s.whole("c", "d"); none != "nothing nothing" {
				return "refused: " + none
			}
			return words(stored.Outcome, refused.Outcome)
		},
	},
	{
		Name:   "the revisions of a batch follow each other and its answer names the last",
		Hazard: "a leader knows the revision of its plan without a read",
		Can:    []string{"follow each other"},
		Run: func(s *Session) string {
			first := s.must(store.Assignments, store.TermKey, 0, 0)
			last := s.batch(store.Assignments, model.Condition{Key: store.TermKey, Revision: first}, "a", "b", "plan").Revision
			a, plan := s.get(store.Assignments, "a").Entry.Revision, s.get(store.Assignments, "plan").Entry.Revision
			if plan == last && a == last-2 {
				return "follow each other"
			}
			return words(a, plan, last)
		},
	},
	{
		Name:   "a batch of more than 1,000 messages is refused whole",
		Hazard: "a plan of more than 1,000 messages needs several batches; the server refuses one with 10199",
		Can:    []string{"not sent nothing nothing"},
		Run: func(s *Session) string {
			first := s.must(store.Assignments, store.TermKey, 0, 0)
			keys := make([]string, 1001)
			for i := range keys {
				keys[i] = fmt.Sprintf("worker-%d", i)
			}
			r := Request{Kind: model.Written, Client: Steady, Bucket: store.Assignments, Atomic: true, Within: 5 * time.Second}
			r.When = model.Condition{Key: store.TermKey, Revision: first}
			for _, key := range keys {
				r.Messages = append(r.Messages, s.message(key, 0))
			}
			e := s.Ask(r)[0]
			return words(e.Outcome, s.is(store.Assignments, keys[0]), s.is(store.Assignments, keys[1000]))
		},
	},
	{
		Name:   "only the assignment bucket takes batches",
		Hazard: "a stream needs allow_atomic for batches",
		Can:    []string{"not sent nothing"},
		Run: func(s *Session) string {
			r := Request{Kind: model.Written, Client: Steady, Bucket: store.Heartbeats, Atomic: true, Within: 5 * time.Second}
			r.Messages = []model.Message{s.message("a", 0), s.message("b", 0)}
			e := s.Ask(r)[0]
			return words(e.Outcome, s.is(store.Heartbeats, "a"))
		},
	},
	{
		Name:       "all but one of the simultaneous writes under one fence are busy",
		Hazard:     "199 of 200 simultaneous writes of a leader fail with 10164, so one goroutine writes, in batches",
		Replicated: true,
		Can:        []string{"some busy"},
		Run: func(s *Session) string {
			first := s.must(store.Assignments, store.TermKey, 0, 0)
			requests := make([]Request, 20)
			for i := range requests {
				m := s.message(fmt.Sprintf("worker-%d", i), 0)
				requests[i] = s.write(Steady, store.Assignments, m, model.Condition{Key: store.TermKey, Revision: first})
			}
			seen := "all stored"
			for i, e := range s.Ask(requests...) {
				is := s.is(store.Assignments, fmt.Sprintf("worker-%d", i))
				switch {
				case e.Outcome == model.Applied && is == "value":
				case e.Outcome == model.Busy && is == "nothing":
					seen = "some busy"
				default:
					return words(e.Outcome, is)
				}
			}
			return seen
		},
	},
}

// whole says what is stored under keys.
func (s *Session) whole(keys ...string) string {
	var seen []any
	for _, key := range keys {
		seen = append(seen, s.is(store.Assignments, key))
	}
	return words(seen...)
}
