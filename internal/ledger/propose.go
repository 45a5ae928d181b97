// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"slices"
)

// Propose returns what may be written next; false if there is nothing to write. It returns the same until Stored is called or a
// fact comes in. It looks only once at a partition that turns out to need no write.
func (l *Ledger) Propose() (Write, bool) {
	if !l.Touched() {
		return Write{}, false
	}
	w := Write{Version: l.version + 1, seen: l.facts}
	concerned, leave := map[*worker]bool{}, l.allLeave()
	l.touchedParts = slices.DeleteFunc(l.touchedParts, func(p *part) bool {
		grant, revoke := l.mayGrant(p, leave), l.mustRevoke(p)
		switch {
		case grant:
			e := Effect{Verb: "grant", Partition: p.id, Worker: p.target.id, Session: p.target.number, Epoch: w.Version}
			if p.former != nil {
				e.From = p.former.id
			}
			w.Grants = append(w.Grants, e)
			concerned[p.target] = true
		case revoke:
			w.Revokes = append(w.Revokes, Effect{Verb: "revoke", Partition: p.id, Worker: p.holder.id, Session: p.session, Epoch: p.epoch})
			concerned[p.holder] = true
		default:
			p.touched = 0
			return true
		}
		return false
	})
	sortEffects(w.Grants)
	l.addRecords(&w, concerned)
	sortEffects(w.Revokes)
	return w, len(w.Records) > 0 || len(w.Remove) > 0
}

// Urgent reports whether a write concerns anybody but sessions that have ended.
func (w Write) Urgent() bool { return len(w.Records)+len(w.Remove) > w.left }

// TooLarge says that the store has refused a write because a record is too large. It may be that of a session that has ended, and
// says what is not listed any more. Such records stay as they are until the list changes.
func (l *Ledger) TooLarge(w Write) { l.unmarked = l.unmarked || w.left > 0 }

// Touched reports whether there may be something to write.
func (l *Ledger) Touched() bool { return len(l.touchedParts) > 0 || len(l.touchedWorkers) > 0 }

// mayGrant reports whether a partition may be granted: nobody holds it, as far as is known and by no record that could not be
// read; it is listed; and its target is a member whose session is alive. The target stays, unless all members leave.
func (l *Ledger) mayGrant(p *part, allLeave bool) bool {
	return !p.forgotten && p.holder == nil && (l.unread == 0 || p.sure) && p.listed() && p.target != nil && p.target.member && p.target.alive() &&
		(!p.target.leaving || allLeave)
}

// allLeave reports whether each live member has announced that it leaves. A partition without an owner still goes to one of
// them then. The search ends at the first member that stays.
func (l *Ledger) allLeave() bool {
	for _, w := range l.workers {
		if w.member && w.alive() && !w.leaving {
			return false
		}
	}
	return true
}

// mustRevoke reports whether a partition must be taken away: it is no longer listed, or its record is not sure, or it has
// another target, which stays; and its holder can be told.
func (l *Ledger) mustRevoke(p *part) bool {
	return !p.forgotten && p.holder.alive() && !p.releasing && (!p.listed() || !p.sure && p.holder.unread != nil || (p.target != nil && p.target != p.holder && !p.target.leaving))
}

func sortEffects(e []Effect) {
	slices.SortFunc(e, func(a, b Effect) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Worker, b.Worker))
	})
}

// addRecords adds what each of the workers will have, if that differs from what is stored.
func (l *Ledger) addRecords(w *Write, concerned map[*worker]bool) {
	granted, revoked := map[*worker][]Effect{}, map[string]bool{}
	for _, g := range w.Grants {
		to := l.workers[g.Worker]
		granted[to] = append(granted[to], g)
	}
	for _, r := range w.Revokes {
		revoked[r.Partition] = true
	}
	l.touchedWorkers = slices.DeleteFunc(l.touchedWorkers, func(x *worker) bool {
		if concerned[x] {
			return false
		}
		if l.addRecord(w, x, nil, nil) {
			return false
		}
		x.touched = 0
		return true
	})
	for x := range concerned {
		l.addRecord(w, x, granted[x], revoked)
	}
	slices.SortFunc(w.Records, func(a, b Record) int { return cmp.Compare(a.Worker, b.Worker) })
	slices.Sort(w.Remove)
}

