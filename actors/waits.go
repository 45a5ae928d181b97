package actors

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parti-go/parti/kv"
)

// This file keeps the promise that nothing is stuck in silence. Whoever waits for something that may not come tells the
// manager when it begins and when it ends. The manager owns the deadline: past it the wait is an error to OnError, a line of
// the worker's heartbeat that its leader reports as well, and a part of Status and Healthy, until it ends. It is said once,
// and when it ends the log says so.

// Wait is something that a worker waits for past its deadline.
type Wait struct {
	// What has to happen, with the number of partitions that it concerns and the first of them.
	What string
	// Who has to see to it: a worker, a bucket, the source, the strategy, or the leader.
	Who   string
	Since time.Time
}

// awaits (reported): a wait begins. One that is under way goes on.
type awaits struct {
	key string // one wait of a key at a time
	Wait
	due   time.Time
	err   error // what is said of it wraps this as well; nil for ErrStuck alone
	quiet bool  // somebody else tells OnError of it, or has
}

// awaited (reported): a wait is over.
type awaited struct{ key string }

func (*awaits) reported()  {}
func (*awaited) reported() {}

// pending is a wait that is under way.
type pending struct {
	awaits
	kind string // of the child with which it ends; "" for none
	told bool
	stop func() // its timer
}

// waitDue: a deadline is over.
type waitDue struct{ wait *pending }

// problem is a wait as an error.
func (a *awaits) problem(now time.Time) error {
	err := fmt.Errorf("%w: waited %s until %s (%s)", ErrStuck, now.Sub(a.Since).Round(time.Millisecond), a.What, a.Who)
	if a.err != nil {
		err = fmt.Errorf("%w: %w", err, a.err)
	}
	return err
}

// await begins a wait.
func (m *manager) await(kind string, a awaits) {
	if before := m.waits[a.key]; before != nil {
		return
	}
	p := &pending{awaits: a, kind: kind}
	p.stop = m.after(time.Until(a.due), &waitDue{p})
	m.waits[a.key] = p
	m.showWaits()
}

// blameWait says why a wait lasts.
func (m *manager) blameWait(key string, err error) {
	if p := m.waits[key]; p != nil && p.err != err { //nolint:errorlint // the same value is no news
		p.err = err
		m.showWaits()
	}
}

// awaitLonger moves the deadline of a wait that has not been said yet.
func (m *manager) awaitLonger(key string, due time.Time) {
	if p := m.waits[key]; p != nil && !p.told && due.After(p.due) {
		p.stop()
		p.due = due
		p.stop = m.after(time.Until(due), &waitDue{p})
		m.showWaits()
	}
}

// awaited ends a wait, if it is under way.
func (m *manager) awaited(key string) {
	p := m.waits[key]
	if p == nil {
		return
	}
	p.stop()
	delete(m.waits, key)
	m.showWaits()
	if p.told {
		m.log.Info("a wait is over", "for", p.What, "who", p.Who, "took", time.Since(p.Since).Round(time.Millisecond))
		m.tellStuck()
	}
}

// awaitedOf ends the waits of a child that has ended.
func (m *manager) awaitedOf(kind string) {
	for key, p := range m.waits {
		if p.kind == kind {
			m.awaited(key)
		}
	}
}

func (m *manager) waitOverdue(msg *waitDue) {
	p := msg.wait
	if m.waits[p.key] != p || p.told || time.Now().Before(p.due) {
		return
	}
	p.told = true
	if err := p.problem(time.Now()); p.quiet {
		m.log.Warn("the worker waits past a deadline", "error", err)
	} else {
		m.problem(err)
	}
	m.tellStuck()
}

// mostStuck is how many waits a heartbeat names at most.
const mostStuck = 5

// tellStuck has the heartbeat say what this worker waits for past its deadline. What others were told of already, a leader
// of its own source for instance, is not repeated.
func (m *manager) tellStuck() {
	var lines []string
	for _, p := range m.waitsByAge() {
		if p.told && !p.quiet && len(lines) < mostStuck {
			lines = append(lines, fmt.Sprintf("waits since %s until %s (%s)", p.Since.UTC().Format(time.RFC3339), p.What, p.Who))
		}
	}
	m.tellChild(kindHeartbeat, &stuck{lines: lines})
}

func (m *manager) waitsByAge() []*pending {
	list := make([]*pending, 0, len(m.waits))
	for _, p := range m.waits {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *pending) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.key, b.key)) })
	return list
}

// showWaits puts what is waited for into the view. Whoever reads that compares the deadlines with the time of the reading.
func (m *manager) showWaits() {
	shown := make([]awaits, 0, len(m.waits))
	for _, p := range m.waitsByAge() {
		shown = append(shown, p.awaits)
	}
	m.life.view.waits.Store(&shown)
}

