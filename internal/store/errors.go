// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
)

// What a caller can do next is in the error; all are tested with errors.Is.
var (
	// ErrTaken: somebody else holds the entry, see [TakenError]. Wait for its end.
	ErrTaken = errors.New("held by somebody else")
	// ErrLost: the lease is over, the entry is gone or somebody else's. Claim anew.
	ErrLost = errors.New("lease lost")
	// ErrLate: the trust in the lease has ended on this process' clock. Drop it and claim anew.
	ErrLate = errors.New("lease not renewed in time")
	// ErrDeposed: a newer term is stored. Stop leading.
	ErrDeposed = errors.New("deposed by a newer term")
	// ErrUnknown: maybe done, now or later. Only another conditional write on the same entry settles it.
	ErrUnknown = errors.New("outcome unknown")
	// ErrNotDone: definitely not done. Try again.
	ErrNotDone = errors.New("not done")
	// ErrTooLarge: a record is larger than the server takes. It is an [ErrNotDone]; trying again helps only with less in it.
	ErrTooLarge = fmt.Errorf("%w: record too large", ErrNotDone)
	// ErrNotFound: no entry and no marker under that key.
	ErrNotFound = errors.New("no such entry")
	// ErrNoFreeID: every ID of the range is held. Wait for one.
	ErrNoFreeID = errors.New("no free worker ID")
	// ErrRolledBack: the store is not the one it was: recreated, or its sequences went back. Forget what was read and
	// open it anew.
	ErrRolledBack = errors.New("store rolled back or recreated")
	// ErrRefused is what the leader answers to a refresh that it could not do, with its reason.
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
