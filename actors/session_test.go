// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/strategy"
)

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
	require.ErrorIs(t, ask(t, r, request{target: holdings(2, "a", "b"), trusted: no}), errUntrusted, "a new epoch is a new grant")
	require.Equal(t, map[string]int64{"a": 1, "b": 1}, r.view.Assignment().Epochs)
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
	q := request{target: holdings(7, "a"), position: record.Position{Term: 2, Version: 7}, lifecycle: record.Stable}
	require.NoError(t, ask(t, r, q))
	require.Equal(t, Assignment{
		Term: 2, Version: 7, Lifecycle: record.Stable, Partitions: []strategy.Partition{named("a", 0)}, Epochs: map[string]int64{"a": 7},
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

func TestTheTrustIsWrittenDownWhereItIsUsed(t *testing.T) {
	m := &manager{life: &life{measures: &measures{}}, session: session{trust: &trust{}}}
	until := time.Now().Add(time.Minute)
	m.perform(&member.Trust{Until: until, Takes: true, LetGo: until.Add(time.Second)})
	require.True(t, m.session.trust.mayTake())
	require.Equal(t, until, *m.session.trust.until.Load())
	require.Equal(t, until.Add(time.Second), m.life.letGoBy)
	m.perform(&member.Trust{Until: until})
	require.False(t, m.session.trust.mayTake(), "though its leases are still good")
	require.True(t, m.session.trust.valid())
	m.perform(&member.Trust{Until: time.Now(), Takes: true})
	require.False(t, m.session.trust.mayTake())
}

// TestWhoStopsWhileItRejoinsHurriesEveryHook: the one that gives up for the rejoin may still run.
func TestWhoStopsWhileItRejoinsHurriesEveryHook(t *testing.T) {
	r := &runner{queue: newWaiting(), asked: make(chan struct{}, 1)}
	m := &manager{guard: &guard{ended: true}, life: &life{measures: &measures{}, runner: r}, giving: map[uint64]giving{}}
	until := time.Now().Add(time.Hour)
	m.perform(&member.GiveUp{ID: 1, Why: ErrFenced, Until: until})
	first, _ := r.queue.pop() // it runs
	m.perform(&member.GiveUp{ID: 2, Why: ErrStopping, Until: until})
	second, _ := r.queue.pop()
	require.NoError(t, first.ctx.Err())
	m.perform(&member.Hurry{})
	require.Error(t, first.ctx.Err())
	require.Error(t, second.ctx.Err())
	m.perform(&member.Abandon{ID: 2})
	<-second.until
	select {
	case <-first.until:
		t.Error("that one is not waited for anyway")
	default:
	}
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
		l := &life{measures: &measures{}, view: view, runner: newRunner(hooks, &handlers{}, view, func(*AssignmentChanged) {}), notifier: newNotifier(slog.New(slog.DiscardHandler))}
		p := strategy.Partition{Keys: []string{"a"}}
		require.NoError(t, ask(t, l.runner, request{target: map[string]holding{p.ID(): {partition: p, epoch: 1}}}))
		by := time.Now().Add(5 * time.Second)
		m := newManager(&guard{log: slog.New(slog.DiscardHandler), ctx: t.Context()}, Settings{Logger: slog.New(slog.DiscardHandler), measures: &measures{}}, l)
		m.session.trust = &trust{}
		m.perform(&member.Trust{Until: time.Now().Add(4 * time.Second), Takes: true, LetGo: by})
		m.stopping(true)
		l.end(time.Minute)
		require.Equal(t, by, gaveUp)
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
