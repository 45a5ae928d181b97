// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// client does to the store in memory what package kv does to the real one, step by step and with the same answers. Every
// method returns at once and calls done later, once.
type client struct {
	*connection
	over func() bool // whoever asks has ended: nothing more is begun for it; nil where that is the process
}

// connection is what everyone in a process has in common.
type connection struct {
	*Loop
	id       model.Client
	name     string // of the holder, in its tokens
	ttl      [store.Buckets]time.Duration
	timeout  time.Duration // OperationTimeout
	last     int           // token
	created  [store.Buckets]time.Time
	orphans  map[record.Token]time.Time // chains whose first write nobody answered: until when they may be taken over
	book     []store.Lease              // holds that may be in the store
	acked    map[record.Token]time.Time // when the last acknowledged write of each was sent
	sent     [store.Buckets]time.Time   // when the last acknowledged write of any hold was
	planSeen uint64
	reads    int  // the newest format that it reads and writes
	ice      *ice // nil for a process that is never frozen
}

// of is the client of a part of the process, which may end before the process does.
func (c *client) of(over func() bool) *client { return &client{c.connection, over} }

// late says that there is no time left to do something for whoever asks.
func (c *client) late(by time.Time) bool { return !c.now.Before(by) || c.over != nil && c.over() }

func newClient(l *Loop, id model.Client, name string, cfg Config) *client {
	return &client{connection: &connection{
		Loop: l, id: id, name: name, reads: record.Newest, timeout: cfg.Member.OperationTimeout, orphans: map[record.Token]time.Time{}, acked: map[record.Token]time.Time{},
		ttl: [store.Buckets]time.Duration{
			store.StableIDs: cfg.Member.WorkerIDTTL, store.Election: cfg.LeaderTTL, store.Heartbeats: cfg.Member.HeartbeatTTL,
		},
	}}
}

// overwrite puts garbage in the place of an entry.
func (c *client) overwrite(b store.Bucket, key string, by time.Time) {
	c.get(b, key, by, func(e store.Entry, err error) {
		if err != nil || e.Kind != store.Put {
			return
		}
		m := model.Message{Key: key, Value: []byte("garbage")}
		switch b {
		case store.StableIDs:
			m.TTL = c.ttl[b] // else that ID is taken for good
		case store.Election:
			m = model.Message{Key: key, Kind: store.Deleted} // what is no lease there holds nothing, as if it had been deleted
		case store.Heartbeats, store.Assignments, store.Buckets:
		}
		c.put(b, m, model.Condition{Revision: e.Revision}, by, func(uint64, error) {})
	})
}

func (c *client) chain() record.Token {
	c.last++
	return record.Token(c.name + "/" + strconv.Itoa(c.last) + "/")
}

func (c *client) next(chain record.Token) record.Token {
	c.last++
	return chain + record.Token(strconv.Itoa(c.last))
}

// orphaned says that an entry was written here, nobody ever held it, and it is young enough to be written over.
func (c *client) orphaned(t record.Token) bool {
	until, ok := c.orphans[t[:strings.LastIndexByte(string(t), '/')+1]]
	return ok && c.now.Before(until)
}

func (c *client) note(l store.Lease) {
	c.gone(l.Chain)
	c.book = append(c.book, l)
}

func (c *client) acknowledged(l store.Lease) {
	c.note(l)
	c.acked[l.Chain] = l.Sent
	if l.Sent.After(c.sent[l.Bucket]) {
		c.sent[l.Bucket] = l.Sent
	}
}

// trusted is until when a worker may trust what it holds: three quarters of a TTL, counted from when the last write was sent that the
// store has acknowledged.
func trusted(sent time.Time, ttl time.Duration) time.Time { return sent.Add(ttl - ttl/4) }

func (c *client) gone(chain record.Token) {
	for i := range c.book {
		if c.book[i].Chain == chain {
			c.book = append(c.book[:i], c.book[i+1:]...)
			return
		}
	}
}

// left lists the holds that may still be in a bucket.
func (c *client) left(b store.Bucket) (left []store.Lease) {
	for _, l := range c.book {
		if l.Bucket == b {
			left = append(left, l)
		}
	}
	return left
}

