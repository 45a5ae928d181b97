package parti

import (
	"errors"

	"github.com/parti-go/parti/actors"
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/strategy"
)

// Errors of the arguments and of the life of a Manager. All errors of this package wrap one of the sentinels here.
var (
	// ErrNilArgument: an argument that is needed is nil.
	ErrNilArgument = errors.New("nil argument")
	// ErrInvalidConfig: a configuration field is out of range; see [ConfigError].
	ErrInvalidConfig = errors.New("invalid configuration")
	// ErrAlreadyStarted: Start was called before.
	ErrAlreadyStarted = errors.New("manager already started")
	// ErrStopped: the manager was stopped; make a new one.
	ErrStopped = errors.New("manager stopped")
	// ErrNoPartitions: the source lists nothing.
	ErrNoPartitions = errors.New("source lists no partitions")
)

// Errors of a running worker: it ends with them, or survives them and reports them to Hooks.OnError.
var (
	ErrGivingUp         = actors.ErrGivingUp
	ErrPanic            = actors.ErrPanic
	ErrHookPanic        = actors.ErrHookPanic
	ErrHookFailed       = actors.ErrHookFailed
	ErrHandoffTimeout   = actors.ErrHandoffTimeout
	ErrNoLeader         = actors.ErrNoLeader
	ErrConnectionClosed = actors.ErrConnectionClosed
	ErrIdentityLost     = actors.ErrIdentityLost
	ErrSourceFailed     = actors.ErrSourceFailed
	ErrStrategyFailed   = actors.ErrStrategyFailed
	ErrStartupTimeout   = actors.ErrStartupTimeout
	ErrShutdownTimeout  = actors.ErrShutdownTimeout
	ErrNewerFormat      = actors.ErrNewerFormat
	ErrNotJoined        = actors.ErrNotJoined
)

// Errors of the store.
var (
	ErrNoFreeID        = kv.ErrNoFreeID
	ErrNoJetStream     = kv.ErrNoJetStream
	ErrServerVersion   = kv.ErrServerVersion
	ErrBucketMismatch  = kv.ErrBucketMismatch
	ErrStoreRolledBack = kv.ErrRolledBack
	ErrRefused         = kv.ErrRefused
)

// Errors of a list of partitions.
var (
	ErrNoKeys        = strategy.ErrNoKeys
	ErrInvalidKey    = strategy.ErrInvalidKey
	ErrDuplicateID   = strategy.ErrDuplicateID
	ErrInvalidWeight = strategy.ErrInvalidWeight
)
