// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"errors"

	"github.com/parti-go/parti/actors"
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/strategy"
)

// Errors of the arguments and of the life of a Manager. All errors of this package wrap one of the sentinels here.
var (
	// ErrNilArgument says that a required argument is nil.
	ErrNilArgument = errors.New("nil argument")
	// ErrInvalidConfig says that a field of the configuration is out of range; see [ConfigError].
	ErrInvalidConfig = errors.New("invalid configuration")
	// ErrAlreadyStarted says that Start was called before.
	ErrAlreadyStarted = errors.New("manager already started")
	// ErrStopped says that the manager was stopped. Create a new one.
	ErrStopped = errors.New("manager stopped")
	// ErrNoPartitions says that the source lists nothing.
	ErrNoPartitions = errors.New("source lists no partitions")
)

// Errors of a running worker: the worker ends with them (Err, Start), or survives them and reports them to Hooks.OnError.
var (
	ErrGivingUp         = actors.ErrGivingUp         // actors failed too often; wraps the last cause
	ErrPanic            = actors.ErrPanic            // an actor panicked; survived until ErrGivingUp
	ErrHookPanic        = actors.ErrHookPanic        // a hook panicked; it counts as returned
	ErrHookFailed       = actors.ErrHookFailed       // a hook returned an error; the change stands
	ErrHandlerFailed    = actors.ErrHandlerFailed    // a handler returned an error or panicked; it is called again
	ErrHandoffTimeout   = actors.ErrHandoffTimeout   // partitions were not let go within HandoffTimeout; they stay
	ErrStuck            = actors.ErrStuck            // something is waited for past its deadline; see Healthy
	ErrFlapping         = actors.ErrFlapping         // a worker fails again and again; it is given nothing for a while
	ErrUnplaced         = actors.ErrUnplaced         // the strategy may give partitions to none of the workers
	ErrBlind            = actors.ErrBlind            // the leader does not see the heartbeats; it leaves the lead to others
	ErrNoLeader         = actors.ErrNoLeader         // none was seen for ElectionTimeout
	ErrConnectionClosed = actors.ErrConnectionClosed // the NATS connection is closed for good; the worker ends
	ErrIdentityLost     = actors.ErrIdentityLost     // the session is over; the worker rejoins as a newcomer
	ErrSourceFailed     = actors.ErrSourceFailed     // the last good list stays; at the start the worker ends
	ErrOlderSource      = actors.ErrOlderSource      // the group divides a newer version of the list; the newer one stays
	ErrSourceShrunk     = actors.ErrSourceShrunk     // the list lacks most partitions; all stay until it is confirmed
	ErrForeignGroup     = actors.ErrForeignGroup     // source and group have no partition in common; ends a start
	ErrStrategyFailed   = actors.ErrStrategyFailed   // what has an owner stays; Sticky places the rest
	ErrStartupTimeout   = actors.ErrStartupTimeout   // no first assignment within StartupTimeout
	ErrShutdownTimeout  = actors.ErrShutdownTimeout  // a clean leave took longer than ShutdownTimeout
	ErrDrainIncomplete  = actors.ErrDrainIncomplete  // a drain ended, as a Stop, before everything was handed over
	ErrStateDirInUse    = actors.ErrStateDirInUse    // another worker has locked the StateDir; the start ends
	ErrStateDir         = actors.ErrStateDir         // the StateDir cannot be used; the start ends
	ErrNewerFormat      = actors.ErrNewerFormat      // the store holds records of a newer release
	ErrNotJoined        = actors.ErrNotJoined        // not in the group yet, or not any more
)

// Reasons why the work on a partition ends: the causes of a handler's context, see [Handler].
var (
	ErrRevoked  = actors.ErrRevoked  // handed to another worker
	ErrUnlisted = actors.ErrUnlisted // the source lists it no more
	ErrStopping = actors.ErrStopping // this worker stops or drains
	ErrFenced   = actors.ErrFenced   // the trust is over: write nothing more
)

// Errors of the store.
var (
	ErrNoFreeID        = kv.ErrNoFreeID       // more workers than IDs
	ErrNoJetStream     = kv.ErrNoJetStream    // the server, or this account on it, has none
	ErrServerVersion   = kv.ErrServerVersion  // the server is older than 2.12.3
	ErrBucketMismatch  = kv.ErrBucketMismatch // a bucket exists in a form that cannot be relied on
	ErrStoreRolledBack = kv.ErrRolledBack     // the store was recreated or restored; begun anew
	ErrStoreFull       = kv.ErrFull           // a bucket, or the account on the server, takes no more
	ErrRefused         = kv.ErrRefused        // the leader could not list its source again; with its reason
)

// Errors of a list of partitions.
var (
	ErrNoKeys        = strategy.ErrNoKeys        // a partition has no key to be named by
	ErrInvalidKey    = strategy.ErrInvalidKey    // a key that cannot be a part of a NATS subject
	ErrDuplicateID   = strategy.ErrDuplicateID   // two partitions have the same keys
	ErrInvalidWeight = strategy.ErrInvalidWeight // a weight is negative, or too large
)
