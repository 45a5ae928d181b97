// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"
	"time"

	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// judge reads every message as it is stored, and judges what is written down. It knows nothing of the workers but what they wrote, and
// what their users run.
type judge struct {
	fleet    *Fleet
	term     uint64 // the highest stored
	version  int64  // that a plan has
	entries  [store.Buckets]map[string]store.Entry
	beats    map[string]beat              // the last one of each worker
	holdings map[string]tenancy           // who has each partition by the records
	claims   map[claim]bool               // those that were stored since an operator did something to them
	records  map[string]record.Assignment // the last one of each worker, also where somebody has emptied the store since; after a restore, of the copy
	moves    map[string]int               // how often each partition has changed hands since nothing has happened; nil while something does
	members  int                          // of the last plan
}

// beat is what the last heartbeat of a worker said.
type beat struct {
	session uint64
	applied int64
	holding []string
	gone    bool
	reads   int       // the newest format that its worker reads
	since   time.Time // when the first one of the session was stored
}

// claim is one of a worker's ID, whose revision may be the number of a session.
type claim struct {
	worker   string
	revision uint64
}

// tenancy is a grant that is stored.
type tenancy struct {
	worker  string
	session uint64
	epoch   int64
	since   int64 // the version that took it away; 0 while it is owned
}

func newJudge(f *Fleet) *judge {
	j := &judge{fleet: f, records: map[string]record.Assignment{}, claims: map[claim]bool{}}
	j.forget()
	f.Store.Watch = j.stored
	return j
}

// forget begins anew: the store is not what it was.
func (j *judge) forget() {
	j.term, j.version = 0, 0
	j.beats, j.holdings = map[string]beat{}, map[string]tenancy{}
	for b := range j.entries {
		j.entries[b] = map[string]store.Entry{}
	}
}

func (j *judge) stored(e store.Entry) {
	if e.Kind == store.Put && e.Token == "" { // a stranger's: nobody reads any more what was there
		j.forget()
	}
	if j.fleet.collides(j.entries[e.Bucket][e.Key], e) {
		j.fleet.excuses.restored = j.fleet.now
	}
	back := e.Bucket == store.Assignments && e.Token != "" && j.fleet.outdated[e.Key].Token == e.Token
	j.entries[e.Bucket][e.Key] = e
	switch {
	case back: // what another release had written over: no worker writes that
	case e.Bucket == store.Heartbeats:
		j.beat(e)
	case e.Bucket == store.StableIDs:
		if j.claims[claim{e.Key, e.Revision}] = true; e.Kind == store.Deleted {
			j.released(e, "claim")
		}
	case e.Bucket == store.Assignments && e.Kind == store.Deleted:
		delete(j.records, e.Key)
	case e.Bucket != store.Assignments, e.Kind != store.Put, e.Format > record.Newest:
	case e.Key == store.TermKey:
		if t, err := store.Decode(e, record.DecodeTerm); err == nil {
			if t.Number <= j.term && !j.fleet.doubled() {
				j.fleet.breaks("I4: term %d is stored after term %d", t.Number, j.term)
			}
			j.term = t.Number
		}
	case e.Key == store.PlanKey:
		if p, err := store.Decode(e, record.DecodePlan); err == nil {
			j.ofTerm("plan", p.Term)
			if p.Version < j.version && !j.fleet.doubled() {
				j.fleet.breaks("I4: version %d is stored after version %d", p.Version, j.version)
			}
			if len(p.Members) > j.members && j.moves != nil {
				j.moves = map[string]int{} // a worker that was held back is admitted: that is something that happens
			}
			j.version, j.members = p.Version, len(p.Members)
			j.counted(p)
		}
	default:
		if a, err := store.Decode(e, record.DecodeAssignment); err == nil {
			j.readable(e)
			j.ofTerm("record of "+a.Worker, a.Term)
			j.assigned(a)
			j.records[a.Worker] = a
		}
	}
}

// readable judges a record that is stored for everybody: each worker reads it that the leader has long heard of. A feed that brings nothing
// is noticed by the next snapshot.
func (j *judge) readable(e store.Entry) {
	known := e.Created.Add(-resyncEvery - j.fleet.cfg.Member.OperationTimeout)
	for _, b := range j.beats { // in any order: each says the same
		if !b.gone && e.Format > b.reads && b.since.Before(known) {
			j.fleet.breaks("upgrade: %q is stored in format %d and somebody reads only format %d", e.Key, e.Format, b.reads)
			return
		}
	}
}

