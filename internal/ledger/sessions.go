// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import "slices"

// This file is what the ledger hears of sessions: that they begin, what they have applied and let go, and that they end.

// SessionSeen says that a session is alive and has applied a version, but for the partitions it is still holding: those
// that a record up to this version took away and whose handlers have not returned yet. The list is sorted and complete. A
// session that has ended stays ended, and a lower number than the highest seen is old news. A higher number ends the
// lower ones.
func (l *Ledger) SessionSeen(id string, number uint64, applied int64, holding ...string) {
	w := l.worker(id)
	if number <= w.ended || number < w.number {
		return
	}
	if number > w.number {
		l.sessionBegins(w, number)
	}
	if applied < w.applied || w.unread == nil && applied == w.applied && slices.Equal(holding, w.holding) {
		return
	}
	w.applied, w.holding = applied, holding
	if w.unread != nil {
		l.version = max(l.version, applied) // what it is asked to acknowledge is newer than anything it has
		l.acknowledgeUnread(w)
	}
	if l.pending == 0 {
		return
	}
	for _, p := range slices.Clone(w.held) {
		if p.releasing && p.session == number && w.letGo(p) {
			l.acknowledge(p)
		}
	}
}

// SessionShown says that a session may run what a version grants that it has not applied yet; 0 for none.
func (l *Ledger) SessionShown(id string, number uint64, version int64) {
	w := l.worker(id)
	if number != w.number || version <= w.shown {
		return
	}
	if w.shown = version; w.unread != nil {
		l.version = max(l.version, version)
	}
}

// letGo reports whether the worker, as far as it was heard, runs a partition no more that it has been asked to let go.
func (w *worker) letGo(p *part) bool {
	if w.applied < p.since {
		return false
	}
	_, held := slices.BinarySearch(w.holding, p.id)
	return !held
}

// acknowledgeUnread: a worker whose record could not be read has applied the one in its place. So what it may hold beside that
// is what it lists as held: that is booked as being let go, and holds up nothing else. It may list what a lost record of another
// worker names, and so what is booked on that one. Then it goes on counting as not acknowledged until that one has let go.
func (l *Ledger) acknowledgeUnread(w *worker) {
	u := w.unread
	if u.since == 0 || w.applied < u.since {
		return
	}
	another := func(id string) bool { p := l.parts[id]; return p != nil && p.holder != nil && p.holder != w }
	if slices.ContainsFunc(w.holding, another) {
		return
	}
	for _, id := range w.holding {
		if p := l.part(id); p.holder == nil {
			p.releasing, p.since, p.late = true, u.since, false
			l.hold(p, w, w.number)
		}
	}
	l.known(w)
}

func (l *Ledger) sessionBegins(w *worker, number uint64) {
	replaced := w.number > 0
	w.number, w.applied, w.shown, w.holding = number, 0, 0, nil
	l.end(w, number-1)
	if replaced {
		l.known(w)
	}
	if !w.stored || w.record.Session != number {
		l.touchWorker(w)
	}
	for _, p := range w.targets {
		l.touch(p)
	}
	for _, p := range w.held { // what it could not be told to let go of before
		p.sure = !p.releasing // or an earlier leader may have granted it since
		if !p.listed() || p.target != nil && p.target != w {
			l.touch(p)
		}
	}
}

// acknowledge: the holder has let go.
func (l *Ledger) acknowledge(p *part) {
	l.touchWorker(p.holder)
	l.happened(LetGo, p)
	l.drop(p)
	p.last = nil
}

// SessionEnded says that a session, and every earlier one of that worker, is over: what it held is free.
func (l *Ledger) SessionEnded(id string, number uint64) {
	w := l.worker(id)
	l.end(w, number)
	l.touchWorker(w)
}

func (l *Ledger) end(w *worker, number uint64) {
	w.ended = max(w.ended, number)
	if u := w.unread; u != nil && (number >= w.number || u.session > 0 && number >= u.session) {
		l.known(w)
	}
	l.lose(w, func(p *part) bool { return p.session <= number })
}

// SessionLower says that the session of a worker that was seen is its only one, although a record names a higher one. That one is
// over: somebody restored the claims from an older copy or deleted them.
func (l *Ledger) SessionLower(id string) {
	w := l.worker(id)
	l.lose(w, func(p *part) bool { return p.session > w.number })
}

// lose frees those partitions of a worker whose sessions are over.
func (l *Ledger) lose(w *worker, over func(*part) bool) {
	for _, p := range slices.Clone(w.held) {
		if !over(p) {
			continue
		}
		released := p.releasing
		l.happened(Lost, p)
		l.drop(p)
		if p.last = w; released {
			p.last = nil
		}
		l.touchWorker(w)
	}
}