func (c *client) message(key string, t record.Token, r any, ttl time.Duration) model.Message {
	m := model.Message{Key: key, TTL: ttl, Token: t, Format: record.FormatOf(r), Record: r}
	if c.InBytes {
		value, err := record.Encode(t, r)
		if err != nil {
			panic(err) // our own records
		}
		m.Value, m.Record = value, nil
	}
	return m
}

var errRefused = errors.New("condition does not hold")

const busyRetries = 5

// put writes until the store is not busy. Its error is errRefused, ErrNotDone or ErrUnknown.
func (c *client) put(b store.Bucket, m model.Message, when model.Condition, by time.Time, done func(uint64, error)) {
	p := &putting{client: c, bucket: b, message: m, when: when, by: by, done: done}
	p.try()
}

type putting struct {
	*client
	bucket  store.Bucket
	message model.Message
	when    model.Condition
	by      time.Time
	attempt int
	done    func(uint64, error)
}

func (p *putting) try() {
	if p.late(p.by) {
		p.done(0, fmt.Errorf("%w: out of time", store.ErrNotDone))
		return
	}
	p.await(p.Store.Write(p.now, p.id, p.bucket, p.message, p.when, p.by.Sub(p.now)), p)
}

func (p *putting) hear(e *model.Event) {
	if e.Outcome == model.Busy && p.attempt < busyRetries {
		p.After(5*time.Millisecond<<p.attempt, p.try)
		p.attempt++
		return
	}
	p.done(e.Revision, outcome(e.Outcome))
}

var notDone = map[model.Outcome]error{
	model.Busy: fmt.Errorf("%w: %s", store.ErrNotDone, model.Busy), model.NotSent: fmt.Errorf("%w: %s", store.ErrNotDone, model.NotSent),
}

func outcome(o model.Outcome) error {
	switch o {
	case model.Applied:
		return nil
	case model.Refused:
		return errRefused
	case model.Busy, model.NotSent:
		return notDone[o]
	default:
		return store.ErrUnknown
	}
}

// patience is how long an answer is waited for that may never come.
func (c *client) patience(by time.Time) time.Duration {
	return min(max(c.timeout/4, time.Second), by.Sub(c.now))
}

// get asks the leader of the bucket, again and again.
func (c *client) get(b store.Bucket, key string, by time.Time, done func(store.Entry, error)) {
	if c.late(by) {
		done(store.Entry{}, fmt.Errorf("%w: read %s %q", store.ErrNotDone, b, key))
		return
	}
	asked := c.now
	c.await(c.Store.Get(c.now, c.id, b, key, c.patience(by)), hears(func(e *model.Event) {
		switch {
		case e.Outcome == model.Applied && e.None:
			done(store.Entry{}, store.ErrNotFound)
		case e.Outcome == model.Applied:
			done(c.known(e.Entry), nil)
		case c.now.Sub(asked) < 100*time.Millisecond: // it was not even sent
			done(store.Entry{}, fmt.Errorf("%w: read %s %q", store.ErrNotDone, b, key))
		default:
			c.get(b, key, by, done)
		}
	}))
}

