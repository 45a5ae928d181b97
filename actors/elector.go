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
// ours), fencing (the lease is ours, a new term is due or is being stored). It leads only while the lease is trusted by
// its own clock, and gives up the fence before it gives up the lease.
//
// A lease that is trusted may be lost all the same: somebody deleted or overwrote its entry, and another worker leads.
// So whoever loses its fence renews its lease before it begins another term. The renewal is a conditional write, and
// succeeds only while the entry is still this worker's own. See [elector.refence] for why that ends.
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
	logged   string    // the other leader that the log named last
	lease    *kv.Lease // ours
	fence    kv.Fence  // zero while not leading
	busy     bool      // a campaign or a new term is under way
	renewing bool
	abstains time.Time
	pace     pace      // of our own terms
	dueAt    time.Time // of the campaign timer; zero for none
	undue    func()    // stops it
	renewal  func()    // stops the timer of the next renewal
	retry    func()    // stops the timer of the next attempt to begin a term
	expiry   func()    // stops the timer of the lease
	missing  bool      // a leader is waited for
}

type (
	electionUpdate struct{ kv.Update }
	feedEnded      struct{ err error }
	campaignDue    struct{}
	campaigned     struct {
		lease *kv.Lease // as acquired or renewed; nil where neither was done, and then no term was begun
		fence kv.Fence
		err   error
	}
	renewDue struct{}
	renewed  struct {
		from  uint64 // the revision that was renewed
		lease kv.Lease
		err   error
	}
	leaseDue struct{}
	fenceDue struct{}
)

// campaignJitter spreads the candidates, who all see the lease end at the same moment.
const campaignJitter = 30 * time.Millisecond

func newElector(g *guard, report func(reported), set Settings, store *kv.Store, id string, session, floor uint64) body {
	nothing := func() {}
	return &elector{
		guard: g, report: report, set: set, store: store, id: id, session: session, floor: floor,
		pace: pace{step: set.Store.LeaderTTL / 3}, undue: nothing, renewal: nothing, retry: nothing, expiry: nothing,
	}
}

func (e *elector) started() {
	e.noLeader()
	feed(e.guard, e.report, e.store, kv.Election, []string{kv.LeaderKey}, 0, func(u kv.Update) any { return changes(u, &electionUpdate{u}) })
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
		e.renew()
	case *renewed:
		e.renewed(msg)
	case *leaseDue:
		e.leaseExpired()
	case *refence:
		if msg.fence == e.fence {
			e.refence()
		}
	case *fenceDue:
		if e.fence.Term == 0 {
			e.refence()
		}
	case *termSeen:
		e.termIsSeen(msg.term)
	case *abstain:
		e.abstain(msg.until)
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
		e.led()
		if e.lease == nil && e.leader != e.id {
			e.follow()
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
	now := time.Now()
	e.missing = true
	e.report(&awaits{
		key: waitsForLeader, Wait: Wait{"a leader is there", "the group", now}, due: now.Add(e.set.ElectionTimeout),
		err: fmt.Errorf("%w: none seen for ElectionTimeout %s", ErrNoLeader, e.set.ElectionTimeout),
	})
}

// follow reports that another worker leads. The log names each once.
func (e *elector) follow() {
	if e.logged != e.leader {
		e.logged = e.leader
		e.log.Info("another worker leads", "leader", e.leader)
	}
	e.report(&leaderSeen{e.leader})
}

// led ends the wait for a leader.
func (e *elector) led() {
	if e.missing {
		e.missing = false
		e.report(&awaited{waitsForLeader})
	}
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
	return e.synced && e.leader == "" && e.lease == nil
}

func (e *elector) campaign() {
	e.undue()
	e.dueAt = time.Time{}
	if !e.mayCampaign() || e.busy {
		return
	}
	if wait := max(time.Until(e.abstains), e.pace.wait(time.Now())); wait > 0 {
		e.plan(wait)
		return
	}
	e.busy = true
	record, floor := e.record(), e.floor
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

// record is what the lease says. Everyone follows its renewals, so that they can also tell whether somebody has missed a plan.
func (e *elector) record() kv.Leader {
	return kv.Leader{Worker: e.id, Session: e.session, Since: time.Now(), Plan: e.store.PlanSeen()}
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
	if msg.lease != nil {
		e.pace.take(time.Now())
		if e.lease == nil || msg.lease.Revision >= e.lease.Revision {
			e.lease = msg.lease
		}
	}
	switch {
	case e.lease != nil && time.Now().Before(e.abstains):
		e.abstain(e.abstains)
	case msg.err != nil:
		e.campaignFailed(msg.err)
	case !time.Now().Before(e.lease.TrustedUntil()):
		e.leaseExpired()
	case msg.fence.Term < e.floor: // a higher one was stored while ours was
		e.report(&problem{fmt.Errorf("%w: term %d is stored, ours is %d", kv.ErrDeposed, e.floor, msg.fence.Term)})
		e.refence()
	default:
		e.fence, e.floor = msg.fence, max(e.floor, msg.fence.Term)
		e.leader, e.logged = e.id, ""
		e.led()
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
			e.follow()
		}
	case e.lease != nil && (errors.Is(err, kv.ErrLost) || errors.Is(err, kv.ErrLate)):
		e.depose(err)
	case e.lease != nil && time.Now().Before(e.lease.TrustedUntil()):
		e.report(&problem{err})
		e.refenceLater(jitter(100 * time.Millisecond))
	case e.lease != nil:
		e.depose(err)
	default:
		e.report(&problem{err})
		e.plan(jitter(time.Second))
	}
}

func (e *elector) scheduleRenewal() {
	e.renewAfter(time.Until(e.lease.Sent.Add(e.set.Store.LeaderTTL / 3)))
}

func (e *elector) renewAfter(wait time.Duration) {
	e.renewal()
	e.renewal = e.after(wait, &renewDue{})
}

func (e *elector) renew() {
	if e.lease == nil || e.busy || e.renewing {
		return // what is under way renews, or ends the lease
	}
	e.renewing = true
	lease, record := *e.lease, e.record()
	e.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, e.set.Store.LeaderTTL/3)
		defer cancel()
		next, err := e.store.Renew(ctx, lease, record)
		return &renewed{lease.Revision, next, err}
	})
}

