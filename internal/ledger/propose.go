package ledger

import (
	"cmp"
	"maps"
	"slices"
)

// Propose says what may be written next; false when there is nothing to say. It changes nothing: until Stored is called,
// or a fact comes in, it answers the same.
func (l *Ledger) Propose() (Write, bool) {
	if len(l.touchedParts) == 0 && len(l.touchedWorkers) == 0 {
		return Write{}, false
	}
	w := Write{Version: l.version + 1, seen: l.facts}
	workers := map[string]bool{}
	for worker := range l.touchedWorkers {
		workers[worker] = true
	}
	for id := range l.touchedParts {
		p := l.parts[id]
		if p == nil {
			continue
		}
		if l.mayGrant(p) {
			w.Grants = append(w.Grants, Effect{"grant", id, p.target, l.sessions[p.target].number, w.Version})
			workers[p.target] = true
		}
		if l.mustRevoke(p) {
			w.Revokes = append(w.Revokes, Effect{"revoke", id, p.holder, p.session, p.epoch})
			workers[p.holder] = true
		}
	}
	sortEffects(w.Grants)
	sortEffects(w.Revokes)
	l.addRecords(&w, workers)
	return w, len(w.Records) > 0 || len(w.Remove) > 0
}

// mayGrant: nobody holds it, it is listed, and who should have it is a member whose session is alive.
func (l *Ledger) mayGrant(p *part) bool {
	return p.holder == "" && len(l.unread) == 0 && p.listed && p.target != "" && l.members[p.target] && l.sessions[p.target].alive()
}

// mustRevoke: it is no more listed, or somebody else should have it.
func (l *Ledger) mustRevoke(p *part) bool {
	return p.holder != "" && !p.releasing && (!p.listed || (p.target != "" && p.target != p.holder))
}

func sortEffects(e []Effect) {
	slices.SortFunc(e, func(a, b Effect) int { return cmp.Compare(a.Partition, b.Partition) })
}

// addRecords writes down what each of the workers will have, as far as that is news.
func (l *Ledger) addRecords(w *Write, workers map[string]bool) {
	granted, revoked := map[string][]Effect{}, map[string]bool{}
	for _, g := range w.Grants {
		granted[g.Worker] = append(granted[g.Worker], g)
	}
	for _, r := range w.Revokes {
		revoked[r.Partition] = true
	}
	for _, worker := range slices.Sorted(maps.Keys(workers)) {
		before, stored := l.records[worker]
		alive := l.sessions[worker].alive()
		_, suspect := l.unread[worker]
		switch {
		case !l.members[worker] && len(l.held[worker]) == 0 && !suspect:
			if stored {
				w.Remove = append(w.Remove, worker)
			}
		case !alive:
			// What is stored names a session that has ended: it grants nothing, and it tells a next leader whose
			// partitions these were.
		default:
			if r := l.record(worker, w.Version, granted[worker], revoked); !stored || !same(r, before) {
				w.Records = append(w.Records, r)
			}
		}
	}
}

func (l *Ledger) record(worker string, version int64, grants []Effect, revoked map[string]bool) Record {
	r := Record{Worker: worker, Session: l.sessions[worker].number, Term: l.term, Version: version}
	if u, ok := l.unread[worker]; ok {
		if r.Unread = u.since; u.since == 0 {
			r.Unread = version
		}
	}
	for _, p := range l.held[worker] {
		switch {
		case p.releasing:
			r.Releasing = append(r.Releasing, Releasing{p.id, p.weight, p.epoch, p.since})
		case revoked[p.id]:
			r.Releasing = append(r.Releasing, Releasing{p.id, p.weight, p.epoch, version})
		default:
			r.Owned = append(r.Owned, Owned{p.id, p.weight, p.epoch})
		}
	}
	for _, g := range grants {
		r.Owned = append(r.Owned, Owned{g.Partition, l.parts[g.Partition].weight, g.Epoch})
	}
	slices.SortFunc(r.Owned, func(a, b Owned) int { return cmp.Compare(a.Partition, b.Partition) })
	slices.SortFunc(r.Releasing, func(a, b Releasing) int { return cmp.Compare(a.Partition, b.Partition) })
	return r
}

// same compares what two records say; when they were written does not count.
func same(a, b Record) bool {
	return a.Session == b.Session && a.Unread == b.Unread && slices.Equal(a.Owned, b.Owned) && slices.Equal(a.Releasing, b.Releasing)
}

// Stored says that a proposed write is in the store. Facts that came in since the proposal stand: a session that ended
// meanwhile holds nothing of what it was granted.
func (l *Ledger) Stored(w Write) {
	l.version = max(l.version, w.Version)
	for id, fact := range l.touchedParts {
		if fact <= w.seen {
			delete(l.touchedParts, id)
		}
	}
	for worker, fact := range l.touchedWorkers {
		if fact <= w.seen {
			delete(l.touchedWorkers, worker)
		}
	}
	for _, r := range w.Records {
		l.records[r.Worker] = r
		if u, ok := l.unread[r.Worker]; ok && u.since == 0 {
			l.unread[r.Worker] = unread{r.Session, w.Version}
			if l.sessions[r.Worker].applied >= w.Version {
				l.known(r.Worker) // it was faster than the store's answer to us
			}
		}
	}
	for _, worker := range w.Remove {
		delete(l.records, worker)
	}
	for _, e := range w.Revokes {
		l.storedRevoke(e, w.Version)
	}
	for _, e := range w.Grants {
		l.storedGrant(e)
	}
}

func (l *Ledger) storedRevoke(e Effect, version int64) {
	p := l.parts[e.Partition]
	if p == nil || p.holder != e.Worker || p.session != e.Session {
		return // its session ended meanwhile
	}
	p.releasing, p.since = true, version
	l.pending[p.id] = p
	if l.sessions[e.Worker].applied >= version {
		// The worker was faster than the store's answer to us.
		l.acknowledge(p)
	}
}

func (l *Ledger) storedGrant(e Effect) {
	p := l.part(e.Partition) // listed no more and forgotten, if it was created here: then it is revoked next
	facts := l.facts
	p.epoch = e.Epoch
	l.hold(p, e.Worker, e.Session)
	s := l.sessions[e.Worker]
	switch {
	case e.Session <= s.ended:
		l.drop(p)
		p.last = e.Worker
		l.touchWorker(e.Worker)
	case !l.mustRevoke(p):
		delete(l.touchedParts, p.id)
		l.facts = facts
	}
}
