// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"errors"
	"fmt"
)

// The errors that a leader reports.
var (
	// ErrHandoffTimeout says that a live worker has not let go of partitions within HandoffTimeout. They stay with it, and no
	// other worker gets them, until it lets go or its session ends.
	ErrHandoffTimeout = errors.New("handoff not acknowledged in time")
	// ErrFlapping says that a worker failed again and again, and until when it gets nothing.
	ErrFlapping = errors.New("worker fails again and again")
	// ErrUnplaced says that partitions have no owner because the strategy allows no worker for them.
	ErrUnplaced = errors.New("the strategy allows no worker for these partitions")
	// ErrForeignGroup says that the source and the group have no partition in common.
	ErrForeignGroup = errors.New("the group belongs to another application")
	// ErrOlderSource says that the group already divides a newer version of the source's list.
	ErrOlderSource = errors.New("partition source is out of date")
	// ErrSourceShrunk says that a source lacks most of the group's partitions. Nothing is taken away until several listings
	// agree.
	ErrSourceShrunk = errors.New("partition source lacks most of the partitions")
	// ErrBlind says that a leader does not see the heartbeats any more. It stops leading.
	ErrBlind = errors.New("leader does not see the heartbeats")

	// ErrStuck says that a worker has waited for something past its deadline, according to its heartbeat.
	ErrStuck = errors.New("stuck")

	errEnded    = errors.New("the term has ended")
	errBegun    = errors.New("the leader has just begun")
	errRestless = errors.New("one plan follows another without end")
)

// Ended reports whether an error only means that the leader has ended or has just begun, so that the caller should ask again.
func Ended(err error) bool { return errors.Is(err, errEnded) || errors.Is(err, errBegun) }

func garbledError(f *Garbled) error { return fmt.Errorf("heartbeat of %s: %w", f.Worker, f.Err) }
