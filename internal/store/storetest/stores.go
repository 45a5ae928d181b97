// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"time"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// stores are the cases about buckets that are deleted, emptied or restored.
var stores = []Case{
	{
		Name:   "a deleted bucket takes no writes and a new one continues above its revisions",
		Hazard: "revisions are the numbers of sessions, and one that is used twice would give a worker another worker's partitions",
		Needs:  []Trouble{Delete, Create},
		Can:    []string{"not sent, gone, nothing, above, another"},
		Run: func(s *Session) string {
			s.Sleep(time.Second)
			last := s.must(store.Heartbeats, "a", 0, 0)
			before := s.info(store.Heartbeats)
			feed := s.follow(Steady, store.Heartbeats, 0)
			told := s.told(feed, 200*time.Millisecond)
			s.Suffer(Delete, Steady, store.Heartbeats)
			e := s.Ask(s.write(Steady, store.Heartbeats, s.message("a", 0), model.Condition{}))[0]
			there := "there"
			if s.info(store.Heartbeats).None {
				there = "gone"
			}
			s.Sleep(patience)
			s.Suffer(Create, Steady, store.Heartbeats)
			s.Sleep(100 * time.Millisecond)
			is, count, made := s.is(store.Heartbeats, "a"), "below", "the same"
			if s.must(store.Heartbeats, "a", 0, 0) > last {
				count = "above"
			}
			if !s.info(store.Heartbeats).Info.Created.Equal(before.Info.Created) {
				made = "another"
			}
			if told += ", " + s.told(feed, patience); told != "a, lost" {
				return "told: " + told
			}
			return e.Outcome.String() + ", " + there + ", " + is + ", " + count + ", " + made
		},
	},
	{
		Name:   "a purged bucket has no markers and continues its revisions",
		Hazard: "only the next snapshot shows that a key is gone without a marker",
		Needs:  []Trouble{Purge},
		Can:    []string{"a; silence; nothing; 0 messages; counts on"},
		Run: func(s *Session) string {
			last := s.must(store.Heartbeats, "a", 0, 0)
			feed := s.follow(Steady, store.Heartbeats, 0)
			before := s.told(feed, 200*time.Millisecond)
			s.Suffer(Purge, Steady, store.Heartbeats)
			told := s.told(feed, time.Second)
			if told == "" {
				told = "silence"
			}
			info, is, count := s.info(store.Heartbeats).Info, s.is(store.Heartbeats, "a"), "begins anew"
			if info.Last != last || info.First != last+1 {
				return words("from", info.First, "to", info.Last, "and not", last)
			}
			if s.must(store.Heartbeats, "a", 0, 0) == last+1 {
				count = "counts on"
			}
			return before + "; " + told + "; " + is + "; " + words(info.Messages, "messages") + "; " + count
		},
	},
	{
		Name:   "a store that was restored from an older copy uses revisions again",
		Hazard: "lower terms, versions and sequences mean that the store was rolled back, and every worker begins anew",
		Needs:  []Trouble{Stop, Start, Copy, RestoreAll},
		Can:    []string{"back, nothing, again, the same bucket"},
		Run: func(s *Session) string {
			first := s.must(store.Heartbeats, "a", 0, 0)
			created := s.info(store.Heartbeats).Info.Created
			s.copied()
			later := s.must(store.Heartbeats, "a", first, 0)
			s.must(store.Heartbeats, "b", 0, 0)
			s.restored(RestoreAll, store.Heartbeats)
			back, again, made := "kept", "new", "another bucket"
			if s.get(store.Heartbeats, "a").Entry.Revision == first && s.info(store.Heartbeats).Info.Last == first {
				back = "back"
			}
			is := s.is(store.Heartbeats, "b")
			if s.must(store.Heartbeats, "c", 0, 0) == later {
				again = "again"
			}
			if s.info(store.Heartbeats).Info.Created.Equal(created) {
				made = "the same bucket"
			}
			return back + ", " + is + ", " + again + ", " + made
		},
	},
	{
		Name:   "one bucket may be restored alone",
		Hazard: "no rule may depend on the order of events in two buckets",
		Needs:  []Trouble{Stop, Start, Copy, Restore},
		Can:    []string{"nothing value"},
		Run: func(s *Session) string {
			s.must(store.Heartbeats, "other", 0, 0)
			s.must(store.StableIDs, "other", 0, 0)
			s.copied()
			s.must(store.Heartbeats, "a", 0, 0)
			s.must(store.StableIDs, "a", 0, 0)
			s.restored(Restore, store.Heartbeats)
			return words(s.is(store.Heartbeats, "a"), s.is(store.StableIDs, "a"))
		},
	},
	{
		Name:   "an entry of a copy that has expired since is marked after the restore",
		Hazard: "a restored lease must end as well",
		Needs:  []Trouble{Stop, Start, Copy, RestoreAll},
		Can:    []string{"expired"},
		Run: func(s *Session) string {
			first := s.must(store.Heartbeats, "a", 0, 10*time.Second)
			s.copied()
			s.end(store.Heartbeats, "a", first, time.Hour)
			s.Sleep(10 * time.Second)
			s.restored(RestoreAll, store.Heartbeats)
			s.await(store.Heartbeats, "a", "expired", 2*s.Late())
			return s.is(store.Heartbeats, "a")
		},
	},
}

// copied makes a copy of the store, which it stops for it.
func (s *Session) copied() {
	s.Suffer(Stop, Steady, 0)
	s.Suffer(Copy, Steady, 0)
	s.Suffer(Start, Steady, 0)
	s.Sleep(time.Second)
}

func (s *Session) restored(what Trouble, b store.Bucket) {
	s.Suffer(Stop, Steady, 0)
	s.Suffer(what, Steady, b)
	s.Suffer(Start, Steady, 0)
	s.Sleep(time.Second)
}
