// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"fmt"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv"
)

// This file is how a worker that starts finds out that the group belongs to another application: before it claims an ID, and
// again before it applies its first record, because two applications that start together find no plan.

// comparer compares the source with the group once more.
func comparer(set Settings, buckets *kv.Store) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := checkSource(ctx, set, buckets)
		return err
	}
}

// checkSource lists the source for a worker that starts, and compares the list with what the group divides.
func checkSource(ctx context.Context, set Settings, buckets *kv.Store) (leader.Edition, error) {
	partitions, version, err := list(ctx, set)
	if err != nil {
		return leader.Edition{}, err
	}
	own := leader.Unprepared(partitions, version)
	return own.Edition(), checkGroup(ctx, buckets, own)
}

// checkGroup returns [ErrForeignGroup] if the list and the group have no partition in common. It reads the records only if the
// plan was made for another list. A plan that cannot be read is left for others to report.
func checkGroup(ctx context.Context, buckets *kv.Store, own *leader.Listing) error {
	e, err := buckets.Get(ctx, store.Assignments, store.PlanKey)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	plan, err := record.DecodePlan(e.Value)
	if err != nil || !own.Edition().Suspect(plan) {
		return nil //nolint:nilerr // see above
	}
	snapshot, err := buckets.Snapshot(ctx, store.Assignments, nil, e.Revision)
	if err != nil {
		return fmt.Errorf("read the assignments: %w", err)
	}
	if stored, ok := restored(snapshot).(*leader.Restored); ok {
		return own.Foreign(buckets.Group(), stored)
	}
	return nil
}
