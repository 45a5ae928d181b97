// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/trace"
	"github.com/parti-go/parti/kv"
)

// elector is the shell around a [member.Election]: it follows the lease on leadership, performs what the election decides, and
// passes the outcomes back.
type elector struct {
	*guard
	report   func(reported)
	set      Settings
	store    *kv.Store
	id       string
	session  uint64
	floor    uint64 // the highest term seen before
	election *member.Election
	tape     *trace.Tape
	wake     func() // stops the timer
}

type (
	feedEnded   struct{ err error }
	electionDue struct{}
)

func newElector(g *guard, report func(reported), set Settings, buckets *kv.Store, id string, session, floor uint64) body {
	return &elector{guard: g, report: report, set: set, store: buckets, id: id, session: session, floor: floor, wake: func() {}}
}

func (e *elector) started() {
	cfg, now := member.ElectionConfig{Worker: e.id, LeaderTTL: e.set.Store.LeaderTTL, Floor: e.floor}, time.Now()
	e.tape = trace.Open(e.set.Recorder, trace.Election, now, &cfg, unrecorded(e.log))
	election, effects := member.NewElection(now, cfg)
	trace.Began(e.tape, effects)
	e.election = election
	e.perform(effects)
	feed(e.guard, e.report, e.store, store.Election, []string{store.LeaderKey}, 0, func(u store.Update) any { return &member.ElectionUpdate{Update: u} })
}

// stopping clears the measured lease: it is released, or expires.
func (e *elector) stopping(bool) {
	e.tape.Close()
	e.set.measures.follows()
}

func (e *elector) receive(_ actor.Context, message any) {
	switch msg := message.(type) {
	case member.ElectionFact:
		e.step(msg)
	case *electionDue:
		e.step(&member.ElectionTicked{})
	case *feedEnded:
		e.report(&sessionLost{msg.err})
	case *termSeen:
		e.step(&member.ElectionTermSeen{Term: msg.term})
	case *refence:
		e.step(&member.ElectionFenceLost{Fence: msg.fence})
	case *abstain:
		e.step(&member.ElectionAbstain{Until: msg.until})
	}
}

func (e *elector) step(f member.ElectionFact) {
	if e.ctx.Err() == nil {
		e.measure(f)
		e.perform(trace.Step(e.tape, time.Now(), e.election, f))
	}
}

// measure shows for how long the lease on leadership is trusted.
func (e *elector) measure(f member.ElectionFact) {
	switch f := f.(type) {
	case *member.ElectionCampaigned:
		if f.Err == nil {
			e.set.measures.leads(f.Lease.TrustedUntil())
		}
	case *member.ElectionRenewed:
		if f.Err == nil {
			e.set.measures.leadsOn(f.Lease.TrustedUntil())
		}
	}
}

// perform runs the effects of the election.
func (e *elector) perform(effects []member.ElectionEffect) {
	for _, effect := range effects {
		switch f := effect.(type) {
		case *member.ElectionCampaign:
			e.campaign(f)
		case *member.ElectionNewTerm:
			e.newTerm(f)
		case *member.ElectionRenew:
			e.renew(f)
		case *member.ElectionRelease:
			e.set.measures.follows()
			e.release(f.Lease)
		case *member.ElectionLead:
			e.report(&elected{f.Fence, f.Heir})
		case *member.ElectionYield:
			e.set.measures.follows()
			e.report(&deposed{f.Err})
		case *member.ElectionFollow:
			if f.News {
				e.log.Info("another worker leads", "leader", f.Worker)
			}
			e.report(&leaderSeen{})
		case *member.ElectionAwait:
			e.report(&awaits{
				key: waitsForLeader, Wait: Wait{"the group has a leader", "the group", f.Since}, due: f.Since.Add(e.set.ElectionTimeout),
				err: fmt.Errorf("%w: none seen for ElectionTimeout %s", ErrNoLeader, e.set.ElectionTimeout),
			})
		case *member.ElectionAwaited:
			e.report(&awaited{waitsForLeader})
		case *member.ElectionProblem:
			e.report(&problem{f.Err})
		case *member.ElectionWake:
			e.wake()
			e.wake = e.at(f.At, f.Spread, &electionDue{})
		}
	}
}

func (e *elector) campaign(f *member.ElectionCampaign) {
	rec := e.record()
	e.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, e.set.ElectionTimeout)
		defer cancel()
		hold, err := e.store.Acquire(ctx, store.Election, store.LeaderKey, rec, nil)
		if err != nil {
			return &member.ElectionCampaigned{Err: fmt.Errorf("campaign for leadership: %w", err)}
		}
		fence, err := e.beginTerm(ctx, hold, f.Floor)
		return &member.ElectionCampaigned{Lease: &hold, Fence: fence, Err: err}
	})
}

func (e *elector) newTerm(f *member.ElectionNewTerm) {
	rec := e.record()
	e.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, e.set.ElectionTimeout)
		defer cancel()
		hold, err := e.store.Renew(ctx, f.Lease, rec)
		if err != nil {
			return &member.ElectionCampaigned{Err: fmt.Errorf("renew leadership before a new term: %w", err)}
		}
		fence, err := e.beginTerm(ctx, hold, f.Floor)
		return &member.ElectionCampaigned{Lease: &hold, Fence: fence, Err: err}
	})
}

// record returns the record of the lease. All workers follow its renewals, so it also shows them whether they have missed a
// plan.
func (e *elector) record() record.Leader {
	return record.Leader{Worker: e.id, Session: e.session, Since: time.Now(), Plan: e.store.PlanSeen()}
}

// beginTerm stores the next term, but only while the lease is trusted.
func (e *elector) beginTerm(ctx context.Context, hold store.Lease, floor uint64) (store.Fence, error) {
	valid := func() bool { return time.Now().Before(hold.TrustedUntil()) }
	fence, err := e.store.BeginTerm(ctx, record.Term{Worker: e.id, Session: e.session}, floor, valid)
	if err != nil {
		return store.Fence{}, fmt.Errorf("begin a term: %w", err)
	}
	return fence, nil
}

func (e *elector) renew(f *member.ElectionRenew) {
	rec := e.record()
	e.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, f.Limit)
		defer cancel()
		next, err := e.store.Renew(ctx, f.Lease, rec)
		return &member.ElectionRenewed{From: f.Lease.Revision, Lease: next, Err: err}
	})
}

func (e *elector) release(hold store.Lease) {
	e.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, e.set.Store.OperationTimeout)
		defer cancel()
		_ = e.store.Release(ctx, hold) // else it expires
		return nil
	})
}

// feed follows a bucket on a goroutine of the guard until stop is called. It sends the actor what wrap makes of each update,
// except nil. If it ends for another reason, it sends feedEnded. A feed that sees nothing reports a wait. report is nil for a
// leader, which decides about that itself.
func feed(g *guard, report func(reported), buckets *kv.Store, b store.Bucket, keys []string, atLeast uint64, wrap func(store.Update) any) (stop func()) {
	ctx, cancel := context.WithCancel(g.ctx)
	g.run(func(context.Context) any {
		defer cancel()
		err := buckets.Feed(ctx, b, keys, atLeast, func(u store.Update) {
			if report != nil {
				sight(report, buckets, b, u)
			}
			if message := wrap(u); message != nil {
				g.tell(message)
			}
		})
		if isCanceled(ctx, err) {
			return nil
		}
		return &feedEnded{fmt.Errorf("watch: %w", err)}
	})
	return cancel
}
