package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/strategy"
)

// TestEveryPhaseIsReachedOverEdgesOfTheTable: from wherever a worker stands, following any phase takes allowed steps
// only, ends, and ends in the state that the phase asks for.
func TestEveryPhaseIsReachedOverEdgesOfTheTable(t *testing.T) {
	want := map[kv.Phase]fsm.State{
		kv.PhaseIdle: fsm.Stable, kv.PhaseScaling: fsm.Scaling, kv.PhaseRebalancing: fsm.Rebalancing, kv.PhaseEmergency: fsm.Emergency,
	}
	target := func(from fsm.State, event fsm.Event) (fsm.State, bool) {
		for _, row := range fsm.Transitions() {
			for _, s := range row.From {
				if s == from && row.Event == event {
					return row.To, true
				}
			}
		}
		return "", false
	}
	for _, from := range []fsm.State{fsm.WaitingAssignment, fsm.Stable, fsm.Scaling, fsm.Rebalancing, fsm.Emergency} {
		for phase, end := range want {
			state := from
			for steps := 0; ; steps++ {
				require.Less(t, steps, 5, "%s at %s", phase, from)
				event, more := towards(state, phase, true)
				if !more {
					break
				}
				next, allowed := target(state, event)
				require.True(t, allowed, "%s in %s", event, state)
				state = next
			}
			require.Equal(t, end, state, "%s at %s", phase, from)
		}
		_, more := towards(from, kv.PhaseIdle, false)
		require.False(t, more, "without an assignment nobody becomes Stable")
	}
	for _, from := range []fsm.State{fsm.Init, fsm.ClaimingID, fsm.Election, fsm.Shutdown} {
		for phase := range want {
			_, more := towards(from, phase, true)
			require.False(t, more, "%s at %s", phase, from)
		}
	}
}

func holdings(epoch int64, ids ...string) map[string]holding {
	h := map[string]holding{}
	for _, id := range ids {
		h[id] = holding{named(id, 0), epoch}
	}
	return h
}

type told struct{ added, removed []strategy.Partition }

func newTestRunner(t *testing.T, hook func(context.Context, []strategy.Partition, []strategy.Partition) error) (*runner, *[]told) {
	t.Helper()
	var calls []told
	hooks := Hooks{OnAssignmentChanged: func(ctx context.Context, added, removed []strategy.Partition) error {
		calls = append(calls, told{added, removed})
		if hook != nil {
			return hook(ctx, added, removed)
		}
		return nil
	}}
	r := newRunner(hooks, &handlers{}, newView(), func(*AssignmentChanged) {})
	t.Cleanup(func() { r.close(); within(t, r.ended, "end of the runner") })
	return r, &calls
}

// ask makes the runner become something and waits for it.
func ask(t *testing.T, r *runner, q request) error {
	t.Helper()
	done := make(chan error, 1)
	if q.ctx == nil {
		q.ctx = t.Context()
	}
	if q.trusted == nil {
		q.trusted = func() bool { return true }
	}
	q.done = func(err error) { done <- err }
	r.become(q)
	select {
	case err := <-done:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("the runner does not answer")
		return nil
	}
}

func names(p []strategy.Partition) (ids []string) {
	for _, q := range p {
		ids = append(ids, q.ID())
	}
	return ids
}

func TestTheUserIsToldTrueDifferencesOnly(t *testing.T) {
	r, calls := newTestRunner(t, nil)
	require.NoError(t, ask(t, r, request{target: holdings(1, "b", "a")}))
	require.NoError(t, ask(t, r, request{target: holdings(2, "b", "a")})) // another epoch is no change of what is held
	require.NoError(t, ask(t, r, request{target: holdings(2, "b", "c")}))
	require.NoError(t, ask(t, r, request{}))
	require.Len(t, *calls, 3)
	require.Equal(t, []string{"a", "b"}, names((*calls)[0].added))
	require.Equal(t, []string{"c"}, names((*calls)[1].added))
	require.Equal(t, []string{"a"}, names((*calls)[1].removed))
	require.Equal(t, []string{"b", "c"}, names((*calls)[2].removed))
}

