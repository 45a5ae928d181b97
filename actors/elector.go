package actors

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/kv"
)

// elector watches the lease on leadership, campaigns when nobody holds it, stores the term that makes a leader, and
// renews. The lease says who should try; only the stored term makes a leader.
//
// States: watching (another leads, or nobody does and a campaign is due), campaigning, leading (lease and fence are
// ours), fencing (the lease is ours, a new term is being stored). It leads only while the lease is trusted by its own
// clock, and gives up the fence before it gives up the lease.
type elector struct {
	*guard
	report  func(reported)
	set     Settings
	store   *kv.Store
	id      string
	session uint64

	floor    uint64    // the highest term seen
	told     uint64    // the feed has told everything up to this sequence
	leader   string    // who holds the lease as far as we know; "" for nobody
	synced   bool      // we know whether anybody does
	lease    *kv.Lease // ours
	fence    kv.Fence  // zero while not leading
	busy     bool      // a campaign, a new term or a resignation is under way
	renewing bool
	resigns  bool
	abstains time.Time
	dueAt    time.Time // of the campaign timer; zero for none
	undue    func()    // stops it
	expiry   func()    // stops the timer of the lease
	missing  func()    // stops the timer that complains of having no leader
}

type (
	electionUpdate struct{ kv.Update }
	feedEnded      struct{ err error }
	campaignDue    struct{}
	campaigned     struct {
		lease *kv.Lease
		fence kv.Fence
		err   error
	}
	renewDue struct{ fence kv.Fence }
	renewed  struct {
		lease kv.Lease
		err   error
	}
	leaseDue    struct{}
	resignDone  struct{ err error }
	fenceDue    struct{}
	leaderUnset struct{}
)

// campaignJitter spreads the candidates, who all see the lease end at the same moment.
const campaignJitter = 30 * time.Millisecond

func newElector(g *guard, report func(reported), set Settings, store *kv.Store, id string, session, floor uint64) body {
	return &elector{guard: g, report: report, set: set, store: store, id: id, session: session, floor: floor, undue: func() {}, expiry: func() {}, missing: func() {}}
}

func (e *elector) started() {
	e.noLeader()
	feed(e.guard, e.store, kv.Election, []string{kv.LeaderKey}, 0, func(u kv.Update) any { return &electionUpdate{u} })
}

func (e *elector) stopping(bool) {}

func (e *elector) receive(_ actor.Context, message any) {
	switch msg := message.(type) {
	case *electionUpdate:
		e.updated(msg.Update)
	case *feedEnded:
		e.report(&sessionLost{msg.err})
	case *campaignDue:
		e.campaign()
	case *campaigned:
		e.campaigned(msg)
	case *renewDue:
		e.renew(msg)
	case *renewed:
		e.renewed(msg)
	case *leaseDue:
		e.leaseExpired()
	case *refence:
		if msg.fence == e.fence {
			e.refence()
		}
	case *fenceDue:
		e.refence()
	case *termSeen:
		e.termIsSeen(msg.term)
	case *abstain:
		e.abstain(msg.until)
	case *resign:
		e.resigns = true
		e.resign()
	case *resignDone:
		e.busy = false
		e.resignationDone()
	case *leaderUnset:
		e.report(&problem{fmt.Errorf("%w: none seen for ElectionTimeout %s", ErrNoLeader, e.set.ElectionTimeout)})
		e.noLeader()
	}
}

// updated follows the lease. What we know of our own lease we know better from our own writes.
func (e *elector) updated(u kv.Update) {
	e.told = max(e.told, u.UpTo, u.Entry.Revision)
	switch u.Kind {
	case kv.UpdatePut:
		e.synced = true
		record, err := kv.DecodeLeader(u.Entry.Value)
		e.leader = record.Worker
		if err != nil {
			e.leader = "unknown"
		}
		e.missing()
		e.missing = func() {}
		if e.lease == nil && e.leader != e.id {
			e.report(&leaderSeen{e.leader})
		}
	case kv.UpdateSynced:
		e.synced = true
		e.plan(rand.N(campaignJitter))
	default:
		e.leader = ""
		e.noLeader()
		e.plan(rand.N(campaignJitter))
	}
}

func (e *elector) noLeader() {
	e.missing()
	e.missing = e.after(e.set.ElectionTimeout, &leaderUnset{})
}

