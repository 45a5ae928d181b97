// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"slices"

	"github.com/parti-go/parti/strategy"
)

// This file is what the leader asks the ledger. The answers change nothing of who has what: Late and LateUnread only remember what
// they have told, and Fill numbers the workers.

// Fill says, in the order of the source's list, who has each partition and where it is at home: indices of workers, or
// strategy.None. A partition on its way belongs to the worker it is on its way to. What a session that ended has left behind
// is still its worker's. Workers that are away keep what they have and are on nobody's way.
func (l *Ledger) Fill(workers []string, away map[string]bool, previous, home []int) {
	for _, w := range l.workers {
		w.index = strategy.None
	}
	for i, id := range workers {
		l.worker(id).index = i
	}
	index := func(w *worker) int {
		if w == nil {
			return strategy.None
		}
		return w.index
	}
	for i, p := range l.order {
		home[i] = index(p.home)
		switch {
		case p.holder != nil && !p.releasing:
			previous[i] = index(p.holder)
		case p.holder == nil && index(p.last) != strategy.None:
			previous[i] = p.last.index
		case p.target != nil && !away[p.target.id]:
			previous[i] = p.target.index
		default:
			previous[i] = strategy.None
		}
	}
}

// Promised reports whether a worker should have partitions that it has neither now nor had until its session ended.
func (l *Ledger) Promised(id string) bool {
	w := l.workers[id]
	return w != nil && slices.ContainsFunc(w.targets, func(p *part) bool { return p.listed() && p.holder != w && p.last != w })
}

// Home is the worker that had the partition by the last plan in which that worker took part: for what a worker that is
// gone has left behind it is still that worker, until Forget. "" if it is not known.
func (l *Ledger) Home(id string) string {
	if p := l.parts[id]; p != nil && p.home != nil {
		return p.home.id
	}
	return ""
}

// Waiting reports whether a let-go, or an acknowledgement of a worker whose record could not be read, is outstanding and
// not late yet.
func (l *Ledger) Waiting() bool { return l.waiting > 0 }

// Late takes the let-goes asked for up to a version that are outstanding for late, and lists those that were not before,
// sorted by partition.
func (l *Ledger) Late(version int64) []Handoff {
	var list []Handoff
	if l.waiting == 0 {
		return nil
	}
	for _, w := range l.workers {
		for _, p := range w.held {
			if p.releasing && !p.late && p.since <= version {
				p.late = true
				l.waiting--
				list = append(list, handoff(p))
			}
		}
	}
	sortHandoffs(list)
	return list
}

// LateUnread takes every worker that was to acknowledge another record in place of one that could not be read for late, and
// lists those that were not before, sorted.
func (l *Ledger) LateUnread() []string {
	var list []string
	for id, w := range l.workers {
		if w.unread != nil && !w.unread.late {
			w.unread.late = true
			l.waiting--
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return list
}

// Records lists the records that are stored, sorted by worker.
func (l *Ledger) Records() []Record {
	var list []Record
	for _, w := range l.workers {
		if w.stored {
			list = append(list, w.record)
		}
	}
	slices.SortFunc(list, func(a, b Record) int { return cmp.Compare(a.Worker, b.Worker) })
	return list
}

// Unapplied reports whether a session lives and has not applied a record, or a later one, and lists what that grants, sorted. Where it only has to let go of something, that is for Late.
func (l *Ledger) Unapplied(r Record) (granted []string, is bool) {
	w := l.workers[r.Worker]
	if !w.alive() || w.number != r.Session || w.applied >= r.Version || w.unread != nil {
		return nil, false
	}
	releasing := false
	for _, p := range w.held {
		switch {
		case p.releasing:
			releasing = true
		case p.epoch > w.applied:
			granted = append(granted, p.id)
		}
	}
	slices.Sort(granted)
	return granted, len(granted) > 0 || !releasing
}

// Pending lists what live sessions are asked to let go of and have not acknowledged, sorted by partition.
func (l *Ledger) Pending() []Handoff {
	var list []Handoff
	for _, w := range l.workers {
		for _, p := range w.held {
			if p.releasing {
				list = append(list, handoff(p))
			}
		}
	}
	sortHandoffs(list)
	return list
}

// Unread lists the workers whose records could not be read and who have not acknowledged another yet, sorted.
func (l *Ledger) Unread() []string {
	var list []string
	for id, w := range l.workers {
		if w.unread != nil {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return list
}

// Doubtful lists the partitions that nobody is granted because a worker may hold them whose record could not be read, sorted.
func (l *Ledger) Doubtful() []string {
	var list []string
	for _, p := range l.order {
		if l.unread > 0 && p.holder == nil && !p.sure {
			list = append(list, p.id)
		}
	}
	slices.Sort(list)
	return list
}

// Version is the highest version stored or restored.
func (l *Ledger) Version() int64 { return l.version }

// Ended returns the highest session of a worker that is over; 0 for none.
func (l *Ledger) Ended(id string) uint64 {
	if w := l.workers[id]; w != nil {
		return w.ended
	}
	return 0
}
