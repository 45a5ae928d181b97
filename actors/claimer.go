// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/internal/lease"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv"
)

// claimer claims an ID for a new session and keeps the claim alive.
//
// The worker has an ID from the moment when its claim is stored, as long as each renewal is acknowledged before the trust in
// the one before has ended. The session's number is the revision of its claim. A worker that rejoins prefers its last ID. If
// its own claim is still trusted, it takes the claim over by revision; otherwise it waits until the claim has expired and
// claims again. If somebody else has the ID, the worker waits up to PreferredIDWait, see identity.go.
type claimer struct {
	*guard
	report func(reported)
	set    Settings
	store  *kv.Store
	prefer string
	prior  *store.Lease // the claim of the session before
	legacy legacy
	wish   wish

	lease    *store.Lease // ours
	hold     lease.Hold   // on it: decides when it is renewed
	next     func()       // stops the timer of the hold
	record   record.Claim
	busy     bool // a claim is under way
	waiting  bool // for an ID to come free
	freed    bool // something came free while busy
	attempts int
	unwatch  func()
}

type (
	claimMade struct {
		lease  store.Lease
		number uint64 // of the session
		err    error
	}
	claimUpdate struct{ store.Update }
	claimDue    struct{}
	claimKept   struct {
		lease store.Lease
		err   error
	}
	keepDue struct{}
	// legacyFailed is an error that is reported and has no other effect.
	legacyFailed struct{ err error }
)

// expiryLag is how late the store may be to drop an expired entry.
const expiryLag = 300 * time.Millisecond

// wakeJitter spreads the attempts of workers that wait for an ID and all see it come free.
const wakeJitter = 10 * time.Millisecond

// reopenAfter is the number of failed attempts after which the store is opened again, because a bucket may be gone.
const reopenAfter = 10

func newClaimer(g *guard, report func(reported), set Settings, buckets *kv.Store, prefer string, prior *store.Lease, l legacy) body {
	host, _ := os.Hostname()
	return &claimer{
		guard: g, report: report, set: set, store: buckets, prefer: prefer, prior: prior, legacy: l, unwatch: func() {}, next: func() {},
		record: record.Claim{Host: host, Process: os.Getpid(), Since: time.Now()},
	}
}

func (c *claimer) started() {
	if c.prior == nil || time.Now().Before(c.prior.TrustedUntil()) {
		c.claim()
		return
	}
	// Until our own dead claim has expired, our last ID is taken, and any other ID would move our partitions.
	expired := c.prior.Sent.Add(c.prior.TTL + expiryLag)
	c.after(time.Until(expired), &claimDue{})
}

func (c *claimer) stopping(bool) {}

func (c *claimer) receive(_ actor.Context, message any) {
	switch msg := message.(type) {
	case *claimDue:
		c.claim()
	case *claimMade:
		c.claimMade(msg)
	case *claimUpdate:
		c.updated(msg.Update)
	case *wishFreed:
		c.wishFreed()
	case *feedEnded:
		c.report(&sessionLost{msg.err}) // the store is another: open it anew
	case *keepDue:
		c.proceed()
	case *claimKept:
		c.kept(msg)
	case *legacyFailed:
		c.report(&problem{msg.err})
	}
}

func (c *claimer) claim() {
	if c.busy || c.lease != nil {
		return
	}
	c.busy, c.freed = true, false
	insists := c.insists()
	opts := store.ClaimOptions{Spread: !c.waiting && !insists, Prior: c.prior, Dead: c.legacy.dead, Only: insists, Watched: c.wish.watched}
	if c.prefer != "" {
		opts.Prefer = []string{c.prefer}
	}
	c.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, c.set.Store.OperationTimeout)
		defer cancel()
		hold, err := c.store.ClaimID(ctx, c.record, opts)
		if err != nil {
			return &claimMade{err: err}
		}
		number, err := c.store.SessionNumber(ctx, hold)
		return &claimMade{hold, number, err}
	})
}

// settleLegacy finishes the work for the previous process. It runs beside the first heartbeat, which must not wait for it.
func (c *claimer) settleLegacy(id string) {
	left := c.legacy
	c.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, c.set.Store.OperationTimeout)
		defer cancel()
		if err := left.claimed(ctx, c.store, id); err != nil {
			return &legacyFailed{err}
		}
		return nil
	})
}

