// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"context"
	"maps"
	"slices"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// sentinels are the errors that deciders ask for, by the names that they have in a trace. A name stays what it is.
var sentinels = map[string]error{
	"store.taken": store.ErrTaken, "store.lost": store.ErrLost, "store.late": store.ErrLate, "store.deposed": store.ErrDeposed,
	"store.unknown": store.ErrUnknown, "store.not done": store.ErrNotDone, "store.too large": store.ErrTooLarge,
	"store.not found": store.ErrNotFound, "store.no free ID": store.ErrNoFreeID, "store.rolled back": store.ErrRolledBack,
	"store.refused": store.ErrRefused,

	"record.format": record.ErrFormat, "record.corrupt": record.ErrCorrupt,

	"leader.handoff timeout": leader.ErrHandoffTimeout, "leader.flapping": leader.ErrFlapping, "leader.unplaced": leader.ErrUnplaced,
	"leader.foreign group": leader.ErrForeignGroup, "leader.older source": leader.ErrOlderSource, "leader.source shrunk": leader.ErrSourceShrunk,
	"leader.blind": leader.ErrBlind, "leader.stuck": leader.ErrStuck,

	"member.giving up": member.ErrGivingUp, "member.panic": member.ErrPanic, "member.revoked": member.ErrRevoked,
	"member.stopping": member.ErrStopping, "member.fenced": member.ErrFenced, "member.identity lost": member.ErrIdentityLost,
	"member.startup timeout": member.ErrStartupTimeout, "member.newer format": member.ErrNewerFormat,

	"deadline": context.DeadlineExceeded, "canceled": context.Canceled,
}

var sentinelNames = slices.Sorted(maps.Keys(sentinels))

// recorded is an error that was written down: it has the text, and wraps what a decider may ask for.
type recorded struct {
	text  string
	is    []error
	taken *store.TakenError
}

func (r *recorded) Error() string { return r.text }

// Is reports whether the error wrapped target when it was written down.
func (r *recorded) Is(target error) bool { return slices.Contains(r.is, target) }

// As finds who holds an entry.
func (r *recorded) As(target any) bool {
	taken, is := target.(**store.TakenError)
	if is && r.taken != nil {
		*taken = r.taken
		return true
	}
	return false
}
