// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"errors"

	"github.com/parti-go/parti/internal/leader"
)

// What a worker reports, ends with, or tells those whom it has return.
var (
	// ErrGivingUp says that actors of the tree failed too often in too short a time. It wraps the last cause.
	ErrGivingUp = errors.New("too many failures, giving up")
	// ErrPanic wraps what an actor of the tree panicked with.
	ErrPanic = errors.New("actor panicked")
	// ErrRevoked, ErrStopping and ErrFenced are why the work on a partition ends.
	ErrRevoked  = errors.New("partition is handed to another worker")
	ErrStopping = errors.New("worker is leaving")
	ErrFenced   = errors.New("trust is over: another worker may own the partition")
	// ErrIdentityLost says that the worker's session ended without its consent: another claimed its ID, or its leases
	// could not be renewed in time. The worker gives everything up and rejoins as a newcomer.
	ErrIdentityLost = errors.New("identity lost")
	// ErrStartupTimeout says that no first assignment was applied within StartupTimeout.
	ErrStartupTimeout = errors.New("no assignment in time")
	// ErrNewerFormat says that a record in the store was written by a release this one does not know. The worker does
	// not lead and takes nothing up while such a record is there.
	ErrNewerFormat = errors.New("record of an unknown format in the store")
)

// What a leader says of a worker, the worker says of itself in the same words.
var (
	errHandoffTimeout = leader.ErrHandoffTimeout
	errFlapping       = leader.ErrFlapping
	errStuck          = leader.ErrStuck
)