func (j *judge) ofTerm(what string, term uint64) {
	if term < j.term && !j.fleet.doubled() {
		j.fleet.breaks("I6: a %s of term %d is stored in term %d", what, term, j.term)
	}
}

// counted judges how many partitions a plan counts: at least as many as the edition of the source that it names has. What is still held,
// or kept until a shorter list is confirmed, counts as well. A source that has answered with a part of its list may have been believed.
func (j *judge) counted(p record.Plan) {
	s := &j.fleet.source
	if !s.versioned || p.SourceVersion == 0 || j.fleet.Seen["source partial"] > 0 {
		return
	}
	if has := len(s.editions[p.SourceVersion-1]); p.Partitions < has {
		j.fleet.breaks("I3: a plan counts only %d partitions of version %d of the source, which has %d", p.Partitions, p.SourceVersion, has)
	}
}

// beat follows who lives. A heartbeat that its worker deletes frees what the worker runs, so that runs nothing any more.
func (j *judge) beat(e store.Entry) {
	last := j.beats[e.Key]
	if e.Kind != store.Put {
		if e.Kind == store.Deleted {
			j.released(e, "heartbeat")
		}
		last.gone = true
		j.beats[e.Key] = last
		return
	}
	h, err := store.Decode(e, record.DecodeHeartbeat)
	switch {
	case err != nil:
	case h.Session < last.session && !j.fleet.renumbered(claim{e.Key, last.session}) && !j.fleet.unaware(claim{e.Key, h.Session}) && !j.fleet.doubled():
		j.fleet.breaks("I5: session %d of %s is stored after session %d", h.Session, e.Key, last.session)
	default:
		b := beat{h.Session, h.Applied.Version, h.Holding, false, max(h.Reads, record.Oldest), last.since}
		if h.Session != last.session || last.gone {
			b.since = e.Created
		}
		j.beats[e.Key] = b
	}
}

// released judges a worker that frees what it holds while its user still runs something.
func (j *judge) released(e store.Entry, what string) {
	if j.fleet.doubled() {
		return
	}
	for _, w := range j.fleet.Workers {
		if w.dead || w.overslept() || j.fleet.upheld(w) || w.session.Worker != e.Key || w.session.Number != j.beats[e.Key].session {
			continue
		}
		for _, p := range w.running() {
			if !w.user.overstays(p) {
				j.fleet.breaks("I1: %s deletes its %s and still runs %s", w.Name, what, p)
				return
			}
		}
	}
}

// stood says that the last record of this session granted that before. A leader writes it again in another format, also where the
// session is over and the partition has another owner by now, or where somebody has emptied the store. It grants nothing by that.
func (j *judge) stood(a record.Assignment, o record.Owned) bool {
	r := j.records[a.Worker]
	return r.Session == a.Session && slices.Contains(r.Owned, o)
}

// assigned judges a record: it grants nothing that another session holds, and epochs grow.
func (j *judge) assigned(a record.Assignment) {
	named := make(map[string]bool, len(a.Owned)+len(a.Releasing))
	for _, o := range a.Owned {
		named[o.Partition] = true
		last, known := j.holdings[o.Partition]
		same := known && last.worker == a.Worker && last.session == a.Session
		switch {
		case known && !same && j.stood(a, o):
			continue
		case same && last.epoch == o.Epoch && last.since == 0:
			continue
		case known && o.Epoch <= last.epoch && !j.fleet.doubled():
			j.fleet.breaks("I2: %s is granted to %s with epoch %d after epoch %d", o.Partition, a.Worker, o.Epoch, last.epoch)
		case known && !j.free(o.Partition, last) && !j.fleet.doubled():
			j.fleet.breaks("handoff: %s is granted to %s session %d while %s session %d holds it", o.Partition, a.Worker, a.Session,
				last.worker, last.session)
		}
		j.moved(o.Partition)
		j.holdings[o.Partition] = tenancy{worker: a.Worker, session: a.Session, epoch: o.Epoch}
	}
	for _, r := range a.Releasing {
		named[r.Partition] = true
		if last := j.holdings[r.Partition]; last.worker == a.Worker && last.session == a.Session && last.epoch == r.Epoch {
			last.since = r.Since
			j.holdings[r.Partition] = last
		}
	}
	for p, last := range j.holdings { // in any order: each is judged by itself
		if last.worker == a.Worker && last.session == a.Session && last.since == 0 && !named[p] {
			last.since = a.Version
			j.holdings[p] = last
		}
	}
}

