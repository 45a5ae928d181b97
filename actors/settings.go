// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/metric"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/internal/trace"
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/strategy"
)

// Settings is the input of a tree. The caller sets the defaults and validates it. Package parti makes it from a Config.
type Settings struct {
	Store    kv.Config
	Topology topology.Config

	HandoffTimeout  time.Duration
	ElectionTimeout time.Duration
	StartupTimeout  time.Duration
	ShutdownTimeout time.Duration

	// KeepServing keeps the partitions while the store is away, see Status.Degraded.
	KeepServing bool
	// PreferredID is tried first when an ID is claimed; "" for none.
	PreferredID string
	// PreferredIDWait is how long the worker waits for the preferred ID before it claims a different one.
	PreferredIDWait time.Duration
	// StateDir is the directory with which a worker proves to the next process that it is dead; "" for none.
	StateDir string
	// Standby makes the worker wait without limit until an ID comes free.
	Standby  bool
	Capacity int64
	Labels   map[string]string
	Cordoned bool
	// Uncontrolled makes the worker ignore requests from outside.
	Uncontrolled bool
	// MinRebalanceThreshold is how far changed weights may raise the highest load above the best achievable one before the
	// leader rebalances.
	MinRebalanceThreshold float64
	// HomeRetention is how long a leader remembers the homes of a departed worker.
	HomeRetention time.Duration
	// RelistInterval is the time after which the leader lists its source again; 0 for never.
	RelistInterval time.Duration
	// ShrinkConfirmations is the number of listings in a row that must lack most of the partitions before the leader takes
	// them away.
	ShrinkConfirmations int

	JetStream jetstream.JetStream
	// Source lists the partitions and has checked the list.
	Source func(ctx context.Context) ([]strategy.Partition, error)
	// SourceVersion is called just before each listing; nil for a source without versions.
	SourceVersion func() uint64
	// SourceWatch reports changes of the source; nil for a source that cannot.
	SourceWatch func(ctx context.Context, changed func()) error
	Strategy    strategy.Strategy
	// Described is the description of the strategy in the plan. It is computed before the tree starts, because it may come
	// from a String method of the user, which might not return.
	Described string
	Hooks     Hooks
	Handling  Handling
	Logger    *slog.Logger

	// MeterProvider is the provider of the metrics; nil for none.
	MeterProvider metric.MeterProvider

	// Recorder records the worker's decisions; nil for none.
	Recorder *trace.Recorder

	onlooker *onlooker // calls SourceWatch
	measures *measures
}

// Hooks are the user's functions that a worker calls. Each may be nil. If a hook panics or returns an error, OnError
// reports it, and the hook counts as returned.
type Hooks struct {
	// OnAssignmentChanged gets the difference between two assignments, the first assignment included, one call at a time.
	// When it returns, the removed partitions are let go and may go to another worker, and not before. The context ends when
	// the session's trust ends (then return at once: a call with everything removed follows). For the last call of a session
	// it ends when the time to let go is over.
	OnAssignmentChanged func(ctx context.Context, added, removed []strategy.Partition) error
	// OnStateChanged gets each step of the state machine after it was made, in order, one at a time.
	OnStateChanged func(ctx context.Context, from, to fsm.State) error
	// OnError gets each error that the worker survives, in order, one at a time.
	OnError func(ctx context.Context, err error)
}

// Assignment is what a worker owns.
type Assignment struct {
	// Term is the highest leader's term this worker has seen.
	Term uint64
	// Version is the plan this worker has applied. It never falls while a worker lives.
	Version int64
	// Lifecycle is the phase of life of the whole group.
	Lifecycle record.Lifecycle
	// Partitions are sorted by ID.
	Partitions []strategy.Partition
	// Epochs holds the fencing token of each owned partition by its ID: it grows with each change of owner.
	Epochs map[string]int64
}

// clone returns a copy that shares nothing a reader could change.
func (a Assignment) clone() Assignment {
	c := a
	c.Partitions = append([]strategy.Partition(nil), a.Partitions...)
	c.Epochs = make(map[string]int64, len(a.Epochs))
	for id, epoch := range a.Epochs {
		c.Epochs[id] = epoch
	}
	return c
}
