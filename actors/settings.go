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

// Settings is what a tree needs to know, defaulted and validated by the caller. Package parti makes it of a Config.
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
	// PreferredIDWait is how long the preferred ID is waited for before another is claimed.
	PreferredIDWait time.Duration
	// StateDir is where a worker leaves to the next process what was its own; "" for nowhere.
	StateDir string
	// Standby waits without limit for an ID to come free.
	Standby  bool
	Capacity int64
	Labels   map[string]string
	Cordoned bool
	// Uncontrolled says that nobody outside may ask for anything.
	Uncontrolled bool
	// MinRebalanceThreshold is how far above the least possible changed weights may bring the fullest worker.
	MinRebalanceThreshold float64
	// HomeRetention is how long a leader remembers what was whose that is gone.
	HomeRetention time.Duration
	// RelistInterval is after how long the leader lists its source again; 0 for never.
	RelistInterval time.Duration
	// ShrinkConfirmations is how many listings in a row have to lack most of the partitions before they are taken away.
	ShrinkConfirmations int

	JetStream jetstream.JetStream
	// Source lists the partitions and has checked the list.
	Source func(ctx context.Context) ([]strategy.Partition, error)
	// SourceVersion is asked just before each listing; nil says that the source is not versioned.
	SourceVersion func() uint64
	// SourceWatch says when the source has changed; nil for a source that cannot.
	SourceWatch func(ctx context.Context, changed func()) error
	Strategy    strategy.Strategy
	// Described is the strategy in words, which the plan carries. It is made before the tree starts: the words of a strategy of the
	// user's come from its String method, which might not return.
	Described string
	Hooks     Hooks
	Handling  Handling
	Logger    *slog.Logger

	// MeterProvider is what is measured with; nil for nothing.
	MeterProvider metric.MeterProvider

	// Recorder records what is decided; nil for nothing.
	Recorder *trace.Recorder

	onlooker *onlooker // calls SourceWatch
	measures *measures
}

// Hooks are the user's side of the worker. Each may be nil. A hook that panics or returns an error is reported through
// OnError and counts as returned.
type Hooks struct {
	// OnAssignmentChanged is told what came and what goes: true differences, the first assignment included, one call
	// at a time. When it returns, removed is let go and may be given to another worker; until then it is not. The
	// context ends when the session's trust ends (then return at once: a call with everything removed follows) or, for
	// the last call of a session, when the time to let go is over.
	OnAssignmentChanged func(ctx context.Context, added, removed []strategy.Partition) error
	// OnStateChanged is told each step of the state machine, in order, one at a time, after it was made.
	OnStateChanged func(ctx context.Context, from, to fsm.State) error
	// OnError is told what went wrong and was survived, in order, one at a time.
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
