// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"cmp"
	"slices"
	"strings"

	"github.com/parti-go/parti/internal/store"
)

// bucket is one stream: of each key the last message, and the revision of the last message of all.
type bucket struct {
	exists     bool
	created    int64
	last       uint64
	stored     int64 // when the last message was; negative for never
	messages   int
	entries    []entry
	index      map[string]int32
	followers  []int32    // feeds
	undo       [][]change // by the last writes, each of which a replica has or has not
	proposals  []proposal
	incarnated uint32 // how often what is under way was dropped
	timers     uint32 // the last alarm that was set
	due        int64  // when the last proposal is stored
	leaderless int64  // until when there is no leader
}

// entry is one key.
type entry struct {
	stored  store.Entry
	present bool
	expires int64 // when its lifetime is over; 0 for never
	due     int64 // when that is acted on
	timer   uint32
	timed   bool  // an alarm is set
	rings   int64 // when it rings
	writing int   // how many writes of it are under way
	asked   int   // how many writes that depend on it are under way
}

// change is what a message has replaced.
type change struct {
	revision uint64
	ref      int32
	before   store.Entry
	present  bool
}

// proposal is a write that is checked and not yet stored.
type proposal struct {
	at   int64
	ref  int32 // of the request; negative for the marker of an expiry
	gen  uint32
	keys []int32
	asks int32
}

// made is an empty bucket. Its revisions begin above those of any earlier one: they are milliseconds.
func (s *Store) made() bucket {
	first := uint64(max(s.time(s.now).UnixMilli(), 1))
	return bucket{exists: true, created: s.now, last: first - 1, stored: -1, index: map[string]int32{}}
}

func (b *bucket) find(key string) *entry {
	if i, ok := b.index[key]; ok {
		return &b.entries[i]
	}
	return nil
}

// slot returns the number of the entry of a key.
func (b *bucket) slot(of store.Bucket, key string) int32 {
	if i, ok := b.index[key]; ok {
		return i
	}
	i := int32(len(b.entries))
	b.index[key] = i
	b.entries = append(b.entries, entry{stored: store.Entry{Bucket: of, Key: key}})
	return i
}

// write checks a write, and stores it or begins to.
func (s *Store) write(ref int32, r *request, b *bucket) {
	messages := len(r.batch)
	if r.batch != nil && (r.bucket != store.Assignments || messages == 0 || messages > batchMost) {
		s.reply(ref, r, NotSent)
		return
	}
	if o := s.check(r, b); o != Applied {
		s.reply(ref, r, o)
		return
	}
	if s.replicated() {
		s.propose(ref, r, b)
		return
	}
	r.answer.Revision = s.storeAll(r, b)
	s.reply(ref, r, Applied)
}

// check says whether the condition of a write holds.
func (s *Store) check(r *request, b *bucket) Outcome {
	key := r.when.Key
	if key == "" {
		key = r.message.Key
		if r.batch != nil {
			key = r.batch[0].Key
		}
	}
	for i := range r.batch {
		if r.batch[i].Key == key && i < len(r.batch)-1 {
			return Busy // what follows it would depend on what is not stored yet
		}
	}
	e := b.find(key)
	switch {
	case e != nil && (e.writing > 0 || e.asked > 0):
		return Busy
	case e != nil && e.present && e.stored.Revision == r.when.Revision:
		return Applied
	case (e == nil || !e.present) && r.when.Revision == 0:
		return Applied
	}
	return Refused
}

// storeAll stores the messages of a write and returns the last revision.
func (s *Store) storeAll(r *request, b *bucket) (last uint64) {
	if r.batch == nil {
		return s.store(b, b.slot(r.bucket, r.message.Key), r.message)
	}
	for _, m := range r.batch {
		last = s.store(b, b.slot(r.bucket, m.Key), m)
	}
	return last
}

// store makes a message the last one of its key, and returns its revision.
func (s *Store) store(b *bucket, ref int32, m Message) (revision uint64) {
	e := &b.entries[ref]
	over := s.over(e) && m.Kind != store.Expired
	b.last++
	revision = b.last
	b.stored = s.now
	if s.replicated() {
		last := len(b.undo) - 1
		b.undo[last] = append(b.undo[last], change{revision: b.last, ref: ref, before: e.stored, present: e.present})
	}
	if !e.present {
		b.messages++
	}
	e.present = true
	e.stored.Value, e.stored.Token, e.stored.Format, e.stored.Record = nil, "", 0, nil
	if m.Kind == store.Put {
		e.stored.Value, e.stored.Token, e.stored.Format, e.stored.Record = m.Value, m.Token, m.Format, m.Record
	}
	e.stored.Revision, e.stored.Created, e.stored.Kind = b.last, s.time(s.now), m.Kind
	e.expires = 0
	if m.TTL > 0 {
		e.expires = s.now + int64(m.TTL)
		s.expireAt(b, ref, e, e.expires)
	}
	if s.Watch != nil {
		s.Watch(e.stored)
	}
	s.tell(b, e)
	if over && !s.replicated() {
		s.overtake(e.stored.Bucket, b, ref)
	}
	return revision
}

