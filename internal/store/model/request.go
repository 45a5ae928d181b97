// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"time"

	"github.com/parti-go/parti/internal/store"
)

// request is what a client asks. It is forgotten once its client knows the outcome and nothing of it is under way.
type request struct {
	id       ID
	gen      uint32
	used     bool
	told     bool // its client knows the outcome, or has given up
	over     bool // the server has nothing more to do for it
	doomed   bool // nobody will answer: its client will give up
	mute     bool // it is done, but not answered
	client   Client
	bucket   store.Bucket
	kind     EventKind
	breaks   uint32 // of its connection when it was sent
	stops    uint32 // of the whole store by then
	deadline int64

	message  Message
	batch    []Message // nil for a single message
	when     Condition
	keys     []string // of a listing or a feed; one of a question
	after    uint64   // of a feed
	patience time.Duration

	answer Event
}

// Write asks to store one message on a condition.
func (s *Store) Write(now time.Time, c Client, b store.Bucket, m Message, when Condition, within time.Duration) ID {
	ref, r := s.ask(now, c, b, Written, within)
	r.message, r.when = m, when
	return s.send(ref, r, fates)
}

// Batch asks to store several messages on one condition, all of them or none. The model keeps the slice.
func (s *Store) Batch(now time.Time, c Client, b store.Bucket, m []Message, when Condition, within time.Duration) ID {
	ref, r := s.ask(now, c, b, Written, within)
	r.batch, r.when = m, when
	return s.send(ref, r, fates)
}

// Get asks the leader what is stored under a key, markers included.
func (s *Store) Get(now time.Time, c Client, b store.Bucket, key string, within time.Duration) ID {
	ref, r := s.ask(now, c, b, Got, within)
	r.message.Key = key
	return s.send(ref, r, AnswerLost)
}

// List asks any replica for what is stored under the keys, or under all that have no dot in them.
func (s *Store) List(now time.Time, c Client, b store.Bucket, keys []string, within time.Duration) ID {
	ref, r := s.ask(now, c, b, Listed, within)
	r.keys = keys
	return s.send(ref, r, AnswerLost)
}

// Info asks the leader about a bucket.
func (s *Store) Info(now time.Time, c Client, b store.Bucket, within time.Duration) ID {
	ref, r := s.ask(now, c, b, Described, within)
	return s.send(ref, r, AnswerLost)
}

// Follow begins a feed of the keys, or of all, from the revision after the given one on. Its ID is that of the request. When
// it ends, its follower learns so within patience; it tells nothing more then.
func (s *Store) Follow(now time.Time, c Client, b store.Bucket, keys []string, after uint64, patience, within time.Duration) ID {
	ref, r := s.ask(now, c, b, Followed, within)
	r.keys, r.after, r.patience = keys, after, patience
	return s.send(ref, r, AnswerLost)
}

func (s *Store) ask(now time.Time, c Client, b store.Bucket, kind EventKind, within time.Duration) (int32, *request) {
	s.began(now)
	s.ids++
	ref := int32(len(s.requests))
	if n := len(s.free); n > 0 {
		ref, s.free = s.free[n-1], s.free[:n-1]
	} else {
		s.requests = append(s.requests, request{})
	}
	r := &s.requests[ref]
	*r = request{
		id: s.ids, gen: r.gen + 1, used: true, client: c, bucket: b, kind: kind,
		deadline: s.now + int64(positive(within, Within)),
	}
	r.answer = Event{ID: r.id, Client: c, Bucket: b, Kind: kind}
	return ref, r
}

// send hands a request to the connection of its client.
func (s *Store) send(ref int32, r *request, most int) ID {
	c := s.client(r.client)
	r.breaks, r.stops = c.breaks, s.breaks
	fate := s.draw(Fate, most)
	at := max(s.now+s.way(), c.sent)
	switch {
	case fate == Unsent || c.cut || !c.up && (s.stopped || s.now < c.back):
		r.over = true
		s.answerAt(ref, r, NotSent, s.now)
		return r.id
	case fate == RequestLost || s.stopped: // the client has not noticed that nobody is there
		r.over = true
		s.doom(ref, r)
		return r.id
	case fate == AnswerLost:
		r.mute = true
	case fate == Ghostly:
		s.doom(ref, r)
		at = r.deadline + max(s.part(Way, s.cfg.Ghost), 1)
		s.agenda.push(task{at: at, what: arrives, ref: ref, gen: r.gen})
		return r.id
	}
	if c.up {
		c.waiting = append(c.waiting, held{ref: ref, gen: r.gen})
		s.doom(ref, r)
		return r.id
	}
	c.sent = at
	if at >= r.deadline {
		s.doom(ref, r)
	}
	s.agenda.push(task{at: at, what: arrives, ref: ref, gen: r.gen})
	return r.id
}

