package actors

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/parti-go/parti/internal/ledger"
	"github.com/parti-go/parti/internal/record"
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
	for _, worker := range c.ledger.Unread() {
		key := "/" + worker // of no partition
		h, ok := c.handoffs[key]
		if !ok {
			h = handoff{since: now}
		}
		if !h.late && now.Sub(h.since) >= c.set.HandoffTimeout {
			h.late = true
			c.report(&problem{fmt.Errorf("%w: worker %s, whose record could not be read, has not acknowledged another after HandoffTimeout %s; "+
				"nothing is granted before it has", ErrHandoffTimeout, worker, c.set.HandoffTimeout)})
		}
		waiting = waiting || !h.late
		pending[key] = h
	}
	c.handoffs = pending
	if _, more := c.ledger.Propose(); !more && !waiting {
		c.topo.Settled(now)
	}
}

// makeTarget has the strategy say who should own what.
func (c *calculator) makeTarget(d topology.Decision) {
	sort.Strings(d.Members)
	q := c.question(time.Now(), d.Members)
	c.busy = true
	c.run(func(ctx context.Context) any { return c.strategist.target(ctx, d, q) })
}

// question is what the strategy is asked: the members, the list of the source, who has what, and what was whose before
// its worker went.
func (c *calculator) question(now time.Time, members []string) question {
	for id, since := range c.away {
		if now.Sub(since) >= c.set.HomeRetention {
			delete(c.away, id)
			c.ledger.Forget(id)
		}
	}
	index := make(map[string]int, len(members))
	q := question{listing: c.source, workers: c.asWorkers(members)}
	q.described, _ = c.descriptions(members)
	for i, id := range members {
		index[id] = i
	}
	indexOf := func(id string) int {
		if w, there := index[id]; there {
			return w
		}
		return strategy.None
	}
	q.previous, q.home = make([]int, len(q.ids)), make([]int, len(q.ids))
	for i, id := range q.ids {
		owner, _ := c.ledger.Owner(id)
		q.previous[i], q.home[i] = indexOf(owner), indexOf(c.ledger.Home(id))
	}
	return q
}

// asWorkers is the members as a strategy sees them. Where all are cordoned none is, rather than leave partitions without
// an owner.
func (c *calculator) asWorkers(members []string) []strategy.Worker {
	workers := make([]strategy.Worker, len(members))
	all := true
	for i, id := range members {
		w := c.lookup(id)
		workers[i] = strategy.Worker{ID: id, Capacity: w.capacity, Labels: w.labels, Cordoned: w.cordoned}
		all = all && w.cordoned
	}
	for i := range workers {
		workers[i].Cordoned = workers[i].Cordoned && !all
	}
	return workers
}

// drifted says whether the weights that are listed now make the last plan so uneven that it is worth another: the
// fullest worker is above the least that is possible by MinRebalanceThreshold or more. Cordoned workers do not count.
func (c *calculator) drifted() bool {
	var workers []strategy.Worker
	index := map[string]int{}
	for _, w := range c.asWorkers(c.members) {
		if !w.Cordoned {
			index[w.ID] = len(workers)
			workers = append(workers, w)
		}
	}
	var partitions []strategy.Partition
	var owners []int
	for i, id := range c.source.ids {
		if w, there := index[c.ledger.Target(id)]; there {
			partitions, owners = append(partitions, c.source.partitions[i]), append(owners, w)
		}
	}
	now := strategy.Certify(workers, partitions, owners, owners)
	return now.Imbalance >= now.LeastImbalance*(1+c.set.MinRebalanceThreshold)
}

// lookup returns a member as its heartbeat describes it, or described it when it was last here: one that is away for a
// moment keeps its share.
func (c *calculator) lookup(id string) worker {
	if w, here := c.workers[id]; here {
		return w
	}
	return c.former[id] // nothing, of one that this leader never saw: then it counts as an average worker
}

