// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/strategy"
)

const (
	beatEvery = 2 * time.Second
	beatTTL   = 6 * time.Second
)

var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// member is a worker of the world: it beats, and obeys its records, unless it is told not to.
type member struct {
	session           uint64
	applied, shown    int64
	heard             time.Time
	deaf, silent      bool
	behind            bool
	leaving, cordoned bool
	failed            bool
	capacity          int64
	reads             int
	stuck             []string
}

// world is everything around a leader: a source, a strategy, a store and workers, all of which answer at once and obey,
// unless they are told not to. It sees to it that two workers never run one partition.
type world struct {
	t       *testing.T
	cfg     Config
	now     time.Time
	leader  *Leader
	members map[string]*member
	records map[string]record.Assignment
	plan    record.Plan
	garbage []string          // records that cannot be read
	runs    map[string]string // partition: worker/session
	epochs  map[string]int64

	source     []string
	version    uint64   // of the source
	before     []string // what the source of the version before listed
	stale      bool     // the leader's source is that one
	strategy   strategy.Strategy
	failing    string        // strategy: "", "slow", "fails", "hangs"
	refusing   string        // store: "", "refuses", "too large", "unknown", "silent"
	unmarked   bool          // it has refused one of a session that has ended in this term
	unlisted   bool          // source fails
	lastLists  [][]string    // what the last listings of the term named, without a failure between them
	slow       time.Duration // how long the source takes
	lost       bool          // nobody answers how members went
	unanswered []Effect
	beat       time.Time
	wake       time.Time
	left       map[string]time.Time
	started    bool
	refreshes  uint64
	wakes      int
	show       func(e Effect)
	facts      []Fact // to be stepped
	timers     []timer
	stepping   bool
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, now: start, members: map[string]*member{}, records: map[string]record.Assignment{}, runs: map[string]string{},
		epochs: map[string]int64{}, strategy: strategy.NewSticky(), left: map[string]time.Time{}, show: func(Effect) {},
		cfg: Config{
			Term: 2, Group: "parti-assignment", Worker: "a", Joined: start, HandoffTimeout: 30 * time.Second, HomeRetention: 10 * time.Minute, OperationTimeout: 10 * time.Second,
			MinRebalanceThreshold: 0.15, ShrinkConfirmations: 3, Topology: topology.Config{
				ColdStartWindow: 30 * time.Second, PlannedScaleWindow: 10 * time.Second, RestartDetectionRatio: 0.5, MassLossRatio: 0.2,
				HeartbeatInterval: beatEvery, HeartbeatTTL: beatTTL, RebalanceCooldown: 10 * time.Second, FlapBackoff: 5 * time.Minute,
			},
		},
	}
}

// lead begins a term.
func (w *world) lead() {
	var effects []Effect
	w.cfg.Joined, w.lastLists, w.unmarked = w.now, nil, false
	w.leader, effects = New(w.cfg)
	w.perform(effects)
}

// tell steps the leader with a fact and performs what follows.
func (w *world) tell(f Fact) {
	if w.leader == nil {
		return // nobody listens yet
	}
	w.facts = append(w.facts, f)
	if w.stepping {
		return
	}
	w.stepping = true
	defer func() { w.stepping = false }()
	for n := 0; len(w.facts) > 0; n++ {
		if n >= 20_000 { // cheaper than to require it, with each of millions of facts
			w.t.Fatal("facts and effects without end")
		}
		next := w.facts[0]
		w.facts = w.facts[1:]
		before := w.leader.source.current()
		effects := w.leader.Step(w.now, next, nil)
		w.believed(next, before)
		if err := w.leader.valid(); err != nil {
			w.t.Fatal(err)
		}
		if w.leader.ledger != nil && w.leader.stage == leading {
			if err := w.leader.topo.Valid(); err != nil {
				w.t.Fatal(err)
			}
		}
		w.perform(effects)
	}
}

// believed sees to it that most of the partitions are only taken away when enough listings in a row did not name them.
func (w *world) believed(f Fact, before *Listing) {
	l, is := f.(*Listed)
	if !is {
		return
	}
	if l.Err != nil {
		w.lastLists = nil
		return
	}
	w.lastLists = append(w.lastLists, l.List.ids)
	after := w.leader.source.current()
	if before.empty() || !w.leader.draft.planned || after.version > before.version {
		return
	}
	if stored := w.leader.stored; before == w.leader.source.remembered && (after.digest == stored.Digest || after.digest == stored.Listed) {
		return // that is the list of the stored plan
	}
	var gone []string
	for _, id := range before.ids {
		if !slices.Contains(after.ids, id) {
			gone = append(gone, id)
		}
	}
	if 2*len(gone) <= before.size() {
		return
	}
	n := w.cfg.ShrinkConfirmations
	require.GreaterOrEqual(w.t, len(w.lastLists), n, "%v are taken away", gone)
	for _, ids := range w.lastLists[len(w.lastLists)-n:] {
		for _, id := range gone {
			require.NotContains(w.t, ids, id, "%v are taken away", gone)
		}
	}
}

