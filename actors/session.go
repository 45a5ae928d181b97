// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"sync/atomic"
	"time"
)

// session is one uninterrupted hold on a stable ID.
type session struct {
	id     string
	number uint64
	trust  *trust
	tenure *tenure
}

// trust is the deadline up to which the session may act, on the local monotonic clock. The manager sets it, as its member
// decides. The hook runner reads it just before it tells the user anything new, because a manager that is delayed cannot report
// in time that the trust is over.
type trust struct {
	until  atomic.Pointer[time.Time]
	closed atomic.Bool // the session is being wound down: nothing new is taken up, however good the leases are
	silent atomic.Bool // its entries are about to go, or are gone: nobody is answered under its ID
	// The worker gave the session up and may hold another one: whoever asked it to drain is not answered at the end either.
	forgotten atomic.Bool
}

func (t *trust) extend(until time.Time) { t.until.Store(&until) }
func (t *trust) mayTake() bool          { return !t.closed.Load() && t.valid() }
func (t *trust) valid() bool {
	until := t.until.Load()
	return until != nil && time.Now().Before(*until)
}

// left returns how much of the trust is left.
func (t *trust) left(now time.Time) time.Duration {
	if until := t.until.Load(); until != nil {
		return max(until.Sub(now), 0)
	}
	return 0
}
