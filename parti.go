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

// Manager is one worker of a group: it claims an ID, takes part in electing a leader, and is told which partitions are
// its own. All methods may be called from any goroutine. A Manager lives once: after Stop, or after an end of its own
// accord, make a new one.
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

// NewManager checks everything that can be checked without the store and returns a worker that is not started.
//
// The errors name what is wrong and wrap ErrNilArgument or ErrInvalidConfig.
func NewManager(cfg Config, js jetstream.JetStream, source PartitionSource, strategy Strategy, opts ...Option) (*Manager, error) {
	set, err := settings(cfg, js, source, strategy, opts)
	if err != nil {
		return nil, err
	}
	m := &Manager{set: set, done: make(chan struct{}), overdue: make(chan struct{})}
	m.props, m.view = actors.New(set)
	m.guard = &guardian{log: set.Logger}
	m.props.Configure(actor.WithGuardian(m.guard))
	return m, nil
}

// Props returns the props of the same tree for use under an actor of the user's own system. Spawn them once, by any
// name. The root of the tree answers GetStatus with a *Status, publishes StateChanged, AssignmentChanged and
// LeadershipChanged on the system's event stream, and leaves cleanly on Leave; stopped without it, it still has the user
// give everything up, but its entries in the store expire only with their TTLs. On Drain it hands everything over while it
// works on, and leaves then; there is no answer but its end, and a Leave ends the drain early. On Cordon it takes nothing new
// until Uncordon. When its actors fail too often it escalates an error that wraps ErrGivingUp: answer with Restart or Stop,
// never with Resume.
func Props(cfg Config, js jetstream.JetStream, source PartitionSource, strategy Strategy, opts ...Option) (*actor.Props, error) {
	set, err := settings(cfg, js, source, strategy, opts)
	if err != nil {
		return nil, err
	}
	props, _ := actors.New(set)
	return props, nil
}

// Start joins the group. It returns when the ID is claimed and the first assignment is applied, which for the first
// workers of a group takes ColdStartWindow. On an error, and when ctx ends before, everything is cleaned up already and
// the Manager has ended.
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

// Stop leaves the group cleanly. The contexts of running hooks are cancelled at once, everything is given up
// (OnAssignmentChanged is told and awaited), then the worker's entries are deleted, so that a successor under its ID takes
// over at once. Its place is kept for PlannedScaleWindow: drain a worker that will not come back. Stop
// returns when that is done, within ShutdownTimeout, which the hooks and the deletions share; or with ctx's error when ctx
// ends meanwhile, and the leave goes on. A Stop whose ctx is over already leaves all the same: it is a Close. Called again
// it waits for the same end.
//
// It is nil only when nothing of the worker is left in the store. Otherwise its error says what is left, wrapping
// [ErrShutdownTimeout] or the reason for which nothing more can be deleted; that expires with its TTL.
//
// Inside a hook, Stop cannot wait for that very hook: it begins the leave and returns when ctx ends. Give it the hook's own
// context: that of OnAssignmentChanged is cancelled when the leave begins, or ends in time where the hook is giving
// everything up already; that of OnStateChanged and OnError ends with ShutdownTimeout. A hook that must not wait starts Stop
// on a goroutine.
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

// Close is Stop, bounded by ShutdownTimeout and by no context: for defer. Inside a hook it waits in vain for that hook, and
// returns when ShutdownTimeout is over.
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

// Done is closed when the worker has ended, for whatever reason.
func (m *Manager) Done() <-chan struct{} { return m.done }

// Err says why the worker ended; nil before Done is closed and after a clean Stop. Entries that a Stop left in the store
// are a reason only where there is no other.
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

// State is where the worker stands in the state machine.
func (m *Manager) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return StateShutdown
	}
	return m.view.Present().State
}

// IsLeader reports whether this worker leads: its term is stored and its lease is good by its own clock.
func (m *Manager) IsLeader() bool { return m.view.Present().Leader }

// WorkerID is the stable ID that this worker's session holds; "" before the claim, between two sessions, and after the end.
func (m *Manager) WorkerID() string { return m.view.Present().WorkerID }

// Assignment returns a copy of what this worker owns now. While OnAssignmentChanged runs it is already the new one, so
// that a hook can look up the epochs of what was added.
func (m *Manager) Assignment() Assignment { return m.view.Assignment() }

// Degraded reports that the store does not answer: the worker lives on what its leases still allow or, with OnStoreLoss
// "keep-serving", beyond them.
func (m *Manager) Degraded() bool { return m.view.Present().Degraded }

// RefreshPartitions has the leader, wherever it is, list its source again. It returns when new and gone partitions have
// been planned for (changed weights wait for a planned window), and waits for a leader as long as ctx allows. A list that
// lacks most of the partitions is confirmed first, which takes two seconds. An error of the leader's source is returned.
// Where ctx ends first, the leader may have been asked, and may plan for its list yet.
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
