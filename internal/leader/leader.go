// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package leader decides what the leader of a group does during one term. It is a value: facts with their times go in, and what
// has to be done comes out as effects. It has no goroutine, reads no clock, and does not know how the store works.
//
// It composes three values. [topology.Topology] says who takes part and when. [ledger.Ledger] says what may be granted and what
// must be revoked. The leader itself keeps what the source lists, how the workers describe themselves, and which question and
// which write are under way. At most one question to the strategy and one write are under way at a time. Neither waits for the
// other: the leader grants what has been released while the strategy computes.
//
// A leader works in this order: it reads the records that earlier leaders stored, lists the source, follows the heartbeats,
// finds out how absent members went, and then leads.
package leader

import (
	"fmt"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/ledger"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/topology"
)

// Config is what a leader has to know beforehand.
type Config struct {
	Term     uint64
	Heir     bool      // somebody has led this group before
	Group    string    // how to name the group in an error
	Worker   string    // the leader's own ID
	Session  uint64    // and session
	Joined   time.Time // when that session joined the group
	Strategy string    // describes the strategy that is asked
	Floor    int64     // versions continue above it
	Seen     int64     // the highest version that this session has seen in the store
	Topology topology.Config

	HandoffTimeout        time.Duration
	HomeRetention         time.Duration
	OperationTimeout      time.Duration
	MinRebalanceThreshold float64
	RelistInterval        time.Duration // 0 for never
	ShrinkConfirmations   int           // listings in a row that have to lack most of the partitions before they are taken away
}

// stage is how far a leader has come.
type stage int

const (
	reading   stage = iota // the records of earlier leaders
	listing                // the source, for the first time
	following              // the heartbeats, until they are complete
	asking                 // how absent members went
	leading
	ended
)

func (s stage) String() string {
	return [...]string{"reading", "listing", "following", "asking", "leading", "ended"}[s]
}

// Leader is the state of one term. Its invariants, which valid checks:
//
//  1. at most one question and one write are under way;
//  2. while it leads, whatever it waits for has a time at which it looks again, or is a fact that somebody owes it;
//  3. the members of the draft are those of the topology;
//  4. after the end nothing has an effect.
type Leader struct {
	cfg    Config
	stage  stage
	ledger *ledger.Ledger
	topo   *topology.Topology
	roster roster
	source sources
	draft  draft
	stored record.Plan // as it is in the store
	newest int64       // the highest version in the store when the term began
	known  int64       // the highest version that was known then
	format int         // of the records that are stored
	pace   pace
	clock  stopwatch

	decision topology.Decision
	question *Ask              // under way
	anew     bool              // the answer before was dropped, because a member had come back
	writing  *Write            // under way
	releases []release         // what was asked for and granted, oldest first
	fresh    bool              // something was noted since it was last asked what follows
	blind    time.Time         // since when the heartbeats are not verified; zero if they are
	found    map[string]uint64 // sessions that the records of earlier leaders name; 0 where a record cannot be read
	gathers  bool              // it was said that a cold start or a restart waits for workers
	told     map[string]any    // what was reported of each cause, so that it is reported once
	asked    uint64            // questions so far
	written  uint64            // writes so far
	wake     time.Time         // that was asked for
	out      []Effect
}

// pace is when what failed is tried again.
type pace struct {
	strategy, write, list time.Time     // not before; zero for at once
	failing, refused      time.Duration // the present backoffs
	listing               time.Duration
	relist                time.Time // because the source said that it has changed; zero for never, as all of these
	resync                time.Time // because RelistInterval is over
	changed               time.Time // when this leader last changed the plan
	waited                map[string]time.Time
	tooLarge              bool      // the last write was
	placed                time.Time // when a wait for the strategy is over; zero for never
}

// draft is the plan that this leader works towards.
type draft struct {
	members     []string
	planned     bool // there is a plan at all
	owed        bool // it has changed since write last found that everything is stored
	phase       topology.Phase
	workers     string   // how the members described themselves
	list        *Listing // that the ledger divides
	taken       *Listing // that the last target was made for; not the one that a strategy is being asked about
	balanced    *Listing // whose weights the last plan heeded that could move anything
	digest      string
	certificate record.Certificate
	why         string
}

