// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// The two clients.
const (
	Frail  model.Client = 0 // can have troubles
	Steady model.Client = 1 // cannot
)

// patience is how long a follower needs at most to notice that its feed has ended.
const patience = 2 * time.Second

// Session is one run of a case.
type Session struct {
	testing.TB
	Subject
	writes int
}

// value makes a record that no other write has.
func (s *Session) value() (value []byte, t record.Token) {
	s.writes++
	t = record.Token(fmt.Sprintf("suite/1/%d", s.writes))
	value, err := record.Encode(t, record.Heartbeat{Session: 1})
	if err != nil {
		s.Fatal(err)
	}
	return value, t
}

// message is a value under a key.
func (s *Session) message(key string, ttl time.Duration) model.Message {
	value, token := s.value()
	format, _ := record.Envelope(value)
	return model.Message{Key: key, Value: value, TTL: ttl, Token: token, Format: format}
}

func (s *Session) write(c model.Client, b store.Bucket, m model.Message, when model.Condition) Request {
	return Request{Kind: model.Written, Client: c, Bucket: b, Messages: []model.Message{m}, When: when, Within: time.Second}
}

// put writes a value over a revision of its key. Where the store is busy it tries again.
func (s *Session) put(b store.Bucket, key string, over uint64, ttl time.Duration) model.Event {
	return s.again(s.write(Steady, b, s.message(key, ttl), model.Condition{Revision: over}))
}

// end writes the marker of a deletion.
func (s *Session) end(b store.Bucket, key string, over uint64, ttl time.Duration) model.Event {
	return s.again(s.write(Steady, b, model.Message{Key: key, Kind: store.Deleted, TTL: ttl}, model.Condition{Revision: over}))
}

// again asks again while nothing was done.
func (s *Session) again(r Request) model.Event {
	for n := 0; ; n++ {
		e := s.Ask(r)[0]
		if e.Outcome != model.Busy && e.Outcome != model.NotSent || n == 100 {
			return e
		}
		s.Sleep(10 * time.Millisecond)
	}
}

// must is put where nothing but success will do.
func (s *Session) must(b store.Bucket, key string, over uint64, ttl time.Duration) uint64 {
	s.Helper()
	e := s.put(b, key, over, ttl)
	if e.Outcome != model.Applied {
		s.Fatalf("write %s %q over %d: %s", b, key, over, e.Outcome)
	}
	return e.Revision
}

// batch writes values under keys, all on one condition.
func (s *Session) batch(b store.Bucket, when model.Condition, keys ...string) model.Event {
	r := Request{Kind: model.Written, Client: Steady, Bucket: b, Atomic: true, When: when, Within: 5 * time.Second}
	for _, key := range keys {
		r.Messages = append(r.Messages, s.message(key, 0))
	}
	return s.again(r)
}

func (s *Session) get(b store.Bucket, key string) model.Event {
	return s.again(Request{Kind: model.Got, Client: Steady, Bucket: b, Keys: []string{key}, Within: time.Second})
}

// is says what is stored under a key.
func (s *Session) is(b store.Bucket, key string) string {
	e := s.get(b, key)
	switch {
	case e.Outcome != model.Applied:
		return e.Outcome.String()
	case e.None:
		return "nothing"
	}
	return [...]string{"value", "deleted", "expired"}[e.Entry.Kind]
}

func (s *Session) list(b store.Bucket, keys ...string) model.Event {
	return s.again(Request{Kind: model.Listed, Client: Steady, Bucket: b, Keys: keys, Within: time.Second})
}

func (s *Session) info(b store.Bucket) model.Event {
	return s.again(Request{Kind: model.Described, Client: Steady, Bucket: b, Within: time.Second})
}

func (s *Session) follow(c model.Client, b store.Bucket, after uint64, keys ...string) model.ID {
	s.Helper()
	e := s.again(Request{Kind: model.Followed, Client: c, Bucket: b, Keys: keys, After: after, Within: 5 * time.Second})
	if e.Outcome != model.Applied {
		s.Fatalf("follow %s: %s", b, e.Outcome)
	}
	return e.ID
}

// told waits a moment and says in one line what a feed has told.
func (s *Session) told(feed model.ID, wait time.Duration) string {
	s.Sleep(wait)
	var words []string
	last := uint64(0)
	for _, e := range s.Told(feed) {
		if e.Kind == model.Lost {
			words = append(words, "lost")
			continue
		}
		if e.Entry.Revision <= last {
			return fmt.Sprintf("revision %d after %d", e.Entry.Revision, last)
		}
		last = e.Entry.Revision
		words = append(words, [...]string{"", "deleted ", "expired "}[e.Entry.Kind]+e.Entry.Key)
	}
	return strings.Join(words, ", ")
}

// await asks until a key is as it should be, for a while.
func (s *Session) await(b store.Bucket, key, is string, within time.Duration) bool {
	for end := s.Now().Add(within); ; s.Sleep(20 * time.Millisecond) {
		if s.is(b, key) == is {
			return true
		}
		if !s.Now().Before(end) {
			return false
		}
	}
}
