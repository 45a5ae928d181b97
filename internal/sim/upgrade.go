// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// This file is fleets of more than one release, and records of a release that nobody here knows.

// packs is from how many partitions on a record is written in packed form, where everybody reads that.
const packs = 4

// release draws which release a process is of: the newest, or in some fleets the first.
func (f *Fleet) release() int {
	if f.mixed && !f.calm && f.Draw(2) == 1 {
		f.Seen["first release"]++
		return record.Oldest
	}
	return record.Newest
}

// upgrades sees to it that somebody can read what is stored: a fleet in which nobody can does not go on, and need not.
func (f *Fleet) upgrades() {
	live := f.live()
	newest := func(w *Worker) bool { return w.client.reads == record.Newest }
	if len(live) > 0 && !slices.ContainsFunc(live, newest) {
		live[0].client.reads = record.Newest
	}
}

// known is an entry as this process reads it: what a later release wrote is not to be understood.
func (c *connection) known(e store.Entry) store.Entry {
	if e.Format > c.reads {
		e.Record, e.Value = nil, fmt.Appendf(nil, `{"format":%d,"token":%q}`, record.Newest+1, e.Token)
	}
	return e
}

// packed is the format in which this process writes a plan or an assignment of so many partitions, where everybody reads a format.
func (c *connection) packed(partitions, everybody int) int {
	if min(c.reads, everybody) >= record.FormatPacked && partitions >= packs {
		return record.FormatPacked
	}
	return record.Oldest
}

// tells is what of the heartbeat depends on the release, see package actors: what is held can be told where everybody understands that,
// and nothing new is acknowledged where it cannot.
func (h *heartbeat) tells(r *record.Heartbeat) {
	holding := h.user.holding()
	if len(holding) == 0 || min(h.reads, h.client.reads) >= record.FormatHolding {
		h.told, h.listed = h.applied, holding
	} else {
		h.listed = slices.DeleteFunc(slices.Clone(h.listed), func(id string) bool {
			_, still := slices.BinarySearch(holding, id)
			return !still
		})
	}
	if r.Applied, r.Holding = h.told, h.listed; h.shown > h.told.Version {
		r.Shown = h.shown
	}
	if h.client.reads > record.Oldest {
		r.Reads = h.client.reads
	}
}

// foreign is a record in a format that nobody here knows, written over an entry, and for some time. Whoever meets it does not lead and
// takes nothing up.
func (f *Fleet) foreign(w *Worker) {
	keys := []string{w.status.Worker, store.TermKey, store.PlanKey}
	b, key := store.Assignments, keys[f.Draw(len(keys))]
	if f.Draw(4) == 1 {
		b, key = store.Heartbeats, keys[0]
	}
	f.stranger.outdate(b, key, f.now.Add(2*time.Second), func(before store.Entry) {
		f.Seen["another release writes"]++
		f.outdated[key] = before
		f.later(longest, f.cures)
	})
}

// unknown is the fact where one of several records is of a format that this process does not know.
func unknown(err error) leader.Fact {
	if errors.Is(err, record.ErrFormat) {
		return &leader.Foreign{Err: err}
	}
	return nil
}
