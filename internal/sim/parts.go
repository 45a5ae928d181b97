// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/lease"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// holding keeps one hold alive: it asks the hold what to do, and has it written.
type holding struct {
	*child
	hold  lease.Hold
	next  timer
	again func() // proceeds
	write func(limit time.Duration)
	ends  func(err error)
	gone  bool // it was told that the entry is gone or another's
	urged bool // to write, since the last one began
	owes  bool // that write, because the one before is acknowledged
}

func (h *holding) proceed() {
	for !h.over() {
		h.client.Steps++
		switch e := h.hold.Next(h.client.now).(type) {
		case *lease.Write:
			if h.gone {
				h.fleet.breaks("I5: %s goes on with a lease that it was told is lost", h.Name)
			}
			h.urged, h.owes = false, false
			h.write(e.Limit)
			continue
		case *lease.Wait:
			if h.owes {
				h.fleet.breaks("handoff: %s is asked to write a lease and waits until %s", h.Name, e.At.Format("15:04:05.000"))
			}
			h.next.stop()
			if h.again == nil {
				h.again = h.proceed
			}
			if h.next = (timer{}); !e.At.IsZero() {
				h.next = h.client.At(e.At.Add(h.client.Spread(e.Spread)), h.again)
			}
		case *lease.End:
			h.next.stop()
			err := e.Err
			if err == nil {
				err = store.ErrLate
			}
			h.ends(err)
		}
		return
	}
}

// answered tells the hold what became of a write.
func (h *holding) answered(l store.Lease, err error) lease.Outcome {
	h.gone = h.gone || errors.Is(err, store.ErrLost)
	outcome := h.hold.Answered(h.client.now, l.Sent, err)
	if outcome == lease.Done {
		h.owes = h.urged
		h.fleet.judge.believes(h.Worker, "its lease on "+l.Key, h.hold.TrustedUntil(), l.Bucket)
	}
	return outcome
}

// claimer claims an ID and renews the claim.
type claimer struct {
	holding
	spawn    *member.Spawn
	prefer   string
	prior    *store.Lease
	lease    store.Lease
	record   record.Claim
	attempts int
	waiting  bool
	wish     wish
	legacy   []record.Token // of processes before, which are dead
}

func newClaimer(k *child, e *member.Spawn) {
	c := &claimer{holding: holding{child: k}, spawn: e, prefer: e.Prefer, prior: e.Prior, legacy: k.heirTo}
	c.record = record.Claim{Host: "sim", Since: k.client.now}
	c.write, c.ends = c.renew, func(err error) { k.lost(fmt.Errorf("claim of %s: %w", c.lease.Key, err)) }
	if c.prior == nil || k.client.now.Before(c.prior.TrustedUntil()) {
		c.claim()
		return
	}
	k.client.At(c.prior.Sent.Add(c.prior.TTL+300*time.Millisecond), c.claim)
}

func (c *claimer) claim() {
	if c.over() || c.lease.Revision != 0 {
		return
	}
	insists := c.insists()
	o := store.ClaimOptions{Spread: !c.waiting && !insists, Prior: c.prior, Dead: c.legacy, Only: insists, Watched: c.wish.watched}
	if c.prefer != "" {
		o.Prefer = []string{c.prefer}
	}
	by := c.client.now.Add(c.client.timeout)
	c.client.claimID(c.cfg.IDs, c.record, o, by, func(l store.Lease, err error) {
		if err != nil || c.over() {
			c.claimed(l, 0, err)
			return
		}
		c.client.sessionNumber(l, by, func(n uint64, err error) { c.claimed(l, n, err) })
	})
}