// The keys of waits.
const (
	waitsForStore      = "store"
	waitsForID         = "ID"
	waitsForGiveUp     = "give-up"
	waitsForAssignment = "assignment"
	waitsForLeader     = "leader"
	waitsForSource     = "source"
	waitsForHandler    = "handler " // and the partition
	waitsForFormat     = "format"
)

// awaitStore bounds how long the store is away, or says no. What it answers is reported where it is heard.
func (m *manager) awaitStore() {
	now := time.Now()
	m.await("", awaits{key: waitsForStore, Wait: Wait{"the store is open", "the store", now}, due: now.Add(m.set.Store.OperationTimeout), quiet: true})
}

// awaitID bounds how long a worker that was in the group waits for an ID. The way to a first assignment has StartupTimeout,
// and a standby waits for as long as it takes.
func (m *manager) awaitID() {
	if now := time.Now(); m.everDone {
		who := fmt.Sprintf("bucket %q", m.set.Store.StableID)
		m.await("", awaits{key: waitsForID, Wait: Wait{"this worker has an ID again", who, now}, due: now.Add(m.set.StartupTimeout)})
	}
}

// awaitAssignment bounds how long a worker that rejoined is given nothing at all, not even an empty assignment.
func (m *manager) awaitAssignment() {
	if now := time.Now(); m.everDone && !m.ready {
		what := fmt.Sprintf("session %d of %s has its first assignment", m.session.number, m.session.id)
		m.await(kindFollower, awaits{key: waitsForAssignment, Wait: Wait{what, "the leader", now}, due: now.Add(m.set.StartupTimeout)})
	}
}

// awaitGiveUp bounds how long a session that is over keeps the next from beginning. It has to be waited for, because what is
// still run must not be run by the next session as well.
func (m *manager) awaitGiveUp() {
	if now := time.Now(); m.winding.rejoin {
		what := fmt.Sprintf("everything of session %d is given up, before which %s does not rejoin", m.session.number, m.whom())
		m.await("", awaits{
			key: waitsForGiveUp, Wait: Wait{what, m.whom(), now}, due: now.Add(m.set.HandoffTimeout), err: ErrHandoffTimeout,
		})
	}
}

// mostHandlers is how many handlers that do not return are waited for by name.
const mostHandlers = 20

// awaitHandlers bounds how long a handler takes to return that was told to.
func (m *manager) awaitHandlers() {
	held := m.life.runner.handlers.Held().Holding
	for key, p := range m.waits {
		if id, is := strings.CutPrefix(key, waitsForHandler); is && !slices.Contains(held, id) {
			m.awaited(p.key)
		}
	}
	now := time.Now()
	for _, id := range held[:min(len(held), mostHandlers)] {
		m.await("", awaits{
			key: waitsForHandler + id, Wait: Wait{"the handler of " + id + " returns, which was told to", m.whom(), now},
			due: now.Add(m.set.HandoffTimeout), err: ErrHandoffTimeout,
		})
	}
}

// awaitFormat bounds how long a worker takes nothing up because of records that it cannot read. The first is reported at once.
func (m *manager) awaitFormat(err error) {
	if err == nil {
		m.awaited(waitsForFormat)
		return
	}
	now := time.Now()
	m.await(kindFollower, awaits{
		key: waitsForFormat, Wait: Wait{"every record can be read, before which nothing is applied", "the store", now},
		due: now.Add(m.set.HandoffTimeout), err: fmt.Errorf("%w: %w", ErrNewerFormat, err), quiet: true,
	})
}

// sight reports for how long a feed sees nothing, or cannot verify what it sees, and when it does again. Silence is no
// news at first: an outage is noticed by the writes that fail. Longer than a worker may be silent is, counted from when the
// feed noticed: on a quiet bucket it may have seen the last sign of life long before.
func sight(report func(reported), store *kv.Store, b kv.Bucket, u kv.Update) {
	key, who, now := "feed of "+b.String(), fmt.Sprintf("bucket %q", store.Bucket(b)), time.Now()
	switch u.Kind {
	case kv.UpdateBlind:
		report(&awaits{key: key, Wait: Wait{"what is stored is seen again", who, u.Since}, due: now.Add(store.TTL(kv.Heartbeats)), err: u.Err})
	case kv.UpdateStale:
		report(&awaits{key: key, Wait: Wait{"a listing confirms what was seen", who, u.Since}, due: now, err: u.Err})
	case kv.UpdateSynced:
		report(&awaited{key})
	default:
	}
}
