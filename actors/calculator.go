package actors

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/internal/ledger"
	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/strategy"
)

// calculator leads: it lives as long as one term. It holds the ledger (who holds what, what may be written next) and
// the topology (what kind of change is this, is its window over), feeds them with facts, and after each fact asks them
// what follows. At most one of {plan, write} is under way at a time, and only the calculator writes assignments.
//
// Order of life: restore the ledger from a snapshot of the assignments that contains everything stored before the
// term; list the source; follow the heartbeats, of which the first snapshot contains every worker an earlier leader
// knew; then act.
type calculator struct {
	*guard
	report func(reported)
	set    Settings
	store  *kv.Store
	fence  kv.Fence
	ledger *ledger.Ledger
	topo   *topology.Topology

	workers map[string]worker // live, by ID
	former  map[string]worker // who went, as last described
	found   map[string]uint64 // sessions that the records of earlier leaders name; 0 where a record cannot be read
	// overwritten are the workers over whose heartbeats somebody wrote what cannot be read, with the revision of that.
	overwritten map[string]uint64
	source      *listing      // as listed last
	ledgers     *listing      // the list that the ledger has: that of the last target
	pending     topology.Kind // what is different between the two
	listing     bool
	asked       []*refreshAsked // what the listing under way is for
	unasked     []*refreshAsked // refreshes that came while a listing was under way
	// relistDue: so did the time to list for the term.
	relistDue bool
	// remembered is the list that the records name, for when the source fails from the beginning.
	remembered []strategy.Partition
	listed     bool      // source was listed in this term
	asking     bool      // for the members that are absent
	began      bool      // the topology knows what the leader found
	planned    bool      // there is a plan in the store
	members    []string  // of that plan
	stored     kv.Plan   // as it is in the store
	lastPlan   time.Time // when this leader last changed the plan
	busy       bool      // a plan is being made or written
	floor      int64     // versions continue above it
	seen       int64     // the version that this session has seen in the store
	joined     time.Time // when this worker joined the group
	since      uint64    // the heartbeat of ours that was sent after the term was stored
	decision   topology.Decision
	acting     *topology.Decision // the decision whose plan is being written
	retry      time.Time          // not to ask the strategy before; after a failure
	failing    time.Duration
	refused    int // writes in a row that were not done
	wake       func()
	relist     time.Duration
	waiting    []*refreshAsked // refreshes to answer when what they changed is stored
	handoffs   map[string]handoff
	away       map[string]time.Time // who was planned for and is no more, since when
	// certificate and described are those of the plan that is being written.
	certificate kv.Certificate
	described   string
	strategist  *strategist
	stop        func()
}

// worker is a live worker as its heartbeat describes it.
type worker struct {
	session   uint64
	described bool // a heartbeat of its could be read
	capacity  int64
	labels    map[string]string
	cordoned  bool
	stored    time.Time // its last heartbeat, by the store's clock
	reads     int       // the newest record format that it reads
}

// like: they describe themselves the same way.
func (w worker) like(other worker) bool {
	return w.described == other.described && w.capacity == other.capacity && w.cordoned == other.cordoned && maps.Equal(w.labels, other.labels)
}

// handoff is a let-go that was asked for and not yet acknowledged.
type handoff struct {
	session uint64
	since   time.Time
	late    bool // reported
}

type (
	restored struct {
		snapshot kv.Snapshot
		err      error
	}
	sourceListed struct {
		partitions []strategy.Partition
		err        error
	}
	refreshAsked    struct{ reply func(error) }
	heartbeatUpdate struct{ kv.Update }
	absentFound     struct {
		deleted map[string]bool // by ID: whether it was a clean leave
		err     error
	}
	targetMade struct {
		decision    topology.Decision
		listing     *listing
		described   string
		target      map[string]string
		certificate strategy.Certificate
		err         error
	}
	written struct {
		write   ledger.Write
		changed bool
		plan    kv.Plan
		err     error
	}
	wakeUp          struct{}
	relistDue       struct{}
	overwrittenOver struct {
		worker   string
		revision uint64
	}
)

