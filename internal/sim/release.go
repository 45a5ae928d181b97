// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"time"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// This file is how a hold ends, and until when an entry may be written over.

// young is the age until which an entry is not written over: the marker of the one before it may still be under way.
func young(i model.Info) time.Duration {
	if i.Replicas > 1 {
		return model.LateReplicated + 100*time.Millisecond
	}
	return model.LateAlone + 50*time.Millisecond
}

// awaitEnd says until when an entry may be written over: not in its first moments, and not in the last eighth of its life, because
// the marker of an expiry could follow. Then it waits until the entry is no longer what it was.
func (c *client) awaitEnd(e store.Entry, by time.Time, done func(until time.Time, err error)) {
	asked := c.now
	c.info(e.Bucket, by, func(i model.Info, err error) {
		if err != nil {
			done(time.Time{}, err)
			return
		}
		age := max(i.Now.Sub(e.Created), 0)
		until := asked.Add(c.ttl[e.Bucket]*7/8 - age)
		if e.Token == "" { // a stranger's, without a lifetime
			until = asked.Add(c.ttl[e.Bucket])
		}
		if age >= young(i) && c.now.Before(until) {
			done(until, nil)
			return
		}
		c.get(e.Bucket, e.Key, by, func(now store.Entry, err error) {
			switch {
			case errors.Is(err, store.ErrNotFound), err == nil && now.Revision != e.Revision:
				done(time.Time{}, nil)
			case err != nil:
				done(time.Time{}, err)
			default:
				c.After(25*time.Millisecond, func() { c.awaitEnd(e, by, done) })
			}
		})
	})
}

// release ends a hold; ErrLost says that it had ended.
func (c *client) release(l store.Lease, by time.Time, done func(error)) {
	answer := func(err error) {
		if err == nil || errors.Is(err, store.ErrLost) {
			c.gone(l.Chain)
		}
		done(err)
	}
	var try func(expect uint64)
	try = func(expect uint64) {
		m := model.Message{Key: l.Key, Kind: store.Deleted, TTL: time.Hour}
		c.put(l.Bucket, m, model.Condition{Revision: expect}, by, func(_ uint64, err error) {
			if !errors.Is(err, errRefused) {
				answer(err)
				return
			}
			c.endable(l, by, try, answer)
		})
	}
	if c.now.Before(c.acked[l.Chain].Add(l.TTL * 7 / 8)) {
		c.aim(l)
		try(l.Revision)
		return
	}
	c.endable(l, by, try, answer)
}

// endable says at which revision the entry of a hold can be deleted: not where it is about to expire, see kv.
func (c *client) endable(l store.Lease, by time.Time, able func(uint64), not func(error)) {
	c.get(l.Bucket, l.Key, by, func(e store.Entry, err error) {
		absent := errors.Is(err, store.ErrNotFound)
		switch {
		case err != nil && !absent:
			not(err)
		case l.Revision == 0 && (absent || e.Kind != store.Put || l.Replaces(e) && e.Token == ""):
			able(e.Revision)
		case absent || e.Kind != store.Put || !e.Token.Of(l.Chain) && !l.Replaces(e):
			not(store.ErrLost)
		default:
			c.awaitEnd(e, by, func(until time.Time, err error) {
				switch {
				case err != nil:
					not(err)
				case until.IsZero():
					c.endable(l, by, able, not)
				default:
					able(e.Revision)
				}
			})
		}
	})
}