// acquire begins a hold.
func (c *client) acquire(b store.Bucket, key string, r any, by time.Time, over func(store.Entry) bool, done func(store.Lease, error)) {
	chain, stored := c.chain(), false
	var until time.Time // when what is written over is too old for that; zero where nothing is
	var try func(expect uint64)
	var replaced store.Entry
	doubtful := func(err error) error { // see kv
		if b == store.Heartbeats && !until.IsZero() {
			return fmt.Errorf("%w: %w: %w", store.ErrLost, store.ErrLate, err)
		}
		return err
	}
	try = func(expect uint64) {
		l := store.Lease{Bucket: b, Key: key, Sent: c.now, TTL: c.ttl[b], Chain: chain, Over: replaced.Revision, OverToken: replaced.Token}
		c.note(l)
		c.put(b, c.message(key, c.next(chain), r, l.TTL), model.Condition{Revision: expect}, by, func(revision uint64, err error) {
			switch {
			case err == nil:
				l.Revision, l.Over, l.OverToken = revision, 0, ""
				c.acknowledged(l)
				if !c.now.Before(l.TrustedUntil()) || !until.IsZero() && !c.now.Before(until) {
					delete(c.acked, chain) // the marker of what it replaced may follow it
					done(store.Lease{}, doubtful(store.ErrLate))
					return
				}
				done(l, nil)
				return
			case errors.Is(err, store.ErrUnknown):
				c.orphans[chain] = l.TrustedUntil()
				err = doubtful(err)
			case !errors.Is(err, errRefused) && !stored:
				c.gone(chain)
			}
			if !errors.Is(err, errRefused) {
				done(store.Lease{}, err)
				return
			}
			c.get(b, key, by, func(e store.Entry, err error) {
				if stored = err == nil && e.Token.Of(chain); stored {
					replaced = store.Entry{}
					try(e.Revision) // what it replaced has become no younger
					return
				}
				until, replaced = time.Time{}, store.Entry{}
				orphaned := err == nil && c.orphaned(e.Token)
				may := err == nil && (orphaned || over != nil && over(e))
				switch {
				case errors.Is(err, store.ErrNotFound):
					try(0)
				case err != nil:
					done(store.Lease{}, err)
				case e.Kind != store.Put:
					try(e.Revision)
				case may && (b == store.Election || b == store.StableIDs && !orphaned):
					replaced = e
					try(e.Revision)
				case may:
					c.awaitEnd(e, by, func(young time.Time, err error) {
						if err != nil {
							done(store.Lease{}, err)
							return
						}
						if until, replaced = young, e; until.IsZero() {
							until = c.now
						}
						try(e.Revision)
					})
				default:
					c.gone(chain)
					done(store.Lease{}, &store.TakenError{Entry: e})
				}
			})
		})
	}
	try(0)
}

// renew lengthens a hold that is still trusted.
func (c *client) renew(l store.Lease, r any, limit time.Duration, done func(store.Lease, error)) {
	n := &renewing{client: c, before: l, after: l, record: r, by: c.now.Add(limit), done: done}
	if n.by.After(l.TrustedUntil()) {
		n.by = l.TrustedUntil()
	}
	n.try()
}

type renewing struct {
	*client
	before, after store.Lease
	record        any
	by            time.Time
	done          func(store.Lease, error)
}

func (n *renewing) try() {
	l := &n.after
	if l.Sent = n.now; !n.now.Before(n.before.TrustedUntil()) {
		n.answer(store.ErrLate)
		return
	}
	n.note(*l)
	n.aim(*l)
	n.put(l.Bucket, n.message(l.Key, n.next(l.Chain), n.record, l.TTL), model.Condition{Revision: l.Revision}, n.by, n.written)
}

func (n *renewing) written(revision uint64, err error) {
	switch {
	case err == nil:
		n.after.Revision = revision
		n.acknowledged(n.after)
		n.answer(nil)
	case errors.Is(err, errRefused):
		n.get(n.before.Bucket, n.before.Key, n.by, n.refused)
	default:
		n.answer(err)
	}
}

func (n *renewing) refused(e store.Entry, err error) {
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && e.Kind != store.Put:
		n.answer(fmt.Errorf("%w: the entry has ended", store.ErrLost))
	case err != nil:
		n.answer(err)
	case e.Revision < n.after.Revision:
		n.answer(fmt.Errorf("%w: %w", store.ErrLost, store.ErrRolledBack))
	case !e.Token.Of(n.before.Chain) || e.Revision == n.after.Revision:
		n.answer(fmt.Errorf("%w: the entry is another's", store.ErrLost))
	default:
		n.after.Revision = e.Revision
		n.try()
	}
}

func (n *renewing) answer(err error) {
	if !n.now.Before(n.before.TrustedUntil()) {
		err = store.ErrLate
	}
	if err != nil {
		n.done(store.Lease{}, err)
		return
	}
	n.done(n.after, nil)
}
