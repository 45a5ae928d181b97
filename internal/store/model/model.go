// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"errors"
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/store"
)

// What a caller did wrong with the store itself.
var (
	// ErrRunning: the server runs, and what is asked for takes a stopped one.
	ErrRunning = errors.New("the server is running")
	// ErrExists: the bucket exists.
	ErrExists = errors.New("bucket exists")
)

// Config says what kind of store is modelled. The zero value is one server and a network that takes no time.
type Config struct {
	// Start is the earliest time that is used.
	Start time.Time
	// Replicas is the number of copies of each bucket; fewer than two are one. With one, nothing is busy and nothing lags.
	Replicas int
	// Latency is how long a message is under way, in each direction, and Jitter what the source may add to it.
	Latency, Jitter time.Duration
	// Commit is how long a replicated write may take from its check until it is stored.
	Commit time.Duration
	// Late is how late the marker of an expiry may be stored; 0 is [LateAlone] or [LateReplicated].
	Late time.Duration
	// Marker is how long markers are kept; 0 is an hour.
	Marker time.Duration
	// Ghost is how long after the deadline of its client a ghostly write may arrive; 0 is ten seconds.
	Ghost time.Duration
	// Window is by how many writes a replica may lag; 0 is 64.
	Window int
}

// How late markers of expiry are stored.
const (
	// LateAlone is that of one server: a timer with a floor of 250 ms, on a clock that ticks every 100 ms.
	LateAlone = 350 * time.Millisecond
	// LateReplicated is that of a cluster: the timer, and the way of the marker through the copies on a busy machine.
	LateReplicated = time.Second
)

// Within is the deadline of a request that has none of its own.
const Within = 10 * time.Second

// batchMost is how many messages a batch may have.
const batchMost = 1000

// Store is the model. See the package's documentation for how it is driven.
type Store struct {
	// Watch, if not nil, is called with each message as it is stored.
	Watch func(store.Entry)

	cfg    Config
	source Source
	agenda agenda
	now    int64 // nanoseconds since the start
	ids    ID
	out    []Event

	buckets  [store.Buckets]bucket
	clients  map[Client]*client
	order    []*client // of their first requests
	requests []request
	free     []int32
	feeds    []feed
	unused   []int32

	stopped bool
	breaks  uint32 // how often every connection broke
}

// New returns a running store with four empty buckets.
func New(cfg Config, source Source) *Store {
	cfg.Replicas = max(cfg.Replicas, 1)
	cfg.Late = positive(cfg.Late, LateAlone)
	if cfg.Replicas > 1 && cfg.Late == LateAlone {
		cfg.Late = LateReplicated
	}
	cfg.Marker = positive(cfg.Marker, time.Hour)
	cfg.Ghost = positive(cfg.Ghost, 10*time.Second)
	if cfg.Window <= 0 {
		cfg.Window = 64
	}
	s := &Store{cfg: cfg, source: source, clients: map[Client]*client{}}
	for b := range s.buckets {
		s.buckets[b] = s.made()
	}
	return s
}

func positive(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// Now returns the time up to which everything has happened.
func (s *Store) Now() time.Time { return s.time(s.now) }

// Next says when something happens next; ok is false where nothing ever will unless somebody asks for it.
func (s *Store) Next() (at time.Time, ok bool) {
	t := s.agenda.first()
	if t == nil {
		return time.Time{}, false
	}
	return s.time(t.at), true
}

// Advance lets everything happen that is due at now, and appends what clients learn of it to out, in order.
func (s *Store) Advance(now time.Time, out []Event) []Event {
	until := max(s.since(now), s.now)
	s.out = out
	for {
		if first := s.agenda.first(); first == nil || first.at > until {
			break
		}
		t := s.agenda.pop()
		s.now = max(s.now, t.at)
		s.do(t)
	}
	s.now = until
	out, s.out = s.out, nil
	return out
}

func (s *Store) do(t task) {
	switch t.what {
	case arrives:
		if r := s.request(t); r != nil {
			s.arrived(t.ref, r)
		}
	case commits:
		s.committed(store.Bucket(t.b), t.gen)
	case answers:
		if r := s.request(t); r != nil {
			s.answered(t.ref, r)
		}
	case gives:
		if r := s.request(t); r != nil && !r.told {
			s.gaveUp(t.ref, r)
		}
	case expires:
		s.expired(store.Bucket(t.b), t.ref, t.gen)
	case marks:
		s.marked(store.Bucket(t.b), t.ref, t.gen)
	case delivers:
		if f := s.feed(t); f != nil {
			s.delivered(f)
		}
	case catches:
		if f := s.feed(t); f != nil && f.behind && !f.ended {
			s.catchUp(t.ref, f, s.bucket(f.bucket))
		}
	case notices:
		if f := s.feed(t); f != nil {
			s.noticed(t.ref, f)
		}
	}
}

func (s *Store) since(t time.Time) int64       { return int64(t.Sub(s.cfg.Start)) }
func (s *Store) time(since int64) time.Time    { return s.cfg.Start.Add(time.Duration(since)) }
func (s *Store) replicated() bool              { return s.cfg.Replicas > 1 }
func (s *Store) emit(e Event)                  { s.out = append(s.out, e) }
func (s *Store) bucket(b store.Bucket) *bucket { return &s.buckets[b] }

// began sets the time of what the caller does now. Whatever is due before must have happened.
func (s *Store) began(now time.Time) {
	s.now = max(s.now, s.since(now))
	if t := s.agenda.first(); t != nil && t.at < s.now {
		panic(fmt.Sprintf("model: something was due at %s and it is %s: Advance first", s.time(t.at), s.Now()))
	}
}

// draw asks the source.
func (s *Store) draw(c Choice, n int) int { return min(max(s.source.Draw(c, n), 0), n-1) }

// part draws how much of a duration passes.
func (s *Store) part(c Choice, of time.Duration) int64 {
	if of <= 0 {
		return 0
	}
	return int64(of) * int64(s.draw(c, 17)) / 16
}

// way draws how long a message is under way.
func (s *Store) way() int64 { return int64(s.cfg.Latency) + s.part(Way, s.cfg.Jitter) }
