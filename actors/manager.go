package actors

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/eventstream"
	"github.com/nats-io/nats.go"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/kv"
)

// Kinds of actors, which are also the stems of their names.
const (
	kindManager    = "manager"
	kindClaimer    = "claimer"
	kindHeartbeat  = "heartbeat"
	kindElector    = "elector"
	kindFollower   = "follower"
	kindCalculator = "calculator"
	kindHost       = "host"
	kindPartition  = "partition" // children of the host
)

// manager is the root of a worker's tree. It owns the state machine and the life of a session: it starts the actors
// that act, listens to what they report, and when the session is over has everything given up before the next begins.
type manager struct {
	*guard
	set     Settings
	life    *life
	machine *fsm.Machine
	store   *kv.Store
	own     leader.Edition // of what the source listed at the start

	children map[string]*child   // by kind, at most one of each
	running  map[string]struct{} // names of all that have not terminated, the stopping ones included
	tags     uint64

	session  session
	prior    *kv.Lease   // the claim of the session before, still in the store as far as we know
	previous string      // the ID of the session before
	legacy   legacy      // of the process before
	highest  kv.Position // seen in the store as it is
	floor    kv.Position // seen ever: where this worker leads, terms and versions go on above it
	phase    kv.Phase
	ready    bool // the session's first assignment is applied
	everDone bool // a first assignment was applied in this life
	degraded bool
	failed   bool // the session before ended in a panic
	carrying bool // keep-serving: the trust is over, the partitions stay
	opening  time.Duration
	openErr  error // why the store is not open yet
	claimErr error // why no ID is claimed yet
	startBy  time.Time

	winding    *windDown
	generation uint64
	failures   failures
	waits      map[string]*pending // by key
}

// child is one running actor of the tree.
type child struct {
	kind string
	tag  uint64
	pid  *actor.PID
}

func newManager(g *guard, set Settings, l *life) *manager {
	if l.machine == nil || l.machine.State() == fsm.Shutdown && !l.leaving {
		l.machine = fsm.New()
	}
	if !l.leaving {
		l.leaveBy = time.Time{}
	}
	return &manager{
		guard: g, set: set, life: l, machine: l.machine,
		waits: map[string]*pending{}, children: map[string]*child{}, running: map[string]struct{}{}, previous: set.PreferredID, phase: kv.PhaseIdle, everDone: l.view.readied.Load(),
		store: l.view.Store(),
	}
}

func (m *manager) started() {
	if m.life.leaving {
		// An earlier incarnation failed on its way out. What the user still holds is taken back by this one.
		m.life.view.blame(ErrPanic)
		m.winding = m.newWindDown(ErrPanic)
		m.winding.fenced = true
		m.leaveGoesOn(ErrPanic)
		return
	}
	changed := func() { m.tell(&heldChanged{}) }
	m.life.runner.handlers.changed.Store(&changed)
	m.awaitHandlers()
	m.showWaits()
	m.life.view.hook.follow(m)
	m.life.notifier.watch.follow(m)
	m.life.strategist.watch.follow(m)
	m.publishStatus()
	m.watchConnection()
	m.armStartup()
	if m.machine.State() == fsm.ClaimingID {
		// An earlier incarnation failed with partitions in the user's hands.
		m.winding = m.newWindDown(ErrPanic)
		m.winding.rejoin, m.winding.fenced = true, true
		m.giveUp()
	} else {
		m.open()
	}
	if m.life.view.toLeave.Load() {
		m.leave(nil) // whoever asked for that asked an earlier incarnation, which failed over it
	}
}

func (m *manager) stopping(restarts bool) {
	m.life.tenure.end(ErrStopping)
	m.life.letGoBy = m.letGoBy()
	if m.winding != nil && m.winding.hurry != nil {
		m.winding.hurry() // nobody is left who would tell that hook when the leases end
	}
	switch state := m.machine.State(); {
	case state == fsm.Shutdown, restarts && (state == fsm.Init || state == fsm.ClaimingID):
	case restarts:
		m.fire(fsm.EventIdentityLost)
	default:
		m.fire(fsm.EventStop)
	}
}

