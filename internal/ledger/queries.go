// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"slices"

	"github.com/parti-go/parti/strategy"
)

// This file has the questions that the leader asks the ledger. No answer changes who has what. Late and LateUnread remember
// only what they have reported, and Fill numbers the workers.

// Fill returns, in the order of the source's list, who has each partition and where its home is: indices of workers, or
// strategy.None. A partition on its way belongs to its next owner. The partitions of a session that has ended still belong to
// its worker. Workers that are away keep what they have, and nothing is on its way to them.
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

// Promised reports whether partitions are meant for a worker that it neither has, nor had until its session ended.
func (l *Ledger) Promised(id string) bool {
	w := l.workers[id]
	return w != nil && slices.ContainsFunc(w.targets, func(p *part) bool { return p.listed() && p.holder != w && p.last != w })
}

// Home returns the worker that had the partition by the last plan in which that worker took part. So the partitions that a
// departed worker has left behind still belong to it, until Forget. It returns "" if the home is not known.
func (l *Ledger) Home(id string) string {
	if p := l.parts[id]; p != nil && p.home != nil {
		return p.home.id
	}
	return ""
}

// Waiting reports whether a release, or the acknowledgement of a worker whose record could not be read, is outstanding and not
// late yet.
func (l *Ledger) Waiting() bool { return l.waiting > 0 }

// Late marks the outstanding releases that were asked for up to a version as late, and returns those that were not late before,
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

// LateUnread marks every worker as late that has to acknowledge another record in place of one that could not be read. It
// returns those that were not late before, sorted.
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

// Records returns the stored records, sorted by worker.
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

// Pending returns the partitions that live sessions were asked to let go of and have not acknowledged, sorted by partition.
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

// Unread returns the workers whose records could not be read and that have not acknowledged another one yet, sorted.
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

// Doubtful returns the partitions that are granted to nobody because a worker whose record could not be read may hold them,
// sorted.
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

// Version returns the highest version that is stored or restored.
func (l *Ledger) Version() int64 { return l.version }

// Ended returns the highest session of a worker that is over; 0 for none.
func (l *Ledger) Ended(id string) uint64 {
	if w := l.workers[id]; w != nil {
		return w.ended
	}
	return 0
}
