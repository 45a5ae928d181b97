// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/actors"
	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/kv"
)

// Manager is one worker of a group. It claims an ID, takes part in electing a leader, and runs the partitions that it owns.
// You may call all methods from any goroutine. A Manager lives once: after it has stopped or ended, create a new one.
type Manager struct {
	set   actors.Settings
	props *actor.Props
	view  *actors.View

	mu      sync.Mutex
	started bool
	stopped bool // before it was started
	system  *actor.ActorSystem
	pid     *actor.PID
	guard   *guardian
	done    chan struct{}
	leaving sync.Once
	overdue chan struct{} // closed when a leave has taken almost all of ShutdownTimeout
}

// NewManager returns a worker that is not started. It checks everything that it can check without the store. A worker without
// [WithHandler], [WithPartitionProps] and the hook OnAssignmentChanged is allowed, and the log warns of it.
//
// The errors name what is wrong and wrap ErrNilArgument or ErrInvalidConfig.
func NewManager(cfg Config, js jetstream.JetStream, source PartitionSource, strategy Strategy, opts ...Option) (*Manager, error) {
	set, err := settings(cfg, js, source, strategy, opts)
	if err != nil {
		return nil, err
	}
	if h := set.Handling; h.Run == nil && h.Props == nil && set.Hooks.OnAssignmentChanged == nil && !cfg.Cordoned {
		set.Logger.Warn("this worker will own partitions and work on none: it has neither a handler nor the hook OnAssignmentChanged; " +
			"use WithHandler, WithPartitionProps or WithHooks")
	}
	m := &Manager{set: set, done: make(chan struct{}), overdue: make(chan struct{})}
	m.props, m.view = actors.New(set)
	m.guard = &guardian{log: set.Logger}
	m.props.Configure(actor.WithGuardian(m.guard))
	return m, nil
}

// Props returns the props of a worker's actor tree, for use under an actor of your own system. Spawn them once, under any
// name. The root of the tree answers GetStatus with a *Status, and publishes StateChanged, AssignmentChanged and
// LeadershipChanged on the system's event stream. On Leave it leaves cleanly. If you stop it without Leave, it still makes
// the user's code give everything up, but its entries stay in the store until their TTLs are over. On Drain it hands
// everything over while it goes on working, and then leaves. It sends no answer to a Drain, and a Leave ends the drain
// early. On Cordon it takes nothing new until Uncordon. When its actors fail too often, it escalates an error that wraps
// ErrGivingUp: answer with Restart or Stop, never with Resume.
func Props(cfg Config, js jetstream.JetStream, source PartitionSource, strategy Strategy, opts ...Option) (*actor.Props, error) {
	set, err := settings(cfg, js, source, strategy, opts)
	if err != nil {
		return nil, err
	}
	props, _ := actors.New(set)
	return props, nil
}

// Start joins the group. It returns when the ID is claimed and the first assignment is applied. For the first workers of a
// group this takes ColdStartWindow. If Start returns an error, also because ctx ended, everything is cleaned up and the
// Manager has ended.
func (m *Manager) Start(ctx context.Context) error {
	if err := m.spawn(); err != nil {
		return err
	}
	select {
	case <-m.view.Ready():
		return nil
	case <-m.done:
		if err := m.Err(); err != nil {
			return err
		}
		return fmt.Errorf("start: %w", ErrStopped)
	case <-ctx.Done():
		m.leave()
		<-m.done
		return fmt.Errorf("start: %w", context.Cause(ctx))
	}
}

func (m *Manager) spawn() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return fmt.Errorf("start: %w", ErrStopped)
	}
	if m.started {
		return fmt.Errorf("start: %w", ErrAlreadyStarted)
	}
	m.started = true
	log := slog.New(warnings{m.set.Logger.Handler()})
	m.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log }),
		actor.WithDeadLetterThrottleInterval(throttle))
	m.pid = m.system.Root.Spawn(m.props)
	go m.await()
	return nil
}

// throttle is how long the actor library keeps a goroutine after a message to an actor that has just ended. It logs
// nothing that we let through.
const throttle = time.Millisecond

// await closes the system when the tree has ended, and leaves no goroutine behind.
func (m *Manager) await() {
	select {
	case <-m.view.Done():
	case <-m.overdue:
		m.view.Abandon(m.set.ShutdownTimeout)
	}
	m.system.Shutdown()
	<-time.After(2 * throttle)
	close(m.done)
}

