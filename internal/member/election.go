// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"errors"
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/lease"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// ElectionConfig is what an election has to know beforehand.
type ElectionConfig struct {
	Worker    string
	LeaderTTL time.Duration
	Floor     uint64 // the highest term that this worker has seen
}

// Election is one worker's part in the election: it watches the lease on leadership, campaigns when nobody holds it, begins
// the term that makes a leader, and renews. The lease says who should try; only the stored term makes a leader.
//
// It is in one of these states: watching (another worker holds the lease, or nobody does and a campaign is due), campaigning,
// leading (lease and fence are this worker's), fencing (the lease is this worker's; a new term is due or is being stored). It
// leads only while its own clock trusts the lease, and gives up the fence before it gives up the lease.
//
// A lease that is trusted may be lost all the same: somebody deleted or overwrote its entry, and another worker leads. So a
// worker that loses its fence renews its lease before it begins another term. The renewal is a conditional write, and succeeds
// only while the entry is still this worker's own.
//
// Why this ends: from the moment another worker's lease is stored, no renewal of ours succeeds. So we store at most one more
// term, the one whose renewal came just before. The new holder answers that with one term of its own, because its renewal
// succeeds, and nobody is left who could store a higher one: at most three terms for one lost lease, and one leader. Without
// the renewal both workers trust their leases and answer each other's terms for as long as the trust of the older lease
// lasts, thousands of times. The pace bounds what else could make a leader lose its fence again and again.
//
// Its invariants, which valid checks:
//
//  1. whoever has a fence holds the lease;
//  2. whoever holds the lease is woken before the trust in it ends;
//  3. where nobody holds it, a campaign is planned or under way.
type Election struct {
	cfg   ElectionConfig
	floor uint64 // the highest term seen
	told  uint64 // the feed has told everything up to this revision

	leader  string // who holds the lease as far as is known; "" for nobody
	synced  bool   // it is known whether anybody does
	named   string // the other leader that was named last
	missing bool   // a leader is waited for
	led     bool   // somebody has led this group, or has held the lease for it

	lease    *store.Lease // ours, as of the last acknowledged write
	hold     lease.Hold   // on it
	fence    store.Fence  // zero while not leading
	busy     bool         // a campaign or a new term is under way
	pace     electionPace // of our own terms
	notYet   time.Time    // a term that failed is not begun again before
	abstains time.Time    // until when the lead is left to others

	campaign electionWait // when to campaign; zero for never
	asleep   electionWait // until when the hold on the lease has nothing to do
	wake     electionWait // as asked for
	out      []ElectionEffect
}

// electionWait is a time at which, or up to a spread later, something is due.
type electionWait struct {
	at     time.Time
	spread time.Duration
}

// The pauses of an election. A fifth less or more of each is the shell's to choose.
const (
	electionSpread = 30 * time.Millisecond  // spreads the candidates, who all see the lease end at the same moment
	electionRetry  = 100 * time.Millisecond // after a renewal or a term that failed
	electionAgain  = time.Second            // after a campaign that failed
)

// NewElection returns the election of a worker that knows nothing of the lease yet, and what it does first.
func NewElection(now time.Time, cfg ElectionConfig) (*Election, []ElectionEffect) {
	e := &Election{cfg: cfg, floor: cfg.Floor, pace: electionPace{step: cfg.LeaderTTL / 3}}
	e.noLeader(now)
	out := e.out
	e.out = nil
	return e, out
}

// Step notes a fact, and appends what follows from it to out.
func (e *Election) Step(now time.Time, f ElectionFact, out []ElectionEffect) []ElectionEffect {
	e.out = out
	switch f := f.(type) {
	case *ElectionUpdate:
		e.updated(now, f.Update)
	case *ElectionCampaigned:
		e.campaigned(now, f)
	case *ElectionRenewed:
		e.renewed(now, f)
	case *ElectionTermSeen:
		e.termSeen(f.Term)
	case *ElectionFenceLost:
		if f.Fence == e.fence {
			e.fence = store.Fence{}
		}
	case *ElectionAbstain:
		e.abstain(now, f.Until)
	case *ElectionTicked:
		e.tryCampaign(now)
	}
	e.keep(now)
	e.sleep(now)
	out, e.out = e.out, nil
	return out
}

// updated follows the lease. What is known of our own lease is known better from our own writes.
func (e *Election) updated(now time.Time, u store.Update) {
	switch u.Kind {
	case store.UpdateBlind, store.UpdateStale:
		return // whoever leads then hears of it because its own writes fail
	case store.UpdatePut:
		e.synced = true
		e.leader = electionHolder(u.Entry)
		e.led = e.led || e.lease == nil && e.leader != e.cfg.Worker
		e.awaited()
		if e.lease == nil && e.leader != e.cfg.Worker {
			e.follow()
		}
	case store.UpdateSynced:
		e.synced = true
	default:
		e.leader, e.led = "", true
		e.noLeader(now)
	}
	e.told = max(e.told, u.UpTo, u.Entry.Revision)
	if u.Kind != store.UpdatePut {
		e.plan(now, electionSpread)
	}
}

