// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/trace"
	"github.com/parti-go/parti/kv"
)

// calculator is the shell around a [leader.Leader]. It lives as long as one term, passes facts to that value, and performs the
// effects that come out.
type calculator struct {
	*guard
	report     func(reported)
	set        Settings
	store      *kv.Store
	fence      store.Fence
	since      uint64 // the heartbeat of ours that was sent after the term was stored
	leader     *leader.Leader
	begin      []leader.Effect
	tape       *trace.Tape
	strategist *strategist
	refreshes  map[uint64]func(error) // those to answer
	asked      uint64                 // refreshes so far
	changed    atomic.Bool            // the source has, and that is on its way here
	wake       func()
	stop       func()
}

type (
	refreshAsked struct{ reply func(error) }
	wakeUp       struct{}
	// written is a fact with what it is about, for the log.
	written struct {
		outcome *leader.Written
		write   *leader.Write
	}
)

func newCalculator(g *guard, report func(reported), set Settings, strategist *strategist, buckets *kv.Store, s session, e *member.Spawn) body {
	c := &calculator{
		guard: g, report: report, set: set, store: buckets, fence: e.Fence, since: e.Since, strategist: strategist,
		refreshes: map[uint64]func(error){}, wake: func() {}, stop: func() {},
	}
	cfg := leader.Config{
		Term: e.Fence.Term, Heir: e.Heir, Group: buckets.Group(), Worker: s.id, Session: s.number, Joined: e.Joined, Floor: e.Floor.Version, Seen: e.Highest.Version, Topology: set.Topology,
		Strategy: set.Described, HandoffTimeout: set.HandoffTimeout, HomeRetention: set.HomeRetention, OperationTimeout: set.Store.OperationTimeout,
		MinRebalanceThreshold: set.MinRebalanceThreshold, RelistInterval: set.RelistInterval, ShrinkConfirmations: set.ShrinkConfirmations,
	}
	c.tape = trace.Open(set.Recorder, trace.Leader, time.Now(), &cfg, unrecorded(g.log))
	c.leader, c.begin = leader.New(cfg)
	trace.Began(c.tape, c.begin)
	return c
}

func (c *calculator) started() {
	stop, err := c.store.ServeRefresh(func(reply func(error)) { c.tell(&refreshAsked{reply}) })
	if err != nil {
		c.report(&problem{fmt.Errorf("listen for refresh requests: %w", err)})
	} else {
		c.stop = stop
	}
	c.perform(c.begin)
	c.watchSource()
}

func (c *calculator) stopping(bool) {
	c.set.measures.lead.Store(nil)
	c.tape.Close()
	c.stop()
	for _, reply := range c.refreshes {
		reply(kv.ErrDeposed)
	}
}

func (c *calculator) receive(_ actor.Context, message any) {
	switch msg := message.(type) {
	case *leader.SourceChanged:
		c.changed.Store(false) // what changes from here on is told again
		c.step(msg)
	case *watchFailed:
		c.report(&problem{msg.err})
	case leader.Fact:
		c.step(msg)
	case *written:
		c.written(msg)
	case *refreshAsked:
		c.asked++
		c.refreshes[c.asked] = msg.reply
		c.step(&leader.RefreshAsked{ID: c.asked})
	case *wakeUp:
		c.step(&leader.Ticked{})
	case *feedEnded:
		c.report(&sessionLost{msg.err})
	}
}

func (c *calculator) step(f leader.Fact) {
	c.perform(trace.Step(c.tape, time.Now(), c.leader, f))
	if listed, is := f.(*leader.Listed); is && (!errors.Is(listed.Err, context.DeadlineExceeded) || !c.leader.Lists()) {
		c.report(&awaited{waitsForSource})
	}
}

// awaitSource begins to wait for the source. Each listing may take OperationTimeout, and the leader reports a listing that
// takes longer. This wait counts from the first question until there is an answer; an error is an answer as well.
func (c *calculator) awaitSource() {
	now := time.Now()
	c.report(&awaits{
		key: waitsForSource, Wait: Wait{"the source lists its partitions", "the source", now}, due: now.Add(c.set.Store.OperationTimeout),
		err: ErrSourceFailed, quiet: true,
	})
}

