// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// A record that does not fit into one message is stored as several, in one atomic batch: its parts under the keys "key.1",
// "key.2" and so on, and then the record itself. The record says how many parts there are, and has their checksum. Readers are
// given whole records only.

// partKey returns the key of the n-th part of a record.
func partKey(key string, n int) string { return key + "." + strconv.Itoa(n) }

// splitKey returns the key of the record that a key belongs to, and the number of the part; 0 for the record itself.
func splitKey(key string) (of string, part int) {
	of, digits, found := strings.Cut(key, ".")
	if !found {
		return key, 0
	}
	part, err := strconv.Atoi(digits)
	if err != nil || part < 1 {
		return key, 0
	}
	return of, part
}

// withParts returns the subjects under which the records of some keys are stored, parts included. Only plans and
// assignments have parts.
func (s *Store) withParts(b store.Bucket, keys []string) []string {
	subjects := make([]string, 0, 2*len(keys))
	for _, key := range keys {
		subjects = append(subjects, s.subject(b, key))
		if b == store.Assignments && key != store.TermKey && key != ">" && key != "*" {
			subjects = append(subjects, s.subject(b, key+".*"))
		}
	}
	return subjects
}

// assembly builds records from the messages of a bucket. The messages of one key come in the order of their sequences.
type assembly struct {
	format  int                    // the newest that is read
	parts   map[string]*generation // that arrived and wait for their record, by its key
	waiting map[string]store.Entry // records that arrived and wait for a part
	noticed uint64                 // the highest revision of those that were reported to be waiting
}

// newlyWaiting reports whether a record waits for a part and did not wait when it was asked last.
func (a *assembly) newlyWaiting() bool {
	before := a.noticed
	for _, e := range a.waiting {
		a.noticed = max(a.noticed, e.Revision)
	}
	return a.noticed > before
}

// generation holds the parts of one write.
type generation struct {
	token record.Token
	parts map[int][]byte
}

func (s *Store) newAssembly() *assembly {
	return &assembly{format: s.format, parts: map[string]*generation{}, waiting: map[string]store.Entry{}}
}

// add takes the next message. It returns a record as soon as all of it has arrived. Markers, and records that are not packed,
// are returned at once.
func (a *assembly) add(e store.Entry) (whole store.Entry, ok bool) {
	if e.Bucket != store.Assignments || a.format < record.FormatPacked {
		return a.foreign(e), true
	}
	key, part := splitKey(e.Key)
	if part > 0 {
		a.take(key, part, e)
		e, ok = a.waiting[key]
		if !ok {
			return store.Entry{}, false
		}
	}
	delete(a.waiting, key)
	p, packed := record.PieceOf(e.Value)
	if !packed {
		delete(a.parts, key)
		return e, true
	}
	g := a.parts[key]
	if p.Parts > 0 && (g == nil || g.token != p.Token || !g.complete(p.Parts)) {
		a.waiting[key] = e
		return store.Entry{}, false
	}
	delete(a.parts, key)
	if value, err := p.Unpack(func(n int) []byte { return g.parts[n] }); err == nil {
		e.Value = value
	}
	return e, true // what cannot be unpacked is corrupt, and whoever decodes it says so
}

// take notes a part. The parts of another write replace those before.
func (a *assembly) take(key string, part int, e store.Entry) {
	p, ok := record.PieceOf(e.Value)
	if !ok || p.Part != part {
		return // a marker, or garbage
	}
	g := a.parts[key]
	if g == nil || g.token != p.Token {
		g = &generation{token: p.Token, parts: map[int][]byte{}}
		a.parts[key] = g
	}
	g.parts[part] = p.Packed
}

func (g *generation) complete(parts int) bool {
	for n := range parts {
		if _, ok := g.parts[n+1]; !ok {
			return false
		}
	}
	return true
}

// foreign makes a record of a newer format unreadable for a worker that stands for an earlier release, because that release
// would not know the format.
func (a *assembly) foreign(e store.Entry) store.Entry {
	if a.format == record.Newest {
		return e
	}
	if format, _ := record.Envelope(e.Value); format > a.format {
		e.Value = []byte(`{"format":` + strconv.Itoa(record.Newest+1) + `}`)
	}
	return e
}

// all builds the records of a snapshot. It reports false if a part of a record is missing. That record is then returned as it
// is stored.
func (a *assembly) all(entries []store.Entry) (whole []store.Entry, complete bool) {
	whole = entries[:0]
	for _, e := range entries {
		if w, ok := a.add(e); ok {
			whole = append(whole, w)
		}
	}
	complete = len(a.waiting) == 0
	for _, e := range a.waiting {
		whole = append(whole, e)
	}
	return whole, complete
}

// getWhole reads the parts of a record that the leader of the stream has just returned. It returns false if the parts do not
// match the record, because a newer version is being stored.
func (s *Store) getWhole(ctx context.Context, e store.Entry) (store.Entry, bool, error) {
	a := s.newAssembly()
	whole, ok := a.add(e)
	if ok {
		return whole, true, nil
	}
	p, _ := record.PieceOf(e.Value)
	for n := range p.Parts {
		part, err := s.get(ctx, e.Bucket, partKey(e.Key, n+1))
		if err != nil {
			return store.Entry{}, false, err
		}
		if whole, ok = a.add(part); ok {
			return whole, true, nil
		}
	}
	return store.Entry{}, false, nil
}

// registry remembers how many parts of each record may be stored. A newer version of the record removes those that it does not
// need.
type registry struct {
	mu    sync.Mutex
	parts map[string]int
}

// of returns how many parts of a record may be stored.
func (r *registry) of(key string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.parts[key]
}

// expect notes how many parts of some records may be stored from now on.
func (r *registry) expect(parts map[string]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, n := range parts {
		if n > r.parts[key] {
			if r.parts == nil {
				r.parts = map[string]int{}
			}
			r.parts[key] = n
		}
	}
}

// stored notes how many parts of some records are stored.
func (r *registry) stored(parts map[string]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, n := range parts {
		if n == 0 {
			delete(r.parts, key)
		} else {
			r.parts[key] = n
		}
	}
}

// found notes which parts a snapshot of everything shows.
func (r *registry) found(entries []store.Entry) {
	parts := map[string]int{}
	for _, e := range entries {
		if key, part := splitKey(e.Key); part > 0 && e.Kind == store.Put {
			parts[key] = max(parts[key], part)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts = parts
}