func (w *world) perform(effects []Effect) {
	for _, e := range effects {
		w.show(e)
		w.answer(e)
	}
}

// answer does what an effect asks for.
func (w *world) answer(e Effect) {
	switch e := e.(type) {
	case *Read:
		w.tell(&Restored{Plan: w.plan, Records: w.readable(), Unreadable: w.garbage, Problems: problems(w.garbage)})
	case *List:
		w.listed()
	case *Follow:
		w.started = true
		for _, id := range slices.Sorted(maps.Keys(w.members)) {
			if m := w.members[id]; !m.silent {
				w.sendBeat(id)
			} else if w.now.Sub(m.heard) < beatTTL {
				w.tell(w.asBeat(id, m))
			}
		}
		w.tell(&Synced{})
	case *LookUp:
		if w.lost {
			w.tell(&LookedUp{Err: store.ErrUnknown})
			return
		}
		left := map[string]time.Time{}
		for _, id := range e.Workers {
			if at, clean := w.left[id]; clean {
				left[id] = at
			}
		}
		w.tell(&LookedUp{Left: left})
	case *Ask:
		w.ask(e)
	case *Write:
		w.write(e)
	case *Wake:
		w.wake = e.At
	case *Answer, *Say, *Report, *End:
	}
}

func problems(garbage []string) (errs []error) {
	for _, id := range garbage {
		errs = append(errs, fmt.Errorf("restore %s: %w", id, record.ErrCorrupt))
	}
	return errs
}

func (w *world) readable() (list []record.Assignment) {
	for _, id := range slices.Sorted(maps.Keys(w.records)) {
		if !slices.Contains(w.garbage, id) {
			list = append(list, w.records[id])
		}
	}
	return list
}

func (w *world) listed() {
	if w.slow > 0 {
		w.later(w.now.Add(w.slow), w.lists)
		return
	}
	w.lists()
}

func (w *world) lists() {
	if w.unlisted {
		w.tell(&Listed{Err: errors.New("the source fails")})
		return
	}
	source, version := w.source, w.version
	if w.stale && w.before != nil {
		source, version = w.before, version-1
	}
	var list []strategy.Partition
	for _, s := range source {
		id, weight, weighed := strings.Cut(s, ":")
		p := strategy.Partition{Keys: []string{id}}
		if weighed {
			_, err := fmt.Sscan(weight, &p.Weight)
			require.NoError(w.t, err)
		}
		list = append(list, p)
	}
	l, err := NewListing(list, version)
	require.NoError(w.t, err)
	w.tell(&Listed{List: l})
}

func (w *world) ask(e *Ask) {
	st := w.strategy
	if e.BuiltIn {
		st = strategy.NewSticky()
	}
	switch {
	case e.BuiltIn || w.failing == "":
		p, err := strategy.Ask(st, e.Question)
		w.tell(Answered(e, p, err))
	case w.failing == "slow":
		p, err := strategy.Ask(st, e.Question)
		w.later(w.now.Add(2*time.Second), func() { w.tell(Answered(e, p, err)) })
	case w.failing == "hangs":
		w.unanswered = append(w.unanswered, e)
		at := w.now.Add(w.cfg.OperationTimeout)
		w.later(at, func() { w.tell(Answered(e, strategy.Plan{}, errors.New("no answer within OperationTimeout 10s"))) })
	default:
		w.tell(Answered(e, strategy.Plan{}, errors.New("the strategy fails")))
	}
}

func (w *world) write(e *Write) {
	switch w.refusing {
	case "refuses":
		w.tell(&Written{e.ID, Refused, fmt.Errorf("%w: the store refuses", store.ErrNotDone)})
	case "too large":
		w.unmarked = w.unmarked || slices.ContainsFunc(e.Records, func(r record.Assignment) bool { return w.leader.roster.live[r.Worker].session != r.Session })
		w.tell(&Written{e.ID, Refused, store.ErrTooLarge})
	case "unknown":
		w.tell(&Written{e.ID, Lost, store.ErrUnknown})
	case "silent":
		w.unanswered = append(w.unanswered, e)
	default:
		w.store(e)
	}
}

// store applies a write, and has those obey whom it concerns.
func (w *world) store(e *Write) {
	for _, r := range e.Records {
		w.records[r.Worker] = r
	}
	for _, id := range e.Remove {
		delete(w.records, id)
	}
	require.GreaterOrEqual(w.t, e.Plan.Version, w.plan.Version, "the version falls")
	if e.Plan.Digest == "" || e.Plan.Digest != w.plan.Digest { // otherwise it may be that of an earlier release
		require.Equal(w.t, e.Plan.Digest == "", e.Plan.Names == "", "a plan says what it was made for with weights and without, or neither")
	}
	if list := w.leader.draft.list; list != nil && e.Plan.Names == list.names && !w.unmarked {
		_, listed, _ := recorded(slices.Collect(maps.Values(w.records)))
		for id := range listed {
			require.Contains(w.t, list.ids, id, "a record names as listed what the list of the plan lacks")
		}
	}
	w.plan = e.Plan
	w.tell(&Written{e.ID, Stored, nil})
	for _, r := range e.Records {
		if m := w.members[r.Worker]; m != nil && !m.silent && !m.deaf && m.session == r.Session {
			w.obey(r.Worker)
			if len(r.Releasing) > 0 || r.Unread > 0 {
				w.sendBeat(r.Worker)
			}
		}
	}
}

