// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/strategy"
)

// hosted is a worker's half without a store: what is granted is asked of the runner.
type hosted struct {
	*Workbench
	*runner
	problems chan error
}

func newHosted(t testing.TB, how Handling) *hosted {
	t.Helper()
	if how.RestartFirst == 0 {
		how.RestartFirst, how.RestartMost = time.Millisecond, time.Second
	}
	h := &hosted{problems: make(chan error, 1000)}
	h.Workbench = NewWorkbench("worker-0", how, func(err error) { h.problems <- err }, func() {})
	h.runner = h.Workbench.runner
	t.Cleanup(func() {
		h.tenure.end(ErrStopping)
		h.give(t)
		h.Close()
	})
	return h
}

// give makes the worker own just these partitions, with their epochs.
func (h *hosted) give(t testing.TB, grants ...string) {
	t.Helper()
	target := map[string]holding{}
	for _, g := range grants {
		var id string
		var epoch int64
		_, err := fmt.Sscanf(g, "%1s@%d", &id, &epoch)
		require.NoError(t, err)
		target[id] = holding{strategy.Partition{Keys: []string{id}}, epoch}
	}
	require.NoError(t, h.want(target))
}

func (h *hosted) want(target map[string]holding) error {
	done := make(chan error, 1)
	h.become(request{
		ctx: h.tenure.ctx, tenure: h.tenure, worker: "worker-0", target: target, trusted: h.trust.valid, why: because(ErrRevoked),
		done: func(err error) { done <- err },
	})
	return <-done
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 10*time.Second, time.Millisecond, what)
}

// book is what handlers note: which run, and why they ended. Its pages are in a channel while nobody writes.
type book chan pages

type pages struct {
	runs  map[string]int64
	twice bool // two handlers of one partition ran at once
	ends  []error
}

func newBook() book {
	b := make(book, 1)
	b <- pages{runs: map[string]int64{}}
	return b
}

func (b book) write(note func(*pages)) pages {
	p := <-b
	note(&p)
	b <- p
	return p
}

func (b book) enter(o *Ownership) {
	b.write(func(p *pages) {
		_, runs := p.runs[o.Partition().ID()]
		p.twice = p.twice || runs
		p.runs[o.Partition().ID()] = o.Epoch()
	})
}

func (b book) leave(o *Ownership, cause error) {
	b.write(func(p *pages) {
		delete(p.runs, o.Partition().ID())
		p.ends = append(p.ends, cause)
	})
}

func (b book) running() (runs map[string]int64) {
	b.write(func(p *pages) { runs = maps.Clone(p.runs) })
	return runs
}

func (b book) read() pages { return b.write(func(*pages) {}) }

// obedient notes what it does, and returns when its context ends.
func (b book) obedient(ctx context.Context, o *Ownership) error {
	b.enter(o)
	<-ctx.Done()
	b.leave(o, context.Cause(ctx))
	return nil
}

// deaf is a handler that returns only when it is freed.
func (b book) deaf(free <-chan struct{}) func(context.Context, *Ownership) error {
	return func(ctx context.Context, o *Ownership) error {
		b.enter(o)
		<-ctx.Done()
		<-free
		b.leave(o, context.Cause(ctx))
		return nil
	}
}

func TestAHandlerRunsForEachOwnedPartitionUnderItsEpoch(t *testing.T) {
	b := newBook()
	h := newHosted(t, Handling{Run: b.obedient})
	h.give(t, "a@1", "b@1")
	eventually(t, "both run", func() bool { return len(b.running()) == 2 })
	h.give(t, "a@1", "c@2")
	eventually(t, "b has ended, c runs", func() bool {
		r := b.running()
		return len(r) == 2 && r["a"] == 1 && r["c"] == 2
	})
	require.Equal(t, []error{ErrRevoked}, b.read().ends)
	require.Empty(t, h.handlers.Held().Holding)
}

func TestAPartitionUnderANewEpochIsANewRun(t *testing.T) {
	b := newBook()
	h := newHosted(t, Handling{Run: b.obedient})
	h.give(t, "a@1")
	eventually(t, "it runs", func() bool { return b.running()["a"] == 1 })
	h.give(t, "a@5")
	eventually(t, "it runs under the new epoch", func() bool { return b.running()["a"] == 5 })
	require.Equal(t, []error{ErrRevoked}, b.read().ends)
	require.False(t, b.read().twice)
}

