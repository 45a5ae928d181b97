// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// This file is about a preferred ID that another process holds: when the session of that one is over, and how its ID is taken
// over. It is what kv/takeover.go and the claimer of package actors do.

func isDead(e store.Entry, dead []record.Token) bool { return slices.ContainsFunc(dead, e.Token.Of) }

// claimOne claims the preferred ID.
func (c *client) claimOne(id string, r record.Claim, o store.ClaimOptions, by time.Time, done func(store.Lease, error)) {
	last := uint64(0)
	var tried func(l store.Lease, err error)
	tried = func(l store.Lease, err error) {
		var taken *store.TakenError
		switch {
		case !errors.As(err, &taken), taken.Entry.Revision == last:
			done(l, err)
			return
		case c.awaits(taken.Entry, o):
			done(store.Lease{}, notExpired(taken.Entry))
			return
		}
		last = taken.Entry.Revision
		then := done
		if isDead(taken.Entry, o.Dead) {
			then = tried // a renewal of the dead process may still have been on its way
		}
		c.takeOver(taken, r, o, by, then)
	}
	c.acquire(store.StableIDs, id, r, c.now.Add(c.patience(by)), c.mine(o), tried)
}

// takeOver takes over a claim whose session is over.
func (c *client) takeOver(taken *store.TakenError, r record.Claim, o store.ClaimOptions, by time.Time, done func(store.Lease, error)) {
	c.sessionOver(taken.Entry, o, by, func(until time.Time, err error) {
		if err != nil || !c.now.Before(until) {
			if err == nil {
				err = taken
			}
			done(store.Lease{}, err)
			return
		}
		c.awaitDead(taken.Entry, o.Dead, by, func(err error) {
			if err != nil {
				done(store.Lease{}, err)
				return
			}
			over := func(e store.Entry) bool { return e.Revision == taken.Entry.Revision && c.now.Before(until) }
			c.acquire(store.StableIDs, taken.Entry.Key, r, by, over, func(l store.Lease, err error) {
				if err == nil && !c.now.Before(until) {
					l, err = store.Lease{}, store.ErrLate
				}
				done(l, err)
			})
		})
	})
}

// sessionOver says until when a claim may be taken over; the zero time where it may not.
func (c *client) sessionOver(claim store.Entry, o store.ClaimOptions, by time.Time, done func(time.Time, error)) {
	asked := c.now
	c.info(store.StableIDs, by, func(i model.Info, err error) {
		if err != nil {
			done(time.Time{}, err)
			return
		}
		age, ttl := max(i.Now.Sub(claim.Created), 0), c.ttl[store.Heartbeats]
		until := store.Lease{Sent: asked.Add(-age), TTL: c.ttl[store.StableIDs]}.TrustedUntil()
		old := age >= 2*ttl || claim.Revision == o.Watched.Revision && c.now.Sub(o.Watched.Since) >= ttl
		switch {
		case isDead(claim, o.Dead):
			done(until, nil)
		case !old || !c.now.Before(until):
			done(time.Time{}, nil)
		default:
			c.silent(claim.Key, by, func(silent bool, err error) {
				if err != nil || !silent {
					until = time.Time{}
				}
				done(until, err)
			})
		}
	})
}

// silent proves that an ID has no heartbeat: the marker, or the nothing, that was read is still the last.
func (c *client) silent(id string, by time.Time, done func(bool, error)) {
	c.get(store.Heartbeats, id, by, func(e store.Entry, err error) {
		switch {
		case err != nil && !errors.Is(err, store.ErrNotFound):
			done(false, err)
		case err == nil && e.Kind == store.Put:
			done(false, nil)
		default:
			c.ends(store.Heartbeats, id, e.Revision, by, func(err error) {
				if errors.Is(err, errRefused) {
					done(false, nil)
					return
				}
				done(err == nil, err)
			})
		}
	})
}

// ends writes the marker of a deletion.
func (c *client) ends(b store.Bucket, key string, at uint64, by time.Time, done func(error)) {
	m := model.Message{Key: key, Kind: store.Deleted, TTL: time.Hour}
	c.put(b, m, model.Condition{Revision: at}, by, func(_ uint64, err error) { done(err) })
}

// awaitDead waits until the heartbeat and the claim of a dead process can be written over.
func (c *client) awaitDead(claim store.Entry, dead []record.Token, by time.Time, done func(error)) {
	if !isDead(claim, dead) {
		done(nil)
		return
	}
	awaitClaim := func() { c.awaitEnd(claim, by, func(_ time.Time, err error) { done(err) }) }
	c.get(store.Heartbeats, claim.Key, by, func(e store.Entry, err error) {
		switch {
		case errors.Is(err, store.ErrNotFound), err == nil && (e.Kind != store.Put || !isDead(e, dead)):
			awaitClaim()
		case err != nil:
			done(err)
		default:
			c.awaitEnd(e, by, func(_ time.Time, err error) {
				if err != nil {
					done(err)
					return
				}
				awaitClaim()
			})
		}
	})
}

// endLeadership deletes the lease on leadership of a dead process.
func (c *client) endLeadership(dead []record.Token, by time.Time) {
	c.get(store.Election, store.LeaderKey, by, func(e store.Entry, err error) {
		if err != nil || e.Kind != store.Put || !isDead(e, dead) {
			return
		}
		c.awaitEnd(e, by, func(until time.Time, err error) {
			switch {
			case err != nil:
			case until.IsZero():
				c.endLeadership(dead, by)
			default:
				c.ends(store.Election, store.LeaderKey, e.Revision, by, func(err error) {
					if errors.Is(err, errRefused) {
						c.endLeadership(dead, by)
					}
				})
			}
		})
	})
}

func notExpired(e store.Entry) error {
	return fmt.Errorf("%w: our own claim of %q has not expired yet", store.ErrNotDone, e.Key)
}

// wish is a preferred ID that is taken.
type wish struct {
	until   time.Time // when any other ID will do; zero before the first attempt
	watched store.Watched
}

// wishPause is the time between two looks at a preferred ID of which nothing is heard.
const wishPause = time.Second

func (c *claimer) insists() bool {
	if !slices.Contains(c.cfg.IDs, c.prefer) {
		return false
	}
	if c.wish.until.IsZero() {
		c.wish.until = c.client.now.Add(c.cfg.PreferredIDWait)
	}
	return c.client.now.Before(c.wish.until)
}

// preferredTaken goes on waiting for the preferred ID. It looks again and again, and hears of nothing in between.
func (c *claimer) preferredTaken(taken *store.TakenError) {
	claim, now := taken.Entry, c.client.now
	if p := c.prior; p != nil && claim.Key == p.Key && claim.Revision > p.Revision && !claim.Token.Of(p.Chain) {
		c.wish.until = now // another worker took it from this one, and lives
	}
	if claim.Revision != c.wish.watched.Revision {
		c.wish.watched = store.Watched{Revision: claim.Revision, Since: now}
	}
	if isDead(claim, c.legacy) {
		c.wish.until = now.Add(2 * wishPause)
	}
	if !now.Before(c.wish.until) {
		c.claim()
		return
	}
	wait := min(wishPause, c.wish.until.Sub(now))
	if old := c.wish.watched.Since.Add(c.cfg.Member.HeartbeatTTL); now.Before(old) {
		wait = min(wait, old.Sub(now))
	}
	c.client.After(wait, c.claim)
}