func newCalculator(g *guard, report func(reported), set Settings, strategist *strategist, store *kv.Store, fence kv.Fence, joined time.Time, since uint64, floor, seen int64) body {
	return &calculator{
		guard: g, report: report, set: set, store: store, fence: fence, joined: joined, since: since, floor: floor, seen: seen,
		workers: map[string]worker{}, overwritten: map[string]uint64{}, former: map[string]worker{}, found: map[string]uint64{}, handoffs: map[string]handoff{}, away: map[string]time.Time{},
		strategist: strategist, wake: func() {}, stop: func() {},
	}
}

func (c *calculator) started() {
	stop, err := c.store.ServeRefresh(func(reply func(error)) { c.tell(&refreshAsked{reply}) })
	if err != nil {
		c.report(&problem{fmt.Errorf("serve refreshes: %w", err)})
	} else {
		c.stop = stop
	}
	c.run(func(ctx context.Context) any {
		snapshot, err := c.store.Snapshot(ctx, kv.Assignments, nil, c.fence.Revision)
		return &restored{snapshot, err}
	})
}

func (c *calculator) stopping(bool) {
	c.stop()
	for _, r := range slices.Concat(c.waiting, c.asked, c.unasked) {
		r.reply(kv.ErrDeposed)
	}
}

func (c *calculator) receive(_ actor.Context, message any) {
	switch msg := message.(type) {
	case *restored:
		c.restored(msg)
	case *sourceListed:
		c.sourceListed(msg)
	case *heartbeatUpdate:
		c.heartbeatUpdated(msg.Update)
	case *absentFound:
		c.absentFound(msg)
	case *refreshAsked:
		c.list(msg)
	case *relistDue:
		c.list()
	case *targetMade:
		c.targetMade(msg)
	case *written:
		c.written(msg)
	case *wakeUp:
		c.advance()
	case *overwrittenOver:
		c.overwrittenOver(msg)
	case *feedEnded:
		c.report(&sessionLost{msg.err})
	}
}

// list asks the source, for refreshes or, without any, because the term begins.
func (c *calculator) list(asked ...*refreshAsked) {
	if c.ledger == nil {
		for _, r := range asked {
			r.reply(fmt.Errorf("%w: the leader has just begun", kv.ErrNotDone))
		}
		return
	}
	if c.listing { // one at a time, so that an older list never replaces a newer one
		c.unasked = append(c.unasked, asked...)
		c.relistDue = c.relistDue || len(asked) == 0
		return
	}
	c.listing, c.asked = true, asked
	c.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, c.set.Store.OperationTimeout)
		defer cancel()
		partitions, err := list(ctx, c.set.Source)
		return &sourceListed{partitions, err}
	})
}

const relistFirst, relistMost = time.Second, 30 * time.Second

func (c *calculator) sourceListed(msg *sourceListed) {
	asked, due := c.asked, c.relistDue || len(c.asked) == 0
	c.listing, c.asked, c.relistDue = false, nil, false
	if next := c.unasked; len(next) > 0 { // a listing that begins now is new enough for all of them
		c.unasked = nil
		defer c.list(next...)
	}
	if msg.err != nil {
		c.report(&problem{msg.err})
		for _, r := range asked {
			r.reply(msg.err)
		}
		if !due {
			return
		}
		c.relist = min(max(2*c.relist, relistFirst), relistMost)
		c.after(jitter(c.relist), &relistDue{})
		if !c.listed && c.planned {
			// The last good list is what the records name.
			c.setSource(c.remembered)
		}
		return
	}
	c.relist = 0
	c.waiting = append(c.waiting, asked...)
	c.setSource(msg.partitions)
}

// setSource takes a list of partitions over. The first one of the term opens the calculator's eyes for the workers.
func (c *calculator) setSource(partitions []strategy.Partition) {
	c.source = newListing(partitions)
	switch {
	case !c.listed:
		c.listed = true
		c.ledgers = c.source
		c.ledger.SetPartitions(c.source.partitions)
		c.ledger.SetTarget(c.owners())
		feed(c.guard, c.store, kv.Heartbeats, nil, c.since, func(u kv.Update) any { return &heartbeatUpdate{u} })
	case c.began:
		c.compareSource(time.Now())
		c.advance()
	}
}

// compareSource tells the topology what is different from the list that the last target was made for.
func (c *calculator) compareSource(now time.Time) {
	c.changed(now, c.ledgers.change(c.source))
}

// compareMembers tells the topology whether the members describe themselves otherwise than when the plan was made: a worker
// can come back under its ID with another capacity, or cordoned no more.
func (c *calculator) compareMembers() {
	is, complete := c.descriptions(c.members)
	c.topo.MembersAltered(complete && c.stored.Workers != "" && is != c.stored.Workers)
}

