// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/statedir"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv"
)

// This file is about the identity of a worker beyond its process and its session: what the previous process left in the
// StateDir, and how a worker waits for an ID that is still taken.

// legacy is what the previous process, which is dead, has left. It is zero without a StateDir.
type legacy struct {
	worker string         // its ID; "" for none
	dead   []record.Token // the beginnings of the tokens of what it wrote
	dir    *statedir.Dir
}

// lockState acquires the lock of the StateDir, once in the life of a tree. It blocks.
func (m *manager) lockState() error {
	if m.life.state == nil {
		return nil
	}
	ignored, err := m.life.state.Lock()
	if ignored != nil {
		m.set.Logger.Warn("the file in the StateDir is ignored", "error", ignored)
	}
	return err
}

// inherit writes into the StateDir, before anything is claimed, under which name this process writes to the store. It returns
// what the previous process has left there. It blocks. Only a worker that starts needs a directory that can be written. Without
// it, the next process waits until everything has expired.
func (m *manager) inherit(buckets *kv.Store, running bool) (legacy, error) {
	dir := m.life.state
	if dir == nil {
		return legacy{}, nil
	}
	worker, holders, err := dir.Begin(buckets.Incarnation(), string(buckets.Holder()))
	if err != nil && running {
		m.set.Logger.Warn("the StateDir cannot be written: after a crash, the next process waits for the ID to expire", "error", err)
		err = nil
	}
	l := legacy{dir: dir}
	if buckets.OfRange(worker) {
		l.worker = worker
	}
	for _, h := range holders {
		l.dead = append(l.dead, record.Token(h))
	}
	return l, err
}

// opened is what opening the store has come to.
func (m *manager) opened(buckets *kv.Store, own leader.Edition, err error, running bool) *opened {
	if err != nil {
		return &opened{store: buckets, err: err}
	}
	left, err := m.inherit(buckets, running)
	return &opened{buckets, own, left, err}
}

// claimed ends what the previous process has left, once its ID is claimed, and writes down the ID. It blocks. A failure here
// only costs time after the next crash: the lease on leadership expires by itself, and the file proves less.
func (l legacy) claimed(ctx context.Context, buckets *kv.Store, id string) error {
	var err error
	if len(l.dead) > 0 {
		err = buckets.EndLeadership(ctx, l.dead)
	}
	if l.dir == nil {
		return err
	}
	return errors.Join(err, l.dir.Claimed(id))
}

// wish is a preferred ID that is taken. Its holder may have crashed, may be leaving, or may live on.
type wish struct {
	until   time.Time // when any other ID will do; zero before the first attempt
	watched store.Watched
	retry   func() // stops the timer of the next attempt; nil before the first
}

// wishFreed: the claim or the heartbeat of the preferred ID has changed.
type wishFreed struct{}

// wishPause is the time between two attempts on a preferred ID without any news of it.
const wishPause = time.Second

// insists reports whether only the preferred ID will do.
func (c *claimer) insists() bool {
	if !c.store.OfRange(c.prefer) {
		return false
	}
	if c.wish.until.IsZero() {
		c.wish.until = time.Now().Add(c.set.PreferredIDWait)
	}
	insists := time.Now().Before(c.wish.until)
	if !insists && c.wish.retry != nil {
		c.forgetWish()
	}
	return insists
}

// preferredTaken goes on waiting for the preferred ID: for its release or its expiry, for the end of its heartbeat, and until
// its claim has not changed for HeartbeatTTL. For the claim of a dead process the worker waits until the claim has expired.
func (c *claimer) preferredTaken(taken *store.TakenError) {
	claim, now := taken.Entry, time.Now()
	if p := c.prior; p != nil && claim.Key == p.Key && claim.Revision > p.Revision && !claim.Token.Of(p.Chain) {
		c.wish.until = now // another worker took it from this one, and lives
	}
	if claim.Revision != c.wish.watched.Revision {
		c.wish.watched = store.Watched{Revision: claim.Revision, Since: now}
	}
	if slices.ContainsFunc(c.legacy.dead, claim.Token.Of) {
		c.wish.until = now.Add(2 * wishPause)
	}
	if !now.Before(c.wish.until) {
		c.forgetWish()
		c.claim()
		return
	}
	if c.wish.retry == nil {
		c.log.Info("the preferred ID is taken: waiting for it", "id", c.prefer, "for", time.Until(c.wish.until))
		c.watchPreferred()
	} else {
		c.wish.retry()
	}
	wait := min(wishPause, time.Until(c.wish.until))
	if old := c.wish.watched.Since.Add(c.set.Store.HeartbeatTTL); now.Before(old) {
		wait = min(wait, time.Until(old))
	}
	if c.freed {
		wait = 0
	}
	c.wish.retry = c.after(wait, &claimDue{})
}

// watchPreferred watches for the end of the claim and of the heartbeat that are in the way.
func (c *claimer) watchPreferred() {
	stops := make([]func(), 0, 2)
	for _, b := range []store.Bucket{store.StableIDs, store.Heartbeats} {
		stops = append(stops, feed(c.guard, c.report, c.store, b, []string{c.prefer}, 0, func(u store.Update) any {
			switch u.Kind {
			case store.UpdateDeleted, store.UpdateExpired, store.UpdateGone:
				return &wishFreed{}
			default: // it is still in the way
				return nil
			}
		}))
	}
	c.unwatch = func() {
		for _, stop := range stops {
			stop()
		}
	}
}

func (c *claimer) wishFreed() {
	c.freed = true
	c.claim()
}

// forgetWish ends the waiting for the preferred ID.
func (c *claimer) forgetWish() {
	c.unwatch()
	c.unwatch = func() {}
	if c.wish.retry != nil {
		c.wish.retry()
		c.wish.retry = nil
	}
}
