// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// This file is what the judge excuses because an operator emptied a bucket or put an older copy of the store in its place: what no rule of
// the protocol prevents. Each excuse is for a while, and for as little as can be told.

// excuses is when an operator did what.
type excuses struct {
	emptied  [store.Buckets]time.Time
	restored time.Time // when the store was back
	thawed   time.Time // when a process was thawed last that was frozen before that

	renumbering bool // claims were restored or emptied
}

// upheaves notes that an operator emptied a bucket.
func (f *Fleet) upheaves(b store.Bucket) {
	f.judge.forget()
	f.excuses.emptied[b] = f.now
	if b == store.StableIDs {
		f.renumbers()
	}
}

// renumbers notes that revisions of claims are used again.
func (f *Fleet) renumbers() {
	f.excuses.renumbering = true
	clear(f.judge.claims)
}

// within says that something has happened, and not longer ago than that.
func (f *Fleet) within(d time.Duration, of time.Time) bool { return !of.IsZero() && f.now.Sub(of) < d }

// doubled says that what was under way when an older copy took the store's place may still be stored. Revisions are used again: a fence
// of before may hold once more, and a deletion that was meant for one entry can end another. What a frozen process was about to write is
// under way until it is thawed.
func (f *Fleet) doubled() bool {
	timeout := f.cfg.Member.OperationTimeout
	return f.within(timeout, f.excuses.restored) || f.within(timeout, f.excuses.thawed)
}

// aim is an entry that somebody wants to write over or delete because it is what it wrote last.
type aim struct {
	bucket   store.Bucket
	key      string
	revision uint64
}

// aim notes what a worker is about to renew or release, where revisions may be used again.
func (l *Loop) aim(at store.Lease) {
	if l.aims != nil {
		a := aim{at.Bucket, at.Key, at.Revision}
		l.aims[a] = append(l.aims[a], at.Chain)
	}
}

// unaware says that a session is of before an upheaval of the claims and may not know of it yet: its first heartbeat may come after that
// of another one.
func (f *Fleet) unaware(session claim) bool {
	ttl := f.cfg.Member.WorkerIDTTL
	return f.renumbered(session) && (f.within(ttl, f.excuses.restored) || f.within(ttl, f.excuses.emptied[store.StableIDs]))
}

// collides says that a renewal or a release of before a restore has hit an entry of after it, which has the same revision. It may come
// as late as its worker was cut off, and no rule prevents it. Whoever is hit finds out as after a restore.
func (f *Fleet) collides(before, after store.Entry) bool {
	return before.Kind == store.Put && slices.ContainsFunc(f.aims[aim{after.Bucket, after.Key, before.Revision}], func(chain record.Token) bool {
		return !before.Token.Of(chain) && (after.Kind == store.Deleted || after.Token.Of(chain))
	})
}

// renumbered says that a session has its number from before an operator restored or emptied the claims. Numbers of sessions are revisions
// of claims, or one more than a session that is named elsewhere. Revisions are used again then, so a later session may have a lower number.
func (f *Fleet) renumbered(session claim) bool {
	return f.excuses.renumbering && !f.judge.claims[session]
}

// upheld says that a session is of before an upheaval and may not know of it yet: it finds out when it renews its heartbeat or its claim.
// Until then no rule keeps others from what it has. After a restore the claim may be the first to say so, because revisions are used
// again: a heartbeat may find the one that it asks for. Of a moment later are sessions that begin with a write that was under way.
func (f *Fleet) upheld(w *Worker) bool {
	before := func(upheaval time.Time, known time.Duration) bool {
		return f.within(known, upheaval) && w.begun.Sub(upheaval) < f.cfg.Member.OperationTimeout
	}
	beats, claims := f.cfg.Member.HeartbeatTTL, f.cfg.Member.WorkerIDTTL
	return before(f.excuses.restored, claims) || before(f.excuses.emptied[store.Heartbeats], beats) || before(f.excuses.emptied[store.StableIDs], claims)
}

// late says that a write that was under way when a bucket was emptied may still be stored: no marker stands in its way any more.
func (f *Fleet) late(b store.Bucket) bool {
	return f.within(f.cfg.Member.OperationTimeout, f.excuses.emptied[b])
}
