// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"errors"
	"fmt"
)

// What a leader reports.
var (
	// ErrHandoffTimeout says that a worker, alive, did not let go of partitions within HandoffTimeout. They stay with it,
	// and nobody else is granted them, until it does or its session ends.
	ErrHandoffTimeout = errors.New("handoff not acknowledged in time")
	// ErrFlapping says that a worker failed again and again, and until when it is given nothing.
	ErrFlapping = errors.New("worker fails again and again")
	// ErrUnplaced says that partitions have no owner because the strategy may give them to none of the workers.
	ErrUnplaced = errors.New("the strategy allows no worker for these partitions")
	// ErrForeignGroup says that a source and what the group divides have no partition in common.
	ErrForeignGroup = errors.New("the group belongs to another application")
	// ErrOlderSource says that the group already divides a newer version of what the source lists.
	ErrOlderSource = errors.New("partition source is out of date")
	// ErrSourceShrunk says that a source lacks most of what is divided. Nothing is taken away before several listings agree.
	ErrSourceShrunk = errors.New("partition source lacks most of the partitions")
	// ErrBlind says that a leader does not see the heartbeats any more. It leaves the lead to others.
	ErrBlind = errors.New("leader does not see the heartbeats")

	// ErrStuck says that a worker waits for something past its deadline, as its heartbeat tells.
	ErrStuck = errors.New("stuck")

	errEnded    = errors.New("the term has ended")
	errBegun    = errors.New("the leader has just begun")
	errRestless = errors.New("one plan follows another without end")
)

// Ended says that an answer only means that the leader that was asked has ended or has just begun: ask again.
func Ended(err error) bool { return errors.Is(err, errEnded) || errors.Is(err, errBegun) }

func garbledError(f *Garbled) error { return fmt.Errorf("heartbeat of %s: %w", f.Worker, f.Err) }
