// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"maps"
	"slices"

	"github.com/parti-go/parti/observe"
)

// delta is the difference between two groups. Its parts can be applied in any order, because each worker, and each partition at
// a worker, is in it once. A worker that is gone takes its partitions along.
type delta struct {
	before, now observe.Group
	plan        bool // it is another one
	workers     []observe.Worker
	gone        []string
	set, unset  []row
}

// row is a partition at a worker. A partition may be at two workers for a while.
type row struct {
	worker    string
	partition observe.Partition
}

// difference compares two groups. Its cost grows with the number of workers, and with the partitions of the changed workers:
// the list of a worker without a change is the same list in both groups.
func difference(before, now observe.Group) delta {
	d := delta{before: before, now: now, plan: !samePlan(before.Plan, now.Plan)}
	old, fresh := before.Workers, now.Workers
	for len(old) > 0 || len(fresh) > 0 {
		switch {
		case len(fresh) == 0 || len(old) > 0 && old[0].ID < fresh[0].ID:
			d.gone = append(d.gone, old[0].ID)
			old = old[1:]
		case len(old) == 0 || fresh[0].ID < old[0].ID:
			d.worker(observe.Worker{}, fresh[0])
			fresh = fresh[1:]
		default:
			d.worker(old[0], fresh[0])
			old, fresh = old[1:], fresh[1:]
		}
	}
	return d
}

// empty reports whether nothing visible has changed.
func (d *delta) empty() bool {
	return !d.plan && len(d.workers)+len(d.gone)+len(d.set)+len(d.unset) == 0 && d.before.Leader == d.now.Leader &&
		d.before.Unowned == d.now.Unowned && d.before.Stale.Equal(d.now.Stale) &&
		d.before.Name == d.now.Name && d.before.Bucket == d.now.Bucket
}

// worker compares the former and the present state of a worker; a new worker has no former one.
func (d *delta) worker(before, now observe.Worker) {
	if !sameWorker(before, now) {
		d.workers = append(d.workers, now)
	}
	if sameList(before.Partitions, now.Partitions) {
		return
	}
	old, fresh := before.Partitions, now.Partitions
	for len(old) > 0 || len(fresh) > 0 {
		switch {
		case len(fresh) == 0 || len(old) > 0 && old[0].ID < fresh[0].ID:
			d.unset = append(d.unset, row{now.ID, old[0]})
			old = old[1:]
		case len(old) == 0 || fresh[0].ID < old[0].ID:
			d.set = append(d.set, row{now.ID, fresh[0]})
			fresh = fresh[1:]
		default:
			if !samePartition(old[0], fresh[0]) {
				d.set = append(d.set, row{now.ID, fresh[0]})
			}
			old, fresh = old[1:], fresh[1:]
		}
	}
}

// sameList reports whether both are the same list in memory. Lists of a Group do not change.
func sameList(a, b []observe.Partition) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func samePartition(a, b observe.Partition) bool {
	return a.Epoch == b.Epoch && a.Releasing == b.Releasing && a.Since.Equal(b.Since)
}

// sameWorker compares everything but the partitions.
func sameWorker(a, b observe.Worker) bool {
	return a.ID == b.ID && a.Host == b.Host && a.Process == b.Process && a.Session == b.Session && a.State == b.State && a.Live == b.Live &&
		a.Leader == b.Leader && a.Leaving == b.Leaving && a.Cordoned == b.Cordoned && a.Capacity == b.Capacity && a.Applied == b.Applied &&
		a.Damped.Equal(b.Damped) && a.Ended.Equal(b.Ended) && a.Clean == b.Clean && maps.Equal(a.Labels, b.Labels) && slices.Equal(a.Stuck, b.Stuck)
}

func samePlan(a, b observe.Plan) bool {
	return a.Term == b.Term && a.Version == b.Version && a.Phase == b.Phase && a.Lifecycle == b.Lifecycle && a.Partitions == b.Partitions &&
		a.Strategy == b.Strategy && a.Stored.Equal(b.Stored) && a.Certificate == b.Certificate && slices.Equal(a.Members, b.Members)
}

// deltaWords is the head of a delta.
type deltaWords struct {
	Seq     uint64        `json:"seq"`
	At      int64         `json:"at"`
	Leader  string        `json:"leader"`
	Stale   int64         `json:"stale"`
	Unowned int           `json:"unowned"`
	Plan    *planWords    `json:"plan,omitempty"`
	Workers []workerWords `json:"workers,omitempty"`
	Gone    []string      `json:"gone,omitempty"`
}

func (d *delta) encode(seq uint64, at int64) []byte {
	words := deltaWords{Seq: seq, At: at, Leader: d.now.Leader, Stale: milliseconds(d.now.Stale), Unowned: d.now.Unowned, Gone: d.gone}
	if d.plan {
		plan := planOf(d.now.Plan)
		words.Plan = &plan
	}
	for _, w := range d.workers {
		words.Workers = append(words.Workers, workerOf(w))
	}
	b := open(make([]byte, 0, 512+256*len(d.workers)+rowSize*(len(d.set)+len(d.unset))), words)
	if len(d.set) > 0 {
		b = append(b, `,"set":[`...)
		for i, r := range d.set {
			b = appendRow(comma(b, i), r.worker, r.partition)
		}
		b = append(b, ']')
	}
	if len(d.unset) > 0 {
		b = append(b, `,"unset":[`...)
		for i, r := range d.unset {
			b = appendString(append(comma(b, i), '['), r.partition.ID)
			b = append(appendString(append(b, ','), r.worker), ']')
		}
		b = append(b, ']')
	}
	return append(b, '}')
}
