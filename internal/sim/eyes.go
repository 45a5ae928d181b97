// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// eyes read what is stored about who owns what, on a connection of their own.
type eyes struct {
	*client
	term    record.Term
	plan    record.Plan
	planned time.Time
	records map[string]Record
	stale   time.Time // since when nothing is heard; zero where that is not so
	journal []Version
}

// Record is what is stored for a worker: what it was granted, and what it was asked to let go of. It does not change; another
// one takes its place.
type Record struct {
	Session uint64
	Rows    []Row // sorted by partition
}

// Row is a partition in a record.
type Row struct {
	Partition string
	Epoch     int64
	Since     time.Time // when it was granted
	Releasing bool      // the worker was asked to let go
}

// Version is what a leader stored with one version of the plan, and why.
type Version struct {
	Stored time.Time
	record.Journal
}

func newEyes(f *Fleet) *eyes {
	e := &eyes{client: newClient(f.Loop, 0, "eyes", f.cfg), records: map[string]Record{}}
	f.After(0, e.begin)
	return e
}

func (e *eyes) begin() {
	e.open(e.now.Add(e.timeout), func(err error) {
		if err != nil {
			e.After(time.Second, e.begin)
			return
		}
		e.follow(store.Assignments, nil, 0, e.see, func(error) { e.begin() })
	})
}

// see takes over what is stored. What cannot be read was not written here.
func (e *eyes) see(u store.Update) {
	switch {
	case u.Kind == store.UpdateBlind:
		e.stale = u.Since
		return
	case u.Kind == store.UpdateSynced:
		e.stale = time.Time{}
		return
	case u.Kind != store.UpdatePut:
		delete(e.records, u.Entry.Key)
		return
	}
	switch u.Entry.Key {
	case store.TermKey:
		if t, err := store.Decode(u.Entry, record.DecodeTerm); err == nil {
			e.term = t
		}
	case store.PlanKey:
		if p, err := store.Decode(u.Entry, record.DecodePlan); err == nil {
			e.plan, e.planned = p, u.Entry.Created
		}
	default:
		if a, err := store.Decode(u.Entry, record.DecodeAssignment); err == nil {
			e.records[u.Entry.Key] = e.rows(a, u.Entry.Created)
		}
	}
}

func (e *eyes) rows(a record.Assignment, stored time.Time) Record {
	since := map[string]Row{}
	for _, r := range e.records[a.Worker].Rows {
		since[r.Partition] = r
	}
	r := Record{Session: a.Session}
	add := func(partition string, epoch int64, releasing bool) {
		row := Row{Partition: partition, Epoch: epoch, Since: stored, Releasing: releasing}
		if before := since[partition]; before.Epoch == epoch {
			row.Since = before.Since
		}
		r.Rows = append(r.Rows, row)
	}
	for _, o := range a.Owned {
		add(o.Partition, o.Epoch, false)
	}
	for _, o := range a.Releasing {
		add(o.Partition, o.Epoch, true)
	}
	slices.SortFunc(r.Rows, func(a, b Row) int { return cmp.Compare(a.Partition, b.Partition) })
	return r
}

// keepVersions is how many versions of the journal are kept.
const keepVersions = 300

// wrote keeps what the journal of a version says.
func (e *eyes) wrote(w *leader.Write) {
	j := w.Journal()
	if j == nil || len(j.Changes) == 0 {
		return
	}
	e.journal = append(e.journal, Version{e.now, *j})
	if len(e.journal) > keepVersions {
		e.journal = slices.Delete(e.journal, 0, len(e.journal)-keepVersions)
	}
}
