// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package ledger keeps the leader's books: who holds which partition in which session, and who has been asked to let go. From
// these it derives what may be written next. It is a value without goroutines, clocks or I/O: facts go in, proposals come out.
package ledger

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/strategy"
)

// The records of the store are what the ledger is kept in.
type (
	// Record is everything one worker has, as it stands in the store. Its slices are sorted by partition.
	Record = record.Assignment
	// Owned is a partition that a record grants.
	Owned = record.Owned
	// Releasing is a partition that a record asks its worker to let go of.
	Releasing = record.Releasing
)

// Effect is one step of a handoff.
type Effect struct {
	Verb      string // "grant" or "revoke"
	Partition string
	Worker    string
	Session   uint64
	Epoch     int64
	From      string // of a grant: who had it before, as far as is known
}

// String is the effect as one line, for logs and golden tests.
func (e Effect) String() string {
	return fmt.Sprintf("%s %s: %s session %d epoch %d", e.Verb, e.Partition, e.Worker, e.Session, e.Epoch)
}

// Write is what the ledger proposes to store as one version. Records holds only those that change, sorted by worker.
type Write struct {
	Version int64
	Records []Record
	Remove  []string // workers whose records go
	Grants  []Effect
	Revokes []Effect

	left int    // records of sessions that have ended
	seen uint64 // the facts it is made from
}

// Handoff is a let-go that a live session has not acknowledged.
type Handoff struct {
	Partition string
	Worker    string
	Session   uint64
	Since     int64
}

// Ledger is the state. Its invariants, which valid checks:
//
//  1. a partition has at most one holder, and a holder's session has not ended;
//  2. a partition is granted only when it has no holder, to a member whose session is alive and does not leave, unless all leave;
//  3. the epoch of a grant is the version of its write, so it grows from owner to owner;
//  4. what is being released stays with its holder until the holder's session has acknowledged the version that asked for
//     it and does not list it as held any more, or ends;
//  5. versions grow by one with each write;
//  6. nothing is granted that a live session may hold whose record could not be read;
//  7. what may have to be written is touched: a fact costs what it changes, not what there is.
type Ledger struct {
	term    uint64
	version int64

	parts    map[string]*part
	order    []*part // those that the source lists, in its order
	workers  map[string]*worker
	sourced  bool // the source has been listed
	unmarked bool // see TooLarge
	unread   int  // workers whose records could not be read: they may have whatever is not sure to be another's
	pending  int  // partitions that are being released
	waiting  int  // those of them, and of unread, that are not late
	unowned  int  // listed partitions without a holder
	events   []Event

	// What may have to be written.
	facts          uint64
	touchedParts   []*part
	touchedWorkers []*worker
}

// part is a partition.
type part struct {
	id        string
	at        int // in the order of the source; -1 if it is not listed
	weight    int64
	target    *worker // who should have it; nil to leave it where it is
	holder    *worker // nil for nobody
	session   uint64  // of the holder
	epoch     int64
	releasing bool
	late      bool // its release was reported
	sure      bool // no session has it by a record that could not be read
	since     int64
	last      *worker // whose it was when that session ended
	home      *worker // who had it by plan while it took part; nil for unknown
	former    *worker // who held it last; nil for unknown. No rule reads it: it is for the journal

	slot, targetSlot int    // in its holder's held and its target's targets
	touched          uint64 // the number of the fact that touched it; 0 for untouched
	forgotten        bool
}

func (p *part) listed() bool { return p.at >= 0 }

// worker is a worker and its sessions.
type worker struct {
	id      string
	number  uint64 // the highest session seen
	ended   uint64 // the highest that has ended
	applied int64
	shown   int64    // the newest version that its user was shown; see [record.Heartbeat]
	holding []string // what it has been asked to let go and still runs, sorted; by the heartbeat of applied
	member  bool
	leaving bool // it announced that it will not come back: it is granted nothing that a member can have that stays
	held    []*part
	targets []*part
	record  Record // as it is in the store
	stored  bool
	restate bool // the record is to be written again
	again   bool // it was, because the worker had not seen it
	unread  *unread
	index   int // in the question that is being put together
	touched uint64
}

// unread is what there is to know of a worker whose record could not be read.
type unread struct {
	session uint64 // that has to acknowledge another record; 0 for the one that is seen first
	since   int64  // the version of that record; 0 before it is written
	late    bool   // reported
}

func (w *worker) alive() bool { return w != nil && w.number > w.ended }

// New returns an empty ledger. Its versions are greater than floor and than everything restored.
func New(term uint64, floor int64) *Ledger {
	return &Ledger{term: term, version: floor, parts: map[string]*part{}, workers: map[string]*worker{}}
}

// Unreadable says that the record of a worker cannot be read. Its session may hold what no other live session has by a record
// of its own. None of that is granted until the session has acknowledged a record of this ledger's, or is over.
func (l *Ledger) Unreadable(id string) {
	w := l.worker(id)
	l.suspect(w, &unread{})
	l.touchWorker(w)
	for _, p := range w.held {
		p.sure = false
		l.touch(p)
	}
}