func TestAHandlerThatDoesNotStopHoldsUpItsOwnPartitionOnly(t *testing.T) {
	b := newBook()
	free := make(chan struct{})
	changed := make(chan unsettled, 100)
	h := newHosted(t, Handling{Run: func(ctx context.Context, o *Ownership) error {
		b.enter(o)
		<-ctx.Done()
		if o.Partition().ID() == "a" && o.Epoch() == 1 {
			<-free
		}
		b.leave(o, context.Cause(ctx))
		return nil
	}})
	tell := func() { changed <- h.handlers.Held() }
	h.handlers.changed.Store(&tell)
	h.give(t, "a@1", "b@1")
	eventually(t, "both run", func() bool { return len(b.running()) == 2 })
	h.give(t)
	require.Equal(t, []string{"a"}, h.handlers.Held().Holding, "b has returned, a has not")
	h.give(t, "a@3", "c@3")
	require.Equal(t, unsettled{Holding: []string{"a"}, Starting: []string{"a"}}, h.handlers.Held(), "the next run of a waits for the one before")
	eventually(t, "c runs beside it", func() bool { return b.running()["c"] == 3 })
	close(free)
	eventually(t, "a begins when it can", func() bool { return b.running()["a"] == 3 })
	require.Empty(t, h.handlers.Held())
	require.Equal(t, unsettled{Holding: []string{"a"}}, <-changed)
	require.Equal(t, unsettled{Holding: []string{"a"}, Starting: []string{"a"}}, <-changed)
	require.Empty(t, <-changed, "whoever waits for a is told")
	require.Empty(t, changed)
	require.False(t, b.read().twice, "never two runs of one partition at once")
}

func TestAHandlerThatFailsIsCalledAgainUnderTheSameEpoch(t *testing.T) {
	for name, fail := range map[string]func() error{
		"returns an error":     func() error { return errors.New("broken") },
		"panics":               func() error { panic("broken") },
		"ends its goroutine":   func() error { runtime.Goexit(); return nil },
		"panics with an error": func() error { panic(errors.New("broken")) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook()
			calls := make(chan *Ownership, 10)
			h := newHosted(t, Handling{Run: func(ctx context.Context, o *Ownership) error {
				if calls <- o; len(calls) < 3 {
					return fail()
				}
				return b.obedient(ctx, o)
			}})
			h.give(t, "a@7")
			eventually(t, "it runs after two failures", func() bool { return b.running()["a"] == 7 })
			require.ErrorIs(t, <-h.problems, ErrHandlerFailed)
			require.ErrorContains(t, <-h.problems, "partition a epoch 7")
			first := <-calls
			require.Same(t, first, <-calls)
			require.EqualValues(t, 2, first.restarts.Load())
			require.Equal(t, PhaseRunning, first.stands())
			h.give(t)
			require.Equal(t, []error{ErrRevoked}, b.read().ends)
		})
	}
}

func TestAHandlerThatReturnsNilIsIdleAndStaysOwned(t *testing.T) {
	calls := make(chan *Ownership, 10)
	h := newHosted(t, Handling{Run: func(_ context.Context, o *Ownership) error { calls <- o; return nil }})
	h.give(t, "a@1")
	o := <-calls
	eventually(t, "it is idle", func() bool { return o.stands() == PhaseIdle })
	require.NoError(t, o.Valid())
	h.give(t)
	require.ErrorIs(t, o.Valid(), ErrRevoked)
	require.Empty(t, calls)
	require.Empty(t, h.handlers.Held())
}

func TestAHandlerThatIsToldToEndMayFinishWhileItIsHeld(t *testing.T) {
	var during, held error
	owned := make(chan *Ownership, 1)
	h := newHosted(t, Handling{Run: func(ctx context.Context, o *Ownership) error {
		owned <- o
		<-ctx.Done()
		during, held = o.Valid(), o.Held().Err()
		return nil
	}})
	h.give(t, "a@1")
	after := <-owned
	h.give(t)
	require.NoError(t, during)
	require.NoError(t, held)
	require.ErrorIs(t, after.Valid(), ErrRevoked, "what has been let go is not valid any more")
	require.ErrorIs(t, context.Cause(after.Held()), ErrRevoked)
}

func TestAFencedOwnershipIsValidForNothing(t *testing.T) {
	owned := make(chan *Ownership, 1)
	h := newHosted(t, Handling{Run: func(ctx context.Context, o *Ownership) error {
		owned <- o
		<-ctx.Done()
		return nil
	}})
	h.give(t, "a@1")
	o := <-owned
	require.NoError(t, o.Valid())
	h.trust.extend(time.Now())
	require.ErrorIs(t, o.Valid(), ErrFenced, "by its own clock, before anybody says so")
	h.tenure.end(ErrFenced)
	require.ErrorIs(t, context.Cause(o.Held()), ErrFenced)
}

