// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"errors"
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// FollowingConfig is what the following of one session has to know beforehand.
type FollowingConfig struct {
	Worker  string
	Session uint64
	// Carried is the session before, whose partitions are kept until this one has a record; 0 for none. Its record can still
	// take partitions away.
	Carried  uint64
	Position record.Position // the highest that was met in the store before
	// Suspect says that a plan was made for another list than the worker's: the source has to be compared with the group
	// before anything is shown. It is nil where nothing has to be compared.
	Suspect func(record.Plan) bool
}

// Following is how one session follows what the leader writes for it: which record counts, and when the user is shown what.
// One record is shown at a time; one that comes meanwhile waits, and only the newest waits, because a record lists everything
// that the worker owns. Where nothing changed for this worker a newer plan is shown all the same.
//
// Its invariants, which valid checks:
//
//  1. the position never goes back;
//  2. what is wanted is a record of this session, or of the one that is carried;
//  3. what is wanted is shown, or being shown, or there is a reason why not;
//  4. nothing is shown while a record has an unknown format, or before the source is compared.
type Following struct {
	cfg      FollowingConfig
	position record.Position // the highest met in the store
	plan     record.Plan
	wanted   *record.Assignment // the newest record of this session
	showing  bool
	shown    followingPicture // what the user was last shown, or is being shown
	applied  int64            // the version of the newest record of this session that is in force
	held     time.Time        // until when the leader gives this worker nothing, as told last
	unknown  map[string]bool  // entries of an unknown format

	synced   bool // everything stored has been read once
	recorded bool // the store has a record under this worker's ID
	vacated  bool // as told last

	comparing bool // the source with the group
	foreign   bool // they have nothing in common: nothing is shown any more
	notBefore time.Time
	wake      time.Time // as asked for
	out       []FollowingEffect
}

// followingPicture is everything that the user is shown.
type followingPicture struct {
	record    *record.Assignment
	position  record.Position
	lifecycle record.Lifecycle
}

// The pauses of following.
const (
	followingUntrusted = 100 * time.Millisecond // before a record is shown again that was refused because the trust seemed to be over
	followingCompare   = time.Second            // between two attempts to compare
)

// NewFollowing returns the following of a session that has read nothing yet.
func NewFollowing(cfg FollowingConfig) *Following {
	return &Following{cfg: cfg, position: cfg.Position, unknown: map[string]bool{}}
}

// Step notes a fact, and appends what follows from it to out.
func (f *Following) Step(now time.Time, fact FollowingFact, out []FollowingEffect) []FollowingEffect {
	f.out = out
	over := false
	switch fact := fact.(type) {
	case *FollowingUpdate:
		f.updated(fact.Update)
	case *FollowingServed:
		over = f.served(now, fact)
	case *FollowingCompared:
		f.compared(now, fact)
	case *FollowingTicked:
	}
	if !over {
		f.show(now)
	}
	f.tellVacated()
	f.sleep(now)
	out, f.out = f.out, nil
	return out
}

func (f *Following) updated(u store.Update) {
	own := u.Entry.Key == f.cfg.Worker
	switch u.Kind {
	case store.UpdateBlind, store.UpdateStale:
		return // whoever has to know hears of an outage because its own writes fail
	case store.UpdatePut:
		f.recorded = f.recorded || own
		f.noteFormat(u.Entry.Key, f.read(u.Entry))
		return
	case store.UpdateSynced:
		f.synced = true
		own = f.wanted == nil
	default:
		f.recorded = f.recorded && !own
	}
	if f.cfg.Carried != 0 && own {
		// The record of what is carried is gone: all of it was given to others.
		f.wanted = &record.Assignment{Worker: f.cfg.Worker, Session: f.cfg.Carried}
	}
}

func (f *Following) read(e store.Entry) error {
	switch e.Key {
	case store.TermKey:
		term, err := store.Decode(e, record.DecodeTerm)
		if err == nil {
			f.meet(record.Position{Term: term.Number, Version: f.position.Version})
		}
		return err
	case store.PlanKey:
		plan, err := store.Decode(e, record.DecodePlan)
		if err == nil {
			f.planned(plan)
		}
		return err
	default:
		r, err := store.Decode(e, record.DecodeAssignment)
		if err == nil {
			f.assigned(r)
		}
		return err
	}
}

// noteFormat says when records of an unknown format turn up and when the last of them is gone.
func (f *Following) noteFormat(key string, err error) {
	switch {
	case errors.Is(err, record.ErrFormat):
		f.unknown[key] = true
		f.do(&FollowingFormat{err})
	case err != nil:
		f.do(&FollowingProblem{err})
	case f.unknown[key]:
		delete(f.unknown, key)
		if len(f.unknown) == 0 {
			f.do(&FollowingFormat{nil})
		}
	}
}

func (f *Following) planned(plan record.Plan) {
	f.plan = plan
	f.meet(record.Position{Term: max(plan.Term, f.position.Term), Version: plan.Version})
	f.do(&FollowingPhase{plan.Phase, plan.Lifecycle, plan.Reads})
	for _, d := range plan.Damped {
		if d.Worker == f.cfg.Worker && !d.Until.Equal(f.held) {
			f.held = d.Until
			f.do(&FollowingHeld{d.Until})
		}
	}
}

