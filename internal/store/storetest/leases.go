// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

const ttl = 2 * time.Second

// leases are the cases about what expires.
var leases = []Case{
	{
		Name:   "an entry expires late and never early and leaves a marker",
		Hazard: "the marker comes up to 250 ms after the end, a little later with a coarse clock, and later still in a cluster",
		Can:    []string{"in time", "late"},
		Run: func(s *Session) string {
			began := s.Now()
			first := s.must(store.Heartbeats, "a", 0, ttl)
			stored := s.Now()
			for s.is(store.Heartbeats, "a") == "value" {
				s.Sleep(10 * time.Millisecond)
			}
			gone := s.Now()
			e := s.get(store.Heartbeats, "a").Entry
			switch {
			case gone.Before(began.Add(ttl)):
				return "early"
			case e.Kind != store.Expired || e.Revision <= first:
				return "without a marker"
			case gone.After(stored.Add(ttl + s.Late() + 30*time.Millisecond)):
				return "too late: " + gone.Sub(stored.Add(ttl)).String()
			case gone.After(stored.Add(ttl + 30*time.Millisecond)):
				return "late"
			}
			return "in time"
		},
	},
	{
		Name:   "entries that expire shortly after one another get late markers",
		Hazard: "one timer with a minimum delay serves all entries of a bucket, so most markers in a busy bucket are late",
		Can:    []string{"bounded"},
		Run: func(s *Session) string {
			const n = 60
			ends := map[string]time.Time{}
			for i := range n {
				key := fmt.Sprintf("worker-%d", i)
				s.must(store.Heartbeats, key, 0, ttl)
				ends[key] = s.get(store.Heartbeats, key).Entry.Created.Add(ttl)
				s.Sleep(time.Duration(13+i*7%41) * time.Millisecond)
			}
			s.Sleep(ttl + 2*s.Late() + time.Second)
			latest := time.Duration(0)
			for i := range n {
				key := fmt.Sprintf("worker-%d", i)
				e := s.get(store.Heartbeats, key).Entry
				late := e.Created.Sub(ends[key])
				if e.Kind != store.Expired || late < 0 || late > s.Late() {
					return words(e.Kind, "late by", late)
				}
				latest = max(latest, late)
			}
			s.Logf("the latest was late by %s", latest)
			return "bounded"
		},
	},
	{
		Name:   "a renewal begins the lifetime anew",
		Hazard: "every renewal has to carry the TTL; Put and Update drop it, and the key never expires",
		Can:    []string{"value expired"},
		Run: func(s *Session) string {
			revision := s.must(store.Heartbeats, "a", 0, ttl)
			for range 5 {
				s.Sleep(ttl / 2)
				revision = s.must(store.Heartbeats, "a", revision, ttl)
			}
			is := s.is(store.Heartbeats, "a")
			s.Sleep(ttl + s.Late() + 50*time.Millisecond)
			return words(is, s.is(store.Heartbeats, "a"))
		},
	},
	{
		Name:   "a value without a lifetime stays",
		Hazard: "a record that lost its TTL never expires",
		Can:    []string{"value"},
		Run: func(s *Session) string {
			revision := s.must(store.Heartbeats, "a", 0, ttl)
			s.must(store.Heartbeats, "a", revision, 0)
			s.Sleep(3 * ttl)
			return s.is(store.Heartbeats, "a")
		},
	},
	{
		Name:   "a marker is overwritten only by a write with its revision",
		Hazard: "Create falsely reports that a key with a marker exists, so we read the marker and write over its revision",
		Can:    []string{"refused applied, refused applied"},
		Run: func(s *Session) string {
			s.must(store.Heartbeats, "a", 0, time.Second)
			s.end(store.Heartbeats, "b", s.must(store.Heartbeats, "b", 0, 0), time.Hour)
			if !s.await(store.Heartbeats, "a", "expired", 3*time.Second) {
				return "not expired"
			}
			over := func(key string) (zero, named model.Outcome) {
				marker := s.get(store.Heartbeats, key).Entry.Revision
				return s.put(store.Heartbeats, key, 0, 0).Outcome, s.put(store.Heartbeats, key, marker, 0).Outcome
			}
			a0, a := over("a")
			b0, b := over("b")
			return words(a0, a.String()+",", b0, b)
		},
	},
	{
		Name:   "a renewal after the end is refused or stored or stored and overwritten",
		Hazard: "a holder never renews late, because the marker can overwrite a renewal that was acknowledged after the TTL",
		Can:    []string{"refused", "stored", "overwritten"},
		Run: func(s *Session) string {
			revision := s.must(store.Heartbeats, "a", 0, time.Second)
			s.Sleep(time.Second + time.Millisecond)
			e := s.put(store.Heartbeats, "a", revision, time.Minute)
			if e.Outcome != model.Applied {
				return e.Outcome.String()
			}
			s.Sleep(2*s.Late() + time.Second)
			switch now := s.get(store.Heartbeats, "a").Entry; {
			case now.Revision == e.Revision:
				return "stored"
			case now.Kind == store.Expired:
				return "overwritten"
			}
			return "something else"
		},
	},
	{
		Name:   "the marker of a deletion ends without another marker",
		Hazard: "a DEL marker would be followed by an expiry marker, and the key would end a second time",
		Can:    []string{"deleted, nothing applied"},
		Run: func(s *Session) string {
			s.end(store.Heartbeats, "a", s.must(store.Heartbeats, "a", 0, 0), 2*time.Second)
			is := s.is(store.Heartbeats, "a")
			s.Sleep(2*time.Second + 2*s.Late())
			return words(is+",", s.is(store.Heartbeats, "a"), s.put(store.Heartbeats, "a", 0, 0).Outcome)
		},
	},
	{
		Name:   "a key that was never written can be marked as deleted",
		Hazard: "a marker in the place of a first write without an answer keeps that write out",
		Can:    []string{"applied deleted, refused"},
		Run: func(s *Session) string {
			e := s.end(store.Heartbeats, "a", 0, time.Hour)
			return words(e.Outcome, s.is(store.Heartbeats, "a")+",", s.put(store.Heartbeats, "a", 0, 0).Outcome)
		},
	},
	{
		Name:   "an entry that expired while the store was away is marked after its return",
		Hazard: "silence never means death; the marker comes when the store is back",
		Needs:  []Trouble{Stop, Start},
		Can:    []string{"expired"},
		Run: func(s *Session) string {
			s.must(store.Heartbeats, "a", 0, ttl)
			s.Suffer(Stop, Steady, 0)
			s.Sleep(2 * ttl)
			s.Suffer(Start, Steady, 0)
			s.Sleep(500 * time.Millisecond) // until the client is back
			s.await(store.Heartbeats, "a", "expired", s.Late())
			return s.is(store.Heartbeats, "a")
		},
	},
}
