// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv"
)

// follower is the shell around a [member.Following]. It follows the term, the plan and this worker's record, makes the runner
// show the user what the following decides, and passes the outcomes back.
type follower struct {
	*guard
	report    func(reported)
	store     *kv.Store
	runner    *runner
	session   session
	following *member.Following
	compare   func(context.Context) error // the source with the group
	wake      func()                      // stops the timer
}

type followDue struct{}

func newFollower(g *guard, report func(reported), buckets *kv.Store, r *runner, s session, p record.Position, carried uint64, own leader.Edition, compare func(context.Context) error) body {
	cfg := member.FollowingConfig{Worker: s.id, Session: s.number, Carried: carried, Position: p}
	if own != (leader.Edition{}) {
		cfg.Suspect = own.Suspect
	}
	return &follower{
		guard: g, report: report, store: buckets, runner: r, session: s, following: member.NewFollowing(cfg), compare: compare, wake: func() {},
	}
}

func (f *follower) started() {
	f.log.Info("waiting for the leader's assignment", "session", f.session.number)
	keys := []string{store.TermKey, store.PlanKey, f.session.id}
	feed(f.guard, f.report, f.store, store.Assignments, keys, 0, func(u store.Update) any { return &member.FollowingUpdate{Update: u} })
}

func (f *follower) stopping(bool) {}

func (f *follower) receive(_ actor.Context, message any) {
	switch msg := message.(type) {
	case member.FollowingFact:
		f.step(msg)
	case *followDue:
		f.step(&member.FollowingTicked{})
	case *feedEnded:
		f.report(&sessionLost{msg.err})
	}
}

func (f *follower) step(fact member.FollowingFact) {
	for _, effect := range f.following.Step(time.Now(), fact, nil) {
		f.perform(effect)
	}
}

// perform runs the effects of the following.
func (f *follower) perform(effect member.FollowingEffect) {
	switch e := effect.(type) {
	case *member.FollowingShow:
		f.report(&showing{e.Record.Version})
		f.show(e)
	case *member.FollowingCompare:
		f.run(func(ctx context.Context) any {
			err := f.compare(ctx)
			return &member.FollowingCompared{Foreign: errors.Is(err, ErrForeignGroup), Err: err}
		})
	case *member.FollowingSeen:
		f.report(&seen{e.Position})
	case *member.FollowingPhase:
		f.report(&phaseSeen{e.Phase, e.Reads})
	case *member.FollowingApplied:
		f.report(&applied{e.Position, e.Acknowledge, e.Asks})
	case *member.FollowingHeld:
		f.report(&held{e.Until})
	case *member.FollowingVacated:
		f.report(&vacated{e.Is})
	case *member.FollowingFormat:
		f.report(&formatMet{e.Err})
	case *member.FollowingForeign:
		f.report(&foreignMet{e.Err})
	case *member.FollowingLost:
		f.report(&sessionLost{e.Err})
	case *member.FollowingProblem:
		f.report(&problem{e.Err})
	case *member.FollowingWake:
		f.wake()
		f.wake = f.at(e.At, 0, &followDue{})
	}
}

// show makes the runner carry out what the record says.
func (f *follower) show(e *member.FollowingShow) {
	f.runner.become(request{
		ctx: f.session.tenure.ctx, tenure: f.session.tenure, session: f.session.number, worker: f.session.id, target: target(e.Record),
		shrink: e.Shrink, why: why(e.Record), position: e.Position, lifecycle: e.Lifecycle, trusted: f.session.trust.mayTake,
		done: func(err error) { f.tell(served(err)) },
	})
}

// served is the outcome of a request as a fact.
func served(err error) *member.FollowingServed {
	switch {
	case errors.Is(err, errSuperseded):
		return &member.FollowingServed{Outcome: member.FollowingSuperseded}
	case errors.Is(err, errUntrusted):
		return &member.FollowingServed{Outcome: member.FollowingRefused}
	default:
		return &member.FollowingServed{Err: err}
	}
}

// target returns what the record grants.
func target(rec record.Assignment) map[string]holding {
	target := make(map[string]holding, len(rec.Owned))
	for _, o := range rec.Owned {
		target[o.Partition] = holding{named(o.Partition, o.Weight), o.Epoch}
	}
	return target
}

// why returns the reason for which a record takes a partition away.
func why(rec record.Assignment) func(partition string) error {
	unlisted := map[string]bool{}
	for _, r := range rec.Releasing {
		unlisted[r.Partition] = r.Unlisted
	}
	return func(partition string) error {
		if unlisted[partition] {
			return ErrUnlisted
		}
		return ErrRevoked
	}
}
