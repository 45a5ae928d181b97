// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"errors"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/statedir"
)

// Errors that a worker reports through Hooks.OnError or ends with.
var (
	// ErrGivingUp says that actors of the tree failed too often in too short a time. It wraps the last cause. The supervisor of
	// the tree has to decide about it: Restart and Stop are safe answers, Resume is not.
	ErrGivingUp = member.ErrGivingUp
	// ErrPanic wraps what an actor of the tree panicked with.
	ErrPanic = member.ErrPanic
	// ErrHookPanic wraps what a hook panicked with. The hook counts as returned.
	ErrHookPanic = errors.New("hook panicked")
	// ErrHookFailed wraps the error that a hook returned. The change that the hook was called for stands.
	ErrHookFailed = errors.New("hook returned an error")
	// ErrHandlerFailed wraps what the handler of a partition returned or panicked with. It is called again after a backoff.
	ErrHandlerFailed = errors.New("partition handler failed")
	// ErrRevoked is the cause of a handler's context that ends because another worker gets the partition.
	ErrRevoked = member.ErrRevoked
	// ErrStopping is the cause of a handler's context that ends because the worker stops or drains.
	ErrStopping = member.ErrStopping
	// ErrUnlisted is the cause of a handler's context that ends because the source does not list the partition any more.
	ErrUnlisted = errors.New("partition is not listed by the source any more")
	// ErrFenced is the cause of a handler's context that ends because the worker's trust is over.
	ErrFenced = member.ErrFenced
	// ErrHandoffTimeout says, on the leader, that a worker has not let partitions go within HandoffTimeout.
	ErrHandoffTimeout = leader.ErrHandoffTimeout
	// ErrFlapping says, on the leader and on the worker, that the worker fails again and again and gets nothing for a while.
	ErrFlapping = leader.ErrFlapping
	// ErrUnplaced says, on the leader, that the strategy allows no worker for some partitions.
	ErrUnplaced = leader.ErrUnplaced
	// ErrBlind says, on the leader, that it does not see the heartbeats and stops leading.
	ErrBlind = leader.ErrBlind
	// ErrForeignGroup says that source and group have no partition in common. It also ends a start.
	ErrForeignGroup = leader.ErrForeignGroup
	// ErrOlderSource says, on the leader, that the group divides a newer version of the list than its source has.
	ErrOlderSource = leader.ErrOlderSource
	// ErrSourceShrunk says, on the leader, that a list lacks most partitions and has to be confirmed.
	ErrSourceShrunk = leader.ErrSourceShrunk
	// ErrNoLeader says that no leader was seen for ElectionTimeout.
	ErrNoLeader = errors.New("no leader elected")
	// ErrStuck says that the worker has waited for something past its deadline. The other errors name what failed; ErrStuck says
	// that nothing has failed so far. An error wraps it together with the error that names the cause, if there is one.
	ErrStuck = leader.ErrStuck
	// ErrConnectionClosed says that the NATS connection was closed for good.
	ErrConnectionClosed = errors.New("connection to the store is closed")
	// ErrIdentityLost says that the worker's session ended without its consent: another claimed its ID, or its leases
	// could not be renewed in time. The worker gives everything up and rejoins as a newcomer.
	ErrIdentityLost = member.ErrIdentityLost
	// ErrSourceFailed says that the partition source returned an error, an invalid list or an empty one. The last good
	// list stays in force.
	ErrSourceFailed = errors.New("partition source failed")
	// ErrStrategyFailed says that the strategy returned an error or an impossible plan, panicked, or did not answer within
	// OperationTimeout. Partitions with an owner stay with it, and Sticky places the others.
	ErrStrategyFailed = errors.New("strategy failed")
	// ErrStartupTimeout says that no first assignment was applied within StartupTimeout.
	ErrStartupTimeout = member.ErrStartupTimeout
	// ErrNotJoined says that the worker is not in the group: not yet, or not any more.
	ErrNotJoined = errors.New("worker has not joined the group")
	// ErrShutdownTimeout says that a clean leave took longer than ShutdownTimeout. Entries that are left in the store expire
	// with their TTLs.
	ErrShutdownTimeout = errors.New("clean leave took too long")
	// ErrDrainIncomplete says that a drain had to end before everything was handed over.
	ErrDrainIncomplete = errors.New("drain not complete")
	// ErrStateDirInUse says that another process, or another worker of this one, has locked the StateDir.
	ErrStateDirInUse = statedir.ErrInUse
	// ErrStateDir says that the StateDir cannot be used: it is not on a local file system, or cannot be written.
	ErrStateDir = statedir.ErrUnusable
	// ErrNewerFormat says that a record in the store was written by a release that this one does not know. While such a record
	// is there, the worker does not lead and takes nothing up.
	ErrNewerFormat = member.ErrNewerFormat
)