// changed tells the topology of a difference that is worth a plan.
func (c *calculator) changed(now time.Time, kind topology.Kind) {
	if kind == topology.Weights && !c.drifted() {
		kind = topology.None
	}
	c.pending = kind
	c.topo.PartitionsChanged(now, kind)
}

// owners is the target that changes nothing.
func (c *calculator) owners() map[string]string {
	owners := make(map[string]string, len(c.source.ids))
	for _, id := range c.source.ids {
		if owner, ok := c.ledger.Owner(id); ok {
			owners[id] = owner
		}
	}
	return owners
}

// heartbeatUpdated records one fact about one worker.
func (c *calculator) heartbeatUpdated(u kv.Update) {
	now, id := time.Now(), u.Entry.Key
	if c.topo == nil {
		c.topo = topology.New(c.set.Topology, c.joined, c.members, c.planned)
	}
	switch u.Kind {
	case kv.UpdatePut:
		if !c.workerSeen(now, u.Entry) {
			return
		}
	case kv.UpdateSynced:
		c.askForAbsent()
	default:
		c.workerGone(now, id, u.Kind)
	}
	if c.began {
		c.advance()
	}
}

func (c *calculator) workerSeen(now time.Time, e kv.Entry) bool {
	h, err := kv.DecodeHeartbeat(e.Value)
	if errors.Is(err, kv.ErrFormat) {
		c.report(&formatMet{err})
		return false
	}
	if err != nil {
		c.report(&problem{fmt.Errorf("heartbeat of %s: %w", e.Key, err)})
		c.heartbeatOverwritten(now, e)
		return false
	}
	delete(c.overwritten, e.Key)
	known, ok := c.workers[e.Key]
	if ok && h.Session < known.session {
		return false
	}
	seen := worker{h.Session, true, h.Capacity, h.Labels, h.Cordoned, e.Created, h.Reads}
	c.workers[e.Key] = seen
	c.ledger.SessionSeen(e.Key, h.Session, h.Applied.Version)
	c.topo.Seen(now, e.Key)
	if c.began && (!ok || !known.like(seen)) {
		c.compareMembers()
	}
	if gone, ok := c.away[e.Key]; ok && now.Sub(gone) < c.set.HomeRetention {
		delete(c.away, e.Key) // back in time, whenever the plan for it comes
	}
	return true
}

// heartbeatOverwritten: whose heartbeat it was sees that, or is dead. Its session can have lived until then, so it can live
// for HeartbeatTTL from then on, and no expiry will say that it does no more.
func (c *calculator) heartbeatOverwritten(now time.Time, e kv.Entry) {
	session, recorded := c.found[e.Key]
	_, member := slices.BinarySearch(c.members, e.Key)
	if _, known := c.workers[e.Key]; !known {
		if !recorded && !member {
			return // nothing is held under that key
		}
		c.workers[e.Key] = worker{session: session, stored: e.Created}
		c.topo.Seen(now, e.Key)
	}
	c.overwritten[e.Key] = e.Revision
	c.after(c.set.Topology.HeartbeatTTL, &overwrittenOver{e.Key, e.Revision})
}

func (c *calculator) overwrittenOver(msg *overwrittenOver) {
	if c.overwritten[msg.worker] != msg.revision {
		return // it has been heard of since
	}
	c.workerGone(time.Now(), msg.worker, kv.UpdateExpired)
	if c.began {
		c.advance()
	}
}

func (c *calculator) workerGone(now time.Time, id string, kind kv.UpdateKind) {
	delete(c.overwritten, id)
	if w, ok := c.workers[id]; ok {
		delete(c.workers, id)
		c.former[id] = w
		c.ledger.SessionEnded(id, w.session)
		if _, member := slices.BinarySearch(c.members, id); !member {
			c.away[id] = now
		}
	}
	if kind == kv.UpdateDeleted {
		c.topo.Left(now, id)
	} else {
		c.topo.Lost(now, id)
	}
}

// giveUpFence ends this term: a write was refused, or its fate is not known.
func (c *calculator) giveUpFence(err error) {
	if isCanceled(c.ctx, err) {
		return
	}
	c.report(&fenceLost{c.fence, err})
}
