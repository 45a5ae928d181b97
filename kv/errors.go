// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"errors"
	"fmt"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// Errors of the store. Test for them with errors.Is; each implies what the caller can do next.
var (
	// ErrNoBucket says that a bucket does not exist. An observer does not create it.
	ErrNoBucket = errors.New("bucket does not exist")

	// ErrTaken says that another process holds the entry, see store.TakenError. Wait for its end.
	ErrTaken = store.ErrTaken
	// ErrLost says that the lease is over: the entry is gone, or may be, or belongs to another process. Claim again.
	ErrLost = store.ErrLost
	// ErrLate says that the trust in the lease has ended by this process's clock. Drop the lease and claim again.
	ErrLate = store.ErrLate
	// ErrDeposed says that a newer term is stored. Stop leading.
	ErrDeposed = store.ErrDeposed
	// ErrUnknown says that a write may be stored, now or later. Only another conditional write to the same entry settles it.
	ErrUnknown = store.ErrUnknown
	// ErrNotDone says that a write is definitely not stored. Try again.
	ErrNotDone = store.ErrNotDone
	// ErrTooLarge says that a record is larger than the server accepts. It is an [ErrNotDone]. Try again with a smaller
	// record.
	ErrTooLarge = store.ErrTooLarge
	// ErrFull says that a bucket, or the account, is full. It is an [ErrNotDone]. Try again when there is room.
	ErrFull = fmt.Errorf("%w: the store is full", ErrNotDone)
	// ErrNotFound says that there is neither an entry nor a marker under a key.
	ErrNotFound = store.ErrNotFound
	// ErrNoFreeID says that every ID of the range is held. Wait for one.
	ErrNoFreeID = store.ErrNoFreeID
	// ErrRolledBack says that the store was recreated, or that its sequences went back. Forget what you have read and open
	// the store again.
	ErrRolledBack = store.ErrRolledBack
	// ErrRefused is the leader's answer to a refresh that failed, with the reason.
	ErrRefused = store.ErrRefused
	// ErrFormat says that a record has a format that this release does not know. Take up no partition and do not lead.
	ErrFormat = record.ErrFormat
	// ErrCorrupt says that a value is not a record.
	ErrCorrupt = record.ErrCorrupt
	// ErrNoJetStream says that the server, or the account, has no JetStream.
	ErrNoJetStream = errors.New("no JetStream")
	// ErrPermission says that the connection's user may not publish or subscribe on a subject that a worker needs. The text
	// names the subject.
	ErrPermission = errors.New("permission missing")
	// ErrServerVersion says that the server is too old.
	ErrServerVersion = errors.New("server too old")
	// ErrBucketMismatch says that a bucket exists with settings that leases cannot rely on, see [BucketError].
	ErrBucketMismatch = errors.New("unusable bucket")
	// ErrConfig says that the store cannot work with a value of [Config], or with a key.
	ErrConfig = errors.New("invalid store configuration")
)

// BucketError names the setting of an existing bucket that leases cannot rely on. It is [ErrBucketMismatch].
type BucketError struct {
	Bucket  string // its name
	Field   string
	Value   string // as found
	Allowed string
}

// Error names the bucket, the setting, the present value and what is allowed.
func (e *BucketError) Error() string {
	return fmt.Sprintf("%v %q: %s is %s, allowed: %s", ErrBucketMismatch, e.Bucket, e.Field, e.Value, e.Allowed)
}

// Is reports whether target is [ErrBucketMismatch].
func (e *BucketError) Is(target error) bool { return target == ErrBucketMismatch }
