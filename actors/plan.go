package actors

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/parti-go/parti/internal/ledger"
	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/strategy"
)

// This file is the calculator's second half: from facts to a target, from the target to records, one write at a time.

// advance asks what follows from all that is known now, and does the first thing of it.
func (c *calculator) advance() {
	if !c.began || c.busy {
		return
	}
	now := time.Now()
	if c.acting == nil {
		c.settle(now)
		c.decision = c.topo.Decide(now)
		if c.decision.Act && !now.Before(c.retry) {
			c.makeTarget(c.decision)
			return
		}
	}
	c.write(now)
	c.sleep(now)
}

// settle notes which let-goes are under way since when, reports those that take too long, and tells the topology when
// there is nothing left to wait for.
func (c *calculator) settle(now time.Time) {
	waiting := false
	pending := map[string]handoff{}
	for _, p := range c.ledger.Pending() {
		h, ok := c.handoffs[p.Partition]
		if !ok || h.session != p.Session {
			h = handoff{session: p.Session, since: now}
		}
		if !h.late && now.Sub(h.since) >= c.set.HandoffTimeout {
			h.late = true
			c.report(&problem{fmt.Errorf("%w: partition %s is still with worker %s after HandoffTimeout %s",
				ErrHandoffTimeout, p.Partition, p.Worker, c.set.HandoffTimeout)})
		}
		waiting = waiting || !h.late
		pending[p.Partition] = h
	}
	c.handoffs = pending
	if _, more := c.ledger.Propose(); !more && !waiting {
		c.topo.Settled(now)
	}
}

// makeTarget has the strategy say who should own what.
func (c *calculator) makeTarget(d topology.Decision) {
	var workers []strategy.Worker
	index := map[string]int{}
	sort.Strings(d.Members)
	for _, id := range d.Members {
		w := c.described(id)
		index[id] = len(workers)
		workers = append(workers, strategy.Worker{ID: id, Capacity: w.capacity, Labels: w.labels})
	}
	partitions := c.source
	previous := make([]int, len(partitions))
	for i, p := range partitions {
		previous[i] = strategy.None
		if owner, ok := c.ledger.Owner(p.ID()); ok {
			if w, alive := index[owner]; alive {
				previous[i] = w
			}
		}
	}
	c.busy = true
	c.run(func(context.Context) any {
		next, err := assign(c.set.Strategy, workers, partitions, previous)
		target := make(map[string]string, len(next))
		for i, w := range next {
			target[partitions[i].ID()] = workers[w].ID
		}
		return &targetMade{d, partitions, target, err}
	})
}

// described returns a member as its heartbeat describes it, or described it when it was last here: one that is away for a
// moment keeps its share.
func (c *calculator) described(id string) worker {
	if w, here := c.workers[id]; here {
		return w
	}
	return c.former[id] // nothing, of one that this leader never saw: then it counts as an average worker
}

// assign calls the strategy, which may be the user's, and checks its answer.
func assign(s strategy.Strategy, workers []strategy.Worker, partitions []strategy.Partition, previous []int) (next []int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = asPanicError("strategy", r).(*PanicError)
		}
		if err != nil {
			next, err = nil, fmt.Errorf("%w: %w", ErrStrategyFailed, err)
		}
	}()
	next, err = s.Assign(workers, partitions, previous)
	if err != nil {
		return nil, err
	}
	return next, strategy.Check(workers, partitions, next)
}

const strategyRetryFirst, strategyRetryMost = time.Second, 30 * time.Second

func (c *calculator) targetMade(msg *targetMade) {
	c.busy = false
	if msg.err != nil {
		c.report(&problem{msg.err})
		c.failing = min(max(2*c.failing, strategyRetryFirst), strategyRetryMost)
		c.retry = time.Now().Add(c.failing)
		c.answer(msg.err)
		c.advance()
		return
	}
	c.failing = 0
	c.acting = &msg.decision
	c.ledgers = msg.partitions
	c.ledger.SetPartitions(msg.partitions)
	c.ledger.SetTarget(msg.target)
	c.ledger.SetMembers(msg.decision.Members)
	c.advance()
}

// write stores what the ledger proposes together with the plan, if either says anything new.
func (c *calculator) write(now time.Time) {
	w, changed := c.ledger.Propose()
	plan := c.nextPlan(now, w, changed)
	if !changed && samePlan(plan, c.stored) {
		if c.pending != topology.Partitions {
			c.answer(nil)
		}
		if c.acting != nil {
			c.acted(now)
			c.after(0, &wakeUp{})
		}
		return
	}
	c.busy = true
	out := kv.PlanWrite{Remove: w.Remove, Plan: plan}
	for _, r := range w.Records {
		out.Assignments = append(out.Assignments, toStore(r))
	}
	fence := c.fence
	c.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, c.set.Store.OperationTimeout)
		defer cancel()
		return &written{w, changed, plan, c.store.WritePlan(ctx, fence, out)}
	})
}

