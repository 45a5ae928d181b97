package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/kv"
)

// follower reads what the leader wrote for this worker's session and has it applied, one record at a time; a record
// that comes meanwhile waits, and only the newest waits, because a record lists everything the worker owns.
type follower struct {
	*guard
	report  func(reported)
	store   *kv.Store
	runner  *runner
	session session
	// carried is the session before, whose partitions are kept until this one has a record; 0 for none. Its record can
	// still take partitions away.
	carried uint64

	position kv.Position // the highest met in the store
	plan     kv.Plan
	wanted   *kv.Assignment // the newest record of this session
	applying bool
	shown    picture   // what the user was last shown, or is being shown
	applied  int64     // the version of the newest record of this session that is in force
	held     time.Time // until when the leader gives this worker nothing, as told last
	unknown  map[string]bool
	synced   bool // everything stored has been read once
	recorded bool // the store has a record under this worker's ID
	vacated  bool // as told last

	own       leader.Edition // of what a worker that starts lists, until that and the group are compared; else zero
	compare   func(context.Context) error
	comparing bool
}

// picture is everything that a worker's Assignment is made of.
type picture struct {
	record    *kv.Assignment
	position  kv.Position
	lifecycle kv.Lifecycle
}

// untrustedRetry is the pause before a record is tried again that was refused because the trust seemed to be over.
const untrustedRetry = 100 * time.Millisecond

type (
	applyDue         struct{}
	assignmentUpdate struct{ kv.Update }
	served           struct{ err error }
)

func newFollower(g *guard, report func(reported), store *kv.Store, r *runner, s session, p kv.Position, carried uint64, own leader.Edition, compare func(context.Context) error) body {
	return &follower{
		guard: g, report: report, store: store, runner: r, session: s, position: p, carried: carried, unknown: map[string]bool{},
		own: own, compare: compare,
	}
}

func (f *follower) started() {
	f.log.Info("waiting for the leader's assignment", "session", f.session.number)
	keys := []string{kv.TermKey, kv.PlanKey, f.session.id}
	feed(f.guard, f.report, f.store, kv.Assignments, keys, 0, func(u kv.Update) any { return changes(u, &assignmentUpdate{u}) })
}

func (f *follower) stopping(bool) {}

func (f *follower) receive(_ actor.Context, message any) {
	switch msg := message.(type) {
	case *assignmentUpdate:
		f.assignmentUpdated(msg.Update)
		f.noteRecord(msg.Update)
	case *applyDue:
		f.apply()
	case *feedEnded:
		f.report(&sessionLost{msg.err})
	case *served:
		f.served(msg.err)
		f.tellVacated()
	case *compared:
		f.compared(msg.err)
	case *compareDue:
		f.comparing = false
		f.apply()
	}
}

func (f *follower) assignmentUpdated(u kv.Update) {
	switch {
	case u.Kind == kv.UpdatePut:
		f.updated(u.Entry)
	case f.carried == 0:
	case u.Kind == kv.UpdateSynced && f.wanted == nil, u.Kind != kv.UpdateSynced && u.Entry.Key == f.session.id:
		// The record of what is carried is gone: all of it was given to others.
		f.wanted = &kv.Assignment{Worker: f.session.id, Session: f.carried}
		f.apply()
	}
}

func (f *follower) updated(e kv.Entry) {
	var err error
	switch e.Key {
	case kv.TermKey:
		err = f.termUpdated(e)
	case kv.PlanKey:
		err = f.planUpdated(e)
	default:
		err = f.recordUpdated(e)
	}
	f.noteFormat(e.Key, err)
	f.apply()
}

// noteFormat says when records of an unknown format turn up and when the last of them is gone.
func (f *follower) noteFormat(key string, err error) {
	switch {
	case errors.Is(err, kv.ErrFormat):
		f.unknown[key] = true
		f.report(&formatMet{err})
	case err != nil:
		f.report(&problem{err})
	case f.unknown[key]:
		delete(f.unknown, key)
		if len(f.unknown) == 0 {
			f.report(&formatMet{nil})
		}
	}
}