// Stop leaves the group cleanly. It cancels the contexts of running hooks at once, gives everything up (it calls
// OnAssignmentChanged and waits for it), and deletes the worker's entries, so that a successor under the same ID can take
// over at once. The leader keeps the worker's place for PlannedScaleWindow, so use Drain for a worker that will not come
// back. Stop returns when all of this is done, within ShutdownTimeout, which the hooks and the deletions share. If ctx ends
// earlier, Stop returns the error of ctx, and the leave goes on. If ctx is already over, the worker still leaves. A second
// call waits for the same end.
//
// Stop returns nil only if nothing of the worker is left in the store. Otherwise the error says what is left, and wraps
// [ErrShutdownTimeout] or the reason why nothing more can be deleted. Such entries expire with their TTLs.
//
// Inside a hook, Stop cannot wait for that hook. It begins the leave and returns when ctx ends. Pass the hook's own
// context. The context of OnAssignmentChanged is cancelled when the leave begins; in the call that gives everything up, it
// ends in time for the rest of the leave. The context of OnStateChanged and OnError ends with ShutdownTimeout. If a hook
// must not wait, call Stop on a goroutine.
func (m *Manager) Stop(ctx context.Context) error {
	if ctx.Err() != nil {
		return m.Close()
	}
	m.endUnstarted()
	m.leave()
	select {
	case <-m.done:
	case <-ctx.Done():
		select {
		case <-m.done:
		default:
			return fmt.Errorf("stop: %w", context.Cause(ctx))
		}
	}
	return m.view.Left()
}

// Close does the same as Stop without a context, for use with defer. ShutdownTimeout limits it. Inside a hook it waits in
// vain for that hook, and returns when ShutdownTimeout is over.
func (m *Manager) Close() error {
	m.endUnstarted()
	m.leave()
	<-m.done
	return m.view.Left()
}

// endUnstarted ends a Manager that was never started, and reports whether it is one.
func (m *Manager) endUnstarted() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.started && !m.stopped {
		m.stopped = true
		close(m.done)
	}
	return !m.started
}

func (m *Manager) leave() {
	m.view.LeaveAsked()
	m.send(&actors.Leave{})
	m.leaving.Do(func() {
		// A little before: the end takes a moment as well.
		time.AfterFunc(m.set.ShutdownTimeout-m.set.ShutdownTimeout/128, func() { close(m.overdue) })
	})
}

// send tells the tree something, if there is one.
func (m *Manager) send(message any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.started {
		m.system.Root.Send(m.pid, message)
	}
}

// Done returns a channel that is closed when the worker has ended, for whatever reason.
func (m *Manager) Done() <-chan struct{} { return m.done }

// Err returns the reason why the worker ended. It is nil before Done is closed, and after a clean Stop. Entries that a Stop
// left in the store are the reason only if there is no other reason.
func (m *Manager) Err() error {
	select {
	case <-m.done:
		if err := m.view.Err(); err != nil {
			return err
		}
		return m.guard.err()
	default:
		return nil
	}
}

// State returns the worker's present state in the state machine.
func (m *Manager) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return StateShutdown
	}
	return m.view.Present().State
}

// IsLeader reports whether this worker leads: its term is stored, and its lease is valid by its own clock.
func (m *Manager) IsLeader() bool { return m.view.Present().Leader }

// WorkerID returns the stable ID that this worker's session holds. It is "" before the claim, between two sessions, and
// after the end.
func (m *Manager) WorkerID() string { return m.view.Present().WorkerID }

// Assignment returns a copy of the worker's present assignment. While OnAssignmentChanged runs it is already the new
// assignment, so a hook can look up the epochs of the added partitions.
func (m *Manager) Assignment() Assignment { return m.view.Assignment() }

// Degraded reports whether the store does not answer. The worker then goes on until its leases run out, or beyond that with
// OnStoreLoss "keep-serving".
func (m *Manager) Degraded() bool { return m.view.Present().Degraded }

// RefreshPartitions makes the leader, in whatever process, list its source again. It returns when the leader has planned
// for new and removed partitions (changed weights wait for a planned window). It waits for a leader as long as ctx allows.
// If the list lacks most of the partitions, the leader confirms it first, which takes two seconds. RefreshPartitions
// returns an error of the leader's source. If ctx ends first, the leader may still get the request and plan for its list.
func (m *Manager) RefreshPartitions(ctx context.Context) error {
	buckets := m.view.Store()
	select {
	case <-m.done:
		buckets = nil
	default:
	}
	if buckets == nil {
		return fmt.Errorf("refresh partitions: %w", ErrNotJoined)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-m.done:
			cancel(ErrNotJoined) // whoever has ended asks no more
		case <-ctx.Done():
		}
	}()
	if err := buckets.RequestRefresh(ctx); err != nil {
		if errors.Is(context.Cause(ctx), ErrNotJoined) {
			err = ErrNotJoined
		}
		return fmt.Errorf("refresh partitions: %w", err)
	}
	return nil
}

