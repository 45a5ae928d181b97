// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"time"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/strategy"
)

// elector stands for election.
type elector struct {
	*child
	id       string
	session  uint64
	election *member.Election
	wake     timer
	effects  reused[member.ElectionEffect]
}

func newElector(k *child, e *member.Spawn) {
	el := &elector{child: k, id: k.session.Worker, session: k.session.Number}
	k.elector = el
	election, effects := member.NewElection(k.client.now, member.ElectionConfig{Worker: el.id, LeaderTTL: k.cfg.LeaderTTL, Floor: e.Floor.Term})
	el.election = election
	el.perform(effects)
	k.stops = append(k.stops, k.client.follow(store.Election, []string{store.LeaderKey}, 0, func(u store.Update) {
		el.step(&member.ElectionUpdate{Update: u})
	}, k.lost), func() { el.wake.stop() })
}

func (el *elector) step(f member.ElectionFact) {
	if !el.over() {
		el.client.Steps++
		effects := el.election.Step(el.client.now, f, el.effects.take())
		el.perform(effects)
		el.effects.put(effects)
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
			el.Worker.client.release(e.Lease, c.now.Add(c.timeout), func(error) {})
		case *member.ElectionLead:
			el.from(&member.Elected{Fence: e.Fence, Heir: e.Heir})
		case *member.ElectionYield:
			el.from(&member.Deposed{Err: e.Err})
		case *member.ElectionFollow:
			el.from(&member.LeaderSeen{})
		case *member.ElectionProblem:
			el.from(&member.Survived{Err: e.Err})
		case *member.ElectionWake:
			el.wake.stop()
			if el.wake = (timer{}); !e.At.IsZero() {
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
	cfg := member.FollowingConfig{Worker: k.session.Worker, Session: k.session.Number, Carried: e.Carried, Position: e.Highest}
	if e.First {
		cfg.Suspect = k.suspects()
	}
	following := member.NewFollowing(cfg)
	var wake timer
	var effects reused[member.FollowingEffect]
	var step func(member.FollowingFact)
	step = func(f member.FollowingFact) {
		if k.over() {
			return
		}
		k.client.Steps++
		done := following.Step(k.client.now, f, effects.take())
		for _, effect := range done {
			k.say(effect)
			switch e := effect.(type) {
			case *member.FollowingShow:
				k.from(&member.Showing{Version: e.Record.Version})
				k.client.After(0, func() { k.show(e, func(served *member.FollowingServed) { step(served) }) })
			case *member.FollowingCompare:
				k.compare(func(err error) {
					step(&member.FollowingCompared{Foreign: errors.Is(err, leader.ErrForeignGroup), Err: err})
				})
			case *member.FollowingSeen:
				k.from(&member.PositionMet{Position: e.Position})
			case *member.FollowingPhase:
				k.from(&member.PhaseMet{Phase: e.Phase, Reads: e.Reads})
			case *member.FollowingApplied:
				k.from(&member.Applied{Position: e.Position, Awaited: e.Acknowledge, Asks: e.Asks})
			case *member.FollowingHeld:
				k.from(&member.Damped{Until: e.Until})
			case *member.FollowingVacated:
				k.from(&member.Vacated{Is: e.Is})
			case *member.FollowingFormat:
				k.from(&member.FormatMet{By: member.Follower, Err: e.Err})
			case *member.FollowingForeign:
				k.fleet.Seen["foreign group"]++
				k.from(&member.LeaveAsked{Cause: e.Err})
			case *member.FollowingLost:
				k.lost(e.Err)
			case *member.FollowingProblem:
				k.from(&member.Survived{Err: e.Err})
			case *member.FollowingWake:
				wake.stop()
				if wake = (timer{}); !e.At.IsZero() {
					wake = k.client.At(e.At, func() { step(&member.FollowingTicked{}) })
				}
			}
		}
		effects.put(done)
	}
	keys := []string{store.TermKey, store.PlanKey, k.session.Worker}
	k.stops = append(k.stops, k.client.follow(store.Assignments, keys, 0, func(u store.Update) {
		step(&member.FollowingUpdate{Update: u})
	}, k.lost), func() { wake.stop() })
}

// compare compares the source with what the group divides.
func (k *child) compare(done func(error)) {
	by := k.client.now.Add(k.client.timeout)
	k.lists(func(partitions []strategy.Partition, version uint64, err error) {
		if err != nil {
			done(err)
			return
		}
		own := leader.Unprepared(partitions, version)
		k.client.get(store.Assignments, store.PlanKey, by, func(e store.Entry, err error) {
			if err != nil {
				if errors.Is(err, store.ErrNotFound) {
					err = nil
				}
				done(err)
				return
			}
			plan, err := store.Decode(e, record.DecodePlan)
			if err != nil || !own.Edition().Suspect(plan) {
				done(nil)
				return
			}
			k.client.list(store.Assignments, nil, e.Revision, by, func(snapshot store.Snapshot, err error) {
				if err != nil {
					done(err)
					return
				}
				stored, ok := restored(snapshot, nil).(*leader.Restored)
				if !ok {
					done(nil)
					return
				}
				done(own.Foreign("sim", stored))
			})
		})
	})
}

// show has the user run what a record grants, while the trust holds. What takes away only needs none.
func (k *child) show(e *member.FollowingShow, done func(*member.FollowingServed)) {
	if k.over() {
		return
	}
	trusted := func() bool { return !k.over() && k.trust.Takes && k.client.now.Before(k.trust.Until) }
	k.user.ask(&change{
		owned: e.Record.Owned, shrinks: e.Shrink, session: k.session.Number, tenure: k.tenure, trusted: trusted,
		done: func(o member.FollowingOutcome, failed bool) {
			served := &member.FollowingServed{Outcome: o}
			if failed {
				served.Err = errHook
			}
			done(served)
		},
	})
}

var errHook = errors.New("the hook fails")