func (f *follower) termUpdated(e kv.Entry) error {
	term, err := kv.DecodeTerm(e.Value)
	if err != nil {
		return err
	}
	f.meet(kv.Position{Term: term.Number, Version: f.position.Version})
	return nil
}

func (f *follower) planUpdated(e kv.Entry) error {
	plan, err := kv.DecodePlan(e.Value)
	if err != nil {
		return err
	}
	f.plan = plan
	f.meet(kv.Position{Term: max(plan.Term, f.position.Term), Version: plan.Version})
	f.report(&phaseSeen{plan.Phase, plan.Lifecycle, plan.Reads})
	for _, d := range plan.Damped {
		if d.Worker == f.session.id && !d.Until.Equal(f.held) {
			f.held = d.Until
			f.report(&held{d.Until})
		}
	}
	return nil
}

// meet follows the store's position. It never goes back: where it does, the store is not the one it was.
func (f *follower) meet(p kv.Position) {
	if p.Term < f.position.Term || p.Version < f.position.Version {
		f.report(&sessionLost{fmt.Errorf("%w: it is at term %d version %d, term %d version %d was seen", kv.ErrRolledBack,
			p.Term, p.Version, f.position.Term, f.position.Version)})
		return
	}
	if p != f.position {
		f.position = p
		f.report(&seen{p})
	}
}

func (f *follower) recordUpdated(e kv.Entry) error {
	record, err := kv.DecodeAssignment(e.Value)
	if err != nil {
		return err
	}
	switch {
	case record.Session == f.session.number:
		f.carried = 0
		if f.wanted == nil || record.Version >= f.wanted.Version {
			f.wanted = &record
		}
	case record.Session == f.carried && f.carried != 0:
		f.wanted = &record
	case record.Session > f.session.number:
		f.report(&sessionLost{fmt.Errorf("%w: the leader knows session %d of %s, this is %d", kv.ErrLost, record.Session,
			f.session.id, f.session.number)})
	}
	return nil
}

// apply hands the newest record to the user, or shows the user a newer plan in which nothing changed for this worker.
func (f *follower) apply() {
	if f.applying || f.wanted == nil || len(f.unknown) > 0 {
		return
	}
	if !f.belongs() {
		return
	}
	now := picture{f.wanted, f.position, f.plan.Lifecycle}
	now.position.Version = max(f.wanted.Version, f.position.Version)
	if now == f.shown {
		return
	}
	f.applying, f.shown = true, now
	f.runner.become(request{
		ctx: f.session.tenure.ctx, tenure: f.session.tenure, session: f.session.number, worker: f.session.id, target: target(*now.record),
		shrink: now.record.Session == f.carried, why: why(*now.record),
		position: now.position, lifecycle: now.lifecycle, trusted: f.session.trust.mayTake,
		done: func(err error) { f.tell(&served{err}) },
	})
}

// target is what the record grants.
func target(record kv.Assignment) map[string]holding {
	target := make(map[string]holding, len(record.Owned))
	for _, o := range record.Owned {
		target[o.Partition] = holding{named(o.Partition, o.Weight), o.Epoch}
	}
	return target
}

// why is the reason for which a record takes a partition away.
func why(record kv.Assignment) func(partition string) error {
	unlisted := map[string]bool{}
	for _, r := range record.Releasing {
		unlisted[r.Partition] = r.Unlisted
	}
	return func(partition string) error {
		if unlisted[partition] {
			return ErrUnlisted
		}
		return ErrRevoked
	}
}

func (f *follower) served(err error) {
	f.applying = false
	switch {
	case errors.Is(err, errSuperseded):
		return // nobody was told anything: the session is over
	case errors.Is(err, errUntrusted):
		// The session is over, and the manager knows; or the manager was held up, and a renewal is still to be told.
		f.shown = picture{}
		f.after(untrustedRetry, &applyDue{})
		return
	case err != nil:
		f.report(&problem{err})
	}
	if record := f.shown.record; record.Session == f.session.number && record.Version > f.applied {
		f.applied = record.Version
		f.report(&applied{kv.Position{Term: record.Term, Version: record.Version}, len(record.Releasing) > 0})
	}
	f.apply()
}
