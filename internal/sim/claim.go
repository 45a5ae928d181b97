// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// lateExpiry is how long after its time a store that was away may show an entry.
const lateExpiry = 5 * time.Second

// claimID begins a session under a preferred ID, or under one of the lowest that are free.
func (c *client) claimID(ids []string, r record.Claim, o store.ClaimOptions, by time.Time, done func(store.Lease, error)) {
	id := ""
	if len(o.Prefer) > 0 {
		id = o.Prefer[0]
	}
	if slices.Contains(ids, id) && (o.Only || len(o.Dead) > 0) {
		c.claimOne(id, r, o, by, func(l store.Lease, err error) {
			if !o.Only && errors.Is(err, store.ErrTaken) {
				c.claimAny(ids, r, o, by, done)
				return
			}
			done(l, err)
		})
		return
	}
	c.claimAny(ids, r, o, by, done)
}

// mine says that an entry is the claim of this process' prior session, and still trusted, or was made here and its answer lost.
func (c *client) mine(o store.ClaimOptions) func(store.Entry) bool {
	return func(e store.Entry) bool {
		own := o.Prior != nil && e.Key == o.Prior.Key && e.Token.Of(o.Prior.Chain)
		return c.orphaned(e.Token) || own && c.now.Before(o.Prior.TrustedUntil())
	}
}

// awaits says that an entry is the claim of the prior session, which is not trusted any more and will expire.
func (c *client) awaits(e store.Entry, o store.ClaimOptions) bool {
	return o.Prior != nil && e.Key == o.Prior.Key && e.Token.Of(o.Prior.Chain) && !c.now.Before(o.Prior.TrustedUntil()) &&
		c.now.Before(o.Prior.Sent.Add(o.Prior.TTL+lateExpiry))
}

func (c *client) claimAny(ids []string, r record.Claim, o store.ClaimOptions, by time.Time, done func(store.Lease, error)) {
	mine := c.mine(o)
	width := 1
	var look func()
	look = func() {
		c.list(store.StableIDs, nil, 0, by, func(s store.Snapshot, err error) {
			if err != nil {
				done(store.Lease{}, err)
				return
			}
			held := map[string]bool{}
			for _, e := range s.Entries {
				if e.Kind == store.Put && c.awaits(e, o) {
					done(store.Lease{}, notExpired(e))
					return
				}
				held[e.Key] = e.Kind == store.Put && !mine(e)
			}
			free := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return held[id] })
			attempts := 0
			var try func()
			try = func() {
				switch {
				case len(free) == 0:
					done(store.Lease{}, fmt.Errorf("%w: all %d are held", store.ErrNoFreeID, len(ids)))
					return
				case attempts == 2:
					look()
					return
				}
				attempts++
				n := c.Draw(min(width, len(free)))
				for _, id := range o.Prefer {
					if i := slices.Index(free, id); i >= 0 {
						n = i
						break
					}
				}
				until := c.now.Add(c.patience(by))
				c.acquire(store.StableIDs, free[n], r, until, mine, func(l store.Lease, err error) {
					if !errors.Is(err, store.ErrTaken) {
						done(l, err)
						return
					}
					free = slices.Delete(free, n, n+1)
					width *= 4
					try()
				})
			}
			try()
		})
	}
	spread := time.Duration(0)
	if o.Spread {
		spread = c.Spread(50 * time.Millisecond)
	}
	c.After(spread, look)
}

// sessionNumber is the revision of a claim, or one more than any session of that ID which is named elsewhere.
func (c *client) sessionNumber(claim store.Lease, by time.Time, done func(uint64, error)) {
	number, buckets := claim.Revision, []store.Bucket{store.Heartbeats, store.Assignments}
	var look func(n int)
	look = func(n int) {
		if n == len(buckets) {
			done(number, nil)
			return
		}
		c.get(buckets[n], claim.Key, by, func(e store.Entry, err error) {
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				done(0, err)
				return
			}
			if named, ok := sessionIn(e); ok {
				number = max(number, named+1)
			}
			look(n + 1)
		})
	}
	look(0)
}

// sessionIn is the session that a heartbeat or an assignment names.
func sessionIn(e store.Entry) (uint64, bool) {
	switch r := e.Record.(type) {
	case record.Heartbeat:
		return r.Session, true
	case record.Assignment:
		return r.Session, true
	}
	var named struct{ Session uint64 }
	err := json.Unmarshal(e.Value, &named)
	return named.Session, err == nil
}
