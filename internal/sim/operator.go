// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"maps"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// This file is what an operator, or a stranger, does to the store.

// restored stops the store, and starts it on a copy that was made when it was stopped that way before.
func (f *Fleet) restored(*Worker) {
	f.Store.Stop(f.now)
	if f.copy == nil {
		c := f.Store.Copy()
		f.copy, f.copied, f.recorded = &c, maps.Clone(f.outdated), maps.Clone(f.judge.records)
	} else {
		if err := f.Store.Restore(f.now, *f.copy); err != nil {
			panic(err)
		}
		f.copy, f.outdated, f.judge.records = nil, f.copied, f.recorded
		f.judge.forget()
		f.renumbers()
		f.aims = map[aim][]record.Token{}
		f.Seen["restored"]++
	}
	started := f.now.Add(f.Spread(20 * time.Second))
	if f.copy == nil {
		f.excuses.restored = started // the sessions of before find out later
	}
	f.At(started, func() { f.Store.Start(f.now) })
}

// narrows has the store take only records of so few partitions that most do not fit, until somebody sees to that.
func (f *Fleet) narrows(*Worker) {
	f.Narrow = 1 + f.Draw(12)
	f.later(2*longest, func() { f.Narrow = 0 })
}

// garbage is what a stranger writes over an entry.
func (f *Fleet) garbage(w *Worker) {
	b := store.Bucket(f.Draw(int(store.Buckets)))
	keys := []string{w.status.Worker, w.status.Worker, store.LeaderKey, store.TermKey, store.PlanKey}
	key := keys[0]
	switch b {
	case store.Election:
		key = store.LeaderKey
	case store.Assignments:
		key = keys[f.Draw(len(keys))]
	case store.StableIDs, store.Heartbeats, store.Buckets:
	}
	f.stranger.overwrite(b, key, f.now.Add(2*time.Second))
}