// release is when the let-goes of a version are late, and what it grants and nobody has taken up.
type release struct {
	version int64
	due     time.Time
	records []record.Assignment // that were written
}

// New returns a leader whose term is stored, and what it does first.
func New(cfg Config) (*Leader, []Effect) {
	l := &Leader{cfg: cfg, roster: newRoster(), found: map[string]uint64{}, told: map[string]any{}, format: record.Oldest, clock: newStopwatch()}
	l.pace.waited = map[string]time.Time{}
	return l, []Effect{&Read{}}
}

// Step notes a fact, and appends what follows from it to out.
func (l *Leader) Step(now time.Time, f Fact, out []Effect) []Effect {
	if l.stage == ended {
		if r, ok := f.(*RefreshAsked); ok {
			out = append(out, &Answer{[]uint64{r.ID}, errEnded})
		}
		return out
	}
	l.out = out
	l.fresh = l.fresh || !l.wake.IsZero() && !now.Before(l.wake) // whatever fact comes first when it is time
	l.note(now, f)
	l.watch(now)
	if l.stage == leading {
		l.proceed(now)
	}
	l.measure(now)
	if l.stage != ended {
		l.sleep(now)
	}
	out, l.out = l.out, nil
	return out
}

// plansAtOnce is how many plans that ask nobody may follow from one fact: two, and some to spare. A leader that goes on has
// a bug, and a new term begins with what is stored.
const plansAtOnce = 10

// note books a fact.
func (l *Leader) note(now time.Time, f Fact) {
	switch f := f.(type) {
	case *Restored:
		l.restored(now, f)
	case *Listed:
		l.listed(now, f)
	case *RefreshAsked:
		l.refreshAsked(f)
	case *SourceChanged:
		l.sourceChanged(now)
	case *Beat:
		l.fresh = l.beat(now, f) || l.fresh
		return
	case *Garbled:
		l.garbled(now, f)
	case *Gone:
		l.gone(now, f.Worker, f.Clean)
	case *Synced:
		l.synced(now)
	case *Blind:
		l.blind = f.Since
	case *Stale:
		err := fmt.Errorf("%w completely: no full listing has confirmed them for %s", ErrBlind, now.Sub(f.Since).Round(time.Millisecond))
		if f.Err != nil {
			err = fmt.Errorf("%w: %w", err, f.Err)
		}
		l.report(err)
	case *LookedUp:
		l.lookedUp(now, f)
	case *TargetMade:
		l.targetMade(now, f)
	case *Written:
		l.outcome(now, f)
	case *Foreign:
		l.end(NewerFormat, f.Err)
	case *Ticked:
	}
	l.fresh = true
}

// watch sees to deadlines that do not belong to a plan.
func (l *Leader) watch(now time.Time) {
	if !l.blind.IsZero() && !now.Before(l.blind.Add(l.sight())) {
		l.end(LostSight, fmt.Errorf("%w: the heartbeats have not been verified for %s", ErrBlind, now.Sub(l.blind)))
		return
	}
	for _, id := range l.roster.overdue(now) {
		l.gone(now, id, false)
	}
	l.relist(now)
}

// sight is how long a leader may lead on without verified heartbeats: for as long as a worker may be silent. While it
// begins its store may take as long as any operation may.
func (l *Leader) sight() time.Duration {
	if l.stage == leading {
		return l.cfg.Topology.HeartbeatTTL
	}
	return max(l.cfg.Topology.HeartbeatTTL, l.cfg.OperationTimeout)
}

