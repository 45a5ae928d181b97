// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/strategy"
)

// calculator leads for one term.
type calculator struct {
	*child
	fence   store.Fence
	since   uint64
	leader  *leader.Leader
	wake    timer
	effects reused[leader.Effect]

	asked     uint64
	refreshes map[uint64]func(error)
}

func newCalculator(k *child, e *member.Spawn) {
	c := &calculator{child: k, fence: e.Fence, since: e.Since, refreshes: map[uint64]func(error){}}
	k.calculator = c
	l, effects := leader.New(leader.Config{
		Term: e.Fence.Term, Heir: e.Heir, Group: "sim", Worker: k.session.Worker, Session: k.session.Number, Joined: e.Joined, Floor: e.Floor.Version,
		Seen: e.Highest.Version, Topology: k.cfg.Topology, HandoffTimeout: k.cfg.Member.HandoffTimeout, HomeRetention: k.cfg.HomeRetention,
		OperationTimeout: k.cfg.Member.OperationTimeout, MinRebalanceThreshold: k.cfg.Rebalance, ShrinkConfirmations: k.cfg.Confirmations,
	})
	c.leader = l
	k.stops = append(k.stops, func() { c.wake.stop() })
	c.perform(effects)
}

func (c *calculator) step(f leader.Fact) {
	if !c.over() {
		c.client.Steps++
		effects := c.leader.Step(c.client.now, f, c.effects.take())
		c.perform(effects)
		c.effects.put(effects)
	}
}

func (c *calculator) perform(effects []leader.Effect) {
	s := c.client
	for _, effect := range effects {
		c.say(effect)
		by := s.now.Add(c.cfg.Member.OperationTimeout)
		switch e := effect.(type) {
		case *leader.Read:
			s.list(store.Assignments, nil, c.fence.Revision, by, func(snapshot store.Snapshot, err error) { c.step(restored(snapshot, err)) })
		case *leader.List:
			c.lists(func(partitions []strategy.Partition, version uint64, err error) {
				var list *leader.Listing
				if err == nil {
					list, err = leader.NewListing(partitions, version)
				}
				c.step(&leader.Listed{List: list, Err: err})
			})
		case *leader.Follow:
			c.stops = append(c.stops, s.follow(store.Heartbeats, nil, c.since, func(u store.Update) { c.step(heartbeatFact(u)) }, c.lost))
		case *leader.LookUp:
			c.lookUp(e.Workers, by, &leader.LookedUp{Left: map[string]time.Time{}})
		case *leader.Ask:
			s.After(s.Spread(c.fleet.thinks), func() {
				which := c.cfg.Strategy
				if c.fleet.wits != sound {
					which = mad{c.fleet}
				}
				if e.BuiltIn {
					which = strategy.NewSticky()
				}
				plan, err := strategy.Ask(which, e.Question)
				c.step(leader.Answered(e, plan, err))
			})
		case *leader.Write:
			w := store.PlanWrite{Assignments: e.Records, Remove: e.Remove, Plan: e.Plan, Format: e.Format}
			s.writePlan(c.fence, w, by, func(err error) {
				if err == nil && c.fleet.wrote != nil {
					c.fleet.wrote(e)
				}
				c.step(&leader.Written{ID: e.ID, Outcome: written(err), Err: err})
			})
		case *leader.Wake:
			c.wake.stop()
			if c.wake = (timer{}); !e.At.IsZero() {
				c.wake = s.At(e.At, func() { c.step(&leader.Ticked{}) })
			}
		case *leader.Report:
			c.from(&member.Survived{Err: e.Err})
		case *leader.Answer:
			for _, id := range e.Refreshes {
				c.refreshes[id](e.Err)
				delete(c.refreshes, id)
			}
		case *leader.End:
			c.ends(e)
		}
	}
}

func (c *calculator) ends(e *leader.End) {
	switch e.Reason {
	case leader.FenceLost:
		c.from(&member.FenceLost{Fence: c.fence, Err: e.Err})
	case leader.RolledBack:
		c.lost(e.Err)
	case leader.NewerFormat:
		c.from(&member.FormatMet{By: member.Calculator, Err: e.Err})
	case leader.LostSight:
		c.from(&member.SightLost{Err: e.Err})
	}
}

func written(err error) leader.Outcome {
	switch {
	case err == nil:
		return leader.Stored
	case errors.Is(err, store.ErrNotDone) && !errors.Is(err, store.ErrUnknown):
		return leader.Refused
	}
	return leader.Lost
}

// lookUp finds out how workers went, one after the other.
func (c *calculator) lookUp(workers []string, by time.Time, found *leader.LookedUp) {
	if len(workers) == 0 {
		c.step(found)
		return
	}
	c.client.get(store.Heartbeats, workers[0], by, func(e store.Entry, err error) {
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			found.Err = err
			c.step(found)
			return
		case e.Kind == store.Deleted:
			found.Left[workers[0]] = e.Created
		}
		c.lookUp(workers[1:], by, found)
	})
}

// restored decodes what earlier leaders stored.
func restored(snapshot store.Snapshot, err error) leader.Fact {
	found := &leader.Restored{Err: err}
	for _, e := range snapshot.Entries {
		var err error
		found.Format = max(found.Format, e.Format)
		switch {
		case e.Kind != store.Put, e.Key == store.TermKey:
		case e.Key == store.PlanKey:
			found.Plan, err = store.Decode(e, record.DecodePlan)
		default:
			var a record.Assignment
			if a, err = store.Decode(e, record.DecodeAssignment); err == nil {
				found.Records = append(found.Records, a)
			} else {
				found.Unreadable = append(found.Unreadable, e.Key)
			}
		}
		if f := unknown(err); f != nil {
			return f
		}
		if err != nil {
			found.Problems = append(found.Problems, fmt.Errorf("restore %s: %w", e.Key, err))
		}
	}
	return found
}

// heartbeatFact is what an update of the heartbeats says.
func heartbeatFact(u store.Update) leader.Fact {
	switch u.Kind {
	case store.UpdatePut:
		h, err := store.Decode(u.Entry, record.DecodeHeartbeat)
		if f := unknown(err); f != nil {
			return f
		}
		if err != nil {
			return &leader.Garbled{Worker: u.Entry.Key, Revision: u.Entry.Revision, Stored: u.Entry.Created, Err: err}
		}
		return &leader.Beat{
			Worker: u.Entry.Key, Session: h.Session, Applied: h.Applied.Version, Shown: h.Shown, Holding: h.Holding, Capacity: h.Capacity, Labels: h.Labels,
			Cordoned: h.Cordoned, Leaving: h.Leaving, Failed: h.Failed, Stuck: h.Stuck, Reads: h.Reads, Stored: u.Entry.Created,
		}
	case store.UpdateSynced:
		return &leader.Synced{}
	case store.UpdateBlind:
		return &leader.Blind{Since: u.Since}
	case store.UpdateStale:
		return &leader.Stale{Since: u.Since, Err: u.Err}
	case store.UpdateDeleted:
		return &leader.Gone{Worker: u.Entry.Key, Clean: true}
	default:
		return &leader.Gone{Worker: u.Entry.Key}
	}
}