func TestNothingNewIsToldWithoutTrust(t *testing.T) {
	r, calls := newTestRunner(t, nil)
	no := func() bool { return false }
	require.ErrorIs(t, ask(t, r, request{target: holdings(1, "a"), trusted: no}), errUntrusted)
	require.Empty(t, *calls)
	require.NoError(t, ask(t, r, request{target: holdings(1, "a", "b")}))
	require.NoError(t, ask(t, r, request{target: holdings(1, "a"), trusted: no}), "giving up needs no trust")
	require.Len(t, *calls, 2)
}

func TestNothingIsTakenUpOnceTheSessionIsBeingWoundDown(t *testing.T) {
	r, calls := newTestRunner(t, nil)
	var tr trust
	tr.extend(time.Now().Add(time.Hour))
	require.NoError(t, ask(t, r, request{target: holdings(1, "a"), trusted: tr.mayTake}))
	tr.closed.Store(true)
	require.NoError(t, ask(t, r, request{}))
	require.ErrorIs(t, ask(t, r, request{target: holdings(1, "a"), trusted: tr.mayTake}), errUntrusted, "the follower's last word")
	require.Len(t, *calls, 2)
	require.True(t, tr.valid(), "the leases are as good as before")
}

func TestARecordOfAnEarlierSessionOnlyTakesAway(t *testing.T) {
	r, calls := newTestRunner(t, nil)
	require.NoError(t, ask(t, r, request{target: holdings(1, "a", "b")}))
	require.NoError(t, ask(t, r, request{target: holdings(9, "b", "c"), shrink: true}))
	require.Len(t, *calls, 2)
	require.Empty(t, (*calls)[1].added)
	require.Equal(t, []string{"a"}, names((*calls)[1].removed))
	require.Equal(t, map[string]int64{"b": 1}, r.view.Assignment().Epochs)
}

func TestWhateverAHookDoesTheRunnerGoesOn(t *testing.T) {
	boom := errors.New("boom")
	for name, hook := range map[string]func(context.Context, []strategy.Partition, []strategy.Partition) error{
		"returns an error": func(context.Context, []strategy.Partition, []strategy.Partition) error { return boom },
		"panics":           func(context.Context, []strategy.Partition, []strategy.Partition) error { panic(boom) },
	} {
		t.Run(name, func(t *testing.T) {
			r, calls := newTestRunner(t, hook)
			require.ErrorIs(t, ask(t, r, request{target: holdings(1, "a")}), boom)
			require.ErrorIs(t, ask(t, r, request{}), boom)
			require.Len(t, *calls, 2)
		})
	}
}

func TestTheAssignmentIsThereWhenTheHookIsCalled(t *testing.T) {
	var r *runner
	var seen Assignment
	r, _ = newTestRunner(t, func(context.Context, []strategy.Partition, []strategy.Partition) error {
		seen = r.view.Assignment()
		return nil
	})
	q := request{target: holdings(7, "a"), position: kv.Position{Term: 2, Version: 7}, lifecycle: kv.Stable}
	require.NoError(t, ask(t, r, q))
	require.Equal(t, Assignment{
		Term: 2, Version: 7, Lifecycle: kv.Stable, Partitions: []strategy.Partition{named("a", 0)}, Epochs: map[string]int64{"a": 7},
	}, seen)
	seen.Epochs["a"] = 99
	require.Equal(t, int64(7), r.view.Assignment().Epochs["a"], "readers get copies")
}

func TestASlowNoticeHookLosesNoticesAndHoldsUpNobody(t *testing.T) {
	n := newNotifier(slog.New(slog.DiscardHandler))
	gate := make(chan struct{})
	for range notifierDepth + 10 {
		n.notify("OnError", func(context.Context) { <-gate })
	}
	require.Positive(t, n.dropped.Load())
	close(gate)
	n.close()
	within(t, n.ended, "end of the notifier")
}

