// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/record"
)

// Query selects changes. Its zero value selects all changes that the journal keeps, which are those of the last day.
type Query struct {
	Partition string    // only of this one
	Worker    string    // only those from or to this one
	Since     time.Time // only those that were stored since then
	Limit     int       // only so many of the newest; 0 for all
}

// Change is one change of an owner.
type Change struct {
	At        time.Time // when it was stored, by the clock of the server
	Partition string
	// From is the former owner, "" if it is not known. To is the new owner, "" if the leader asked From to let go.
	From, To string
	// Epoch is the epoch of the grant, or the epoch that ends.
	Epoch   int64
	Version int64  // of the plan
	Term    uint64 // of its leader
	By      string // the leader
	Why     string
	// Certificate is the certificate of the version.
	Certificate record.Certificate
	// Left is the number of changes of this version that did not fit into the journal. Such a Change names no partition.
	Left int
}

// History reads the journal: which partitions have moved and why, the oldest change first. The journal keeps entries for a
// day. It is empty if the leader may not write it, or if a worker of an early release takes part in the group.
func (o *Observer) History(ctx context.Context, q Query) ([]Change, error) {
	if q.Limit < 0 {
		return nil, fmt.Errorf("observe: history: Limit is %d, allowed: 0 or more", q.Limit)
	}
	var all []Change
	err := o.store.Load().History(ctx, q.Since, func(j record.Journal, stored time.Time) error {
		all = q.take(all, j, stored)
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("observe: history: %w", err)
	}
	return q.newest(all), nil
}

func (q Query) take(all []Change, j record.Journal, stored time.Time) []Change {
	for _, c := range j.Changes {
		if q.Worker != "" && c.From != q.Worker && c.To != q.Worker {
			continue
		}
		for _, p := range c.Partitions {
			if q.Partition == "" || p == q.Partition {
				all = append(all, Change{
					At: stored, Partition: p, From: c.From, To: c.To, Epoch: c.Epoch, Version: j.Version, Term: j.Term, By: j.By, Why: j.Why,
					Certificate: j.Certificate,
				})
			}
		}
	}
	if j.Left > 0 {
		all = append(all, Change{At: stored, Version: j.Version, Term: j.Term, By: j.By, Why: j.Why, Certificate: j.Certificate, Left: j.Left})
	}
	if q.Limit > 0 && len(all) > 2*q.Limit+1000 { // not all at once in memory
		all = append(all[:0], all[len(all)-q.Limit:]...)
	}
	return all
}

func (q Query) newest(all []Change) []Change {
	if q.Limit > 0 && len(all) > q.Limit {
		return all[len(all)-q.Limit:]
	}
	return all
}
