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
	next  func()
	write func(limit time.Duration)
	ends  func(err error)
}

func (h *holding) proceed() {
	for !h.over() {
		switch e := h.hold.Next(h.client.now).(type) {
		case *lease.Write:
			h.write(e.Limit)
			continue
		case *lease.Wait:
			h.next()
			if h.next = func() {}; !e.At.IsZero() {
				h.next = h.client.At(e.At.Add(h.client.Spread(e.Spread)), h.proceed)
			}
		case *lease.End:
			h.next()
			err := e.Err
			if err == nil {
				err = store.ErrLate
			}
			h.ends(err)
		}
		return
	}
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
}

func newClaimer(k *child, e *member.Spawn) {
	c := &claimer{holding: holding{child: k, next: func() {}}, spawn: e, prefer: e.Prefer, prior: e.Prior}
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
	o := store.ClaimOptions{Spread: !c.waiting, Prior: c.prior}
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
	switch {
	case c.over():
	case err == nil:
		c.lease, c.record.Session = l, number
		c.from(&member.Claimed{Lease: l, Number: number})
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
		if c.hold.Answered(c.client.now, l.Sent, err) == lease.Done {
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
	stuck    []string
	asked    *store.Fence
	question uint64
}

func newHeartbeat(k *child, e *member.Spawn) {
	h := &heartbeat{holding: holding{child: k, next: func() {}}, id: k.session.Worker, session: k.session.Number, anew: e.Anew}
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
	request = h.hold.Hurry(h.client.now)
	h.proceed()
	return request
}

func (h *heartbeat) send(limit time.Duration) {
	r := record.Heartbeat{
		Session: h.session, Applied: h.applied, Cordoned: h.standing.Cordoned, Leaving: h.standing.Leaving, Failed: h.anew, Stuck: h.stuck,
		Capacity: 1,
	}
	sent := func(l store.Lease, err error) {
		if h.over() {
			return
		}
		switch h.hold.Answered(h.client.now, l.Sent, err) {
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
		before, err := record.DecodeHeartbeat(e.Value)
		return err != nil || before.Session <= h.session
	}, sent)
}

// elector stands for election.
type elector struct {
	*child
	id       string
	session  uint64
	election *member.Election
	wake     func()
}

func newElector(k *child, e *member.Spawn) {
	el := &elector{child: k, id: k.session.Worker, session: k.session.Number, wake: func() {}}
	k.elector = el
	election, effects := member.NewElection(k.client.now, member.ElectionConfig{Worker: el.id, LeaderTTL: k.cfg.LeaderTTL, Floor: e.Floor.Term})
	el.election = election
	el.perform(effects)
	k.stops = append(k.stops, k.client.follow(store.Election, []string{store.LeaderKey}, 0, func(u store.Update) {
		el.step(&member.ElectionUpdate{Update: u})
	}, k.lost), func() { el.wake() })
}

func (el *elector) step(f member.ElectionFact) {
	if !el.over() {
		el.perform(el.election.Step(el.client.now, f, nil))
	}
}

func (el *elector) perform(effects []member.ElectionEffect) {
	c := el.client
	for _, effect := range effects {
		el.say(effect)
		switch e := effect.(type) {
		case *member.ElectionCampaign:
			by := c.now.Add(el.cfg.ElectionTimeout)
			c.acquire(store.Election, store.LeaderKey, el.record(), by, nil, func(l store.Lease, err error) { el.term(l, e.Floor, by, err) })
		case *member.ElectionNewTerm:
			by := c.now.Add(el.cfg.ElectionTimeout)
			c.renew(e.Lease, el.record(), el.cfg.ElectionTimeout, func(l store.Lease, err error) { el.term(l, e.Floor, by, err) })
		case *member.ElectionRenew:
			c.renew(e.Lease, el.record(), e.Limit, func(l store.Lease, err error) {
				el.step(&member.ElectionRenewed{From: e.Lease.Revision, Lease: l, Err: err})
			})
		case *member.ElectionRelease:
			c.release(e.Lease, c.now.Add(c.timeout), func(error) {})
		case *member.ElectionLead:
			el.from(&member.Elected{Fence: e.Fence})
		case *member.ElectionYield:
			el.from(&member.Deposed{Err: e.Err})
		case *member.ElectionFollow:
			el.from(&member.LeaderSeen{})
		case *member.ElectionProblem:
			el.from(&member.Survived{Err: e.Err})
		case *member.ElectionWake:
			el.wake()
			if el.wake = func() {}; !e.At.IsZero() {
				el.wake = c.At(e.At.Add(c.Spread(e.Spread)), func() { el.step(&member.ElectionTicked{}) })
			}
		}
	}
}

func (el *elector) record() record.Leader {
	return record.Leader{Worker: el.id, Session: el.session, Since: el.client.now, Plan: el.client.planSeen}
}

// term begins a term where the lease was got.
func (el *elector) term(l store.Lease, floor uint64, by time.Time, err error) {
	if err != nil {
		el.step(&member.ElectionCampaigned{Err: err})
		return
	}
	c := el.client
	valid := func() bool { return !el.over() && c.now.Before(l.TrustedUntil()) }
	c.beginTerm(record.Term{Worker: el.id, Session: el.session}, floor, by, valid, func(f store.Fence, err error) {
		el.step(&member.ElectionCampaigned{Lease: &l, Fence: f, Err: err})
	})
}

// newFollower has the records of the session applied.
func newFollower(k *child, e *member.Spawn) {
	following := member.NewFollowing(member.FollowingConfig{
		Worker: k.session.Worker, Session: k.session.Number, Carried: e.Carried, Position: e.Highest,
	})
	wake := func() {}
	var step func(member.FollowingFact)
	step = func(f member.FollowingFact) {
		if k.over() {
			return
		}
		for _, effect := range following.Step(k.client.now, f, nil) {
			k.say(effect)
			switch e := effect.(type) {
			case *member.FollowingShow:
				k.client.After(0, func() { k.show(e, func(served *member.FollowingServed) { step(served) }) })
			case *member.FollowingCompare:
				k.client.After(0, func() { step(&member.FollowingCompared{}) })
			case *member.FollowingSeen:
				k.from(&member.PositionMet{Position: e.Position})
			case *member.FollowingPhase:
				k.from(&member.PhaseMet{Phase: e.Phase, Reads: e.Reads})
			case *member.FollowingApplied:
				k.from(&member.Applied{Position: e.Position, Awaited: e.Acknowledge})
			case *member.FollowingHeld:
				k.from(&member.Damped{Until: e.Until})
			case *member.FollowingVacated:
				k.from(&member.Vacated{Is: e.Is})
			case *member.FollowingFormat:
				k.from(&member.FormatMet{By: member.Follower, Err: e.Err})
			case *member.FollowingLost:
				k.lost(e.Err)
			case *member.FollowingProblem:
				k.from(&member.Survived{Err: e.Err})
			case *member.FollowingWake:
				wake()
				if wake = func() {}; !e.At.IsZero() {
					wake = k.client.At(e.At, func() { step(&member.FollowingTicked{}) })
				}
			}
		}
	}
	keys := []string{store.TermKey, store.PlanKey, k.session.Worker}
	k.stops = append(k.stops, k.client.follow(store.Assignments, keys, 0, func(u store.Update) {
		step(&member.FollowingUpdate{Update: u})
	}, k.lost), func() { wake() })
}

// show has the user run what a record grants, while the trust holds.
func (k *child) show(e *member.FollowingShow, done func(*member.FollowingServed)) {
	trusted := func() bool { return !k.over() && k.trust.Takes && k.client.now.Before(k.trust.Until) }
	if !trusted() {
		done(&member.FollowingServed{Outcome: member.FollowingRefused})
		return
	}
	k.become(change{owned: e.Record.Owned, shrinks: e.Shrink, limit: k.cfg.Hook, trusted: trusted, done: func(o member.FollowingOutcome) {
		done(&member.FollowingServed{Outcome: o})
	}})
}