// Forgotten says up to which version the store knows everything, when all live sessions have been seen. Where one of them was shown
// more, somebody emptied the store, or put an older copy in its place. The same is true where a member has applied more than its
// record says, or has none: then the leader before wrote into the emptied store. Such a session holds what no record names any more, and
// what its record names it may have let go since, for another such session. So it is asked to let go of that. Any other session may have
// been granted something since its last heartbeat, beside what its record names. All of them are asked as well where noPlan says that
// the store has lost the plan itself, as far as is known: no heartbeat may say yet what its leader had just granted. Versions go on
// above everything that they were shown, and above the given one.
func (l *Ledger) Forgotten(newest, above int64, noPlan bool) {
	last, lost := newest, map[string]bool{}
	for id, w := range l.workers {
		if !w.alive() {
			continue
		}
		last = max(last, w.applied, w.shown)
		if max(w.applied, w.shown) > newest || w.member && w.unread == nil && (!w.stored || w.applied > w.recorded()) {
			lost[id] = true
		}
	}
	if len(lost) == 0 && !noPlan {
		return
	}
	l.version = max(l.version, last, above) // what they are asked to acknowledge is newer than anything they have
	for id, w := range l.workers {
		switch {
		case !w.alive():
		case lost[id]:
			l.Unreadable(id)
		default:
			l.suspect(w, &unread{})
			l.touchWorker(w)
		}
	}
	for _, p := range l.parts {
		p.sure = p.sure && p.holder != nil // the session that had it since may have let it go as well
	}
}

// recorded returns the version of the stored record of this session; 0 for none.
func (w *worker) recorded() int64 {
	if w.record.Session != w.number {
		return 0
	}
	return w.record.Version
}

func (l *Ledger) suspect(w *worker, u *unread) {
	if w.unread == nil {
		l.unread++
		l.waiting++
	}
	w.unread = u
}

// known: the worker holds nothing that is not booked, if it may have until now.
func (l *Ledger) known(w *worker) {
	if w.unread == nil {
		return
	}
	if l.unread--; !w.unread.late {
		l.waiting--
	}
	w.unread = nil
	l.touchWorker(w)
	for _, p := range l.parts {
		l.touch(p)
	}
}

// Restore takes over a record of an earlier leader. Where two records name one partition the higher epoch is the
// owner: the other is what was left when a leader died between two batches. Sessions count as alive only when they are
// seen; those that are not have to be ended.
func (l *Ledger) Restore(r Record) {
	l.version = max(l.version, r.Version)
	w := l.worker(r.Worker)
	w.record, w.stored = r, true
	for _, o := range r.Owned {
		l.restore(w, o.Partition, o.Weight, o.Epoch, 0)
	}
	for _, o := range r.Releasing {
		l.restore(w, o.Partition, o.Weight, o.Epoch, o.Since)
	}
	if r.Unread > 0 {
		l.suspect(w, &unread{session: r.Session, since: r.Unread})
	}
	if len(w.held) == 0 {
		l.touchWorker(w)
	}
}

func (l *Ledger) restore(w *worker, id string, weight, epoch, since int64) {
	l.version = max(l.version, epoch)
	p := l.part(id)
	if p.holder != nil && p.epoch >= epoch {
		l.touchWorker(w)
		return
	}
	if p.holder != nil {
		l.touchWorker(p.holder)
		l.drop(p)
	}
	p.weight, p.epoch, p.since, p.releasing = weight, epoch, since, since > 0
	l.hold(p, w, w.record.Session)
	if p.home = w; p.releasing {
		p.home = nil // a plan took it away
	}
}

// SetPartitions says what the source lists. What it lists no more is revoked and, once let go, forgotten.
func (l *Ledger) SetPartitions(list []strategy.Partition) {
	ids := make([]string, len(list))
	for i, p := range list {
		ids[i] = p.ID()
	}
	l.SetListing(ids, list)
}

// SetListing is SetPartitions for a caller that knows the IDs. The order of the list is that of [Ledger.Fill] and
// [Ledger.SetTargets].
func (l *Ledger) SetListing(ids []string, list []strategy.Partition) {
	l.sourced, l.unowned, l.unmarked = true, 0, false
	for _, p := range l.parts {
		p.at = -1
	}
	l.order = make([]*part, len(list))
	for i, id := range ids {
		p := l.part(id)
		p.at, l.order[i] = i, p
		if p.weight != list[i].Weight {
			p.weight = list[i].Weight
			if p.holder != nil {
				l.touchWorker(p.holder)
			}
		}
		if p.holder == nil {
			l.unowned++
			l.touch(p)
		}
	}
	dropped := false
	for _, p := range l.parts {
		if p.listed() {
			continue
		}
		dropped = true
		l.touch(p)
		if p.holder == nil {
			l.forget(p)
		}
	}
	for _, w := range l.workers {
		left := w.stored && !w.alive() && (dropped || len(w.record.Releasing) > 0) // its record may name that
		if left || slices.ContainsFunc(w.held, func(p *part) bool { return p.releasing }) {
			l.touchWorker(w)
		}
	}
}