// obey has a worker run what its record grants and nothing else.
func (w *world) obey(id string) {
	m, r := w.members[id], w.records[id]
	if r.Session != m.session {
		return
	}
	who := fmt.Sprintf("%s/%d", id, m.session)
	owned := map[string]bool{}
	for _, o := range r.Owned {
		owned[o.Partition] = true
	}
	for p, runner := range w.runs {
		if runner == who && !owned[p] {
			delete(w.runs, p)
		}
	}
	for _, o := range r.Owned {
		if runner, runs := w.runs[o.Partition]; runs {
			if runner != who {
				w.t.Fatalf("%s runs twice: for %s and for %s", o.Partition, runner, who)
			}
			continue
		}
		require.Greater(w.t, o.Epoch, w.epochs[o.Partition], "the epoch of %s", o.Partition)
		w.runs[o.Partition], w.epochs[o.Partition] = who, o.Epoch
	}
	m.applied = max(m.applied, r.Version)
}

// stops takes everything from a worker that is no more.
func (w *world) stops(id string) {
	for p, runner := range w.runs {
		if strings.HasPrefix(runner, id+"/") {
			delete(w.runs, p)
		}
	}
}

func (w *world) up(id string, session uint64) *member {
	w.stops(id)
	m := &member{session: session, heard: w.now}
	w.members[id] = m
	delete(w.left, id)
	if w.started {
		w.sendBeat(id)
	}
	return m
}

func (w *world) down(id string) {
	w.stops(id)
	w.members[id].silent = true
}

func (w *world) leave(id string) {
	w.stops(id)
	delete(w.members, id)
	w.left[id] = w.now
	if w.started {
		w.tell(&Gone{id, true})
	}
}

func (w *world) asBeat(id string, m *member) *Beat {
	return &Beat{
		Worker: id, Session: m.session, Applied: m.applied, Shown: m.shown, Capacity: m.capacity, Cordoned: m.cordoned, Leaving: m.leaving, Failed: m.failed,
		Reads: m.reads, Stuck: m.stuck, Stored: m.heard,
	}
}

func (w *world) sendBeat(id string) {
	m := w.members[id]
	m.heard = w.now
	if !m.deaf {
		w.obey(id)
	}
	w.tell(w.asBeat(id, m))
}

// timer is something that happens later.
type timer struct {
	at time.Time
	do func()
}

func (w *world) later(at time.Time, do func()) { w.timers = append(w.timers, timer{at, do}) }

// run lets time pass, from one thing that happens to the next.
func (w *world) run(d time.Duration) {
	until := w.now.Add(d)
	if w.beat.IsZero() {
		w.beat = w.now.Add(beatEvery)
	}
	for w.now.Before(until) {
		next := until
		for _, at := range append(w.expiries(), w.beat, w.wake) {
			if at.After(w.now) && at.Before(next) {
				next = at
			}
		}
		for _, t := range w.timers {
			if t.at.After(w.now) && t.at.Before(next) {
				next = t.at
			}
		}
		w.now = next
		w.pass()
	}
}

// pass does what is due now.
func (w *world) pass() {
	due := w.timers
	w.timers = nil
	for _, t := range due {
		if t.at.After(w.now) {
			w.later(t.at, t.do)
		} else {
			t.do()
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.members)) {
		if m := w.members[id]; m.silent && !w.now.Before(m.heard.Add(beatTTL)) {
			delete(w.members, id)
			w.tell(&Gone{id, false})
		}
	}
	if !w.now.Before(w.beat) {
		w.beat = w.now.Add(beatEvery)
		for _, id := range slices.Sorted(maps.Keys(w.members)) {
			if !w.members[id].silent {
				w.sendBeat(id)
			}
		}
	}
	if !w.wake.IsZero() && !w.now.Before(w.wake) {
		w.wake = time.Time{}
		w.wakes++
		w.tell(&Ticked{})
	}
}

func (w *world) expiries() (at []time.Time) {
	for _, m := range w.members {
		if m.silent {
			at = append(at, m.heard.Add(beatTTL))
		}
	}
	return at
}

// owners says who runs what, worker by worker.
func (w *world) owners() string {
	by := map[string][]string{}
	for p, runner := range w.runs {
		by[runner] = append(by[runner], p)
	}
	var lines []string
	for _, runner := range slices.Sorted(maps.Keys(by)) {
		slices.Sort(by[runner])
		lines = append(lines, fmt.Sprintf("%s: %s", runner, strings.Join(by[runner], " ")))
	}
	return strings.Join(lines, "; ")
}