func (c *claimer) claimMade(msg *claimMade) {
	c.busy = false
	var taken *store.TakenError
	switch {
	case msg.err == nil:
		c.lease = &msg.lease
		c.forgetWish()
		c.record.Session, c.worker = msg.number, msg.lease.Key
		c.report(&claimed{msg.lease, msg.number})
		c.settleLegacy(msg.lease.Key)
		c.hold = lease.Held(c.keeping(), msg.lease.Sent)
		c.proceed()
	case isCanceled(c.ctx, msg.err):
	case msg.lease.Revision != 0:
		// The ID is ours, but the number of the session is not known yet. The next attempt takes the claim over.
		c.prior, c.prefer = &msg.lease, msg.lease.Key
		c.report(&unclaimed{fmt.Errorf("claim %s: %w", msg.lease.Key, msg.err)})
		c.attempts++
		c.after(jitter(100*time.Millisecond), &claimDue{})
	case errors.As(msg.err, &taken):
		c.preferredTaken(taken)
	case errors.Is(msg.err, kv.ErrNoFreeID):
		c.report(&unclaimed{msg.err})
		c.wait()
	case errors.Is(msg.err, kv.ErrRolledBack), c.attempts >= reopenAfter:
		c.report(&sessionLost{fmt.Errorf("claim a worker ID: %w", msg.err)})
	default:
		c.report(&unclaimed{fmt.Errorf("claim a worker ID: %w", msg.err)})
		c.attempts++
		c.after(jitter(min(100*time.Millisecond<<min(c.attempts, 5), 2*time.Second)), &claimDue{})
	}
}

// wait for the next ID that is released or expires.
func (c *claimer) wait() {
	if !c.waiting {
		c.waiting = true
		c.log.Info("waiting for a free ID", "from", c.set.Store.ID(c.set.Store.IDMin), "to", c.set.Store.ID(c.set.Store.IDMax))
		c.unwatch = feed(c.guard, c.report, c.store, store.StableIDs, nil, 0, func(u store.Update) any { return &claimUpdate{u} })
		return
	}
	if c.freed {
		c.after(rand.N(wakeJitter), &claimDue{})
	}
}

func (c *claimer) updated(u store.Update) {
	switch {
	case c.lease != nil:
	case u.Kind == store.UpdateSynced:
		// Nobody announced what came free between the attempt and the snapshot.
		c.claim()
	case u.Kind != store.UpdatePut:
		c.freed = true
		if !c.busy {
			c.after(rand.N(wakeJitter), &claimDue{})
		}
	}
}

// keeping returns the rules for renewing a claim.
func (c *claimer) keeping() lease.Config {
	ttl, pause := c.set.Store.WorkerIDTTL, 200*time.Millisecond
	limit := min(c.set.Store.OperationTimeout, ttl/6)
	return lease.Config{TTL: ttl, Interval: ttl / 3, Pause: pause, LongestPause: pause, Shortest: limit, Longest: limit}
}

// proceed does what the hold decides.
func (c *claimer) proceed() {
	switch next := c.hold.Next(time.Now()).(type) {
	case *lease.Write:
		c.renew(next.Limit)
		c.proceed()
	case *lease.Wait:
		c.next()
		c.next = c.at(next.At, next.Spread, &keepDue{})
	case *lease.End:
		err := next.Err
		if err == nil {
			err = ranOut(*c.lease)
		}
		c.report(&sessionLost{fmt.Errorf("claim of %s: %w", c.lease.Key, err)})
	}
}

func (c *claimer) renew(limit time.Duration) {
	hold := *c.lease
	c.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		next, err := c.store.Renew(ctx, hold, c.record)
		return &claimKept{next, err}
	})
}

func (c *claimer) kept(msg *claimKept) {
	if c.ctx.Err() != nil {
		return
	}
	if c.hold.Answered(time.Now(), msg.lease.Sent, msg.err) == lease.Done {
		c.lease = &msg.lease
		c.report(&claimRenewed{msg.lease})
	}
	c.proceed()
}

// ranOut returns the error of a lease that was not renewed in time, in the words of the store.
func ranOut(l store.Lease) error { return fmt.Errorf("renew %s %q: %w", l.Bucket, l.Key, kv.ErrLate) }
