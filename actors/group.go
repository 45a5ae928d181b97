package actors

import (
	"context"
	"errors"
	"fmt"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/kv"
)

// This file is how a worker finds out, before it joins, that the group is another application's.

// checkSource lists the source for a worker that starts, and compares the list with what the group divides.
func checkSource(ctx context.Context, set Settings, store *kv.Store) (*leader.Listing, error) {
	listCtx, cancel := context.WithTimeout(ctx, set.Store.OperationTimeout)
	defer cancel()
	own, err := list(listCtx, set)
	if err != nil {
		return nil, err
	}
	return own, checkGroup(ctx, store, set.Store.Assignment, own)
}

// checkGroup is [ErrForeignGroup] where the list and what the group divides have nothing in common. The records are read
// only where the plan was made for another list. A plan that cannot be read is for others to report.
func checkGroup(ctx context.Context, store *kv.Store, group string, own *leader.Listing) error {
	e, err := store.Get(ctx, kv.Assignments, kv.PlanKey)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	plan, err := kv.DecodePlan(e.Value)
	if err != nil || !own.Suspect(plan) {
		return nil //nolint:nilerr // see above
	}
	snapshot, err := store.Snapshot(ctx, kv.Assignments, nil, e.Revision)
	if err != nil {
		return fmt.Errorf("read the assignments: %w", err)
	}
	if stored, ok := restored(snapshot).(*leader.Restored); ok {
		return own.Foreign(group, stored)
	}
	return nil
}