func (m *manager) receive(ctx actor.Context, message any) {
	switch msg := message.(type) {
	case *GetStatus:
		status := m.life.view.Status()
		ctx.Respond(&status)
	case *Refresh:
		m.refresh(ctx.Sender())
	case *Leave:
		m.noteLeft()
		m.leave(nil)
	case *Drain:
		m.drain()
	case *Cordon:
		m.cordon(true)
	case *Uncordon:
		m.cordon(false)
	case *report:
		m.reportReceived(msg)
	case *actor.Terminated:
		m.childTerminated(msg.Who)
	case *childFailed:
		m.childHasFailed(msg)
	case *opened:
		m.storeOpened(msg)
	case *openDue:
		m.open()
	case *startupDue:
		m.startupExpired()
	case *trustDue:
		m.trustExpired(msg)
	case *gaveUp:
		m.partitionsGivenUp(msg)
	case *removed:
		m.windDownStep(func(w *windDown) { w.gone[msg.bucket] = w.gone[msg.bucket] || msg.generation == w.generation })
	case *giveUpDue:
		m.giveUpExpired(msg)
	case *windDownDue:
		m.windDownExpired(msg)
	case *hurryDue:
		m.hurryUp(msg.generation)
	case *respawnDue:
		m.rejoin(msg)
	case *leadDue:
		m.tellChild(kindElector, &refence{fence: msg.fence})
	case *electorDue:
		m.respawnElector(msg)
	case *hookReported:
		m.problem(msg.err)
	case *heldChanged:
		m.tellChild(kindHeartbeat, msg)
		m.awaitHandlers()
	case *callBegan:
		m.callHasBegun(msg.call)
	case *callEnded:
		m.awaited(msg.name)
	case *waitDue:
		m.waitOverdue(msg)
	case *connClosed:
		m.leave(ErrConnectionClosed)
	}
}

// reportReceived drops what an earlier child says and hands the rest to the method that is named after it.
func (m *manager) reportReceived(r *report) {
	if c := m.children[r.kind]; c == nil || c.tag != r.tag {
		return
	}
	switch msg := r.message.(type) {
	case *claimed:
		m.idClaimed(msg)
	case *unclaimed:
		m.claimErr = msg.err
		m.blameWait(waitsForID, msg.err)
		if !errors.Is(msg.err, kv.ErrNoFreeID) {
			m.problem(msg.err)
		}
	case *claimRenewed:
		m.session.claim = msg.lease
		m.extendTrust()
	case *beat:
		m.beatAcknowledged(msg)
	case *beatMissed:
		if !m.degraded {
			m.problem(msg.err) // once, until the store answers again
		}
		m.setDegraded(true)
	case *sessionLost:
		m.sessionIsLost(msg.err)
	case *leaderSeen:
		m.leaderIsKnown()
	case *elected:
		m.wonElection(msg.fence)
	case *deposed:
		m.lostElection(msg.err)
	case *fenceLost:
		m.fenceIsLost(msg)
	case *seen:
		m.positionSeen(msg.position)
	case *phaseSeen:
		m.phase = msg.phase
		m.tellChild(kindHeartbeat, &groupReads{format: msg.reads})
		m.followPhase()
		m.leaveIfDrained()
	case *vacated:
		m.isVacated(msg)
	case *applied:
		m.assignmentApplied(msg)
	case *formatMet:
		m.unknownFormat(r.kind, msg.err)
	case *sightLost:
		m.sightIsLost(msg.err)
	case *foreignMet:
		m.leave(msg.err)
	case *held:
		m.isHeld(msg.until)
	case *awaits:
		m.await(r.kind, *msg)
	case *awaited:
		m.awaited(msg.key)
	case *problem:
		m.problem(msg.err)
	}
}

// open opens the store, which also makes anew what somebody deleted. The first time it lists the source as well, and
// compares the list with what the group divides, so that what is wrong with any of them is the error of the start.
func (m *manager) open() {
	m.awaitStore()
	before, running := m.store, m.everDone
	m.run(func(ctx context.Context) any {
		if before != nil {
			store, err := before.Reopen(ctx)
			return m.opened(store, leader.Edition{}, err, running)
		}
		if err := m.lockState(); err != nil {
			return &opened{err: err}
		}
		var own leader.Edition
		store, err := kv.Open(ctx, m.set.JetStream, m.set.Store)
		if err == nil && !running {
			own, err = checkSource(ctx, m.set, store)
		}
		return m.opened(store, own, err, running)
	})
}

