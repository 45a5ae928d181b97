// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/strategy"
)

// sentinel is an error and its name in the root package.
type sentinel struct {
	name string
	err  error
}

// sentinels lists what a running worker can report or end with, and below that the errors of the store. Errors that end a
// worker or a session come first. ErrStuck comes last, because an error beside it names the cause.
func sentinels() []sentinel {
	return []sentinel{
		{"ErrGivingUp", ErrGivingUp},
		{"ErrStartupTimeout", ErrStartupTimeout},
		{"ErrShutdownTimeout", ErrShutdownTimeout},
		{"ErrDrainIncomplete", ErrDrainIncomplete},
		{"ErrConnectionClosed", ErrConnectionClosed},
		{"ErrStateDirInUse", ErrStateDirInUse},
		{"ErrStateDir", ErrStateDir},
		{"ErrForeignGroup", ErrForeignGroup},
		{"ErrIdentityLost", ErrIdentityLost},
		{"ErrPanic", ErrPanic},
		{"ErrHookPanic", ErrHookPanic},
		{"ErrHookFailed", ErrHookFailed},
		{"ErrHandlerFailed", ErrHandlerFailed},
		{"ErrHandoffTimeout", ErrHandoffTimeout},
		{"ErrFlapping", ErrFlapping},
		{"ErrUnplaced", ErrUnplaced},
		{"ErrBlind", ErrBlind},
		{"ErrNoLeader", ErrNoLeader},
		{"ErrOlderSource", ErrOlderSource},
		{"ErrSourceShrunk", ErrSourceShrunk},
		{"ErrNoKeys", strategy.ErrNoKeys},
		{"ErrInvalidKey", strategy.ErrInvalidKey},
		{"ErrDuplicateID", strategy.ErrDuplicateID},
		{"ErrInvalidWeight", strategy.ErrInvalidWeight},
		{"ErrSourceFailed", ErrSourceFailed},
		{"ErrStrategyFailed", ErrStrategyFailed},
		{"ErrNewerFormat", ErrNewerFormat},
		{"ErrStoreRolledBack", kv.ErrRolledBack},
		{"ErrStoreFull", kv.ErrFull},
		{"ErrNoFreeID", kv.ErrNoFreeID},
		{"ErrNoJetStream", kv.ErrNoJetStream},
		{"ErrServerVersion", kv.ErrServerVersion},
		{"ErrBucketMismatch", kv.ErrBucketMismatch},
		{"ErrRefused", kv.ErrRefused},
		{"ErrNotJoined", ErrNotJoined},
		{"kv.ErrPermission", kv.ErrPermission},
		{"kv.ErrFormat", kv.ErrFormat},
		{"kv.ErrCorrupt", kv.ErrCorrupt},
		{"kv.ErrTooLarge", kv.ErrTooLarge},
		{"kv.ErrTaken", kv.ErrTaken},
		{"kv.ErrLost", kv.ErrLost},
		{"kv.ErrLate", kv.ErrLate},
		{"kv.ErrDeposed", kv.ErrDeposed},
		{"kv.ErrUnknown", kv.ErrUnknown},
		{"kv.ErrNotDone", kv.ErrNotDone},
		{"ErrStuck", ErrStuck},
	}
}