// newUntrusted returns a worker whose grant of a under epoch 2 waits for nothing but trust: the handler of epoch 1 has returned late.
func newUntrusted(t *testing.T) (book, *hosted) {
	t.Helper()
	b := newBook()
	free := make(chan struct{})
	h := newHosted(t, Handling{Run: b.deaf(free)})
	h.give(t, "a@1")
	eventually(t, "it runs", func() bool { return b.running()["a"] == 1 })
	h.give(t, "a@2")
	h.trust.extend(time.Now())
	close(free)
	eventually(t, "the first run has ended", func() bool { return len(h.handlers.Held().Holding) == 0 })
	return b, h
}

func TestNothingBeginsWithoutTrust(t *testing.T) {
	b, h := newUntrusted(t)
	require.Empty(t, b.running())
	require.Equal(t, []string{"a"}, h.handlers.Held().Starting)
	require.ErrorIs(t, h.want(map[string]holding{"z": {strategy.Partition{Keys: []string{"z"}}, 3}}), errUntrusted)
	h.trust.extend(time.Now().Add(time.Hour)) // the renewal had only not been told
	eventually(t, "it begins when it may", func() bool { return b.running()["a"] == 2 })
}

// TestWhatWaitedForTrustAloneBeginsOnce: a record that is shown as soon as the trust goes on takes its place.
func TestWhatWaitedForTrustAloneBeginsOnce(t *testing.T) {
	for name, epoch := range map[string]int64{"the same grant": 2, "a later one": 3} {
		b, h := newUntrusted(t)
		h.trust.extend(time.Now().Add(time.Hour))
		h.give(t, fmt.Sprintf("a@%d", epoch))
		eventually(t, name+" runs", func() bool { return b.running()["a"] == epoch })
		require.Empty(t, h.handlers.Held().Starting, "%s: it would begin again beside itself", name)
		require.False(t, b.read().twice, name)
	}
}

// TestWhatIsCarriedIsNotBegun: a grant of an earlier session waited for a handler, and its trust is over. Somebody else may have it.
func TestWhatIsCarriedIsNotBegun(t *testing.T) {
	b, h := newUntrusted(t)

	show := func(epoch int64, shrink bool) {
		done := make(chan error, 1)
		h.become(request{
			ctx: t.Context(), tenure: h.tenure, session: 2, target: holdings(epoch, "a"), shrink: shrink, why: because(ErrRevoked),
			trusted: func() bool { return true }, done: func(err error) { done <- err },
		})
		require.NoError(t, <-done)
	}
	show(2, true)
	require.Empty(t, b.running())
	require.Equal(t, []string{"a"}, h.handlers.Held().Starting)
	show(3, false)
	eventually(t, "what the next session is granted runs", func() bool { return b.running()["a"] == 3 })
	require.Empty(t, h.handlers.Held().Starting)
	require.False(t, b.read().twice)
}

// worker is an actor of a user's.
type worker struct{ onMessage func(actor.Context) }

func (w *worker) Receive(ctx actor.Context) { w.onMessage(ctx) }

func TestAnActorOfTheUsersRunsAPartition(t *testing.T) {
	b := newBook()
	panics := make(chan struct{}, 1)
	panics <- struct{}{}
	pids := make(chan *actor.PID, 10)
	h := newHosted(t, Handling{Props: func(o *Ownership) *actor.Props {
		return actor.PropsFromProducer(func() actor.Actor {
			return &worker{func(ctx actor.Context) {
				switch ctx.Message().(type) {
				case *actor.Started:
					select {
					case <-panics:
						panic("at the start")
					default:
					}
					b.enter(o)
					pids <- ctx.Self()
				case *actor.Stopped:
					b.leave(o, nil)
				}
			}}
		})
	}})
	h.give(t, "a@1")
	eventually(t, "it runs after a panic", func() bool { return b.running()["a"] == 1 })
	require.ErrorIs(t, <-h.problems, ErrHandlerFailed)
	h.give(t)
	require.Empty(t, b.running())
	require.Empty(t, h.handlers.Held())
	require.Len(t, pids, 1)
}

