package kv

import (
	"errors"
	"fmt"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// What a caller can do next is in the error; all are tested with errors.Is.
var (
	// ErrNoBucket: a bucket does not exist, and who only observes does not make it.
	ErrNoBucket = errors.New("bucket does not exist")

	// ErrTaken: somebody else holds the entry, see store.TakenError. Wait for its end.
	ErrTaken = store.ErrTaken
	// ErrLost: the lease is over, the entry is gone or somebody else's. Claim anew.
	ErrLost = store.ErrLost
	// ErrLate: the trust in the lease has ended on this process' clock. Drop it and claim anew.
	ErrLate = store.ErrLate
	// ErrDeposed: a newer term is stored. Stop leading.
	ErrDeposed = store.ErrDeposed
	// ErrUnknown: maybe done, now or later. Only another conditional write on the same entry settles it.
	ErrUnknown = store.ErrUnknown
	// ErrNotDone: definitely not done. Try again.
	ErrNotDone = store.ErrNotDone
	// ErrTooLarge: a record is larger than the server takes. It is an [ErrNotDone]; trying again helps only with less in it.
	ErrTooLarge = store.ErrTooLarge
	// ErrFull: a bucket, or the account, takes no more. It is an [ErrNotDone]; trying again helps when there is room.
	ErrFull = fmt.Errorf("%w: the store is full", ErrNotDone)
	// ErrNotFound: no entry and no marker under that key.
	ErrNotFound = store.ErrNotFound
	// ErrNoFreeID: every ID of the range is held. Wait for one.
	ErrNoFreeID = store.ErrNoFreeID
	// ErrRolledBack: the store is not the one it was: recreated, or its sequences went back. Forget what was read and
	// open it anew.
	ErrRolledBack = store.ErrRolledBack
	// ErrRefused is what the leader answers to a refresh that it could not do, with its reason.
	ErrRefused = store.ErrRefused
	// ErrFormat: a record of a format that this version does not know. Take nothing up, do not lead.
	ErrFormat = record.ErrFormat
	// ErrCorrupt: not a record at all.
	ErrCorrupt = record.ErrCorrupt
	// ErrNoJetStream: the server, or the account, has no JetStream.
	ErrNoJetStream = errors.New("no JetStream")
	// ErrPermission: the user of the connection may not publish or subscribe where a worker has to; the text says where.
	ErrPermission = errors.New("permission missing")
	// ErrServerVersion: the server is too old.
	ErrServerVersion = errors.New("server too old")
	// ErrBucketMismatch: a bucket exists in a form that cannot be relied on, see [BucketError].
	ErrBucketMismatch = errors.New("unusable bucket")
	// ErrConfig: a value of [Config], or a key, that the store cannot work with.
	ErrConfig = errors.New("invalid store configuration")
)

// BucketError names the setting of an existing bucket that cannot be relied on. It is [ErrBucketMismatch].
type BucketError struct {
	Bucket  string // its name
	Field   string
	Value   string // as found
	Allowed string
}

// Error names the bucket and the setting, what was found and what is allowed.
func (e *BucketError) Error() string {
	return fmt.Sprintf("%v %q: %s is %s, allowed: %s", ErrBucketMismatch, e.Bucket, e.Field, e.Value, e.Allowed)
}

// Is reports whether target is [ErrBucketMismatch].
func (e *BucketError) Is(target error) bool { return target == ErrBucketMismatch }
