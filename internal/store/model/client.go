// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package model

import "time"

// client is the connection of a client.
type client struct {
	cut      bool
	up, down bool  // that way is stalled
	stalled  int64 // since when the way down is
	back     int64 // when it is connected again
	sent     int64 // when the last request arrives
	breaks   uint32
	waiting  []held // requests in a stalled connection
	held     []held // answers in one
}

// held is a request that waits in a stalled connection.
type held struct {
	ref int32
	gen uint32
}

func (s *Store) client(c Client) *client {
	known, ok := s.clients[c]
	if !ok {
		known = &client{}
		s.clients[c] = known
		s.order = append(s.order, known)
	}
	return known
}

// Stall stops the ways of a connection, up to the server and down from it, without anybody being told: what is on them
// waits for [Store.Heal]. Feeds whose way down is stalled end when their patience does.
func (s *Store) Stall(now time.Time, c Client, up, down bool) {
	s.began(now)
	k := s.client(c)
	k.up = k.up || up
	if !down || k.down {
		return
	}
	k.down, k.stalled = true, s.now
	for ref := range s.feeds {
		if f := &s.feeds[ref]; f.used && f.client == c && !f.ended {
			s.agenda.push(task{at: s.now + int64(f.patience), what: notices, ref: int32(ref), gen: f.gen})
		}
	}
}

// Cut breaks a connection, and both ends see it: nothing is sent until [Store.Heal]. What was under way is lost, or arrives at
// the server all the same.
func (s *Store) Cut(now time.Time, c Client) {
	s.began(now)
	k := s.client(c)
	k.cut = true
	k.breaks++
	s.unblock(k)
	s.breakFeeds(func(f *feed) bool { return f.client == c })
}

// unblock lets go what waits in a stalled connection that is broken.
func (s *Store) unblock(k *client) {
	k.up, k.down = false, false
	s.resume(k)
}

// Heal ends a cut and a stall.
func (s *Store) Heal(now time.Time, c Client) {
	s.began(now)
	k := s.client(c)
	if k.cut {
		k.cut, k.back = false, s.now+s.part(Way, reconnect)
	}
	s.unblock(k)
	for ref := range s.feeds {
		f := &s.feeds[ref]
		for ; f.used && f.client == c && f.held > 0; f.held-- {
			s.agenda.push(task{at: s.now + int64(s.cfg.Latency), what: delivers, ref: int32(ref), gen: f.gen})
		}
	}
}

// reconnect is how long a client may need to connect again.
const reconnect = 250 * time.Millisecond

// resume sends on what waited in a connection.
func (s *Store) resume(k *client) {
	at := s.now + int64(s.cfg.Latency)
	for _, h := range k.waiting {
		s.agenda.push(task{at: at, what: arrives, ref: h.ref, gen: h.gen})
	}
	for _, h := range k.held {
		s.agenda.push(task{at: at, what: answers, ref: h.ref, gen: h.gen})
	}
	k.sent = max(k.sent, at)
	k.waiting, k.held = nil, nil
}

// breakFeeds ends feeds whose connections broke. Their followers know at once, unless the news of it is stalled as well.
func (s *Store) breakFeeds(which func(*feed) bool) {
	for ref := range s.feeds {
		f := &s.feeds[ref]
		if !f.used || !which(f) {
			continue
		}
		if !f.ended {
			f.ended = true
			s.leave(int32(ref), f)
		}
		at := s.now
		if s.client(f.client).down {
			at += int64(f.patience)
		}
		f.queue, f.held = nil, 0
		s.agenda.push(task{at: at, what: notices, ref: int32(ref), gen: f.gen})
	}
}