// moved counts a change of hands. Where nothing happens one may be that of a plan that was under way, and two are not.
func (j *judge) moved(partition string) {
	if j.moves == nil {
		return
	}
	if j.moves[partition]++; j.moves[partition] == 2 {
		j.fleet.breaks("I7: %s changes hands again and nothing has happened", partition)
	}
}

// free says that a session has let go of a partition, or is over.
func (j *judge) free(partition string, h tenancy) bool {
	b, known := j.beats[h.worker]
	switch {
	case !known, b.session > h.session, b.session == h.session && b.gone:
		return true
	case b.session < h.session: // which never had a heartbeat
		return true
	}
	return h.since > 0 && b.applied >= h.since && !slices.Contains(b.holding, partition)
}

// begun judges a session that begins: nobody else may take anything up under its ID. A process that was frozen, or that could not ask the
// store for a while, may begin when it is too late for a first heartbeat, which has to follow the claim in time. That session takes
// nothing up, and ends at once.
func (j *judge) begun(w *Worker, e *member.Begin) {
	if j.fleet.doubled() || !j.fleet.now.Before(trusted(w.client.sent[store.StableIDs], j.fleet.cfg.Member.HeartbeatTTL)) {
		return
	}
	for _, other := range j.fleet.Workers {
		if other != w && !other.dead && other.session.Worker == e.Worker && other.trust.Takes && !j.fleet.upheld(other) && j.fleet.now.Before(other.trust.Until) {
			j.fleet.breaks("I5: %s begins session %d of %s while %s trusts session %d", w.Name, e.Number, e.Worker, other.Name, other.session.Number)
		}
	}
}

// trusts judges until when a worker trusts its session: not longer than either of its leases, and when one of them ends it has let go.
func (j *judge) trusts(w *Worker, t *member.Trust) {
	for _, b := range []store.Bucket{store.Heartbeats, store.StableIDs} {
		j.believes(w, "its session", t.Until, b)
		if ends := w.client.sent[b].Add(w.client.ttl[b]); !t.LetGo.Before(ends) {
			j.fleet.breaks("I1: %s may let go %s after its entry in the %s bucket has ended", w.Name, t.LetGo.Sub(ends), b)
		}
	}
}

// believes judges until when a worker trusts something. More than one part of a worker ends a session in time, so one that trusts too
// long is seen here and nowhere else.
func (j *judge) believes(w *Worker, what string, until time.Time, b store.Bucket) {
	if end := trusted(w.client.sent[b], w.client.ttl[b]); until.After(end) {
		j.fleet.breaks("I1: %s trusts %s %s longer than its entry in the %s bucket allows", w.Name, what, until.Sub(end), b)
	}
}

// leads judges a worker that begins to lead. A heartbeat that it sent after its term was stored proves that its session goes on.
func (j *judge) leads(w *Worker) {
	if sent := w.client.sent[store.Heartbeats]; sent.Before(w.proofAt) {
		j.fleet.breaks("I6: %s leads by a heartbeat that it sent %s before it asked for one", w.Name, w.proofAt.Sub(sent))
	}
}

// ended judges the end of a worker. One that ends without an error leaves nothing in the store.
func (j *judge) ended(w *Worker, e *member.End) {
	if e.Err != nil || e.Hasty || w.overslept() { // then its user is told what is left
		return
	}
	for _, p := range w.running() {
		if !w.user.overstays(p) {
			j.fleet.breaks("I11: %s ends and still runs %s", w.Name, p)
			break
		}
	}
	for _, b := range []store.Bucket{store.StableIDs, store.Election, store.Heartbeats} {
		for _, entry := range j.entries[b] { // one is enough, and there is at most one
			if entry.Kind == store.Put && entry.Token.Of(record.Token(w.client.name+"/")) && !j.fleet.late(b) {
				j.fleet.breaks("I11: %s ends without an error and leaves %q in the %s bucket", w.Name, entry.Key, b)
			}
		}
	}
}