func TestAHandlerOfAStoppedTreeIsToldToEnd(t *testing.T) {
	b := newBook()
	h := newHosted(t, Handling{Run: b.obedient})
	h.give(t, "a@1", "b@1")
	eventually(t, "both run", func() bool { return len(b.running()) == 2 })
	h.tenure.end(ErrStopping)
	eventually(t, "both have ended", func() bool { return len(b.running()) == 0 })
	require.Equal(t, []error{ErrStopping, ErrStopping}, b.read().ends)
}

func TestAWorkerAcknowledgesNothingNewWhileItsListOfWhatIsHeldCannotBeRead(t *testing.T) {
	many := make([]string, mostHeld+5)
	for i := range many {
		many[i] = fmt.Sprintf("p%04d", i)
	}
	var held unsettled
	h := &heartbeat{held: func() unsettled { return held }, reads: record.FormatHolding}
	says := func(version int64, holding ...string) {
		t.Helper()
		r := h.record()
		require.Equal(t, version, r.Applied.Version)
		require.Equal(t, holding, r.Holding)
	}
	h.applied.Version, held.Holding = 3, []string{"p0001", "p0002"}
	says(3, "p0001", "p0002")
	h.applied.Version, held.Holding = 4, many
	says(3, "p0001", "p0002") // it is too long
	held.Holding = many[2:]
	says(3, "p0002")
	held.Holding = many[2:9]
	says(4, many[2:9]...)
	h.reads = record.FormatHolding - 1 // an earlier release has joined, and may come to lead
	h.applied.Version, held.Holding = 5, many[3:10]
	says(4, many[3:9]...)
	held.Holding = nil
	says(5)
}

// TestAHeartbeatSaysWhatItsUserWasShownUntilThatIsAcknowledged: it may run, and a store that lost its records does not know.
func TestAHeartbeatSaysWhatItsUserWasShownUntilThatIsAcknowledged(t *testing.T) {
	h := &heartbeat{held: func() unsettled { return unsettled{} }}
	require.Zero(t, h.record().Shown)
	for _, version := range []int64{5, 7, 6} {
		h.receive(nil, &announce{version})
	}
	require.Equal(t, int64(7), h.record().Shown)
	h.applied.Version = 5
	require.Equal(t, int64(7), h.record().Shown)
	h.applied.Version = 7
	require.Zero(t, h.record().Shown)
}

// TestGivingEverythingUpOutlivesALateFollower: a follower that was at work when its session ended may still ask for something.
func TestGivingEverythingUpOutlivesALateFollower(t *testing.T) {
	b := newBook()
	free := make(chan struct{})
	h := newHosted(t, Handling{Run: b.deaf(free)})
	h.give(t, "a@1")
	eventually(t, "it runs", func() bool { return len(b.running()) == 1 })
	gaveUp, late := make(chan error, 1), make(chan error, 1)
	h.become(request{
		ctx: t.Context(), everything: true, trusted: func() bool { return false }, why: because(ErrStopping),
		until: make(chan struct{}), done: func(err error) { gaveUp <- err },
	})
	eventually(t, "it is to end", func() bool { return len(h.handlers.Held().Holding) == 1 })
	h.become(request{
		ctx: t.Context(), tenure: h.tenure, target: map[string]holding{"z": {strategy.Partition{Keys: []string{"z"}}, 2}},
		trusted: func() bool { return false }, why: because(ErrRevoked), done: func(err error) { late <- err },
	})
	close(free)
	require.NoError(t, <-gaveUp)
	require.ErrorIs(t, <-late, errUntrusted)
	require.Empty(t, b.running())
}

// TestWhatIsCarriedIsFencedWhenItIsTakenAway: others may own it already, and nobody waits until it is let go.
func TestWhatIsCarriedIsFencedWhenItIsTakenAway(t *testing.T) {
	b := newBook()
	owned := make(chan *Ownership, 1)
	h := newHosted(t, Handling{Run: func(ctx context.Context, o *Ownership) error {
		owned <- o
		return b.obedient(ctx, o)
	}})
	h.give(t, "a@1")
	o := <-owned
	done := make(chan error, 1)
	h.become(request{
		ctx: t.Context(), tenure: h.tenure, session: 2, target: nil, trusted: h.trust.valid, why: because(ErrRevoked),
		done: func(err error) { done <- err },
	})
	require.NoError(t, <-done)
	require.ErrorIs(t, o.Valid(), ErrFenced)
	eventually(t, "it has ended", func() bool { return len(b.read().ends) == 1 })
	require.Equal(t, []error{ErrFenced}, b.read().ends)
}
