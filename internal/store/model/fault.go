// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/store"
)

// Stop stops the whole store: every connection breaks, and what was under way on one is lost. What was acknowledged is kept.
func (s *Store) Stop(now time.Time) {
	s.began(now)
	if s.stopped {
		return
	}
	s.stopped = true
	s.breaks++
	s.breakFeeds(func(*feed) bool { return true })
	for b := range s.buckets {
		s.drop(store.Bucket(b), &s.buckets[b], s.now)
		for len(s.buckets[b].proposals) > 0 { // what remains is in the files
			s.committed(store.Bucket(b), s.buckets[b].incarnated)
		}
	}
}

// Start starts a stopped store on what it held.
func (s *Store) Start(now time.Time) {
	s.began(now)
	if !s.stopped {
		return
	}
	s.stopped = false
	for _, k := range s.order {
		k.back = max(k.back, s.now+s.part(Way, reconnect))
	}
	for b := range s.buckets {
		s.wind(&s.buckets[b])
	}
}

// wind sets the alarm of everything that expires.
func (s *Store) wind(b *bucket) {
	for i := range b.entries {
		if e := &b.entries[i]; e.present && e.expires > 0 {
			e.due = max(e.expires, s.now) + s.part(Late, s.cfg.Late)
			s.alarm(b, int32(i), e)
		}
	}
}

// Elect takes the leader from a replicated bucket until a time: nobody answers but who lists. Of what was under way, the
// first writes may be stored. A bucket without replicas has no other leader: nothing happens.
func (s *Store) Elect(now time.Time, b store.Bucket, until time.Time) {
	s.began(now)
	if !s.replicated() {
		return
	}
	k := s.bucket(b)
	k.leaderless = max(k.leaderless, s.since(until))
	s.drop(b, k, k.leaderless)
	for i := 0; i < len(k.followers); i++ {
		if ref := k.followers[i]; s.draw(Sight, 3) == 2 {
			s.end(ref, &s.feeds[ref])
			i--
		}
	}
}

// Delete deletes a bucket.
func (s *Store) Delete(now time.Time, b store.Bucket) {
	s.began(now)
	k := s.bucket(b)
	s.drop(b, k, s.now)
	for len(k.proposals) > 0 {
		s.committed(b, k.incarnated)
	}
	for len(k.followers) > 0 {
		s.end(k.followers[0], &s.feeds[k.followers[0]])
	}
	s.replace(k, bucket{index: map[string]int32{}, last: k.last})
}

// Create makes a bucket that does not exist. Its revisions go on above those of the one before.
func (s *Store) Create(now time.Time, b store.Bucket) error {
	s.began(now)
	if s.buckets[b].exists {
		return fmt.Errorf("create the %s bucket: %w, allowed: one that was deleted", b, ErrExists)
	}
	s.replace(s.bucket(b), s.made())
	return nil
}

// replace puts another bucket in the place of one. What was to happen in the old one does not happen in the new one.
func (s *Store) replace(old *bucket, b bucket) {
	b.incarnated = old.incarnated + 1
	b.timers = old.timers
	*old = b
}

// Purge removes all that a bucket holds, and leaves no marker. Its revisions go on.
func (s *Store) Purge(now time.Time, b store.Bucket) {
	s.began(now)
	k := s.bucket(b)
	for i := range k.entries {
		if e := &k.entries[i]; e.present {
			k.remove(e)
		}
	}
	k.undo = nil
}

// Copy is what some buckets held at a time.
type Copy struct {
	buckets map[store.Bucket]bucket
}

// Copy copies every bucket.
func (s *Store) Copy() Copy {
	c := Copy{buckets: map[store.Bucket]bucket{}}
	for b := range s.buckets {
		c.buckets[store.Bucket(b)] = s.buckets[b].copied()
	}
	return c
}

func (b *bucket) copied() bucket {
	c := *b
	c.entries = slices.Clone(b.entries)
	for i := range c.entries {
		c.entries[i].writing, c.entries[i].asked, c.entries[i].timed = 0, 0, false
	}
	c.index = maps.Clone(b.index)
	c.followers, c.undo, c.proposals, c.due, c.leaderless = nil, nil, nil, 0, 0
	return c
}

// Restore puts copies in the place of the given buckets, or of all, of a stopped store.
func (s *Store) Restore(now time.Time, c Copy, of ...store.Bucket) error {
	s.began(now)
	if !s.stopped {
		return fmt.Errorf("restore a copy: %w, allowed: one that is stopped", ErrRunning)
	}
	if len(of) == 0 {
		of = []store.Bucket{store.StableIDs, store.Election, store.Heartbeats, store.Assignments}
	}
	for _, b := range of {
		k := c.buckets[b]
		s.replace(s.bucket(b), k.copied())
	}
	return nil
}