// storeOpened goes on with an open store. A store that says no ends a start, because someone is watching. It does not end
// a worker that has been ready: what was right once is right again when the store is, so it is waited for.
func (m *manager) storeOpened(msg *opened) {
	if m.winding != nil {
		return
	}
	if msg.err != nil {
		if m.everDone || transient(msg.err) {
			if m.openErr == nil || transient(m.openErr) != transient(msg.err) {
				m.problem(msg.err) // once, until the store is open or says something else
			}
			m.openErr = msg.err
			m.blameWait(waitsForStore, msg.err)
			m.log.Debug("store not open", "error", msg.err)
			m.opening = min(max(2*m.opening, 50*time.Millisecond), 500*time.Millisecond)
			m.after(m.opening, &openDue{})
			return
		}
		m.leave(msg.err)
		return
	}
	m.store, m.openErr, m.opening, m.legacy = msg.store, nil, 0, msg.legacy
	if msg.own != (leader.Edition{}) {
		m.own = msg.own
	}
	if m.previous == "" {
		m.previous = msg.legacy.worker
	}
	m.awaited(waitsForStore)
	m.life.view.store.Store(msg.store)
	if m.machine.State() == fsm.Init {
		m.fire(fsm.EventStart)
	}
	m.spawnClaimer()
}

func (m *manager) refresh(sender *actor.PID) {
	if sender == nil {
		return
	}
	store, root := m.store, m.root
	m.run(func(ctx context.Context) any {
		err := ErrNotJoined
		if store != nil {
			ctx, cancel := context.WithTimeout(ctx, m.set.Store.OperationTimeout)
			defer cancel()
			err = store.RequestRefresh(ctx)
		}
		root.Send(sender, &Refreshed{err})
		return nil
	})
}

// armStartup bounds the way to the first assignment. A standby counts from its claim.
func (m *manager) armStartup() {
	m.startBy = time.Now().Add(m.set.StartupTimeout)
	m.after(m.set.StartupTimeout, &startupDue{})
}

func (m *manager) startupExpired() {
	if time.Now().Before(m.startBy) || m.everDone || (m.set.Standby && m.machine.State() == fsm.ClaimingID) {
		return
	}
	why := m.openErr
	if m.machine.State() == fsm.ClaimingID && why == nil {
		if errors.Is(m.claimErr, kv.ErrNoFreeID) {
			m.leave(fmt.Errorf("%w: no ID between %s and %s came free within %s", kv.ErrNoFreeID,
				m.set.Store.ID(m.set.Store.IDMin), m.set.Store.ID(m.set.Store.IDMax), m.set.StartupTimeout))
			return
		}
		why = m.claimErr
	}
	err := fmt.Errorf("%w: still in state %s after StartupTimeout %s", ErrStartupTimeout, m.machine.State(), m.set.StartupTimeout)
	if why != nil {
		err = fmt.Errorf("%w: %w", err, why)
	}
	m.leave(err)
}

// isHeld says that the leader holds this worker back because it failed again and again. What is waited for until then does
// not count against StartupTimeout.
func (m *manager) isHeld(until time.Time) {
	wait := max(time.Until(until), 0)
	m.problem(fmt.Errorf("%w: %s is given nothing for %s", ErrFlapping, m.session.id, wait.Round(time.Millisecond)))
	m.awaitLonger(waitsForAssignment, until.Add(m.set.StartupTimeout))
	if by := time.Now().Add(wait + m.set.StartupTimeout); !m.everDone && by.After(m.startBy) {
		m.startBy = by
		m.after(time.Until(by), &startupDue{})
	}
}