// electionHolder is who holds a lease, as its entry says.
func electionHolder(entry store.Entry) string {
	if rec, err := store.Decode(entry, record.DecodeLeader); err == nil {
		return rec.Worker
	}
	return "unknown"
}

func (e *Election) noLeader(now time.Time) {
	e.missing = true
	e.do(&ElectionAwait{Since: now})
}

// awaited ends the wait for a leader.
func (e *Election) awaited() {
	if e.missing {
		e.missing = false
		e.do(&ElectionAwaited{})
	}
}

// follow says that another worker leads.
func (e *Election) follow() {
	e.do(&ElectionFollow{Worker: e.leader, News: e.named != e.leader})
	e.named = e.leader
}

// mayCampaign says that there is reason for a campaign.
func (e *Election) mayCampaign() bool { return e.synced && e.leader == "" && e.lease == nil }

// plan sets a campaign for a time, or for earlier than it was set, if there is reason for one. It is not before the end of an
// abstention.
func (e *Election) plan(at time.Time, spread time.Duration) {
	if at.Before(e.abstains) {
		at, spread = e.abstains, max(at.Add(spread).Sub(e.abstains), 0)
	}
	if e.mayCampaign() && (e.campaign.at.IsZero() || at.Before(e.campaign.at)) {
		e.campaign = electionWait{at, spread}
	}
}

// around plans a campaign for when a pause has passed, a fifth less or more.
func (e *Election) around(now time.Time, pause time.Duration) {
	e.plan(now.Add(pause-pause/5), 2*pause/5)
}

// tryCampaign campaigns where that is due and allowed. What is under way ends in a new plan, or in a lease.
func (e *Election) tryCampaign(now time.Time) {
	if e.campaign.at.IsZero() || now.Before(e.campaign.at) {
		return
	}
	e.campaign = electionWait{}
	if !e.mayCampaign() || e.busy {
		return
	}
	if at := e.pace.next(); at.After(now) || e.abstains.After(now) {
		e.plan(at, 0)
		return
	}
	e.busy = true
	e.do(&ElectionCampaign{Floor: e.floor})
}

// campaigned notes how a campaign, or a term that was begun under a lease that is held, has ended.
func (e *Election) campaigned(now time.Time, f *ElectionCampaigned) {
	e.busy = false
	switch {
	case f.Lease == nil && e.lease != nil:
		e.hold.Answered(now, time.Time{}, f.Err)
	case f.Lease != nil:
		e.pace.take(now)
		e.acquired(now, f.Lease)
	}
	switch {
	case e.lease != nil && e.abstains.After(now):
		e.abstain(now, e.abstains)
	case f.Err != nil:
		e.failed(now, f.Err)
	case !now.Before(e.hold.TrustedUntil()): // keep deposes
	case f.Fence.Term < e.floor: // a higher one was stored while ours was
		e.do(&ElectionProblem{fmt.Errorf("%w: term %d is stored, ours is %d", store.ErrDeposed, e.floor, f.Fence.Term)})
		e.fence = store.Fence{}
	default:
		e.fence, e.floor = f.Fence, max(e.floor, f.Fence.Term)
		e.leader, e.named = e.cfg.Worker, ""
		e.awaited()
		e.do(&ElectionLead{e.fence, e.led || e.fence.Term > 1})
	}
}

// acquired notes a lease that was acquired, or renewed for a new term. One that ended meanwhile lives again: it is stored.
func (e *Election) acquired(now time.Time, l *store.Lease) {
	if e.lease == nil || e.hold.Answered(now, l.Sent, nil) != lease.Done {
		e.hold = lease.Held(e.keeping(), l.Sent)
	}
	e.lease = l
}

// keeping is how the lease on leadership is kept.
func (e *Election) keeping() lease.Config {
	third := e.cfg.LeaderTTL / 3
	return lease.Config{
		TTL: e.cfg.LeaderTTL, Interval: third, Pause: electionRetry, LongestPause: electionRetry, Shortest: third, Longest: third,
	}
}

// failed decides what follows from a campaign or a term that failed.
func (e *Election) failed(now time.Time, err error) {
	var taken *store.TakenError
	switch {
	case errors.As(err, &taken) && taken.Entry.Revision <= e.told:
		// The feed has told what became of that lease.
		e.plan(now, electionSpread)
	case errors.As(err, &taken):
		// Another worker was faster. The feed tells when its lease ends.
		e.led = true
		if e.leader = electionHolder(taken.Entry); e.leader != "unknown" {
			e.follow()
		}
	case e.lease != nil && (errors.Is(err, store.ErrLost) || errors.Is(err, store.ErrLate) || !now.Before(e.hold.TrustedUntil())):
		e.depose(now, err)
	case e.lease != nil:
		e.do(&ElectionProblem{err})
		e.rest(now)
	default:
		e.do(&ElectionProblem{err})
		e.around(now, electionAgain)
	}
}

// rest lets a pause pass before the next term.
func (e *Election) rest(now time.Time) { e.notYet = now.Add(electionRetry - electionRetry/5) }