func TestASessionIsTrustedAsLongAsBothOfItsLeases(t *testing.T) {
	now := time.Now()
	long, short := kv.Lease{Revision: 1, Sent: now, TTL: time.Minute}, kv.Lease{Revision: 1, Sent: now, TTL: time.Second}
	for name, s := range map[string]session{
		"the heartbeat ends first": {beat: short, claim: long, trust: &trust{}}, "the claim ends first": {beat: long, claim: short, trust: &trust{}},
	} {
		m := &manager{session: s}
		m.extendTrust()
		require.Equal(t, short.TrustedUntil(), *s.trust.until.Load(), name)
	}
}

// newLeadingManager returns a manager with nothing but a calculator and an elector. The channels are closed when the
// calculator has ended, and when the elector is asked for a new term in place of the fence.
func newLeadingManager(t *testing.T, fence kv.Fence) (m *manager, ended, asked chan struct{}) {
	t.Helper()
	system := quietSystem(t)
	ended, asked = make(chan struct{}), make(chan struct{})
	calculator := system.Root.Spawn(guarded(func(*guard) body { return &script{} }, func() { close(ended) }))
	elector := system.Root.Spawn(guarded(func(*guard) body {
		return &script{onMessage: func(_ actor.Context, message any) {
			if r, ok := message.(*refence); ok && r.fence == fence {
				close(asked)
			}
		}}
	}, nil))
	return &manager{
		guard: &guard{root: system.Root}, session: session{fence: fence}, running: map[string]struct{}{},
		children: map[string]*child{kindCalculator: {pid: calculator}, kindElector: {pid: elector}},
	}, ended, asked
}

func TestADeposedLeaderStopsItsCalculator(t *testing.T) {
	m, ended, _ := newLeadingManager(t, kv.Fence{Term: 3, Revision: 30})
	m.lostElection(nil)
	within(t, ended, "end of the calculator")
	require.Zero(t, m.session.fence)
}

func TestALeaderThatMayNotUseItsFenceBeginsANewTerm(t *testing.T) {
	fence := kv.Fence{Term: 3, Revision: 30}
	m, ended, asked := newLeadingManager(t, fence)
	m.fenceIsLost(&fenceLost{fence: kv.Fence{Term: 2, Revision: 20}})
	require.Contains(t, m.children, kindCalculator, "that fence is an earlier one")
	m.fenceIsLost(&fenceLost{fence: fence})
	within(t, ended, "end of the calculator")
	within(t, asked, "request for a new term")
}

func TestASessionThatIsBeingWoundDownIsFencedWhenItsTrustEnds(t *testing.T) {
	tenure := newTenure()
	m := &manager{
		guard: &guard{ended: true}, life: &life{tenure: tenure, view: newView()}, winding: &windDown{}, session: session{number: 7, trust: &trust{}},
		set: Settings{Store: kv.Config{HeartbeatTTL: 6 * time.Second}},
	}
	m.session.trust.extend(time.Now().Add(time.Minute))
	m.trustExpired(&trustDue{7})
	require.False(t, m.winding.fenced, "it was renewed meanwhile")
	m.session.trust.extend(time.Now())
	m.trustExpired(&trustDue{6})
	require.False(t, m.winding.fenced, "that was an earlier session")
	m.trustExpired(&trustDue{7})
	require.True(t, m.winding.fenced)
	require.ErrorIs(t, context.Cause(tenure.ctx), ErrFenced, "a hook that runs is told to return")
	require.ErrorIs(t, context.Cause(tenure.held), ErrFenced, "and may finish nothing")
}

func TestALeaderWhoseLeaseProvesARestoreOfTheStoreEndsItsSession(t *testing.T) {
	for cause, ends := range map[error]bool{kv.ErrLost: false, fmt.Errorf("%w: %w", kv.ErrLost, kv.ErrRolledBack): true} {
		tenure := newTenure()
		m := &manager{
			guard: &guard{ended: true, log: slog.New(slog.DiscardHandler)}, life: &life{tenure: tenure, view: newView()}, winding: &windDown{},
			session: session{trust: &trust{}}, set: Settings{Store: kv.Config{HeartbeatTTL: 6 * time.Second}},
		}
		m.lostElection(cause)
		require.Equal(t, ends, m.winding.fenced, cause)
		require.Equal(t, ends, tenure.ctx.Err() != nil, cause)
	}
}