func (c *claimer) claimed(l store.Lease, number uint64, err error) {
	var taken *store.TakenError
	switch {
	case c.over():
	case err == nil:
		c.lease, c.record.Session = l, number
		c.from(&member.Claimed{Lease: l, Number: number})
		if c.legacy != nil {
			c.client.endLeadership(c.legacy, c.client.now.Add(c.client.timeout))
			c.heirTo = nil
		}
		ttl := c.cfg.Member.WorkerIDTTL
		limit := min(c.client.timeout, ttl/6)
		c.hold = lease.Held(lease.Config{
			TTL: ttl, Interval: ttl / 3, Pause: 200 * time.Millisecond, LongestPause: 200 * time.Millisecond, Shortest: limit, Longest: limit,
		}, l.Sent)
		c.proceed()
	case l.Revision != 0:
		c.prior, c.prefer = &l, l.Key
		c.from(&member.Unclaimed{Err: err})
		c.later(100 * time.Millisecond)
	case errors.As(err, &taken):
		c.preferredTaken(taken)
	case errors.Is(err, store.ErrNoFreeID):
		c.from(&member.Unclaimed{Err: err})
		c.waiting = true
		c.later(300 * time.Millisecond)
	case errors.Is(err, store.ErrRolledBack), c.attempts >= 10:
		c.lost(fmt.Errorf("claim a worker ID: %w", err))
	default:
		c.from(&member.Unclaimed{Err: err})
		c.attempts++
		c.later(min(100*time.Millisecond<<min(c.attempts, 5), 2*time.Second))
	}
}

func (c *claimer) later(d time.Duration) { c.client.After(d/2+c.client.Spread(d), c.claim) }

func (c *claimer) renew(limit time.Duration) {
	c.client.renew(c.lease, c.record, limit, func(l store.Lease, err error) {
		if c.over() {
			return
		}
		if c.answered(l, err) == lease.Done {
			c.lease = l
			c.from(&member.Renewed{Lease: l})
		}
		c.proceed()
	})
}

// heartbeat keeps the session alive.
type heartbeat struct {
	holding
	id       string
	session  uint64
	anew     bool
	lease    store.Lease
	applied  record.Position
	shown    int64           // the newest version that the user was shown
	told     record.Position // what of applied the last heartbeat has told
	listed   []string        // what that one listed
	reads    int             // the newest format that everybody in the group reads
	stuck    []string
	asked    *store.Fence
	question uint64
}

func newHeartbeat(k *child, e *member.Spawn) {
	h := &heartbeat{holding: holding{child: k}, id: k.session.Worker, session: k.session.Number, anew: e.Anew, shown: e.Shown}
	k.heartbeat = h
	h.write, h.ends = h.send, func(err error) { k.lost(fmt.Errorf("heartbeat of %s: %w", h.id, err)) }
	begun := e.Begun
	if begun.IsZero() {
		begun = k.client.now
	}
	interval, ttl := k.cfg.Topology.HeartbeatInterval, k.cfg.Member.HeartbeatTTL
	h.hold = lease.New(lease.Config{
		TTL: ttl, Interval: interval, Pause: 100 * time.Millisecond, LongestPause: min(interval/2, 250*time.Millisecond),
		Shortest: interval, Longest: ttl / 4,
	}, begun)
	h.proceed()
}

func (h *heartbeat) hurry() (request uint64) {
	h.urged = true
	request = h.hold.Hurry(h.client.now)
	h.proceed()
	return request
}

func (h *heartbeat) send(limit time.Duration) {
	r := record.Heartbeat{
		Session: h.session, Cordoned: h.standing.Cordoned, Leaving: h.standing.Leaving, Failed: h.anew, Stuck: h.stuck,
		Capacity: 1,
	}
	h.tells(&r)
	sent := func(l store.Lease, err error) {
		if h.over() {
			return
		}
		switch h.answered(l, err) {
		case lease.Done:
			h.lease = l
			var asked *store.Fence
			if h.asked != nil && h.hold.Settled(h.question) {
				asked, h.asked = h.asked, nil
			}
			h.from(&member.Heard{Lease: l, Asked: asked})
		case lease.NotDone, lease.Unknown:
			h.from(&member.Missed{Err: err})
		case lease.Over:
		}
		h.proceed()
	}
	if h.lease.Revision != 0 {
		h.client.renew(h.lease, r, limit, sent)
		return
	}
	h.client.acquire(store.Heartbeats, h.id, r, h.client.now.Add(limit), func(e store.Entry) bool {
		before, err := store.Decode(e, record.DecodeHeartbeat)
		return err != nil || before.Session <= h.session
	}, sent)
}
