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
	own := func(e store.Entry) bool { return o.Prior != nil && e.Key == o.Prior.Key && e.Token.Of(o.Prior.Chain) }
	mine := func(e store.Entry) bool { return c.orphaned(e.Token) || own(e) && c.now.Before(o.Prior.TrustedUntil()) }
	awaited := func(e store.Entry) bool {
		return own(e) && !c.now.Before(o.Prior.TrustedUntil()) && c.now.Before(o.Prior.Sent.Add(o.Prior.TTL+lateExpiry))
	}
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
				if e.Kind == store.Put && awaited(e) {
					done(store.Lease{}, fmt.Errorf("%w: our own claim of %q has not expired yet", store.ErrNotDone, e.Key))
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
