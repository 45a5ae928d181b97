package actors

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/ledger"
	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/strategy"
)

// This file is how a calculator takes over: from what earlier leaders wrote to the first decision of its term.

// restored rebuilds what an earlier leader knew from what it wrote.
func (c *calculator) restored(msg *restored) {
	if msg.err != nil {
		c.giveUpFence(fmt.Errorf("read the assignments: %w", msg.err))
		return
	}
	var records []ledger.Record
	var unreadable []string
	remembered := map[string]strategy.Partition{}
	for _, e := range msg.snapshot.Entries {
		var err error
		switch e.Key {
		case kv.TermKey:
		case kv.PlanKey:
			c.stored, err = kv.DecodePlan(e.Value)
		default:
			var a kv.Assignment
			if a, err = kv.DecodeAssignment(e.Value); err == nil {
				records = append(records, fromStore(a))
				remember(remembered, a)
			}
		}
		if errors.Is(err, kv.ErrFormat) {
			c.report(&formatMet{err})
			return
		}
		if err != nil {
			c.report(&problem{fmt.Errorf("restore %s: %w", e.Key, err)})
			if e.Key != kv.PlanKey {
				unreadable = append(unreadable, e.Key)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(remembered)) {
		c.remembered = append(c.remembered, remembered[id])
	}
	if c.stored.Version < c.seen {
		c.report(&sessionLost{fmt.Errorf("%w: the plan is at version %d, %d was seen", kv.ErrRolledBack, c.stored.Version, c.seen)})
		return
	}
	c.planned, c.members = len(c.stored.Members) > 0, c.stored.Members
	c.ledger = ledger.New(c.fence.Term, c.versionsAbove())
	for _, r := range records {
		c.ledger.Restore(r)
		c.found[r.Worker] = r.Session
	}
	for _, id := range unreadable {
		c.ledger.Unreadable(id)
		c.found[id] = 0
	}
	c.list()
}

// versionsAbove returns the version that this term's go on above: the highest one known, and, but for the first term of a
// group, the clock in milliseconds. A store that was restored from an older copy does not know the versions, and so the
// epochs, that were handed out since; but no leader makes a thousand versions a second, so the clock is above them.
// Nothing else depends on it: where the clock is wrong, versions grow by one as ever.
func (c *calculator) versionsAbove() int64 {
	known := max(c.floor, c.stored.Version)
	if known == 0 && c.fence.Term == 1 {
		return 0 // the first leader of a new group
	}
	return max(known, time.Now().UnixMilli())
}

// askForAbsent finds out how the members went that are not there: a clean leave and an expiry mean different things, and
// nobody of this term saw which it was. With that answered the topology begins.
func (c *calculator) askForAbsent() {
	if c.asking || c.began {
		return
	}
	c.asking = true
	var absent []string
	for _, id := range c.members {
		if _, ok := c.workers[id]; !ok {
			absent = append(absent, id)
		}
	}
	c.run(func(ctx context.Context) any {
		found := &absentFound{deleted: map[string]bool{}}
		for _, id := range absent {
			e, err := c.store.Get(ctx, kv.Heartbeats, id)
			if err != nil && !errors.Is(err, kv.ErrNotFound) {
				found.err = err
				break
			}
			found.deleted[id] = err == nil && e.Kind == kv.Deleted
		}
		return found
	})
}

func (c *calculator) absentFound(msg *absentFound) {
	c.asking = false
	if msg.err != nil {
		c.giveUpFence(fmt.Errorf("ask for absent members: %w", msg.err))
		return
	}
	now := time.Now()
	for id, deleted := range msg.deleted {
		switch _, back := c.workers[id]; {
		case back:
		case deleted:
			c.topo.Left(now, id)
		default:
			c.topo.Lost(now, id)
		}
	}
	c.begin(now)
	c.advance()
}

// begin acts on what the first complete snapshot shows: who of the records is not there any more holds nothing.
func (c *calculator) begin(now time.Time) {
	c.began = true
	unowned := c.unowned()
	for id, session := range c.found {
		w, alive := c.workers[id]
		if alive && session > 0 && w.session > session {
			c.topo.Replaced(id)
		}
		if !alive || w.session > session {
			c.ledger.SessionEnded(id, session)
		}
		if _, member := slices.BinarySearch(c.members, id); !member {
			c.away[id] = now
		}
	}
	c.ledger.SetMembers(c.members)
	c.age(now)
	c.topo.Begin(now)
	c.compareMembers()
	switch {
	case !c.planned:
	case c.ledgers.change(c.source) == topology.Partitions: // listed again since the term began
		c.changed(now, topology.Partitions)
	case unowned: // new in the source, or in flight when the leader before ended
		c.topo.Unplanned(now)
	case c.source.digest != c.stored.Digest:
		kind := newListing(c.remembered).change(c.source)
		if kind == topology.None {
			kind = topology.Weights // at most
		}
		c.changed(now, kind)
	}
	c.lastPlan = now
}

// age tells the topology how old the heartbeats are that were found, by the store's own clock, whose present our own
// heartbeat shows: a store that was away shows for a moment what should have expired meanwhile.
func (c *calculator) age(now time.Time) {
	var newest time.Time
	for _, w := range c.workers {
		if w.stored.After(newest) {
			newest = w.stored
		}
	}
	for id, w := range c.workers {
		c.topo.Seen(now.Add(w.stored.Sub(newest)), id)
	}
}

// unowned says that some partition is nobody's, and that nobody is expected back to whom it belongs.
func (c *calculator) unowned() bool {
	expected := map[string]bool{}
	for _, m := range c.members {
		expected[m] = true
	}
	for _, id := range c.source.ids {
		owner, ok := c.ledger.Owner(id)
		if _, alive := c.workers[owner]; !ok || !alive && !expected[owner] {
			return true
		}
	}
	return false
}
