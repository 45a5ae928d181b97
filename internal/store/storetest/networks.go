// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"time"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// networks are the cases about answers that do not come and writes that come late.
var networks = []Case{
	{
		Name:   "a write whose answer is lost is stored",
		Hazard: "an unknown write may be stored now, later or never; a conflict may be with one's own write",
		Needs:  []Trouble{StallDown, Heal},
		Can:    []string{"unknown value refused"},
		Run: func(s *Session) string {
			s.Ask(s.write(Frail, store.Heartbeats, s.message("other", 0), model.Condition{}))
			s.Suffer(StallDown, Frail, 0)
			e := s.Ask(s.write(Frail, store.Heartbeats, s.message("a", 0), model.Condition{}))[0]
			is := s.is(store.Heartbeats, "a")
			s.Suffer(Heal, Frail, 0)
			s.Sleep(time.Second)
			return words(e.Outcome, is, s.put(store.Heartbeats, "a", 0, 0).Outcome)
		},
	},
	{
		Name:   "a write that timed out may be stored later",
		Hazard: "an unchanged value does not prove that a write failed; only another successful conditional write does",
		Needs:  []Trouble{StallUp, Heal},
		Can:    []string{"unknown nothing value"},
		Run: func(s *Session) string {
			s.Ask(s.write(Frail, store.Heartbeats, s.message("other", 0), model.Condition{}))
			s.Suffer(StallUp, Frail, 0)
			e := s.Ask(s.write(Frail, store.Heartbeats, s.message("a", 0), model.Condition{}))[0]
			is := s.is(store.Heartbeats, "a")
			s.Suffer(Heal, Frail, 0)
			s.Sleep(time.Second)
			return words(e.Outcome, is, s.is(store.Heartbeats, "a"))
		},
	},
	{
		Name:   "a write that comes late finds the store changed",
		Hazard: "a conditional write that arrives late does no harm",
		Needs:  []Trouble{StallUp, Heal},
		Can:    []string{"unknown applied unchanged"},
		Run: func(s *Session) string {
			revision := s.must(store.Heartbeats, "a", 0, 0)
			s.Ask(s.write(Frail, store.Heartbeats, s.message("other", 0), model.Condition{}))
			s.Suffer(StallUp, Frail, 0)
			ghost := s.Ask(s.write(Frail, store.Heartbeats, s.message("a", 0), model.Condition{Revision: revision}))[0]
			mine := s.put(store.Heartbeats, "a", revision, 0)
			s.Suffer(Heal, Frail, 0)
			s.Sleep(time.Second)
			is := "changed"
			if s.get(store.Heartbeats, "a").Entry.Revision == mine.Revision {
				is = "unchanged"
			}
			return words(ghost.Outcome, mine.Outcome, is)
		},
	},
	{
		Name:   "a batch that comes late is refused whole once a new term is stored",
		Hazard: "a new term makes writes that are still under way harmless",
		Needs:  []Trouble{StallUp, Heal},
		Can:    []string{"unknown nothing nothing"},
		Run: func(s *Session) string {
			first := s.must(store.Assignments, store.TermKey, 0, 0)
			s.Ask(s.write(Frail, store.Heartbeats, s.message("other", 0), model.Condition{}))
			s.Suffer(StallUp, Frail, 0)
			ghost := s.Ask(Request{
				Kind: model.Written, Client: Frail, Bucket: store.Assignments, Atomic: true, Within: time.Second,
				When:     model.Condition{Key: store.TermKey, Revision: first},
				Messages: []model.Message{s.message("a", 0), s.message("plan", 0)},
			})[0]
			s.must(store.Assignments, store.TermKey, first, 0)
			s.Suffer(Heal, Frail, 0)
			s.Sleep(time.Second)
			return words(ghost.Outcome, s.is(store.Assignments, "a"), s.is(store.Assignments, "plan"))
		},
	},
	{
		Name:   "a write on a stalled connection that breaks is lost or stored",
		Hazard: "the outcome of a write is unknown if the connection breaks meanwhile",
		Needs:  []Trouble{StallUp, Cut, Heal},
		Can:    []string{"unknown nothing", "unknown value"},
		Run: func(s *Session) string {
			s.Ask(s.write(Frail, store.Heartbeats, s.message("other", 0), model.Condition{}))
			s.Suffer(StallUp, Frail, 0)
			wait := s.Send(s.write(Frail, store.Heartbeats, s.message("a", 0), model.Condition{}))
			s.Sleep(100 * time.Millisecond)
			s.Suffer(Cut, Frail, 0)
			e := wait()
			s.Suffer(Heal, Frail, 0)
			s.Sleep(time.Second)
			return words(e.Outcome, s.is(store.Heartbeats, "a"))
		},
	},
	{
		Name:   "a write without a connection is neither sent nor delivered later",
		Hazard: "the client's reconnect buffer would deliver a Put that timed out, so it is switched off",
		Needs:  []Trouble{Cut, Heal},
		Can:    []string{"not sent nothing, applied"},
		Run: func(s *Session) string {
			s.Ask(s.write(Frail, store.Heartbeats, s.message("other", 0), model.Condition{}))
			s.Suffer(Cut, Frail, 0)
			s.Sleep(10 * time.Millisecond)
			e := s.Ask(s.write(Frail, store.Heartbeats, s.message("a", 0), model.Condition{}))[0]
			s.Suffer(Heal, Frail, 0)
			s.Sleep(2 * time.Second)
			is := s.is(store.Heartbeats, "a")
			return words(e.Outcome, is+",", s.Ask(s.write(Frail, store.Heartbeats, s.message("a", 0), model.Condition{}))[0].Outcome)
		},
	},
	{
		Name:   "nothing is stored while the store is away, and earlier values are kept",
		Hazard: "with file storage an acknowledged write survives a restart",
		Needs:  []Trouble{Stop, Start},
		Can:    []string{"not sent, value applied"},
		Run: func(s *Session) string {
			revision := s.must(store.Heartbeats, "a", 0, 0)
			s.Suffer(Stop, Steady, 0)
			s.Sleep(10 * time.Millisecond)
			e := s.Ask(s.write(Frail, store.Heartbeats, s.message("b", 0), model.Condition{}))[0]
			s.Suffer(Start, Steady, 0)
			s.Sleep(time.Second)
			return words(e.Outcome.String()+",", s.is(store.Heartbeats, "a"), s.put(store.Heartbeats, "a", revision, 0).Outcome)
		},
	},
	{
		Name:       "an acknowledged write survives the change of a leader and an unacknowledged one may",
		Hazard:     "the first write is accepted 0.02 to 9 s after the failure; writes before that are not sent or unknown",
		Replicated: true,
		Needs:      []Trouble{Elect},
		Can:        []string{"kept"},
		Run: func(s *Session) string {
			revision := s.must(store.Heartbeats, "a", 0, 0)
			wait := s.Send(s.write(Steady, store.Heartbeats, s.message("b", 0), model.Condition{}))
			s.Suffer(Elect, Steady, store.Heartbeats)
			e := wait()
			for range 300 {
				if s.put(store.Heartbeats, "other", s.get(store.Heartbeats, "other").Entry.Revision, 0).Outcome == model.Applied {
					break
				}
				s.Sleep(50 * time.Millisecond)
			}
			switch is := s.is(store.Heartbeats, "b"); {
			case s.get(store.Heartbeats, "a").Entry.Revision != revision:
				return "lost"
			case e.Outcome == model.Applied && is != "value", e.Outcome == model.NotSent && is != "nothing":
				return words(e.Outcome, is)
			}
			return "kept"
		},
	},
}