// settings checks the arguments and translates them for the actors.
func settings(cfg Config, js jetstream.JetStream, source PartitionSource, s Strategy, opts []Option) (actors.Settings, error) {
	switch {
	case js == nil:
		return actors.Settings{}, fmt.Errorf("%w: js is nil, allowed: a JetStream context", ErrNilArgument)
	case source == nil:
		return actors.Settings{}, fmt.Errorf("%w: source is nil, allowed: a PartitionSource", ErrNilArgument)
	case s == nil:
		return actors.Settings{}, fmt.Errorf("%w: strategy is nil, allowed: a Strategy", ErrNilArgument)
	}
	cfg.ApplyDefaults()
	if err := cfg.Validate(); err != nil {
		return actors.Settings{}, err
	}
	o := applyOptions(opts)
	if err := o.check(); err != nil {
		return actors.Settings{}, err
	}
	for _, warning := range append(cfg.warnings(), kv.CheckConnection(js.Conn())...) {
		o.logger.Warn(warning)
	}
	var version func() uint64
	if v, ok := source.(VersionedSource); ok {
		version = v.SourceVersion
	}
	var watch func(context.Context, func()) error
	if w, ok := source.(WatchedSource); ok {
		watch = w.Watch
	}
	return actors.Settings{
		Store: kv.Config{
			StableID: cfg.KVBuckets.StableID, Election: cfg.KVBuckets.Election, Heartbeat: cfg.KVBuckets.Heartbeat,
			Assignment: cfg.KVBuckets.Assignment, Storage: cfg.KVBuckets.Storage, Replicas: cfg.KVBuckets.Replicas,
			IDPrefix: cfg.WorkerIDPrefix, IDMin: cfg.WorkerIDMin, IDMax: cfg.WorkerIDMax,
			WorkerIDTTL: cfg.WorkerIDTTL, HeartbeatTTL: cfg.HeartbeatTTL, LeaderTTL: cfg.LeaderTTL,
			OperationTimeout: cfg.OperationTimeout,
		},
		Topology: topology.Config{
			ColdStartWindow: cfg.ColdStartWindow, PlannedScaleWindow: cfg.PlannedScaleWindow,
			EmergencyGracePeriod: cfg.EmergencyGracePeriod, RestartDetectionRatio: cfg.RestartDetectionRatio,
			MassLossRatio: cfg.MassLossRatio, HeartbeatInterval: cfg.HeartbeatInterval, HeartbeatTTL: cfg.HeartbeatTTL,
			RebalanceCooldown: cfg.RebalanceCooldown, FlapBackoff: cfg.FlapBackoff, ExpectedWorkers: cfg.ExpectedWorkers,
		},
		HandoffTimeout: cfg.HandoffTimeout, ElectionTimeout: cfg.ElectionTimeout,
		StartupTimeout: cfg.StartupTimeout, ShutdownTimeout: cfg.ShutdownTimeout,
		KeepServing: cfg.OnStoreLoss == OnStoreLossKeepServing, PreferredID: cfg.PreferredID, Standby: cfg.Standby,
		PreferredIDWait: cfg.PreferredIDWait, StateDir: cfg.StateDir,
		Capacity: cfg.Capacity, Labels: cfg.Labels, Cordoned: cfg.Cordoned, Uncontrolled: o.alone,
		MinRebalanceThreshold: cfg.Assignment.MinRebalanceThreshold, HomeRetention: cfg.Assignment.HomeRetention,
		RelistInterval: cfg.RelistInterval, ShrinkConfirmations: cfg.SourceShrinkConfirmations,
		JetStream: js, Strategy: s, Described: describe(s, o.logger), Hooks: o.hooks, Handling: o.handling, Logger: o.logger, MeterProvider: o.meters,
		Recorder:      o.recorder.settings(),
		Source:        func(ctx context.Context) ([]Partition, error) { return listPartitions(ctx, source) },
		SourceVersion: version,
		SourceWatch:   watch,
	}, nil
}

// guardian supervises the tree of a Manager that has a system of its own.
type guardian struct {
	log *slog.Logger

	mu     sync.Mutex
	cause  error
	panics int
}

// guardianLimit is how many panics of the root of the tree are survived.
const guardianLimit = 3

// HandleFailure implements actor.SupervisorStrategy. A root that gives up is stopped. A root that panics, which is a bug
// of ours, is restarted: it gives up what the user holds and begins as a newcomer.
func (g *guardian) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	err, ok := reason.(error)
	if !ok {
		err = fmt.Errorf("%w: %v", ErrPanic, reason)
	}
	g.panics++
	if !errors.Is(err, ErrGivingUp) && g.panics <= guardianLimit {
		g.log.Error("root actor failed, restarting", "error", err)
		s.RestartChildren(child)
		return
	}
	if g.cause == nil {
		g.cause = err
		if !errors.Is(err, ErrGivingUp) {
			g.cause = fmt.Errorf("%w: %w", ErrGivingUp, err)
		}
	}
	s.StopChildren(child)
}

func (g *guardian) err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause
}

// warnings lets through what the actor library has to say only from a warning up.
type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
