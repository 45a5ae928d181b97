// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"cmp"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/store"
)

// feed tells one follower what is stored under some keys.
type feed struct {
	id       ID
	gen      uint32
	used     bool
	ended    bool // nothing more is sent
	behind   bool // something is to be sent that was not sent as it was stored
	client   Client
	bucket   store.Bucket
	keys     map[string]bool // nil for all
	sent     uint64          // up to which revision it has been sent what is there
	last     int64           // when the last message sent arrives
	queue    []store.Entry   // sent
	held     int             // of the first of them whose way through a stalled connection is over
	known    bool            // to its follower
	patience time.Duration
}

// feed returns that of a task, nil if it is over.
func (s *Store) feed(t task) *feed {
	if f := &s.feeds[t.ref]; f.used && f.gen == t.gen {
		return f
	}
	return nil
}

// follow makes a feed. What is there already is still to be sent.
func (s *Store) follow(r *request, b *bucket) (ref int32, gen uint32) {
	ref = int32(len(s.feeds))
	if n := len(s.unused); n > 0 {
		ref, s.unused = s.unused[n-1], s.unused[:n-1]
	} else {
		s.feeds = append(s.feeds, feed{})
	}
	f := &s.feeds[ref]
	*f = feed{id: r.id, gen: f.gen + 1, used: true, client: r.client, bucket: r.bucket, sent: r.after, behind: true, patience: r.patience}
	f.last = s.now + int64(s.cfg.Latency) + int64(s.cfg.Jitter) // not before it is known to have begun
	if r.keys != nil {
		f.keys = make(map[string]bool, len(r.keys))
		for _, key := range r.keys {
			f.keys[key] = true
		}
	}
	b.followers = append(b.followers, ref)
	return ref, f.gen
}

// tell sends a message that was just stored to those who follow it.
func (s *Store) tell(b *bucket, e *entry) {
	for i := 0; i < len(b.followers); i++ {
		ref := b.followers[i]
		f := &s.feeds[ref]
		if f.behind || f.keys != nil && !f.keys[e.stored.Key] {
			continue
		}
		switch s.draw(Sight, 3) {
		case 0:
			s.sendTo(ref, f, e.stored)
		case 1: // it is sent later, if it is still there then
			f.behind = true
			s.agenda.push(task{at: s.now + int64(time.Millisecond) + s.way(), what: catches, ref: ref, gen: f.gen})
		default:
			s.end(ref, f)
			i--
		}
	}
}

func (s *Store) sendTo(ref int32, f *feed, e store.Entry) {
	f.sent = e.Revision
	f.queue = append(f.queue, e)
	f.last = max(f.last, s.now+s.way())
	s.agenda.push(task{at: f.last, what: delivers, ref: ref, gen: f.gen})
}

// catchUp sends what is there and was not sent.
func (s *Store) catchUp(ref int32, f *feed, b *bucket) {
	f.behind = false
	var missed []store.Entry
	add := func(e *entry) {
		if e != nil && e.present && e.stored.Revision > f.sent {
			missed = append(missed, e.stored)
		}
	}
	if f.keys == nil {
		for i := range b.entries {
			add(&b.entries[i])
		}
	}
	for key := range f.keys { // sorted below
		add(b.find(key))
	}
	slices.SortFunc(missed, func(x, y store.Entry) int { return cmp.Compare(x.Revision, y.Revision) })
	for _, e := range missed {
		s.sendTo(ref, f, e)
	}
}

// delivered tells the follower the next message that it was sent.
func (s *Store) delivered(f *feed) {
	if len(f.queue) == f.held {
		return // the connection broke
	}
	if s.client(f.client).down {
		f.held++
		return
	}
	e := f.queue[0]
	if f.queue = f.queue[1:]; len(f.queue) == 0 {
		f.queue = nil
	}
	if f.known {
		s.emit(Event{At: s.Now(), ID: f.id, Client: f.client, Bucket: f.bucket, Kind: Delivered, Revision: e.Revision, Entry: e})
	}
}

// end stops the sending. The follower notices within its patience.
func (s *Store) end(ref int32, f *feed) {
	f.ended = true
	s.leave(ref, f)
	s.agenda.push(task{at: s.now + s.part(Notice, f.patience), what: notices, ref: ref, gen: f.gen})
}

// leave takes a feed from its bucket.
func (s *Store) leave(ref int32, f *feed) {
	b := s.bucket(f.bucket)
	if i := slices.Index(b.followers, ref); i >= 0 {
		b.followers = slices.Delete(b.followers, i, i+1)
	}
}

// noticed tells the follower that its feed has ended, unless it has heard from it since it became suspicious.
func (s *Store) noticed(ref int32, f *feed) {
	c := s.client(f.client)
	if !f.ended && (!c.down || s.now-c.stalled < int64(f.patience)) {
		return
	}
	if !f.ended {
		s.leave(ref, f)
	}
	if f.known {
		s.emit(Event{At: s.Now(), ID: f.id, Client: f.client, Bucket: f.bucket, Kind: Lost})
	}
	s.release(ref, f)
}

// known notes that the follower knows of its feed.
func (s *Store) known(id ID) {
	for ref := range s.feeds {
		if f := &s.feeds[ref]; f.used && f.id == id {
			f.known = true
		}
	}
}

func (s *Store) release(ref int32, f *feed) {
	gen := f.gen
	*f = feed{gen: gen}
	s.unused = append(s.unused, ref)
}

// Unfollow ends a feed. Nothing of it is told any more.
func (s *Store) Unfollow(now time.Time, id ID) {
	s.began(now)
	s.dropFeed(id)
}

func (s *Store) dropFeed(id ID) {
	for ref := range s.feeds {
		if f := &s.feeds[ref]; f.used && f.id == id {
			s.leave(int32(ref), f)
			s.release(int32(ref), f)
		}
	}
}