func (e *elector) renewed(msg *renewed) {
	e.renewing = false
	switch {
	case e.lease == nil || msg.err != nil && isCanceled(e.ctx, msg.err):
	case msg.from != e.lease.Revision: // that was an earlier lease
		e.leaseIsFree()
	case msg.err == nil:
		e.lease = &msg.lease
		e.leaseIsFree()
	case errors.Is(msg.err, kv.ErrLost), errors.Is(msg.err, kv.ErrLate):
		e.depose(fmt.Errorf("renew leadership: %w", msg.err))
	default:
		e.renewAfter(jitter(100 * time.Millisecond))
	}
}

// leaseIsFree goes on with what had to wait for the renewal that was under way.
func (e *elector) leaseIsFree() {
	e.scheduleRenewal()
	if e.fence.Term == 0 {
		e.refence()
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

// refence begins a new term in place of one whose fence may not be used any more, once a renewal has proved that the lease
// is still ours.
//
// Why this ends: from the moment another worker's lease is stored, no renewal of ours succeeds. So we store at most one
// more term, the one whose renewal came just before. The new holder answers that with one term of its own, because its
// renewal succeeds, and nobody is left who could store a higher one: at most three terms for one lost lease, and one
// leader. Without the renewal both workers trust their leases and answer each other's terms for as long as the trust of
// the older lease lasts, thousands of times. The pace bounds what else could make a leader lose its fence again and again.
func (e *elector) refence() {
	e.fence = kv.Fence{}
	if e.lease == nil || e.busy || e.renewing {
		return // what is under way brings a new term, goes on here, or ends the lease
	}
	if wait := e.pace.wait(time.Now()); wait > 0 {
		e.scheduleRenewal()
		e.refenceLater(wait)
		return
	}
	e.busy = true
	lease, floor, record := *e.lease, e.floor, e.record()
	e.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, e.set.ElectionTimeout)
		defer cancel()
		lease, err := e.store.Renew(ctx, lease, record)
		if err != nil {
			return &campaigned{err: fmt.Errorf("renew leadership before a new term: %w", err)}
		}
		fence, err := e.beginTerm(ctx, lease, floor)
		return &campaigned{&lease, fence, err}
	})
}

func (e *elector) refenceLater(wait time.Duration) {
	e.retry()
	e.retry = e.after(wait, &fenceDue{})
}

// termIsSeen: a higher term than ours is stored, so our fence is worth nothing. Most likely our lease is another's by now;
// whether it is, the renewal in refence finds out.
func (e *elector) termIsSeen(term uint64) {
	e.floor = max(e.floor, term)
	if e.fence.Term != 0 && term > e.fence.Term {
		e.report(&deposed{fmt.Errorf("%w: term %d is stored, ours is %d", kv.ErrDeposed, term, e.fence.Term)})
		e.refence()
	}
}

// abstain leaves the lead to others until a time, and campaigns again after that. A leader gives up its fence, then its
// lease, so that another worker can lead at once. The zero time ends every abstention.
func (e *elector) abstain(until time.Time) {
	if until.IsZero() || until.After(e.abstains) {
		e.abstains = until
	}
	if time.Until(e.abstains) > 0 && e.lease != nil {
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

// changes passes on what is stored. A feed that sees nothing for a while is no news to those who hear of an outage
// because their own writes fail.
func changes(u kv.Update, message any) any {
	if u.Kind == kv.UpdateBlind || u.Kind == kv.UpdateStale {
		return nil
	}
	return message
}

// feed follows a bucket on a goroutine of the guard until stop is called, and tells what wrap makes of each update, nil for
// nothing; when it ends for another reason it tells feedEnded. A feed that sees nothing reports a wait; report is nil for a
// leader's, which decides about that itself.
func feed(g *guard, report func(reported), store *kv.Store, b kv.Bucket, keys []string, atLeast uint64, wrap func(kv.Update) any) (stop func()) {
	ctx, cancel := context.WithCancel(g.ctx)
	g.run(func(context.Context) any {
		defer cancel()
		err := store.Feed(ctx, b, keys, atLeast, func(u kv.Update) {
			if report != nil {
				sight(report, store, b, u)
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
