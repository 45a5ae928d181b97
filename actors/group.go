package actors

import (
	"context"
	"errors"
	"fmt"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/kv"
)

// This file is how a worker that starts finds out that the group is another application's: before it claims an ID, and
// again before it applies its first record, because two applications that start together find no plan.

// compared is the outcome of comparing the source with the group.
type compared struct{ err error }

// belongs reports whether records may be applied. Where the first one names nothing that the source lists, the group is
// compared with the source before.
func (f *follower) belongs() bool {
	if f.own == nil || f.own.Lists(f.wanted.Owned) {
		f.own = nil
		return true
	}
	if !f.comparing {
		f.comparing = true
		own := f.own
		f.run(func(ctx context.Context) any { return &compared{checkGroup(ctx, f.store, own)} })
	}
	return false
}

func (f *follower) compared(err error) {
	f.comparing = false
	switch {
	case errors.Is(err, ErrForeignGroup):
		f.report(&foreignMet{err})
	case err != nil:
		f.log.Debug("source and group not compared", "error", err)
		f.after(untrustedRetry, &applyDue{})
	default:
		f.own = nil
		f.apply()
	}
}

// checkSource lists the source for a worker that starts, and compares the list with what the group divides.
func checkSource(ctx context.Context, set Settings, store *kv.Store) (*leader.Listing, error) {
	listCtx, cancel := context.WithTimeout(ctx, set.Store.OperationTimeout)
	defer cancel()
	own, err := list(listCtx, set)
	if err != nil {
		return nil, err
	}
	return own, checkGroup(ctx, store, own)
}

// checkGroup is [ErrForeignGroup] where the list and what the group divides have nothing in common. The records are read
// only where the plan was made for another list. A plan that cannot be read is for others to report.
func checkGroup(ctx context.Context, store *kv.Store, own *leader.Listing) error {
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
		return own.Foreign(store.Group(), stored)
	}
	return nil
}