// SetTarget says who should have what, by ID. A partition that is not named stays where it is.
func (l *Ledger) SetTarget(target map[string]string) {
	for id, p := range l.parts {
		var want *worker
		if name := target[id]; name != "" {
			want = l.worker(name)
		}
		l.aim(p, want)
	}
}

// SetTargets says who should have what, in the order of the source's list: next[i] is an index of workers, or
// strategy.None for a partition that stays where it is.
func (l *Ledger) SetTargets(workers []string, next []int) {
	those := make([]*worker, len(workers))
	for i, id := range workers {
		those[i] = l.worker(id)
	}
	for i, p := range l.order {
		if next[i] == strategy.None {
			l.aim(p, nil)
		} else {
			l.aim(p, those[next[i]])
		}
	}
}

// aim changes who should have a partition.
func (l *Ledger) aim(p *part, want *worker) {
	if p.target == want {
		return
	}
	if was := p.target; was != nil {
		last := was.targets[len(was.targets)-1]
		was.targets[p.targetSlot], last.targetSlot = last, p.targetSlot
		was.targets = was.targets[:len(was.targets)-1]
	}
	if p.target = want; want != nil {
		p.targetSlot = len(want.targets)
		want.targets = append(want.targets, p)
	}
	l.touch(p)
}

// SetMembers says who takes part: each gets a record, even an empty one. The record of anyone else goes when it holds
// nothing any more.
func (l *Ledger) SetMembers(members []string) {
	is := make(map[*worker]bool, len(members))
	for _, m := range members {
		is[l.worker(m)] = true
	}
	for _, w := range l.workers {
		joins := is[w] && !w.member
		if joins && !w.stored || !is[w] && (w.member || w.stored && len(w.held) == 0) {
			l.touchWorker(w)
		}
		w.member = is[w]
		if joins {
			for _, p := range w.targets {
				l.touch(p)
			}
		}
	}
	for _, p := range l.parts {
		if p.target != nil && (p.home == nil || p.home.member) {
			p.home = p.target // planned with its home there to be asked
		}
	}
}

// Leaving says that a worker announced that it leaves, or that a later session of its stays. Who leaves keeps what it has
// until somebody else can have it, and is granted nothing more, unless all leave. Nobody lets go for it either.
func (l *Ledger) Leaving(id string, leaves bool) {
	w := l.worker(id)
	if w.leaving == leaves {
		return
	}
	w.leaving = leaves
	for _, p := range w.targets {
		l.touch(p)
	}
}

// Forget says that a worker is not expected back: what it left behind is at home where it is now, or nowhere as long as it is
// meant for that worker.
func (l *Ledger) Forget(id string) {
	w := l.worker(id)
	for _, p := range l.parts {
		if p.home != w {
			continue
		}
		if p.home = p.target; p.home == w {
			p.home = nil
		}
	}
}

func handoff(p *part) Handoff { return Handoff{p.id, p.holder.id, p.session, p.since} }

func sortHandoffs(list []Handoff) {
	slices.SortFunc(list, func(a, b Handoff) int { return cmp.Compare(a.Partition, b.Partition) })
}

func (l *Ledger) part(id string) *part {
	p := l.parts[id]
	if p == nil {
		p = &part{id: id, at: -1}
		l.parts[id] = p
	}
	return p
}

func (l *Ledger) worker(id string) *worker {
	w := l.workers[id]
	if w == nil {
		w = &worker{id: id}
		l.workers[id] = w
	}
	return w
}

func (l *Ledger) hold(p *part, w *worker, number uint64) {
	p.holder, p.session, p.last, p.slot = w, number, nil, len(w.held)
	w.held = append(w.held, p)
	if p.listed() {
		l.unowned--
	}
	if p.releasing {
		l.pending++
		l.waiting++
	}
	l.touch(p)
}

// drop frees a partition.
func (l *Ledger) drop(p *part) {
	held := p.holder.held
	last := held[len(held)-1]
	held[p.slot], last.slot = last, p.slot
	p.holder.held = held[:len(held)-1]
	if p.listed() {
		l.unowned++
	}
	if p.releasing {
		l.pending--
		if !p.late {
			l.waiting--
		}
	}
	p.former = p.holder
	p.holder, p.session, p.releasing, p.late, p.since = nil, 0, false, false, 0
	l.touch(p)
	if l.sourced && !p.listed() {
		l.forget(p)
	}
}

// forget drops a partition that the source does not list and nobody holds.
func (l *Ledger) forget(p *part) {
	l.happened(Unlisted, p)
	l.aim(p, nil)
	p.forgotten = true
	delete(l.parts, p.id)
}

func (l *Ledger) touch(p *part) {
	l.facts++
	if p.touched == 0 {
		l.touchedParts = append(l.touchedParts, p)
	}
	p.touched = l.facts
}

func (l *Ledger) touchWorker(w *worker) {
	l.facts++
	if w.touched == 0 {
		l.touchedWorkers = append(l.touchedWorkers, w)
	}
	w.touched = l.facts
}