// proceed asks what follows from all that is known: report, decide, ask, write, answer. It costs nothing when nothing has
// changed.
func (l *Leader) proceed(now time.Time) {
	if !l.fresh && !l.topo.Stale(now) && !l.ledger.Touched() {
		return
	}
	l.fresh = false
	l.expire(now)
	if l.roster.altered {
		l.roster.altered = false
		l.compareMembers(now)
	}
	l.decide(now)
	for n := 0; ; n++ {
		switch {
		case l.plans() && n == plansAtOnce:
			l.end(FenceLost, fmt.Errorf("%w: %s", errRestless, l.decision.Why))
			return
		case l.plans():
			l.plan(now)
			l.decide(now)
		case l.writing != nil, now.Before(l.pace.write):
			return
		default:
			if l.write(now); !l.plans() {
				return
			}
		}
	}
}

// plans says that it is time to make a plan. One that moves what somebody holds waits until the one before it is stored,
// so that what had no owner is given away in a plan that moves nothing else. It does not wait for a plan that is too large
// for the store: the next one may be what the store can take.
func (l *Leader) plans() bool {
	return l.decision.Act && l.question == nil && (!l.decision.Moves || !l.draft.owed || l.pace.tooLarge)
}

// decide asks the topology, and tells who is held back.
func (l *Leader) decide(now time.Time) {
	if !l.topo.Stale(now) {
		return
	}
	l.decision = l.topo.Decide(now)
	l.tellDampings(now)
	l.sayGathering(now)
}

// sleep asks to be woken when something may follow without a fact.
func (l *Leader) sleep(now time.Time) {
	var next time.Time
	at := func(t time.Time) { // what was due is done, or somebody owes a fact for it
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	at(l.pace.list)
	at(l.pace.relist)
	at(l.pace.resync)
	at(l.roster.nextOverdue())
	if !l.blind.IsZero() {
		at(l.blind.Add(l.sight()))
	}
	if l.stage == leading {
		at(l.decision.Wake)
		at(l.pace.placed)
		if l.writing == nil {
			at(l.pace.write)
		}
		if l.stored.Lifecycle == record.PostColdStart {
			at(l.stableAt())
		}
		if len(l.releases) > 0 {
			at(l.releases[0].due)
		}
	}
	if !next.Equal(l.wake) {
		l.wake = next
		l.do(&Wake{next})
	}
}

// do appends an effect.
func (l *Leader) do(e Effect) { l.out = append(l.out, e) }

// report tells what went wrong and is survived.
func (l *Leader) report(err error) { l.do(&Report{err}) }

// reportOnce tells it unless the same was told of that cause before.
func (l *Leader) reportOnce(cause string, what any, err error) {
	if l.told[cause] != what {
		l.told[cause] = what
		l.report(err)
	}
}

// end ends the term. Whoever waits for an answer gets one.
func (l *Leader) end(why Reason, err error) {
	if l.stage == ended {
		return
	}
	l.stage = ended
	l.answer(l.source.everyone(), errEnded)
	l.do(&End{why, err})
}

func (l *Leader) answer(refreshes []uint64, err error) {
	if len(refreshes) > 0 {
		l.do(&Answer{refreshes, err})
	}
}

// valid reports the first broken invariant.
func (l *Leader) valid() error {
	if l.stage != leading {
		return nil
	}
	if l.plans() {
		return fmt.Errorf("a plan is due for %v and nobody is asked", l.decision.Members)
	}
	if !slices.IsSorted(l.draft.members) {
		return fmt.Errorf("members %v are not sorted", l.draft.members)
	}
	waits := !l.decision.Wake.IsZero() || !l.blind.IsZero() || !l.pace.list.IsZero() || !l.pace.relist.IsZero() || !l.pace.resync.IsZero() || len(l.roster.garbled) > 0 ||
		l.ledger.Waiting() && l.writing == nil && l.question == nil && len(l.releases) > 0
	if waits && l.wake.IsZero() {
		return fmt.Errorf("nobody wakes a leader that waits: %+v", l.decision)
	}
	if l.source.shrunk.base != nil && !l.Lists() {
		return fmt.Errorf("nobody confirms a list that lacks most of %d partitions", len(l.source.shrunk.base.ids))
	}
	if l.ledger.Waiting() && len(l.releases) == 0 && l.writing == nil {
		return fmt.Errorf("let-goes are waited for without a deadline: %v", l.ledger.Pending())
	}
	return nil
}
