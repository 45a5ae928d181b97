// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv"
)

// This file turns the answers of the store and of the source into facts for the leader.

// read reads what earlier leaders stored, complete up to this term.
func (c *calculator) read(ctx context.Context) any {
	snapshot, err := c.store.Snapshot(ctx, store.Assignments, nil, c.fence.Revision)
	if err != nil {
		return &leader.Restored{Err: err}
	}
	return restored(snapshot)
}

// restored decodes what earlier leaders stored.
func restored(snapshot store.Snapshot) leader.Fact {
	found := &leader.Restored{}
	for _, e := range snapshot.Entries {
		var err error
		found.Format = max(found.Format, e.Format)
		switch e.Key {
		case store.TermKey:
		case store.PlanKey:
			found.Plan, err = record.DecodePlan(e.Value)
		default:
			var a record.Assignment
			if a, err = record.DecodeAssignment(e.Value); err == nil {
				found.Records = append(found.Records, a)
			} else {
				found.Unreadable = append(found.Unreadable, e.Key)
			}
		}
		if errors.Is(err, kv.ErrFormat) {
			return &leader.Foreign{Err: err}
		}
		if err != nil {
			found.Problems = append(found.Problems, fmt.Errorf("restore %s: %w", e.Key, err))
		}
	}
	return found
}

// list lists the source and prepares the list for strategies.
func (c *calculator) list(ctx context.Context) any {
	partitions, version, err := list(ctx, c.set)
	if err != nil {
		return &leader.Listed{Err: err}
	}
	prepared, err := leader.NewListing(partitions, version)
	if err != nil {
		return &leader.Listed{Err: fmt.Errorf("%w: %w", ErrSourceFailed, err)}
	}
	return &leader.Listed{List: prepared}
}

// heartbeatFact returns the fact in an update of the heartbeats.
func heartbeatFact(u store.Update) any {
	switch u.Kind {
	case store.UpdatePut:
		return beatFact(u.Entry)
	case store.UpdateSynced:
		return &leader.Synced{}
	case store.UpdateBlind:
		return &leader.Blind{Since: u.Since}
	case store.UpdateStale:
		return &leader.Stale{Since: u.Since, Err: u.Err}
	case store.UpdateDeleted:
		return &leader.Gone{Worker: u.Entry.Key, Clean: true}
	default:
		return &leader.Gone{Worker: u.Entry.Key}
	}
}

func beatFact(e store.Entry) leader.Fact {
	h, err := record.DecodeHeartbeat(e.Value)
	switch {
	case errors.Is(err, kv.ErrFormat):
		return &leader.Foreign{Err: err}
	case err != nil:
		return &leader.Garbled{Worker: e.Key, Revision: e.Revision, Stored: e.Created, Err: err}
	}
	return &leader.Beat{
		Worker: e.Key, Session: h.Session, Applied: h.Applied.Version, Shown: h.Shown, Holding: h.Holding, Capacity: h.Capacity, Labels: h.Labels,
		Cordoned: h.Cordoned, Leaving: h.Leaving, Failed: h.Failed, Stuck: h.Stuck, Reads: h.Reads, Stored: e.Created,
	}
}

// lookUp finds out how absent workers left.
func lookUp(ctx context.Context, buckets *kv.Store, workers []string) *leader.LookedUp {
	found := &leader.LookedUp{Left: map[string]time.Time{}}
	for _, id := range workers {
		e, err := buckets.Get(ctx, store.Heartbeats, id)
		switch {
		case errors.Is(err, kv.ErrNotFound):
		case err != nil:
			found.Err = err
			return found
		case e.Kind == store.Deleted:
			found.Left[id] = e.Created
		}
	}
	return found
}