func (m *manager) watchConnection() {
	nc := m.set.JetStream.Conn()
	status := nc.StatusChanged(nats.CLOSED)
	m.run(func(ctx context.Context) any {
		defer func() { go nc.RemoveStatusListener(status) }() // it waits for the client, which may hang on a stalled link
		if nc.IsClosed() {
			return &connClosed{}
		}
		select {
		case <-status:
			return &connClosed{}
		case <-ctx.Done():
			return nil
		}
	})
}

// spawn starts a child under a name never used before.
func (m *manager) spawn(kind string, build func(*guard, func(reported)) body) {
	m.tags++
	c := &child{kind: kind, tag: m.tags}
	tell := func(message reported) { m.tell(&report{kind, c.tag, message}) }
	props := actor.PropsFromProducer(func() actor.Actor {
		g := newGuard(kind, m.session.id, m.log, nil, func(g *guard) body { return build(g, tell) })
		if kind == kindHost {
			return &housekeeper{g}
		}
		return g
	})
	pid, err := m.actor.SpawnNamed(props, kind+"-"+strconv.FormatUint(c.tag, 10))
	if err != nil {
		panic(fmt.Errorf("spawn %s: %w", kind, err)) // names are never used twice
	}
	c.pid = pid
	m.children[kind] = c
	m.running[pid.Id] = struct{}{}
}

func (m *manager) tellChild(kind string, message any) {
	if c := m.children[kind]; c != nil {
		m.root.Send(c.pid, message)
	}
}

func (m *manager) stopChild(kind string) {
	c := m.children[kind]
	if c == nil {
		return
	}
	delete(m.children, kind)
	m.awaitedOf(kind)
	m.root.Stop(c.pid)
}

func (m *manager) childTerminated(who *actor.PID) {
	delete(m.running, who.Id)
	m.windDownStep(func(*windDown) {})
}

// fire makes a step of the state machine and tells everybody. An event the table does not allow is a bug of ours.
func (m *manager) fire(event fsm.Event) {
	from, to, err := m.machine.Fire(event)
	if err != nil {
		panic(err)
	}
	m.log.Debug("state changed", "from", from, "to", to)
	m.publishStatus()
	m.publish(&StateChanged{m.session.id, from, to})
	if hook := m.set.Hooks.OnStateChanged; hook != nil {
		m.life.notifier.notify("OnStateChanged", func(ctx context.Context) {
			if err := contain("OnStateChanged", func() error { return hook(ctx, from, to) }); err != nil {
				m.tell(&hookReported{err})
			}
		})
	}
}

// problem reports what was survived.
func (m *manager) problem(err error) {
	if err == nil {
		return
	}
	m.log.Warn("the worker goes on despite an error", "error", err)
	m.tellUser(err)
}

// tellUser calls OnError.
func (m *manager) tellUser(err error) {
	hook := m.set.Hooks.OnError
	if hook == nil {
		return
	}
	m.life.notifier.notify("OnError", func(ctx context.Context) {
		if err := contain("OnError", func() error { hook(ctx, err); return nil }); err != nil {
			m.log.Error("hook OnError failed", "error", err)
		}
	})
}

// publish hands an event to the system's subscribers. They run on this goroutine: one that panics is contained.
func (m *manager) publish(event any) {
	m.problem(contain("subscriber", func() error {
		m.events().Publish(event)
		return nil
	}))
}

func (m *manager) events() *eventstream.EventStream { return m.actor.ActorSystem().EventStream }

func (m *manager) setDegraded(d bool) {
	if m.degraded != d {
		m.degraded = d
		m.log.Info("store", "answers", !d)
		m.publishStatus()
	}
}

func (m *manager) publishStatus() {
	m.life.view.trust.Store(m.session.trust)
	m.life.view.status.Store(&Status{
		State: m.machine.State(), WorkerID: m.session.id, Session: m.session.number,
		Leader: m.session.leads, Degraded: m.degraded || m.carrying, Ready: m.everDone,
		Draining: m.life.standing.leaving, Cordoned: m.life.standing.cordoned,
	})
}

// transient tells a store that does not answer from one that says no.
func transient(err error) bool {
	return !errors.Is(err, ErrSourceFailed) &&
		(errors.Is(err, kv.ErrUnknown) || errors.Is(err, kv.ErrNotDone) || errors.Is(err, context.DeadlineExceeded))
}
