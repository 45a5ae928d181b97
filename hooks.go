// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import "github.com/parti-go/parti/actors"

// Hooks are the functions that a worker calls when something changes. Set the fields you need and leave the others nil; hand
// them over with [WithHooks]. A hook that panics or returns an error counts as returned, and OnError is called with
// [ErrHookPanic] or [ErrHookFailed]. Whoever wants one call for each partition uses a [Handler] instead.
//
//   - OnAssignmentChanged func(ctx context.Context, added, removed []Partition) error is called with the difference between
//     what this worker owned and what it owns now, the first assignment included; one call at a time. Begin what is added.
//     End what is removed, and return only when it has ended: when the hook returns, another worker may begin. [Manager.Assignment]
//     has the epochs. ctx ends when the trust of the session ends: return at once then, and a call follows in which everything
//     is removed. In that last call of a session ctx ends when the time to let go is over.
//   - OnStateChanged func(ctx context.Context, from, to State) error is called after each step of the state machine: in order,
//     one call at a time. It holds nothing up: a call that comes while 1,024 wait is dropped, and the log says so.
//   - OnError func(ctx context.Context, err error) is called with each error that the worker survives: in order, one call at a
//     time. The error wraps a sentinel of this package. It shares the queue of OnStateChanged.
type Hooks = actors.Hooks