// renewed notes the answer to a renewal, unless that was of an earlier lease.
func (e *Election) renewed(now time.Time, f *ElectionRenewed) {
	if e.lease == nil || f.From != e.lease.Revision {
		return
	}
	switch e.hold.Answered(now, f.Lease.Sent, f.Err) {
	case lease.Done:
		renewed := f.Lease
		e.lease = &renewed
	case lease.NotDone, lease.Unknown:
		if e.fence.Term == 0 {
			e.rest(now)
		}
	case lease.Over: // keep deposes
	}
}

// keep does what the lease asks for: it is renewed, a term is begun in place of one whose fence may not be used any more, or
// it is over.
func (e *Election) keep(now time.Time) {
	for e.lease != nil {
		term := e.fence.Term == 0 && !e.busy && !now.Before(e.nextTerm().at)
		if term {
			e.hold.Hurry(now) // the renewal of a new term goes with the next write
		}
		switch next := e.hold.Next(now).(type) {
		case *lease.Wait:
			e.asleep = electionWait{next.At, next.Spread}
			return
		case *lease.Write:
			if term {
				e.busy = true
				e.do(&ElectionNewTerm{Lease: *e.lease, Floor: e.floor})
			} else {
				e.do(&ElectionRenew{Lease: *e.lease, Limit: next.Limit})
			}
		case *lease.End:
			if next.Err == nil {
				e.depose(now, fmt.Errorf("lease on leadership ran out: %w", store.ErrLate))
			} else {
				e.depose(now, fmt.Errorf("renew leadership: %w", next.Err))
			}
		}
	}
}

// nextTerm is when the pace and the last failure allow another term.
func (e *Election) nextTerm() electionWait {
	if at := e.pace.next(); at.After(e.notYet) {
		return electionWait{at: at}
	}
	return electionWait{e.notYet, 2 * electionRetry / 5}
}

// depose ends the lease, and with it the term.
func (e *Election) depose(now time.Time, err error) {
	e.giveUp(err)
	// What is known of the lease may be our own renewal: ask when it would have expired at the latest.
	if e.leader == e.cfg.Worker {
		e.leader = ""
	}
	e.around(now, e.cfg.LeaderTTL)
}

// giveUp gives up the fence, and then the lease.
func (e *Election) giveUp(err error) {
	led := e.fence.Term != 0
	e.lease, e.hold, e.fence = nil, lease.Hold{}, store.Fence{}
	if led {
		e.do(&ElectionYield{err})
	}
}

// termSeen notes a term that is stored. Where it is higher than ours our fence is worth nothing. Most likely our lease is
// another worker's by now; whether it is, the renewal before the next term finds out.
func (e *Election) termSeen(term uint64) {
	e.floor = max(e.floor, term)
	if e.fence.Term != 0 && term > e.fence.Term {
		e.do(&ElectionYield{fmt.Errorf("%w: term %d is stored, ours is %d", store.ErrDeposed, term, e.fence.Term)})
		e.fence = store.Fence{}
	}
}

// abstain leaves the lead to others until a time, and campaigns again after that. A leader gives up its fence, then its
// lease, so that another worker can lead at once. The zero time ends every abstention.
func (e *Election) abstain(now, until time.Time) {
	if until.IsZero() || until.After(e.abstains) {
		e.abstains = until
	}
	if e.abstains.After(now) && e.lease != nil {
		released := *e.lease
		e.leader = ""
		e.giveUp(nil)
		e.do(&ElectionRelease{released})
	}
	e.plan(now, 0)
}

// sleep asks to be woken when something is due.
func (e *Election) sleep(now time.Time) {
	next := e.campaign
	if e.lease != nil {
		next = e.asleep
		if term := e.nextTerm(); e.fence.Term == 0 && !e.busy && term.at.After(now) && term.at.Before(next.at) {
			next = electionWait{term.at, min(term.spread, next.at.Sub(term.at))}
		}
	}
	if next != e.wake {
		e.wake = next
		e.do(&ElectionWake{next.at, next.spread})
	}
}

func (e *Election) do(effect ElectionEffect) { e.out = append(e.out, effect) }

// valid reports the first broken invariant.
func (e *Election) valid(now time.Time) error {
	switch {
	case e.fence.Term != 0 && e.lease == nil:
		return fmt.Errorf("it leads in term %d without the lease", e.fence.Term)
	case e.lease != nil && (e.wake.at.IsZero() || e.wake.at.Add(e.wake.spread).After(e.hold.TrustedUntil())):
		return fmt.Errorf("it holds the lease until %s and is woken at %s", e.hold.TrustedUntil(), e.wake.at)
	case e.lease != nil && !now.Before(e.hold.TrustedUntil()):
		return fmt.Errorf("it holds a lease that was trusted until %s", e.hold.TrustedUntil())
	case e.mayCampaign() && !e.busy && (e.campaign.at.IsZero() || e.wake != e.campaign):
		return errors.New("nobody leads, and no campaign is planned")
	}
	return nil
}
