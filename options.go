package parti

import (
	"log/slog"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/parti-go/parti/actors"
	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/strategy"
)

// Words of the rooms below that users need.
type (
	// Partition is a unit of work that one worker owns at a time.
	Partition = strategy.Partition
	// Strategy decides who should own what.
	Strategy = strategy.Strategy
	// State is where a worker stands in the state machine.
	State = fsm.State
	// Hooks are the user's side of a worker.
	Hooks = actors.Hooks
	// Assignment is what a worker owns.
	Assignment = actors.Assignment
	// Lifecycle is where a group stands in its life.
	Lifecycle = record.Lifecycle
)

// The states of a worker, see package fsm.
const (
	StateInit              = fsm.Init
	StateClaimingID        = fsm.ClaimingID
	StateElection          = fsm.Election
	StateWaitingAssignment = fsm.WaitingAssignment
	StateStable            = fsm.Stable
	StateScaling           = fsm.Scaling
	StateRebalancing       = fsm.Rebalancing
	StateEmergency         = fsm.Emergency
	StateShutdown          = fsm.Shutdown
)

// The phases of a group's life: before its first plan (and while a restarted group collects itself), until nothing has
// changed for RebalanceCooldown after it, and from then on.
const (
	ColdStart     = record.ColdStart
	PostColdStart = record.PostColdStart
	Stable        = record.Stable
)

// The phases of the work on a partition, see PartitionStatus.
const (
	PhaseStarting = actors.PhaseStarting
	PhaseRunning  = actors.PhaseRunning
	PhaseIdle     = actors.PhaseIdle
	PhaseFailing  = actors.PhaseFailing
	PhaseStopping = actors.PhaseStopping
)

// Messages to, and events of, a tree under an actor of the user's own; see Props.
type (
	GetStatus         = actors.GetStatus
	Status            = actors.Status
	PartitionStatus   = actors.PartitionStatus
	Phase             = actors.Phase
	Wait              = actors.Wait
	Leave             = actors.Leave
	Drain             = actors.Drain
	Cordon            = actors.Cordon
	Uncordon          = actors.Uncordon
	Refresh           = actors.Refresh
	Refreshed         = actors.Refreshed
	StateChanged      = actors.StateChanged
	AssignmentChanged = actors.AssignmentChanged
	LeadershipChanged = actors.LeadershipChanged
)

// Option sets something of a Manager that is not configuration.
type Option func(*options)

type options struct {
	hooks    Hooks
	logger   *slog.Logger
	handling actors.Handling
	meters   metric.MeterProvider
	recorder *Recorder
	alone    bool    // nobody outside may ask for anything
	handlers int     // how many were given
	wrong    []error // what is wrong with them
}

// WithHooks sets the hooks. Without it nothing is called.
func WithHooks(h Hooks) Option { return func(o *options) { o.hooks = h } }

// WithLogger sets the logger. The default, and nil, is slog.Default().
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.logger = l } }

// WithMeterProvider sets what the worker measures with, see docs/metrics.md. The default, and nil, is the global one of
// OpenTelemetry when the Manager is made. Nothing is exported by itself. A provider that panics is contained, and one that
// blocks holds nothing up: what cannot be measured in time is dropped.
//
// No attribute names a worker. Give each of several workers of one group in one process a provider of its own, whose resource
// has a service.instance.id of its own.
func WithMeterProvider(p metric.MeterProvider) Option { return func(o *options) { o.meters = p } }

// WithoutRemoteControl has the worker take no requests from outside. Without this option whoever may publish on
// parti.control.<assignment bucket>.<worker> may drain this worker, cordon it, take that back, and have the source listed again;
// see docs/deployment.md.
func WithoutRemoteControl() Option { return func(o *options) { o.alone = true } }

func applyOptions(opts []Option) options {
	o := options{handling: actors.Handling{RestartFirst: defaultRestartFirst, RestartMost: defaultRestartMost}}
	for _, set := range opts {
		if set != nil {
			set(&o)
		}
	}
	if o.logger == nil {
		o.logger = slog.Default()
	}
	if o.meters == nil {
		o.meters = otel.GetMeterProvider()
	}
	return o
}

// ConnectOptions are what leases need of a NATS connection: no finite reconnects, a short reconnect wait, no reconnect
// buffer, short pings. A connection without them draws a warning that names each when a Manager is made.
func ConnectOptions() []nats.Option { return kv.ConnectOptions() }