// plan sets a campaign for later, or for earlier than it was set, if there is reason for one.
func (e *elector) plan(wait time.Duration) {
	at := time.Now().Add(max(wait, time.Until(e.abstains)))
	if !e.mayCampaign() || (!e.dueAt.IsZero() && !at.Before(e.dueAt)) {
		return
	}
	e.undue()
	e.dueAt = at
	e.undue = e.after(time.Until(at), &campaignDue{})
}

func (e *elector) mayCampaign() bool {
	return e.synced && e.leader == "" && e.lease == nil && !e.resigns
}

func (e *elector) campaign() {
	e.undue()
	e.dueAt = time.Time{}
	if !e.mayCampaign() || e.busy {
		return
	}
	if wait := time.Until(e.abstains); wait > 0 {
		e.plan(wait)
		return
	}
	e.busy = true
	record, floor := kv.Leader{Worker: e.id, Session: e.session, Since: time.Now()}, e.floor
	e.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, e.set.ElectionTimeout)
		defer cancel()
		lease, err := e.store.Acquire(ctx, kv.Election, kv.LeaderKey, record, nil)
		if err != nil {
			return &campaigned{err: fmt.Errorf("campaign for leadership: %w", err)}
		}
		fence, err := e.beginTerm(ctx, lease, floor)
		return &campaigned{&lease, fence, err}
	})
}

// beginTerm stores the next term, and only while the lease is trusted.
func (e *elector) beginTerm(ctx context.Context, lease kv.Lease, floor uint64) (kv.Fence, error) {
	valid := func() bool { return time.Now().Before(lease.TrustedUntil()) }
	fence, err := e.store.BeginTerm(ctx, kv.Term{Worker: e.id, Session: e.session}, floor, valid)
	if err != nil {
		return kv.Fence{}, fmt.Errorf("begin a term: %w", err)
	}
	return fence, nil
}

func (e *elector) campaigned(msg *campaigned) {
	e.busy = false
	if msg.lease != nil && (e.lease == nil || msg.lease.Revision >= e.lease.Revision) {
		e.lease = msg.lease
	}
	switch {
	case e.resigns:
		e.resign()
	case e.lease != nil && time.Now().Before(e.abstains):
		e.abstain(e.abstains)
	case msg.err != nil:
		e.campaignFailed(msg.err)
	case !time.Now().Before(e.lease.TrustedUntil()):
		e.leaseExpired()
	default:
		e.fence, e.floor = msg.fence, max(e.floor, msg.fence.Term)
		e.leader = e.id
		e.missing()
		e.missing = func() {}
		e.report(&elected{e.fence})
		e.scheduleRenewal()
		e.watchLease()
	}
}

func (e *elector) campaignFailed(err error) {
	var taken *kv.TakenError
	switch {
	case isCanceled(e.ctx, err):
	case errors.As(err, &taken) && taken.Entry.Revision <= e.told:
		// The feed has told what became of that lease.
		e.plan(rand.N(campaignJitter))
	case errors.As(err, &taken):
		// Somebody was faster. The feed tells when that lease ends.
		if record, err := kv.DecodeLeader(taken.Entry.Value); err == nil {
			e.leader = record.Worker
			e.report(&leaderSeen{e.leader})
		}
	case e.lease != nil && time.Now().Before(e.lease.TrustedUntil()):
		e.report(&problem{err})
		e.after(jitter(100*time.Millisecond), &fenceDue{})
	case e.lease != nil:
		e.depose(err)
	default:
		e.report(&problem{err})
		e.plan(jitter(time.Second))
	}
}

func (e *elector) scheduleRenewal() {
	e.after(time.Until(e.lease.Sent.Add(e.set.Store.LeaderTTL/3)), &renewDue{e.fence})
}

func (e *elector) renew(msg *renewDue) {
	if e.lease == nil || e.renewing || e.resigns || msg.fence != e.fence {
		return
	}
	e.renewing = true
	lease, record := *e.lease, kv.Leader{Worker: e.id, Session: e.session, Since: time.Now()}
	e.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, e.set.Store.LeaderTTL/3)
		defer cancel()
		next, err := e.store.Renew(ctx, lease, record)
		return &renewed{next, err}
	})
}