// overtake has the marker of an expiry follow a write of the same key that came when the lifetime was over, if the source says so.
// The server decides to mark in one step and stores the marker, on no condition, in another: whatever is stored between the two
// is ended by it, also what follows that write.
func (s *Store) overtake(of store.Bucket, b *bucket, ref int32) {
	if s.draw(Overtaken, 2) == 1 {
		s.agenda.push(task{at: s.now + s.part(Late, s.cfg.Late), what: marks, ref: ref, gen: b.incarnated, b: int8(of)})
	}
}

// marked stores such a marker.
func (s *Store) marked(of store.Bucket, ref int32, incarnated uint32) {
	b := s.bucket(of)
	switch {
	case b.incarnated != incarnated || s.stopped || !b.exists:
	case s.replicated():
		b.entries[ref].writing++
		s.queue(of, b, proposal{ref: -1, keys: []int32{ref}, asks: -1})
	default:
		s.store(b, ref, s.expiry(b.entries[ref].stored.Key))
	}
}

// over says that the lifetime of a value is over and its marker still to come.
func (s *Store) over(e *entry) bool {
	return e.present && e.expires > 0 && e.expires <= s.now && e.stored.Kind == store.Put
}

// remember begins to note what a write replaces.
func (b *bucket) remember(window int) {
	if len(b.undo) >= 2*window {
		b.undo = append(b.undo[:0], b.undo[len(b.undo)-window:]...)
	}
	b.undo = append(b.undo, nil)
}

func (s *Store) expiry(key string) Message {
	return Message{Key: key, Kind: store.Expired, TTL: s.cfg.Marker}
}

// expireAt sets the alarm of an entry, unless one comes before, which will set it again.
func (s *Store) expireAt(b *bucket, ref int32, e *entry, at int64) {
	e.due = at + s.part(Late, s.cfg.Late)
	if !e.timed || e.due < e.rings {
		s.alarm(b, ref, e)
	}
}

func (s *Store) alarm(b *bucket, ref int32, e *entry) {
	b.timers++
	e.timed, e.timer, e.rings = true, b.timers, max(e.due, s.now)
	s.agenda.push(task{at: e.rings, what: expires, ref: ref, gen: e.timer, b: int8(e.stored.Bucket)})
}

// expired acts on the end of a lifetime.
func (s *Store) expired(of store.Bucket, ref int32, timer uint32) {
	b := s.bucket(of)
	if int(ref) >= len(b.entries) || b.entries[ref].timer != timer {
		return
	}
	e := &b.entries[ref]
	e.timed = false
	switch {
	case s.stopped || !b.exists || !e.present || e.expires == 0:
	case e.due > s.now: // it was renewed
		s.alarm(b, ref, e)
	case s.now < b.leaderless:
		e.due = b.leaderless + s.part(Late, s.cfg.Late)
		s.alarm(b, ref, e)
	case e.stored.Kind != store.Put: // markers leave none
		b.remove(e)
	case s.replicated():
		e.writing++
		s.queue(of, b, proposal{ref: -1, keys: []int32{ref}, asks: -1})
	default:
		s.store(b, ref, s.expiry(e.stored.Key))
	}
}

func (b *bucket) remove(e *entry) {
	e.present, e.expires = false, 0
	e.stored.Value, e.stored.Token, e.stored.Record = nil, "", nil
	b.messages--
}

// describe says what the leader knows of a bucket.
func (s *Store) describe(b *bucket) Info {
	info := Info{Created: s.time(b.created), First: b.last + 1, Last: b.last, Messages: b.messages, Now: s.Now(), Replicas: s.cfg.Replicas}
	for i := range b.entries {
		if b.entries[i].present {
			info.First = min(info.First, b.entries[i].stored.Revision)
		}
	}
	if b.stored >= 0 {
		info.At = s.time(b.stored)
	}
	return info
}

// list is what a replica answers, and up to which revision it knows.
func (s *Store) list(b *bucket, keys []string) (entries []store.Entry, upTo uint64) {
	behind := 0
	if s.replicated() && len(b.undo) > 0 {
		behind = s.draw(Behind, min(len(b.undo), s.cfg.Window)+1)
	}
	upTo = b.last
	var before map[int32]change // what the replica has not heard of
	if behind > 0 {
		before = map[int32]change{}
		for _, w := range slices.Backward(b.undo[len(b.undo)-behind:]) {
			for _, c := range slices.Backward(w) {
				before[c.ref] = c
				upTo = c.revision - 1
			}
		}
	}
	add := func(ref int32) {
		stored, present := b.entries[ref].stored, b.entries[ref].present
		if c, ok := before[ref]; ok {
			stored, present = c.before, c.present
		}
		if present {
			entries = append(entries, stored)
		}
	}
	entries = make([]store.Entry, 0, max(len(keys), len(b.entries)))
	if keys == nil {
		for i := range b.entries {
			if !strings.Contains(b.entries[i].stored.Key, ".") {
				add(int32(i))
			}
		}
	}
	for _, key := range keys {
		if ref, ok := b.index[key]; ok {
			add(ref)
		}
	}
	slices.SortFunc(entries, func(x, y store.Entry) int { return cmp.Compare(x.Revision, y.Revision) })
	return entries, upTo
}
