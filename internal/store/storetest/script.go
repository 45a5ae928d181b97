// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// scripted is a random script on one bucket. Where the store may do more than one thing it waits, so that every healthy
// store without replicas gives the same lines.
type scripted struct {
	*Session
	rng       *rand.Rand
	bucket    store.Bucket
	first     uint64 // revisions are told relative to it
	revisions map[string]uint64
	ends      map[string]time.Time // of lifetimes
	feed      model.ID
	lines     []string
}

var scriptKeys = []string{"a", "b", "c", "d", store.TermKey}

// Script does what a seed says and returns what was seen, line by line.
func Script(s *Session, seed uint64, steps int) []string {
	r := &scripted{
		Session: s, rng: rand.New(rand.NewPCG(seed, 3)), bucket: store.Heartbeats,
		revisions: map[string]uint64{}, ends: map[string]time.Time{},
	}
	if seed%2 == 1 {
		r.bucket = store.Assignments // the one that takes batches
	}
	r.first = s.must(r.bucket, "first", 0, 0)
	r.feed = s.follow(Steady, r.bucket, r.first)
	for range steps {
		r.quiet()
		line := r.step()
		r.Sleep(time.Duration(20+r.rng.IntN(700)) * time.Millisecond)
		r.quiet()
		r.lines = append(r.lines, line+"; told: "+r.heard())
	}
	return r.lines
}

// quiet waits while a lifetime is about to end, or has ended and its marker may still come.
func (r *scripted) quiet() {
	for again := true; again; {
		again = false
		for _, key := range scriptKeys {
			end, ok := r.ends[key]
			if after := end.Add(r.Late() + 100*time.Millisecond); ok && !r.Now().Before(end.Add(-50*time.Millisecond)) {
				if wait := after.Sub(r.Now()); wait > 0 {
					r.Sleep(wait)
					again = true
				}
				delete(r.ends, key)
				r.revisions[key] = 0
			}
		}
	}
}

// lifetime draws a TTL that ends at a time of its own.
func (r *scripted) lifetime() time.Duration {
	ttl := time.Duration(r.rng.IntN(5)) * time.Second
	for _, key := range scriptKeys {
		if end, ok := r.ends[key]; ok && r.Now().Add(ttl).Sub(end).Abs() < 2*time.Second {
			return 0
		}
	}
	return ttl
}

func (r *scripted) step() string {
	key := scriptKeys[r.rng.IntN(len(scriptKeys))]
	switch n := r.rng.IntN(20); {
	case n < 10:
		return r.change(key)
	case n < 13:
		return r.atomic()
	case n < 15:
		e := r.get(r.bucket, key)
		if r.revisions[key] = e.Entry.Revision; e.None {
			r.revisions[key] = 0
		}
		return "get " + key + ": " + r.entry(e.Entry, e.None)
	case n < 17:
		var asked []string
		if n == 15 {
			asked = slices.Clone(scriptKeys[:2])
		}
		e := r.list(r.bucket, asked...)
		seen := []string{}
		for _, entry := range e.Entries {
			seen = append(seen, r.entry(entry, false))
		}
		if e.None {
			return "list: nothing"
		}
		return fmt.Sprintf("list: %s up to %d", strings.Join(seen, " "), e.Revision-r.first)
	case n < 19:
		i := r.info(r.bucket).Info
		return fmt.Sprintf("info: %d messages from %d to %d", i.Messages, i.First-r.first, i.Last-r.first)
	default:
		if r.rng.IntN(3) > 0 {
			return "nothing"
		}
		r.Suffer(Purge, Steady, r.bucket)
		clear(r.revisions)
		clear(r.ends)
		return "purge"
	}
}

// change writes or deletes one key, now and then on a wrong condition.
func (r *scripted) change(key string) string {
	when := model.Condition{Revision: r.revisions[key]}
	m := r.message(key, r.lifetime())
	what := "put "
	if r.rng.IntN(4) == 0 {
		m, what = model.Message{Key: key, Kind: store.Deleted, TTL: time.Hour}, "delete "
	}
	switch r.rng.IntN(8) {
	case 0:
		when.Revision++
	case 1:
		when.Revision = 0
	case 2:
		when = model.Condition{Key: store.TermKey, Revision: r.revisions[store.TermKey]}
	}
	e := r.Ask(r.write(Steady, r.bucket, m, when))[0]
	if e.Outcome != model.Applied {
		r.revisions[key] = r.get(r.bucket, key).Entry.Revision
		return what + key + ": " + e.Outcome.String()
	}
	r.revisions[key] = e.Revision
	delete(r.ends, key)
	if m.TTL > 0 && m.Kind == store.Put {
		r.ends[key] = r.Now().Add(m.TTL)
	}
	return fmt.Sprintf("%s%s for %s: %d", what, key, m.TTL, e.Revision-r.first)
}

// atomic writes a batch, now and then under a wrong fence.
func (r *scripted) atomic() string {
	when := model.Condition{Key: store.TermKey, Revision: r.revisions[store.TermKey]}
	if r.rng.IntN(3) == 0 {
		when.Revision += 7
	}
	request := Request{Kind: model.Written, Client: Steady, Bucket: r.bucket, Atomic: true, When: when, Within: 5 * time.Second}
	for _, key := range scriptKeys[:2+r.rng.IntN(2)] {
		request.Messages = append(request.Messages, r.message(key, 0))
	}
	e := r.Ask(request)[0]
	if e.Outcome != model.Applied {
		return "batch: " + e.Outcome.String()
	}
	for i, m := range request.Messages {
		r.revisions[m.Key] = e.Revision - uint64(len(request.Messages)-1-i)
		delete(r.ends, m.Key)
	}
	return fmt.Sprintf("batch: %d", e.Revision-r.first)
}

func (r *scripted) entry(e store.Entry, none bool) string {
	if none {
		return "nothing"
	}
	return fmt.Sprintf("%s@%d %s %s", e.Key, e.Revision-r.first, [...]string{"put", "deleted", "expired"}[e.Kind], e.Token)
}

func (r *scripted) heard() string {
	var seen []string
	for _, e := range r.Told(r.feed) {
		if e.Kind == model.Lost {
			seen = append(seen, "lost")
			continue
		}
		seen = append(seen, r.entry(e.Entry, false))
	}
	return strings.Join(seen, " ")
}