func (c *calculator) written(msg *written) {
	c.busy = false
	now := time.Now()
	switch {
	case errors.Is(msg.err, kv.ErrNotDone) && !errors.Is(msg.err, kv.ErrUnknown):
		c.report(&problem{msg.err})
		c.refused++
		c.after(jitter(min(100*time.Millisecond<<min(c.refused, 6), 5*time.Second)), &wakeUp{})
		return
	case msg.err != nil:
		c.giveUpFence(fmt.Errorf("write plan version %d: %w", msg.plan.Version, msg.err))
		return
	}
	c.refused = 0
	if msg.changed {
		c.logWrite(msg)
		c.ledger.Stored(msg.write)
		c.lastPlan = now
	}
	c.stored, c.planned, c.members = msg.plan, len(msg.plan.Members) > 0, msg.plan.Members
	c.acted(now)
	c.advance()
}

// acted tells the topology that what it asked for is stored.
func (c *calculator) acted(now time.Time) {
	if d := c.acting; d != nil {
		c.acting = nil
		c.topo.Planned(now, d.Members)
		c.compareSource(now) // it may have changed while the plan was made
	}
}

func (c *calculator) logWrite(msg *written) {
	c.log.Info("plan stored", "term", c.fence.Term, "version", msg.write.Version, "why", c.decision.Why,
		"granted", len(msg.write.Grants), "revoked", len(msg.write.Revokes))
	for _, e := range slices.Concat(msg.write.Revokes, msg.write.Grants) {
		c.log.Debug(e.String(), "version", msg.write.Version)
	}
}

// nextPlan is the plan record as it should be stored now.
func (c *calculator) nextPlan(now time.Time, w ledger.Write, changed bool) kv.Plan {
	plan := kv.Plan{
		Term: c.fence.Term, Version: c.ledger.Version(), Phase: phase(c.decision.Phase), Lifecycle: c.lifecycle(now),
		Members: c.members, Partitions: c.stored.Partitions, Digest: c.stored.Digest,
	}
	if changed {
		plan.Version = w.Version
	}
	if c.acting != nil {
		plan.Members = c.acting.Members
		plan.Phase = kv.PhaseRebalancing
		if c.acting.Kind == topology.KindEmergency || c.acting.Kind == topology.KindMassLoss {
			plan.Phase = kv.PhaseEmergency
		}
	}
	if changed || c.acting != nil {
		plan.Partitions, plan.Digest = len(c.ledgers), digest(c.ledgers)
	}
	return plan
}

func samePlan(a, b kv.Plan) bool {
	return a.Version == b.Version && a.Phase == b.Phase && a.Lifecycle == b.Lifecycle && a.Partitions == b.Partitions &&
		a.Digest == b.Digest && slices.Equal(a.Members, b.Members)
}

func phase(p topology.Phase) kv.Phase {
	switch p {
	case topology.Scaling:
		return kv.PhaseScaling
	case topology.Rebalancing:
		return kv.PhaseRebalancing
	case topology.Emergency:
		return kv.PhaseEmergency
	default:
		return kv.PhaseIdle
	}
}

// lifecycle is where the group stands in its life: cold until its first plan (or the first after a restart), then
// settling until nothing has changed for RebalanceCooldown, then stable.
func (c *calculator) lifecycle(now time.Time) kv.Lifecycle {
	opening := c.decision.Kind == topology.KindColdStart || c.decision.Kind == topology.KindRestart
	switch {
	case opening && c.acting == nil && c.decision.Phase == topology.Scaling, !c.planned && c.acting == nil:
		return kv.ColdStart
	case c.acting != nil && (opening || !c.planned), c.stored.Lifecycle == kv.ColdStart:
		return kv.PostColdStart
	case c.stored.Lifecycle == kv.PostColdStart && c.decision.Phase == topology.Idle && !now.Before(c.stableAt()):
		return kv.Stable
	}
	return c.stored.Lifecycle
}

func (c *calculator) stableAt() time.Time { return c.lastPlan.Add(c.set.Topology.RebalanceCooldown) }

// sleep sets the timer for the next moment at which something may follow without a message.
func (c *calculator) sleep(now time.Time) {
	next := c.decision.Wake
	earlier := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if c.decision.Act {
		earlier(c.retry)
	}
	if c.stored.Lifecycle == kv.PostColdStart {
		earlier(c.stableAt())
	}
	for _, h := range c.handoffs {
		if !h.late {
			earlier(h.since.Add(c.set.HandoffTimeout))
		}
	}
	c.wake()
	c.wake = func() {}
	if !next.IsZero() {
		c.wake = c.after(next.Sub(now), &wakeUp{})
	}
}

// answer replies to the refreshes whose lists are taken over.
func (c *calculator) answer(err error) {
	for _, r := range c.waiting {
		r.reply(err)
	}
	c.waiting = nil
}

// digest names a list of partitions, sorted by ID, with their weights.
func digest(partitions []strategy.Partition) string {
	d := xxhash.New()
	for _, p := range partitions {
		_, _ = d.WriteString(p.ID() + "=" + strconv.FormatInt(p.Weight, 10) + "\n")
	}
	return hex.EncodeToString(d.Sum(nil))
}