// meet follows the store's position. It never goes back: where it does, the store is not the one it was.
func (f *Following) meet(p record.Position) {
	if p.Term < f.position.Term || p.Version < f.position.Version {
		f.do(&FollowingLost{fmt.Errorf("%w: it is at term %d version %d, but term %d version %d was read before", store.ErrRolledBack,
			p.Term, p.Version, f.position.Term, f.position.Version)})
		return
	}
	if p != f.position {
		f.position = p
		f.do(&FollowingSeen{p})
	}
}

// assigned decides whether a record counts.
func (f *Following) assigned(r record.Assignment) {
	switch {
	case r.Session == f.cfg.Session:
		f.cfg.Carried = 0
		if f.wanted == nil || f.wanted.Session != r.Session || r.Version >= f.wanted.Version {
			f.wanted = &r
		}
	case r.Session == f.cfg.Carried && f.cfg.Carried != 0:
		f.wanted = &r
	case r.Session > f.cfg.Session:
		f.do(&FollowingLost{fmt.Errorf("%w: the leader knows session %d of %s, but this is session %d", store.ErrLost, r.Session,
			f.cfg.Worker, f.cfg.Session)})
	}
}

// show shows the newest record, or a newer plan in which nothing changed for this worker.
func (f *Following) show(now time.Time) {
	if !f.mayShow(now) || !f.belongs() {
		return
	}
	if next := f.picture(); next != f.shown {
		f.showing, f.shown = true, next
		f.do(&FollowingShow{*next.record, next.position, next.lifecycle, next.record.Session == f.cfg.Carried})
	}
}

func (f *Following) mayShow(now time.Time) bool {
	return !f.showing && !f.comparing && !f.foreign && f.wanted != nil && len(f.unknown) == 0 && !now.Before(f.notBefore)
}

// picture is what the user would be shown now.
func (f *Following) picture() followingPicture {
	p := followingPicture{f.wanted, f.position, f.plan.Lifecycle}
	p.position.Version = max(f.wanted.Version, f.position.Version)
	return p
}

// belongs reports whether records may be shown. A worker that starts waits for the plan of its first record, which is stored
// with it. Where that was made for another list than the worker's, the source is compared with the group before.
func (f *Following) belongs() bool {
	switch {
	case f.cfg.Suspect == nil:
		return true
	case f.plan.Version < f.wanted.Version:
		return false
	case !f.cfg.Suspect(f.plan):
		f.cfg.Suspect = nil
		return true
	}
	f.comparing = true
	f.do(&FollowingCompare{})
	return false
}

func (f *Following) compared(now time.Time, fact *FollowingCompared) {
	f.comparing = false
	switch {
	case fact.Foreign:
		f.foreign = true
		f.do(&FollowingForeign{fact.Err})
	case fact.Err != nil:
		f.do(&FollowingProblem{fact.Err})
		f.notBefore = now.Add(followingCompare)
	default:
		f.cfg.Suspect = nil
	}
}

// served notes what became of what was being shown. It reports whether nothing is shown any more.
func (f *Following) served(now time.Time, fact *FollowingServed) (over bool) {
	f.showing = false
	switch {
	case fact.Outcome == FollowingSuperseded:
		return true // nobody was told anything: the session is over
	case fact.Outcome == FollowingRefused:
		// The session is over, and the worker knows; or it was held up, and a renewal is still to be told.
		f.shown, f.notBefore = followingPicture{}, now.Add(followingUntrusted)
		return false
	case fact.Err != nil:
		f.do(&FollowingProblem{fact.Err})
	}
	if r := f.shown.record; r.Session == f.cfg.Session && r.Version > f.applied {
		f.applied = r.Version
		f.do(&FollowingApplied{
			Position: record.Position{Term: r.Term, Version: r.Version}, Acknowledge: len(r.Releasing) > 0 || r.Unread > 0,
			Asks: r.Unread > 0 && len(r.Owned) == 0,
		})
	}
	return false
}

// tellVacated tells when the leader has nothing recorded for this worker any more and nothing is left of it, and when that is
// over.
func (f *Following) tellVacated() {
	is := f.synced && !f.recorded && !f.showing && (f.wanted == nil || len(f.wanted.Owned) == 0)
	if is != f.vacated {
		f.vacated = is
		f.do(&FollowingVacated{is})
	}
}

// sleep asks to be woken when what failed may be tried again.
func (f *Following) sleep(now time.Time) {
	var next time.Time
	if f.notBefore.After(now) {
		next = f.notBefore
	}
	if next != f.wake {
		f.wake = next
		f.do(&FollowingWake{next})
	}
}

func (f *Following) do(e FollowingEffect) { f.out = append(f.out, e) }

// valid reports the first broken invariant.
func (f *Following) valid(now time.Time) error {
	waits := f.cfg.Suspect != nil && f.wanted != nil && f.plan.Version < f.wanted.Version
	switch {
	case f.position.Term < f.cfg.Position.Term || f.position.Version < f.cfg.Position.Version:
		return fmt.Errorf("it is at %v and has been at %v", f.position, f.cfg.Position)
	case f.wanted != nil && f.wanted.Session != f.cfg.Session && f.wanted.Session != f.cfg.Carried:
		return fmt.Errorf("it wants a record of session %d", f.wanted.Session)
	case f.mayShow(now) && !waits && f.picture() != f.shown:
		return fmt.Errorf("%v is not shown", *f.wanted)
	case f.notBefore.After(now) && !f.wake.Equal(f.notBefore):
		return errors.New("nobody wakes it")
	}
	return nil
}