// addRecord adds the record of one worker to a write, or its removal, if that differs from what is stored.
func (l *Ledger) addRecord(w *Write, x *worker, grants []Effect, revoked map[string]bool) bool {
	switch {
	case !x.member && len(x.held) == 0 && x.unread == nil:
		if x.stored {
			w.Remove = append(w.Remove, x.id)
		}
		return x.stored
	case !x.alive():
		r, revokes := l.left(x, w.Version)
		differs := x.restate || !same(r, x.record)
		if differs {
			w.Records, w.Revokes = append(w.Records, r), append(w.Revokes, revokes...)
			w.left++
		}
		return differs
	}
	r := l.record(x, w.Version, grants, revoked)
	if x.stored && !x.restate && same(r, x.record) {
		return false
	}
	w.Records = append(w.Records, r)
	return true
}

// left is the record of a session that has ended. It grants nothing, and it tells the next leader who had these partitions. What is
// not listed any more it names as such, because the next leader may have an older list, unless another session has had it since.
func (l *Ledger) left(x *worker, version int64) (r Record, revokes []Effect) {
	r = x.record
	r.Term = l.term
	if l.unmarked {
		return r, nil
	}
	r.Owned, r.Releasing = nil, nil
	unlisted := func(id string) bool { p := l.parts[id]; return p == nil || !p.listed() }
	for _, o := range x.record.Owned {
		if !unlisted(o.Partition) {
			r.Owned = append(r.Owned, o)
			continue
		}
		if p := l.parts[o.Partition]; p != nil && p.epoch > o.Epoch {
			continue
		}
		r.Releasing = append(r.Releasing, Releasing{Partition: o.Partition, Weight: o.Weight, Epoch: o.Epoch, Since: version, Unlisted: true})
		revokes = append(revokes, Effect{Verb: "revoke", Partition: o.Partition, Worker: x.id, Session: r.Session, Epoch: o.Epoch})
	}
	for _, o := range x.record.Releasing {
		o.Unlisted = unlisted(o.Partition)
		r.Releasing = append(r.Releasing, o)
	}
	sortRecord(&r)
	if !same(r, x.record) {
		r.Version = version
	}
	return r, revokes
}

func sortRecord(r *Record) {
	slices.SortFunc(r.Owned, func(a, b Owned) int { return cmp.Compare(a.Partition, b.Partition) })
	slices.SortFunc(r.Releasing, func(a, b Releasing) int { return cmp.Compare(a.Partition, b.Partition) })
}

func (l *Ledger) record(x *worker, version int64, grants []Effect, revoked map[string]bool) Record {
	r := Record{Worker: x.id, Session: x.number, Term: l.term, Version: version}
	if u := x.unread; u != nil {
		if r.Unread = u.since; u.since == 0 {
			r.Unread = version
		}
	}
	for _, p := range x.held {
		switch {
		case p.releasing:
			r.Releasing = append(r.Releasing, Releasing{Partition: p.id, Weight: p.weight, Epoch: p.epoch, Since: p.since, Unlisted: !p.listed()})
		case revoked[p.id]:
			r.Releasing = append(r.Releasing, Releasing{Partition: p.id, Weight: p.weight, Epoch: p.epoch, Since: version, Unlisted: !p.listed()})
		default:
			r.Owned = append(r.Owned, Owned{Partition: p.id, Weight: p.weight, Epoch: p.epoch})
		}
	}
	for _, g := range grants {
		r.Owned = append(r.Owned, Owned{Partition: g.Partition, Weight: l.parts[g.Partition].weight, Epoch: g.Epoch})
	}
	sortRecord(&r)
	return r
}

// same compares the content of two records, without their versions.
func same(a, b Record) bool {
	return a.Session == b.Session && a.Unread == b.Unread && slices.Equal(a.Owned, b.Owned) && slices.Equal(a.Releasing, b.Releasing)
}

