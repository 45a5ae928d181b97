// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// keys says what a listing holds.
func keys(e model.Event) string {
	var seen []string
	for _, entry := range e.Entries {
		seen = append(seen, [...]string{"", "deleted ", "expired "}[entry.Kind]+entry.Key)
	}
	return strings.Join(seen, ", ")
}

// reads are the cases about questions, listings and feeds.
var reads = []Case{
	{
		Name:   "a listing has values and markers in the order of their revisions and says up to which revision it is complete",
		Hazard: "Keys and watches can leave out live keys that are being rewritten; a direct get of last messages does not",
		Alone:  true,
		Can:    []string{"deleted b, a up to the last"},
		Run: func(s *Session) string {
			first := s.must(store.Heartbeats, "a", 0, 0)
			s.end(store.Heartbeats, "b", s.must(store.Heartbeats, "b", 0, 0), time.Hour)
			last := s.must(store.Heartbeats, "a", first, 0)
			e := s.list(store.Heartbeats)
			if e.Revision != last {
				return words(keys(e), "up to", e.Revision, "and not", last)
			}
			return words(keys(e), "up to the last")
		},
	},
	{
		Name:       "a replica that lags says so",
		Hazard:     "15 to 20 % of direct gets are stale right after a write, so a snapshot must be complete up to a known revision",
		Replicated: true,
		Can:        []string{"complete", "behind"},
		Run: func(s *Session) string {
			revision, seen := s.must(store.Heartbeats, "a", 0, 0), "complete"
			for range 10 {
				revision = s.must(store.Heartbeats, "a", revision, 0)
				e := s.list(store.Heartbeats)
				shown := uint64(0)
				if len(e.Entries) == 1 {
					shown = e.Entries[0].Revision
				}
				switch {
				case e.None: // a replica that knows nothing does not say up to when
					seen = "behind"
				case e.Revision >= revision && shown == revision:
				case e.Revision < revision && shown <= e.Revision:
					seen = "behind"
				default:
					return words("shows", shown, "up to", e.Revision, "of", revision)
				}
			}
			return seen
		},
	},
	{
		Name:   "the leader answers with every acknowledged write",
		Hazard: "only the leader of the stream and a conditional write tell the truth",
		Can:    []string{"true"},
		Run: func(s *Session) string {
			revision := uint64(0)
			for range 30 {
				revision = s.must(store.Heartbeats, "a", revision, 0)
				if e := s.get(store.Heartbeats, "a"); e.Entry.Revision != revision {
					return words(e.Entry.Revision, "instead of", revision)
				}
			}
			return "true"
		},
	},
	{
		Name:   "a listing has keys that are being rewritten",
		Hazard: "a worker is not dead because a listing lacks its key",
		Alone:  true,
		Can:    []string{"nothing"},
		Run: func(s *Session) string {
			var requests []Request
			for i := range 20 {
				key := fmt.Sprintf("worker-%d", i)
				revision := s.must(store.Heartbeats, key, 0, time.Minute)
				requests = append(requests, s.write(Steady, store.Heartbeats, s.message(key, time.Minute), model.Condition{Revision: revision}),
					Request{Kind: model.Listed, Client: Steady, Bucket: store.Heartbeats, Within: time.Second})
			}
			for i, e := range s.Ask(requests...) {
				if i%2 == 1 && len(e.Entries) != 20 {
					return words(20-len(e.Entries), "of 20")
				}
			}
			return "nothing"
		},
	},
	{
		Name:   "a listing of some keys has no others, and an empty one has no revision",
		Hazard: "a replica that has none of the keys names no revision, so the leader has to be asked",
		Alone:  true,
		Can:    []string{"a, c and nothing"},
		Run: func(s *Session) string {
			for _, key := range []string{"a", "b", "c"} {
				s.must(store.Heartbeats, key, 0, 0)
			}
			some, none := s.list(store.Heartbeats, "a", "c", "d"), s.list(store.Heartbeats, "e")
			if !none.None {
				return keys(none)
			}
			return words(keys(some), "and nothing")
		},
	},
	{
		Name:   "keys with a dot are left out of a listing of all assignments",
		Hazard: "the journal is stored with the plan, and a snapshot leaves it out",
		Alone:  true,
		Can:    []string{"a"},
		Run: func(s *Session) string {
			s.must(store.Assignments, "journal.1", 0, 0)
			s.must(store.Assignments, "a", 0, 0)
			return keys(s.list(store.Assignments))
		},
	},
	{
		Name:   "a feed delivers what is stored and then every change",
		Hazard: "a consumer that begins after a snapshot misses and repeats nothing",
		Can:    []string{"b, expired c, a, deleted b"},
		Run: func(s *Session) string {
			a := s.must(store.Heartbeats, "a", 0, 0)
			b := s.must(store.Heartbeats, "b", 0, 0)
			s.must(store.Heartbeats, "c", 0, time.Second)
			if !s.await(store.Heartbeats, "c", "expired", 4*time.Second) {
				return "not expired"
			}
			feed := s.follow(Steady, store.Heartbeats, a)
			before := s.told(feed, 200*time.Millisecond)
			s.must(store.Heartbeats, "a", a, 0)
			s.end(store.Heartbeats, "b", b, time.Hour)
			return before + ", " + s.told(feed, 500*time.Millisecond)
		},
	},
	{
		Name:   "a feed of some keys delivers no others",
		Hazard: "a worker follows its own record and the plan",
		Can:    []string{"plan, a"},
		Run: func(s *Session) string {
			feed := s.follow(Steady, store.Assignments, 0, "a", "plan")
			for _, key := range []string{"plan", "b", "a", "c"} {
				s.must(store.Assignments, key, 0, 0)
			}
			return s.told(feed, 500*time.Millisecond)
		},
	},
	{
		Name:   "a feed does not deliver values that were overwritten before it began",
		Hazard: "a stream keeps one message of each key, so a worker that was away misses changes",
		Can:    []string{"a"},
		Run: func(s *Session) string {
			revision := uint64(0)
			for range 5 {
				revision = s.must(store.Heartbeats, "a", revision, 0)
			}
			return s.told(s.follow(Steady, store.Heartbeats, 0), 500*time.Millisecond)
		},
	},
	{
		Name:   "a feed whose messages do not arrive ends after a while and the next one misses nothing",
		Hazard: "a blind feed sees nobody, and notices that only by missing signs of life",
		Needs:  []Trouble{StallDown, Heal},
		Can:    []string{"a; lost; b"},
		Run: func(s *Session) string {
			feed := s.follow(Frail, store.Heartbeats, 0)
			a := s.must(store.Heartbeats, "a", 0, 0)
			before := s.told(feed, 200*time.Millisecond)
			s.Suffer(StallDown, Frail, 0)
			s.must(store.Heartbeats, "b", 0, 0)
			during := s.told(feed, patience+500*time.Millisecond)
			s.Suffer(Heal, Frail, 0)
			s.Sleep(2 * time.Second)
			return before + "; " + during + "; " + s.told(s.follow(Frail, store.Heartbeats, a), 500*time.Millisecond)
		},
	},
	{
		Name:   "a feed ends with a restart of the store and the next one continues where it stopped",
		Hazard: "after a restart a watcher continues about 4 s late",
		Needs:  []Trouble{Stop, Start},
		Can:    []string{"a; lost; b"},
		Run: func(s *Session) string {
			feed := s.follow(Steady, store.Heartbeats, 0)
			a := s.must(store.Heartbeats, "a", 0, 0)
			before := s.told(feed, 200*time.Millisecond)
			s.Suffer(Stop, Steady, 0)
			s.Sleep(3 * time.Second)
			s.Suffer(Start, Steady, 0)
			s.Sleep(time.Second)
			s.must(store.Heartbeats, "b", 0, 0)
			during := s.told(feed, patience)
			return before + "; " + during + "; " + s.told(s.follow(Steady, store.Heartbeats, a), 500*time.Millisecond)
		},
	},
}
