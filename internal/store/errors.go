// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
)

// The errors of the store. Test for them with errors.Is; each implies what the caller can do next.
var (
	// ErrTaken says that somebody else holds the entry, see [TakenError]. Wait for its end.
	ErrTaken = errors.New("held by somebody else")
	// ErrLost says that the lease is over: the entry is gone, or may be, or belongs to somebody else. Claim again.
	ErrLost = errors.New("lease lost")
	// ErrLate says that the trust in the lease has ended by this process's clock. Drop the lease and claim again.
	ErrLate = errors.New("lease not renewed in time")
	// ErrDeposed says that a newer term is stored. Stop leading.
	ErrDeposed = errors.New("deposed by a newer term")
	// ErrUnknown says that a write may be stored, now or later. Only another conditional write to the same entry settles it.
	ErrUnknown = errors.New("outcome unknown")
	// ErrNotDone says that a write is definitely not stored. Try again.
	ErrNotDone = errors.New("not done")
	// ErrTooLarge says that a record is larger than the server accepts. It is an [ErrNotDone]. Try again with a smaller record.
	ErrTooLarge = fmt.Errorf("%w: record too large", ErrNotDone)
	// ErrNotFound says that there is neither an entry nor a marker under a key.
	ErrNotFound = errors.New("no such entry")
	// ErrNoFreeID says that every ID of the range is held. Wait for one.
	ErrNoFreeID = errors.New("no free worker ID")
	// ErrRolledBack says that the store was recreated, or that its sequences went back. Forget what you have read and open it
	// again.
	ErrRolledBack = errors.New("store rolled back or recreated")
	// ErrRefused is the leader's answer to a refresh that failed, with the reason.
	ErrRefused = errors.New("refused by the leader")
)

// TakenError says who holds an entry. It is [ErrTaken].
type TakenError struct {
	Entry Entry
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("%s %q: %v (revision %d)", e.Entry.Bucket, e.Entry.Key, ErrTaken, e.Entry.Revision)
}

// Is reports whether target is [ErrTaken].
func (e *TakenError) Is(target error) bool { return target == ErrTaken }