func (e *elector) renewed(msg *renewed) {
	e.renewing = false
	switch {
	case e.lease == nil || msg.err != nil && isCanceled(e.ctx, msg.err):
	case msg.err == nil:
		e.lease = &msg.lease
		e.scheduleRenewal()
	case errors.Is(msg.err, kv.ErrLost), errors.Is(msg.err, kv.ErrLate):
		e.depose(fmt.Errorf("renew leadership: %w", msg.err))
	default:
		e.after(jitter(100*time.Millisecond), &renewDue{e.fence})
	}
	if e.resigns {
		e.resign()
	}
}

// watchLease sets the one timer of the lease for where its trust ends now.
func (e *elector) watchLease() {
	e.expiry()
	e.expiry = e.after(time.Until(e.lease.TrustedUntil()), &leaseDue{})
}

// leaseExpired runs when the trust would have ended without the renewals since.
func (e *elector) leaseExpired() {
	switch {
	case e.lease == nil:
	case time.Now().Before(e.lease.TrustedUntil()):
		e.watchLease()
	default:
		e.depose(fmt.Errorf("lease on leadership ran out: %w", kv.ErrLate))
	}
}

func (e *elector) depose(err error) {
	led := e.fence.Term != 0
	e.lease, e.fence = nil, kv.Fence{}
	if led {
		e.report(&deposed{err})
	}
	// What we know of the lease may be our own renewal: ask when it would have expired at the latest.
	if e.leader == e.id {
		e.leader = ""
	}
	e.plan(jitter(e.set.Store.LeaderTTL))
}

// refence begins a new term in place of one whose fence may not be used any more.
func (e *elector) refence() {
	if e.lease == nil || e.busy || e.resigns {
		return
	}
	e.busy = true
	e.fence = kv.Fence{}
	lease, floor := *e.lease, e.floor
	e.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, e.set.ElectionTimeout)
		defer cancel()
		fence, err := e.beginTerm(ctx, lease, floor)
		return &campaigned{&lease, fence, err}
	})
}

// termIsSeen: a higher term than ours is stored, so our fence is worth nothing.
func (e *elector) termIsSeen(term uint64) {
	e.floor = max(e.floor, term)
	if e.fence.Term != 0 && term > e.fence.Term {
		e.report(&deposed{fmt.Errorf("%w: term %d is stored, ours is %d", kv.ErrDeposed, term, e.fence.Term)})
		e.refence()
	}
}

func (e *elector) abstain(until time.Time) {
	e.abstains = until
	if time.Until(until) > 0 && e.lease != nil {
		led := e.fence.Term != 0
		lease := *e.lease
		e.lease, e.fence, e.leader = nil, kv.Fence{}, ""
		if led {
			e.report(&deposed{nil})
		}
		e.run(func(ctx context.Context) any {
			ctx, cancel := context.WithTimeout(ctx, e.set.Store.OperationTimeout)
			defer cancel()
			_ = e.store.Release(ctx, lease) // else it expires
			return nil
		})
	}
	e.plan(0)
}

// resign deletes the lease, once nothing is under way that could write it.
func (e *elector) resign() {
	if e.busy || e.renewing {
		return
	}
	if e.lease == nil {
		e.resignationDone()
		return
	}
	lease := *e.lease
	e.lease, e.fence = nil, kv.Fence{}
	e.busy = true
	e.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, e.set.Store.OperationTimeout)
		defer cancel()
		return &resignDone{e.store.Release(ctx, lease)}
	})
}

func (e *elector) resignationDone() { e.report(&resigned{}) }

// feed follows a bucket on a goroutine of the guard until stop is called, and tells each update; when it ends for another
// reason it tells feedEnded.
func feed(g *guard, store *kv.Store, b kv.Bucket, keys []string, atLeast uint64, wrap func(kv.Update) any) (stop func()) {
	ctx, cancel := context.WithCancel(g.ctx)
	g.run(func(context.Context) any {
		defer cancel()
		err := store.Feed(ctx, b, keys, atLeast, func(u kv.Update) {
			if u.Kind != kv.UpdateBlind && u.Kind != kv.UpdateStale {
				g.tell(wrap(u))
			}
		})
		if isCanceled(ctx, err) {
			return nil
		}
		return &feedEnded{fmt.Errorf("watch: %w", err)}
	})
	return cancel
}