// Stored notes that a proposed write is in the store. Facts that came in since the proposal stand: a session that ended
// meanwhile holds nothing of what the write grants it.
func (l *Ledger) Stored(w Write) {
	l.version = max(l.version, w.Version)
	l.touchedParts = slices.DeleteFunc(l.touchedParts, func(p *part) bool {
		if p.touched <= w.seen {
			p.touched = 0
		}
		return p.touched == 0
	})
	l.touchedWorkers = slices.DeleteFunc(l.touchedWorkers, func(x *worker) bool {
		if x.touched <= w.seen {
			x.touched = 0
		}
		return x.touched == 0
	})
	for _, r := range w.Records {
		x := l.worker(r.Worker)
		x.again = x.again && same(r, x.record)
		x.record, x.stored, x.restate = r, true, false
		if !x.alive() && len(r.Releasing) > 0 {
			l.touchWorker(x) // something of it may be listed again by now
		}
		if u := x.unread; u != nil && u.since == 0 {
			l.storedUnread(x, u, w.Version)
		}
	}
	for _, id := range w.Remove {
		x := l.worker(id)
		x.record, x.stored = Record{}, false
	}
	for _, e := range w.Revokes {
		l.storedRevoke(e, w.Version)
	}
	for _, e := range w.Grants {
		l.storedGrant(e)
	}
}

// storedUnread: a record in place of one that could not be read is stored. If it is older than what its session has applied, it
// stands in for nothing: another follows.
func (l *Ledger) storedUnread(x *worker, u *unread, version int64) {
	if max(x.applied, x.shown) > version {
		l.touchWorker(x)
		return
	}
	u.session, u.since = x.record.Session, version
	l.acknowledgeUnread(x) // if it was faster than the store's answer to us
}

func (l *Ledger) storedRevoke(e Effect, version int64) {
	p := l.parts[e.Partition]
	if p == nil || p.holder == nil || p.holder.id != e.Worker || p.session != e.Session {
		return // its session ended meanwhile
	}
	p.releasing, p.since = true, version
	l.happened(Revoked, p)
	l.pending++
	l.waiting++
	if p.holder.letGo(p) {
		// The worker's heartbeat came before the store's answer to us.
		l.acknowledge(p)
	}
}

func (l *Ledger) storedGrant(e Effect) {
	if p := l.parts[e.Partition]; p != nil && p.holder != nil {
		l.drop(p) // the worker has acknowledged meanwhile, and lists what it had of it before
	}
	p := l.part(e.Partition) // listed no more and forgotten, if it was created here: then it is revoked next
	x := l.worker(e.Worker)
	touched := p.touched
	p.epoch, p.sure = e.Epoch, p.sure || l.unread == 0 // otherwise somebody may have it as well, as became known after the proposal
	l.hold(p, x, e.Session)
	l.happened(Granted, p)
	switch {
	case e.Session <= x.ended:
		l.happened(Lost, p)
		l.drop(p)
		p.last = x
		l.touchWorker(x)
	case touched == 0 && !l.mustRevoke(p):
		l.untouch(p)
	}
}

// untouch takes back that a partition was the last thing touched.
func (l *Ledger) untouch(p *part) {
	if last := len(l.touchedParts) - 1; last >= 0 && l.touchedParts[last] == p {
		p.touched, l.touchedParts = 0, l.touchedParts[:last]
	}
}

// Restate makes the ledger write every record again, even without a change.
func (l *Ledger) Restate() {
	for _, w := range l.workers {
		l.restateOf(w)
	}
}

// RestateUnseen makes the ledger write a record again, once, whose worker has not shown it, or a later one, to its user. Somebody may have
// written over it.
func (l *Ledger) RestateUnseen(r Record) {
	if w := l.workers[r.Worker]; w != nil && !w.again && w.number == r.Session && max(w.applied, w.shown) < r.Version {
		w.again = true
		l.restateOf(w)
	}
}

func (l *Ledger) restateOf(w *worker) {
	if w.stored {
		w.restate = true
		l.touchWorker(w)
	}
}
