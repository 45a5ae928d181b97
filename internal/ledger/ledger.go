// Package ledger keeps the leader's books: who holds which partition in which session, who has been asked to let go, and
// from that what may be written next. It is a value without goroutines, clocks or I/O: facts go in, proposals come out.
package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/parti-go/parti/strategy"
)

// Owned is a partition that a record grants.
type Owned struct {
	Partition string
	Weight    int64
	Epoch     int64
}

// Releasing is a partition that a record asks its worker to let go of.
type Releasing struct {
	Partition string
	Weight    int64
	Epoch     int64
	Since     int64 // the version that asked first
}

// Record is everything one worker has, as it stands in the store. Its slices are sorted by partition.
type Record struct {
	Worker    string
	Session   uint64
	Term      uint64
	Version   int64
	Owned     []Owned
	Releasing []Releasing
	// Unread is the version that the session has to acknowledge because an earlier record of it could not be read; 0 if
	// none is. Until then it may hold what nobody else has.
	Unread int64
}

// Effect is one step of a handoff.
type Effect struct {
	Verb      string // "grant" or "revoke"
	Partition string
	Worker    string
	Session   uint64
	Epoch     int64
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
//  2. a partition is granted only when it has no holder, to a member whose session is alive;
//  3. the epoch of a grant is the version of its write, so it grows from owner to owner;
//  4. what is being released stays with its holder until the holder's session acknowledges the version that asked for
//     it, or ends;
//  5. versions grow by one with each write;
//  6. nothing is granted while a live session may hold what no record says.
type Ledger struct {
	term    uint64
	version int64

	parts    map[string]*part
	byTarget map[string][]*part
	held     map[string]map[string]*part // by worker: what it holds, releasing included
	pending  map[string]*part            // what is being released
	sessions map[string]*session
	members  map[string]bool
	records  map[string]Record // as they are in the store
	sourced  bool              // the source has been listed
	// unread are the workers whose records could not be read: whatever nobody else has, they may.
	unread map[string]unread

	// What may have to be written, with the number of the fact that said so.
	facts          uint64
	touchedParts   map[string]uint64
	touchedWorkers map[string]uint64
}

type part struct {
	id        string
	weight    int64
	listed    bool   // by the source
	target    string // who should have it; "" to leave it where it is
	holder    string // "" for nobody
	session   uint64 // of the holder
	epoch     int64
	releasing bool
	since     int64
	last      string // whose it was when that session ended
	home      string // who had it by plan while it took part; "" for unknown
}

// unread is what there is to know of a worker whose record could not be read.
type unread struct {
	session uint64 // that has to acknowledge another record; 0 for the one that is seen first
	since   int64  // the version of that record; 0 before it is written
}

type session struct {
	number  uint64 // the highest seen
	ended   uint64 // the highest that has ended
	applied int64
}

func (s *session) alive() bool { return s != nil && s.number > s.ended }

// New returns an empty ledger. Its versions are greater than floor and than everything restored.
func New(term uint64, floor int64) *Ledger {
	return &Ledger{
		term: term, version: floor, parts: map[string]*part{}, byTarget: map[string][]*part{}, held: map[string]map[string]*part{},
		pending: map[string]*part{}, sessions: map[string]*session{}, members: map[string]bool{}, records: map[string]Record{},
		touchedParts: map[string]uint64{}, touchedWorkers: map[string]uint64{}, unread: map[string]unread{},
	}
}

// Unreadable says that the record of a worker cannot be read. What no other record names its session may hold, so nothing
// is granted until that session has acknowledged a record of this ledger's, or is over.
func (l *Ledger) Unreadable(worker string) {
	l.unread[worker] = unread{}
	l.touchWorker(worker)
}

// known: the worker holds nothing that is not booked, if it may have until now.
func (l *Ledger) known(worker string) {
	if _, unread := l.unread[worker]; !unread {
		return
	}
	delete(l.unread, worker)
	l.touchWorker(worker)
	for _, p := range l.parts {
		l.touch(p)
	}
}

// Restore takes over a record of an earlier leader. Where two records name one partition the higher epoch is the
// owner: the other is what was left when a leader died between two batches. Sessions count as alive only when they are
// seen; those that are not have to be ended.
func (l *Ledger) Restore(r Record) {
	l.version = max(l.version, r.Version)
	l.records[r.Worker] = r
	for _, o := range r.Owned {
		l.restore(r, o.Partition, o.Weight, o.Epoch, 0)
	}
	for _, o := range r.Releasing {
		l.restore(r, o.Partition, o.Weight, o.Epoch, o.Since)
	}
	if r.Unread > 0 {
		l.unread[r.Worker] = unread{r.Session, r.Unread}
	}
	l.touchWorker(r.Worker)
}

func (l *Ledger) restore(r Record, id string, weight, epoch, since int64) {
	l.version = max(l.version, epoch)
	p := l.part(id)
	if p.holder != "" && p.epoch >= epoch {
		return
	}
	if p.holder != "" {
		l.touchWorker(p.holder)
		l.drop(p)
	}
	p.weight, p.epoch, p.since, p.releasing = weight, epoch, since, since > 0
	l.hold(p, r.Worker, r.Session)
	if p.home = r.Worker; p.releasing {
		p.home = "" // a plan took it away
	}
}

// SessionSeen says that a session is alive and has applied a version. A session that has ended stays ended, and a lower
// number than the highest seen is old news. A higher number ends the lower ones.
func (l *Ledger) SessionSeen(worker string, number uint64, applied int64) {
	s := l.sessions[worker]
	if s == nil {
		s = &session{}
		l.sessions[worker] = s
	}
	if number <= s.ended || number < s.number {
		return
	}
	if number > s.number {
		replaced := s.number > 0
		s.number, s.applied = number, 0
		l.SessionEnded(worker, number-1)
		if replaced {
			l.known(worker)
		}
		l.touchWorker(worker)
		for _, p := range l.byTarget[worker] {
			l.touch(p)
		}
	}
	if applied <= s.applied {
		return
	}
	s.applied = applied
	if u, ok := l.unread[worker]; ok {
		l.version = max(l.version, applied) // what it is asked to acknowledge is newer than anything it has
		if u.since > 0 && applied >= u.since {
			l.known(worker)
		}
	}
	for _, p := range l.held[worker] {
		if p.releasing && p.session == number && applied >= p.since {
			l.acknowledge(p)
		}
	}
}

// acknowledge: the holder has let go.
func (l *Ledger) acknowledge(p *part) {
	l.touchWorker(p.holder)
	l.drop(p)
	p.last = ""
}

// SessionEnded says that a session, and every earlier one of that worker, is over: what it held is free.
func (l *Ledger) SessionEnded(worker string, number uint64) {
	s := l.sessions[worker]
	if s == nil {
		s = &session{}
		l.sessions[worker] = s
	}
	s.ended = max(s.ended, number)
	if u := l.unread[worker]; number >= s.number || u.session > 0 && number >= u.session {
		l.known(worker)
	}
	for _, p := range l.held[worker] {
		if p.session <= number {
			released := p.releasing
			l.drop(p)
			if p.last = worker; released {
				p.last = ""
			}
			l.touchWorker(worker)
		}
	}
	l.touchWorker(worker)
}

// SetPartitions says what the source lists. What it lists no more is revoked and, once let go, forgotten.
func (l *Ledger) SetPartitions(list []strategy.Partition) {
	l.sourced = true
	for _, p := range l.parts {
		p.listed = false
	}
	for _, q := range list {
		p := l.part(q.ID())
		p.listed = true
		if p.weight != q.Weight {
			p.weight = q.Weight
			if p.holder != "" {
				l.touchWorker(p.holder)
			}
		}
		if p.holder == "" {
			l.touch(p)
		}
	}
	for _, p := range l.parts {
		if p.listed {
			continue
		}
		l.touch(p)
		if p.holder == "" {
			delete(l.parts, p.id)
		}
	}
}

// SetTarget says who should have what, by ID. A partition that is not named stays where it is.
func (l *Ledger) SetTarget(target map[string]string) {
	l.byTarget = map[string][]*part{}
	for id, p := range l.parts {
		if want := target[id]; want != p.target {
			p.target = want
			l.touch(p)
		}
		if p.target != "" {
			l.byTarget[p.target] = append(l.byTarget[p.target], p)
		}
	}
}

// SetMembers says who takes part: each gets a record, even an empty one. The record of anyone else goes when it holds
// nothing any more.
func (l *Ledger) SetMembers(members []string) {
	before := l.members
	l.members = make(map[string]bool, len(members))
	for _, m := range members {
		l.members[m] = true
		if !before[m] {
			l.touchWorker(m)
			for _, p := range l.byTarget[m] {
				l.touch(p)
			}
		}
	}
	for m := range before {
		if !l.members[m] {
			l.touchWorker(m)
		}
	}
	for _, p := range l.parts {
		if p.target != "" && (p.home == "" || l.members[p.home]) {
			p.home = p.target // planned with its home there to be asked
		}
	}
}

// Home is the worker that had the partition by the last plan in which that worker took part: for what a worker that is
// gone has left behind it is still that worker, until Forget. "" if it is not known.
func (l *Ledger) Home(id string) string {
	if p := l.parts[id]; p != nil {
		return p.home
	}
	return ""
}

// Forget says that a worker is not expected back: what it left behind is at home where it is now.
func (l *Ledger) Forget(worker string) {
	for _, p := range l.parts {
		if p.home == worker {
			p.home = p.target
		}
	}
}

// Target is who should have a partition by the last plan; "" for nobody in particular.
func (l *Ledger) Target(id string) string {
	if p := l.parts[id]; p != nil {
		return p.target
	}
	return ""
}

// Owner is who holds a partition, or held it until its session ended; false when nobody did or it is being let go.
func (l *Ledger) Owner(id string) (worker string, ok bool) {
	p := l.parts[id]
	switch {
	case p == nil, p.releasing:
		return "", false
	case p.holder != "":
		return p.holder, true
	}
	return p.last, p.last != ""
}

// Pending lists what live sessions are asked to let go of and have not acknowledged, sorted by partition.
func (l *Ledger) Pending() []Handoff {
	var list []Handoff
	for _, p := range l.pending {
		list = append(list, Handoff{p.id, p.holder, p.session, p.since})
	}
	slices.SortFunc(list, func(a, b Handoff) int { return cmp.Compare(a.Partition, b.Partition) })
	return list
}

// Unread lists the workers whose records could not be read and who have not acknowledged another yet, sorted.
func (l *Ledger) Unread() []string { return slices.Sorted(maps.Keys(l.unread)) }

// Version is the highest version stored or restored.
func (l *Ledger) Version() int64 { return l.version }

// Raise makes versions go on above floor.
func (l *Ledger) Raise(floor int64) { l.version = max(l.version, floor) }

func (l *Ledger) part(id string) *part {
	p := l.parts[id]
	if p == nil {
		p = &part{id: id}
		l.parts[id] = p
	}
	return p
}

func (l *Ledger) hold(p *part, worker string, number uint64) {
	p.holder, p.session, p.last = worker, number, ""
	if l.held[worker] == nil {
		l.held[worker] = map[string]*part{}
	}
	l.held[worker][p.id] = p
	if p.releasing {
		l.pending[p.id] = p
	}
	l.touch(p)
}

// drop frees a partition.
func (l *Ledger) drop(p *part) {
	delete(l.held[p.holder], p.id)
	delete(l.pending, p.id)
	p.holder, p.session, p.releasing, p.since = "", 0, false, 0
	l.touch(p)
	if l.sourced && !p.listed {
		delete(l.parts, p.id)
	}
}

func (l *Ledger) touch(p *part) {
	l.facts++
	l.touchedParts[p.id] = l.facts
}

func (l *Ledger) touchWorker(worker string) {
	l.facts++
	l.touchedWorkers[worker] = l.facts
}

// valid reports the first broken invariant.
func (l *Ledger) valid() error {
	for worker, held := range l.held {
		for id, p := range held {
			if p.holder != worker || p.id != id || l.parts[id] != p {
				return fmt.Errorf("partition %s is booked on %s and held by %q", id, worker, p.holder)
			}
			if s := l.sessions[worker]; s != nil && p.session <= s.ended {
				return fmt.Errorf("partition %s is held by %s session %d, which has ended", id, worker, p.session)
			}
			if p.epoch > l.version || p.since > l.version {
				return fmt.Errorf("partition %s: epoch %d since %d above version %d", id, p.epoch, p.since, l.version)
			}
			if p.releasing != (l.pending[id] == p) {
				return fmt.Errorf("partition %s: releasing is %t, pending says otherwise", id, p.releasing)
			}
		}
	}
	return nil
}
