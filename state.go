// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import "github.com/parti-go/parti/fsm"

// State says where one worker stands in the state machine, from [StateInit] to [StateShutdown]. Its text is its name there.
// Package fsm has the table of all steps; docs/protocol.md draws it.
//
//   - String() string returns the name, for instance "WaitingAssignment".
type State = fsm.State

// The states of one worker. Each is a [State].
const (
	// StateInit is the state of a worker that has not opened the store yet.
	StateInit = fsm.Init
	// StateClaimingID is the state of a worker that looks for a free ID.
	StateClaimingID = fsm.ClaimingID
	// StateElection is the state of a worker that has an ID and knows no leader yet.
	StateElection = fsm.Election
	// StateWaitingAssignment is the state of a worker that knows a leader and waits for its first assignment.
	StateWaitingAssignment = fsm.WaitingAssignment
	// StateStable is the state of a worker that has its assignment while the leader plans nothing. The phase of a whole group
	// is another thing: see [Stable].
	StateStable = fsm.Stable
	// StateScaling is the state of a worker while the leader waits for a window to end, because workers came or went.
	StateScaling = fsm.Scaling
	// StateRebalancing is the state of a worker while partitions move as planned.
	StateRebalancing = fsm.Rebalancing
	// StateEmergency is the state of a worker while the leader hands out what crashed workers had.
	StateEmergency = fsm.Emergency
	// StateShutdown is the state of a worker that leaves or has ended. It has no exit.
	StateShutdown = fsm.Shutdown
)