// doom lets the client give up at its deadline.
func (s *Store) doom(ref int32, r *request) {
	if r.doomed || r.told {
		return
	}
	r.doomed = true
	s.agenda.push(task{at: max(r.deadline, s.now), what: gives, ref: ref, gen: r.gen})
}

func (s *Store) gaveUp(ref int32, r *request) {
	r.told = true
	r.answer.Outcome = NotSent
	if r.kind == Written {
		r.answer.Outcome = Unknown
	}
	s.emit(Event{At: s.Now(), ID: r.id, Client: r.client, Bucket: r.bucket, Kind: r.kind, Outcome: r.answer.Outcome})
	s.forget(ref, r)
}

// reply sends the answer of a request on its way to the client.
func (s *Store) reply(ref int32, r *request, o Outcome) {
	r.over = true
	at := s.now + s.way()
	if r.mute || r.told || at >= r.deadline {
		if r.kind == Followed {
			s.dropFeed(r.id)
		}
		s.doom(ref, r)
		s.forget(ref, r)
		return
	}
	s.answerAt(ref, r, o, at)
}

func (s *Store) answerAt(ref int32, r *request, o Outcome, at int64) {
	r.answer.Outcome = o
	s.agenda.push(task{at: at, what: answers, ref: ref, gen: r.gen})
}

func (s *Store) answered(ref int32, r *request) {
	c := s.client(r.client)
	switch {
	case r.told:
	case (r.breaks != c.breaks || r.stops != s.breaks) && r.answer.Outcome != NotSent:
		s.doom(ref, r)
	case c.down && r.answer.Outcome != NotSent:
		c.held = append(c.held, held{ref: ref, gen: r.gen})
		s.doom(ref, r)
	default:
		r.told = true
		r.answer.At = s.time(s.now)
		s.emit(r.answer)
		if r.kind == Followed && r.answer.Outcome == Applied {
			s.known(r.id)
		}
	}
	s.forget(ref, r)
}

// forget frees a request that is over for both sides.
func (s *Store) forget(ref int32, r *request) {
	if !r.used || !r.told || !r.over {
		return
	}
	if r.kind == Followed && r.answer.Outcome != Applied {
		s.dropFeed(r.id)
	}
	gen := r.gen
	*r = request{gen: gen}
	s.free = append(s.free, ref)
}

// request returns that of a task, nil if it is over.
func (s *Store) request(t task) *request {
	if r := &s.requests[t.ref]; r.used && r.gen == t.gen {
		return r
	}
	return nil
}

// arrived lets the server do what a request asks for.
func (s *Store) arrived(ref int32, r *request) {
	if stopped := r.stops != s.breaks; stopped || r.breaks != s.client(r.client).breaks { // its connection broke meanwhile
		s.doom(ref, r)
		if stopped || s.draw(Remains, 2) == 0 { // a server that starts again reads nothing of before
			r.over = true
			s.forget(ref, r)
			return
		}
		r.mute = true
	}
	b := s.bucket(r.bucket)
	switch {
	case !b.exists && r.kind == Described:
		r.answer.None = true
		s.reply(ref, r, Applied)
	case !b.exists:
		s.reply(ref, r, NotSent)
	case s.now < b.leaderless && r.kind != Listed:
		if s.draw(Remains, 2) == 1 {
			r.mute = true
		}
		s.reply(ref, r, NotSent)
	case r.kind == Written:
		s.write(ref, r, b)
	default:
		s.look(ref, r, b)
	}
}

// look answers what changes nothing.
func (s *Store) look(ref int32, r *request, b *bucket) {
	switch r.kind {
	case Got:
		e := b.find(r.message.Key)
		if r.answer.None = e == nil || !e.present; !r.answer.None {
			r.answer.Entry = e.stored
		}
	case Listed:
		r.answer.Entries, r.answer.Revision = s.list(b, r.keys)
		r.answer.None = len(r.answer.Entries) == 0
	case Described:
		r.answer.Info = s.describe(b)
	case Followed:
		feed, gen := s.follow(r, b)
		s.reply(ref, r, Applied)
		s.agenda.push(task{at: s.now, what: catches, ref: feed, gen: gen}) // after the answer
		return
	case Written, Delivered, Lost:
	}
	s.reply(ref, r, Applied)
}