func TestASessionThatEndsTakesUpNothingMore(t *testing.T) {
	r := &runner{queue: newWaiting(), asked: make(chan struct{}, 1)}
	m := &manager{guard: &guard{ended: true}, life: &life{view: newView(), runner: r}, winding: &windDown{}, session: session{number: 7, trust: &trust{}}}
	m.session.trust.extend(time.Now().Add(time.Minute))
	require.True(t, m.session.trust.mayTake())
	m.beginWindDown(false)
	require.Equal(t, 1, r.queue.len(), "everything is to be given up")
	require.False(t, m.session.trust.mayTake(), "though its leases are still good")
}

// TestATreeThatIsStoppedFromOutsideLetsGoBeforeOthersTakeOver: nobody deletes its entries, so they expire as after a crash.
func TestATreeThatIsStoppedFromOutsideLetsGoBeforeOthersTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gaveUp time.Time
		hooks := Hooks{OnAssignmentChanged: func(ctx context.Context, _, removed []strategy.Partition) error {
			if len(removed) > 0 {
				<-ctx.Done()
				gaveUp = time.Now()
			}
			return nil
		}}
		view := newView()
		l := &life{view: view, runner: newRunner(hooks, &handlers{}, view, func(*AssignmentChanged) {}), notifier: newNotifier(slog.New(slog.DiscardHandler))}
		p := strategy.Partition{Keys: []string{"a"}}
		require.NoError(t, ask(t, l.runner, request{target: map[string]holding{p.ID(): {partition: p, epoch: 1}}}))
		m := &manager{
			guard: &guard{}, life: l, machine: fsm.New(), set: Settings{Store: kv.Config{HeartbeatTTL: 6 * time.Second, WorkerIDTTL: 30 * time.Second}},
			session: session{beat: kv.Lease{Revision: 1, Sent: time.Now()}, claim: kv.Lease{Revision: 1, Sent: time.Now()}},
		}
		by := m.letGoBy()
		m.stopping(true)
		l.end(time.Minute)
		require.Equal(t, by, gaveUp)
		require.Less(t, gaveUp.Sub(m.session.beat.Sent), m.set.Store.HeartbeatTTL)
	})
}

// TestNobodyWaitsForARunningHook: sessions come and go while a hook takes its time, and each asks for something.
func TestNobodyWaitsForARunningHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		r, calls := newTestRunner(t, func(context.Context, []strategy.Partition, []strategy.Partition) error {
			<-free
			return nil
		})
		outcomes := make(chan error, 100)
		become := func(q request) {
			q.ctx, q.trusted, q.done = t.Context(), func() bool { return true }, func(err error) { outcomes <- err }
			r.become(q)
		}
		become(request{target: holdings(1, "a")})
		synctest.Wait() // the hook runs
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			for n := int64(1); n <= 10; n++ {
				become(request{target: holdings(n, "b")})
				become(request{everything: true})
				become(request{target: holdings(n, "a", "c")})
				become(request{target: holdings(n, "c")})
			}
		}()
		synctest.Wait()
		select {
		case <-asked:
		default:
			t.Error("an asker waits for the hook")
		}
		require.LessOrEqual(t, r.queue.len(), 2)
		close(free)
		synctest.Wait()
		require.Len(t, *calls, 3, "a, nothing, c: what was superseded is not told")
		require.Equal(t, []string{"a"}, names((*calls)[1].removed))
		require.Equal(t, []string{"c"}, names((*calls)[2].added))
		require.Len(t, outcomes, 41, "everybody is answered, once")
		superseded := 0
		for len(outcomes) > 0 {
			if errors.Is(<-outcomes, errSuperseded) {
				superseded++
			}
		}
		require.Equal(t, 38, superseded)
	})
}

func (w waiting) len() (n int) {
	w.any(func(request) bool { n++; return false })
	return n
}