// perform runs the effects of the leader. An effect that takes long runs on a goroutine, and its outcome comes back as a fact.
func (c *calculator) perform(effects []leader.Effect) {
	for _, effect := range effects {
		if c.log.Enabled(c.ctx, slog.LevelDebug) {
			c.log.Debug(effect.String(), "term", c.fence.Term)
		}
		switch e := effect.(type) {
		case *leader.Read:
			c.run(c.read)
		case *leader.List:
			c.awaitSource()
			c.run(c.list)
		case *leader.Follow:
			feed(c.guard, nil, c.store, store.Heartbeats, nil, c.since, heartbeatFact)
		case *leader.LookUp:
			c.run(func(ctx context.Context) any { return lookUp(ctx, c.store, e.Workers) })
		case *leader.Ask:
			c.run(func(ctx context.Context) any { return c.target(ctx, e) })
		case *leader.Write:
			c.run(func(ctx context.Context) any { return &written{c.write(ctx, e), e} })
		case *leader.Answer:
			c.answer(e)
		case *leader.Wake:
			c.wakeAt(e.At)
		case *leader.Measure:
			c.set.measures.measured(e)
		case *leader.Say:
			c.log.Info(e.Text)
		case *leader.Report:
			c.report(&problem{e.Err})
		case *leader.End:
			c.end(e)
		}
	}
}

// target asks the strategy, and measures how long that takes.
func (c *calculator) target(ctx context.Context, e *leader.Ask) any {
	began := time.Now()
	made := c.strategist.target(ctx, e)
	c.set.measures.meter.Planned(time.Since(began))
	return made
}

func (c *calculator) wakeAt(at time.Time) {
	c.wake()
	c.wake = func() {}
	if !at.IsZero() {
		c.wake = c.after(time.Until(at), &wakeUp{})
	}
}

func (c *calculator) answer(e *leader.Answer) {
	err := e.Err
	if leader.Ended(err) {
		err = fmt.Errorf("%w: %w", kv.ErrNotDone, err)
	}
	for _, id := range e.Refreshes {
		c.refreshes[id](err)
		delete(c.refreshes, id)
	}
}

// end passes the end of the term to the actors that decide what follows.
func (c *calculator) end(e *leader.End) {
	c.report(map[leader.Reason]reported{
		leader.FenceLost: &fenceLost{c.fence, e.Err}, leader.RolledBack: &sessionLost{e.Err},
		leader.NewerFormat: &formatMet{e.Err}, leader.LostSight: &sightLost{e.Err},
	}[e.Reason])
}

// write stores a version of the plan. Any failure that is not a definite refusal ends the term.
func (c *calculator) write(ctx context.Context, e *leader.Write) *leader.Written {
	ctx, cancel := context.WithTimeout(ctx, c.set.Store.OperationTimeout)
	defer cancel()
	err := c.store.WritePlan(ctx, c.fence, store.PlanWrite{
		Assignments: e.Records, Remove: e.Remove, Plan: e.Plan, Format: e.Format, Journal: e.Journal(),
	})
	return &leader.Written{ID: e.ID, Outcome: outcome(err), Err: err}
}

// outcome classifies the result of a write. If a write got no answer, all of it may be stored, or a part, or nothing.
func outcome(err error) leader.Outcome {
	switch {
	case err == nil:
		return leader.Stored
	case errors.Is(err, kv.ErrNotDone) && !errors.Is(err, kv.ErrUnknown):
		return leader.Refused
	}
	return leader.Lost
}

func (c *calculator) written(msg *written) {
	if p := msg.write.Plan; msg.outcome.Outcome == leader.Stored {
		grants, revokes := msg.write.Changes()
		c.log.Info("plan stored", "term", c.fence.Term, "version", p.Version, "phase", p.Phase, "why", msg.write.Why,
			"grants", grants, "revokes", revokes, "moves", p.Certificate.Moves, "leastMoves", p.Certificate.LeastMoves,
			"imbalance", p.Certificate.Imbalance, "leastImbalance", p.Certificate.LeastImbalance)
	}
	c.step(msg.outcome)
}