// descriptions names what a plan depends on of its members, and says whether all of them have described themselves.
func (c *calculator) descriptions(members []string) (digest string, complete bool) {
	d, complete := xxhash.New(), true
	for _, id := range members {
		w := c.lookup(id)
		complete = complete && w.described
		_, _ = fmt.Fprintf(d, "%s %t %d %t\n", id, w.described, w.capacity, w.cordoned)
		for _, name := range slices.Sorted(maps.Keys(w.labels)) {
			_, _ = fmt.Fprintf(d, "%q=%q\n", name, w.labels[name])
		}
	}
	return hex.EncodeToString(d.Sum(nil)), complete
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
	c.adopt(msg)
	c.advance()
}

// adopt makes a target what the ledger works towards.
func (c *calculator) adopt(msg *targetMade) {
	c.acting, c.certificate, c.described = &msg.decision, kv.Certificate(msg.certificate), msg.described
	now := time.Now()
	for _, id := range c.members {
		if _, stays := slices.BinarySearch(msg.decision.Members, id); !stays {
			c.away[id] = now
		}
	}
	for _, id := range msg.decision.Members {
		delete(c.away, id)
	}
	if c.ledgers != msg.listing {
		c.ledgers = msg.listing
		c.ledger.SetPartitions(msg.listing.partitions)
	}
	c.ledger.SetTarget(msg.target)
	c.ledger.SetMembers(msg.decision.Members)
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
	out, fence := planWrite(w, plan), c.fence
	out.Format = c.format()
	c.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, c.set.Store.OperationTimeout)
		defer cancel()
		return &written{w, changed, plan, c.store.WritePlan(ctx, fence, out)}
	})
}

// format is the newest record format that every live worker reads.
func (c *calculator) format() int {
	format := record.Newest
	for _, w := range c.workers {
		format = min(format, max(w.reads, record.Oldest))
	}
	return format
}

func planWrite(w ledger.Write, plan kv.Plan) kv.PlanWrite {
	out := kv.PlanWrite{Remove: w.Remove, Plan: plan}
	for _, r := range w.Records {
		out.Assignments = append(out.Assignments, toStore(r))
	}
	return out
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
		c.compareSource(now) // these may have changed while the plan was made
		c.compareMembers()
	}
}

func (c *calculator) logWrite(msg *written) {
	c.log.Info("plan stored", "term", c.fence.Term, "version", msg.write.Version, "why", c.decision.Why,
		"granted", len(msg.write.Grants), "revoked", len(msg.write.Revokes), "moves", msg.plan.Certificate.Moves,
		"leastMoves", msg.plan.Certificate.LeastMoves, "imbalance", msg.plan.Certificate.Imbalance,
		"leastImbalance", msg.plan.Certificate.LeastImbalance)
	for _, e := range slices.Concat(msg.write.Revokes, msg.write.Grants) {
		c.log.Debug(e.String(), "version", msg.write.Version)
	}
}

// nextPlan is the plan record as it should be stored now.
func (c *calculator) nextPlan(now time.Time, w ledger.Write, changed bool) kv.Plan {
	plan := kv.Plan{
		Term: c.fence.Term, Version: c.ledger.Version(), Phase: phase(c.decision.Phase), Lifecycle: c.lifecycle(now),
		Members: c.members, Partitions: c.stored.Partitions, Digest: c.stored.Digest, Workers: c.stored.Workers,
		Certificate: c.stored.Certificate,
	}
	if changed {
		plan.Version = w.Version
	}
	if c.acting != nil {
		plan.Members, plan.Certificate, plan.Workers = c.acting.Members, c.certificate, c.described
		plan.Phase = kv.PhaseRebalancing
		if c.acting.Kind == topology.KindEmergency || c.acting.Kind == topology.KindMassLoss {
			plan.Phase = kv.PhaseEmergency
		}
	}
	if c.acting != nil { // a list whose weights have only been noted is not planned for yet
		plan.Partitions, plan.Digest = len(c.ledgers.ids), c.ledgers.digest
	}
	return plan
}

// samePlan compares what two plans say to the workers.
func samePlan(a, b kv.Plan) bool {
	return a.Version == b.Version && a.Phase == b.Phase && a.Lifecycle == b.Lifecycle && a.Partitions == b.Partitions &&
		a.Digest == b.Digest && a.Workers == b.Workers && slices.Equal(a.Members, b.Members)
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
