// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

const (
	roundTrip = 20 * time.Millisecond // to the store and back, in the scenarios that measure a handoff
	handoff   = 3 * roundTrip         // let go, granted, taken up: what a partition may be without an owner
)

// within returns a context that ends after a time.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(background(), d)
	t.Cleanup(cancel)
	return ctx
}

// slowLinks gives every process the same way to the store.
func slowLinks(procs ...*fleet.Process) {
	for _, p := range procs {
		p.Link.Slow(roundTrip / 2)
	}
}

// longestVacancy is the longest time that a partition has been without an owner since a moment.
func longestVacancy(f *fleet.Fleet, since time.Time) (longest time.Duration) {
	for _, v := range f.Checker.Vacancies(since) {
		longest = max(longest, v.To.Sub(v.From))
	}
	return longest
}

// requireGone says that a worker has deleted its entries.
func requireGone(t *testing.T, f *fleet.Fleet, worker string) {
	t.Helper()
	b := parti.DefaultConfig().KVBuckets
	for _, bucket := range []string{b.StableID, b.Heartbeat} {
		keys, err := f.JS.KeyValue(background(), bucket)
		require.NoError(t, err)
		_, err = keys.Get(background(), worker)
		require.Error(t, err, "%s in %s", worker, bucket)
	}
	keys, err := f.JS.KeyValue(background(), b.Election)
	require.NoError(t, err)
	if lease, err := keys.Get(background(), "leader"); err == nil {
		require.NotContains(t, string(lease.Value()), `"`+worker+`"`)
	}
}

// slowToGiveUp is an assignment hook that takes its time over what it gives up.
func slowToGiveUp(d time.Duration) func(context.Context, []parti.Partition, []parti.Partition) error {
	return func(_ context.Context, _, removed []parti.Partition) error {
		if len(removed) > 0 {
			<-time.After(d)
		}
		return nil
	}
}

// drains has processes drain at once and waits for all of them.
func drains(t *testing.T, d time.Duration, procs ...*fleet.Process) []error {
	errs := make([]error, len(procs))
	var drains sync.WaitGroup
	for i, p := range procs {
		drains.Go(func() { errs[i] = p.Drain(within(t, d)) })
	}
	drains.Wait()
	return errs
}

func TestADrainHandsEverythingOverWithoutAPause(t *testing.T) {
	for name, which := range map[string]func(f *fleet.Fleet) []*fleet.Process{
		"a follower":              func(f *fleet.Fleet) []*fleet.Process { return f.Followers()[:1] },
		"the leader":              func(f *fleet.Fleet) []*fleet.Process { return []*fleet.Process{f.Leader()} },
		"two followers":           func(f *fleet.Fleet) []*fleet.Process { return f.Followers()[:2] },
		"the leader and another":  func(f *fleet.Fleet) []*fleet.Process { return append(f.Followers()[:1], f.Leader()) },
		"all followers":           func(f *fleet.Fleet) []*fleet.Process { return f.Followers() },
		"everyone but a follower": func(f *fleet.Fleet) []*fleet.Process { return append(f.Followers()[:3], f.Leader()) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 60)
				slowLinks(f.Begin(5)...)
				f.Rest()
				those := which(f)
				held, began, moves := 0, time.Now(), f.Checker.Moves()
				for _, p := range those {
					held += len(p.Running())
				}
				for _, err := range drains(t, time.Minute, those...) {
					require.NoError(t, err)
				}
				took := time.Since(began)
				f.Settle(5 * time.Second)
				t.Logf("%d partitions of %d workers handed over in %s; without an owner for %s at most", held, len(those), took, longestVacancy(f, began))
				require.Less(t, took, time.Second, "no window, no cooldown")
				require.LessOrEqual(t, longestVacancy(f, began), handoff)
				for _, p := range those {
					require.NoError(t, p.Manager.Err())
					requireGone(t, f, p.LastID())
					require.NotContains(t, f.Checker.Plans()[len(f.Checker.Plans())-1].Members, p.LastID())
				}
				plans := len(f.Checker.Plans())
				<-time.After(time.Minute)
				for _, plan := range f.Checker.Plans()[plans:] {
					require.Equal(t, "idle", plan.Phase, "nobody waits for those who left")
				}
				if len(those) == 1 {
					require.Equal(t, held, f.Checker.Moves()-moves, "nothing else moves")
				}
			})
		})
	}
}

// Without it nobody would grant what another has let go until the next leader has begun.
func TestALeaderThatDrainsStaysForTheHandoffsOfOthers(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		procs := f.Begin(4)
		slow := f.Start(1, fleet.Handler(slowToGiveUp(5*roundTrip)))
		<-time.After(time.Minute)
		slowLinks(append(procs, slow...)...)
		<-time.After(5 * time.Second)
		require.NotEmpty(t, slow[0].Running())
		began := time.Now()
		for _, err := range drains(t, time.Minute, slow[0], f.Leader()) {
			require.NoError(t, err)
		}
		f.Settle(5 * time.Second)
		require.LessOrEqual(t, longestVacancy(f, began), handoff)
	})
}

func TestADrainStartsAtOnceInAWindowAndInACooldown(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		slowLinks(f.Begin(4)...)
		slowLinks(f.Start(1)...) // in the cooldown after the cold start, with a window of its own
		<-time.After(4 * time.Second)
		began := time.Now()
		require.NoError(t, f.Followers()[0].Drain(within(t, time.Minute)))
		require.Less(t, time.Since(began), time.Second)
		f.Settle(window + 15*time.Second)
		require.LessOrEqual(t, longestVacancy(f, began), handoff)
	})
}

// A hook that takes its time over what it gives up delays the handoff, not the work: nothing is without an owner meanwhile.
func TestASlowHookDelaysADrainAndLeavesNothingWithoutAnOwner(t *testing.T) {
	for name, slow := range map[string]struct{ gives, takes time.Duration }{
		"of the giver": {5 * time.Second, 0}, "of the receivers": {0, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 60, fleet.Handler(func(_ context.Context, added, removed []parti.Partition) error {
					if len(removed) > 0 {
						<-time.After(slow.gives)
					}
					if len(added) > 0 {
						<-time.After(slow.takes)
					}
					return nil
				}))
				slowLinks(f.Begin(4)...)
				f.Rest()
				began := time.Now()
				require.NoError(t, f.Followers()[0].Drain(within(t, time.Minute)))
				require.GreaterOrEqual(t, time.Since(began), slow.gives)
				f.Settle(time.Minute)
				require.LessOrEqual(t, longestVacancy(f, began), handoff)
			})
		})
	}
}

func TestADrainGoesOnUnderAnotherLeader(t *testing.T) {
	for name, end := range map[string]func(p *fleet.Process) error{
		"crashes": func(p *fleet.Process) error { p.Crash(); return nil },
		"stops":   (*fleet.Process).Stop,
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 60)
				f.Begin(4)
				p := f.Start(1, fleet.Handler(slowToGiveUp(8*time.Second)))[0]
				<-time.After(time.Minute)
				require.NotEmpty(t, p.Running())
				leader := f.Leader()
				lost := leader.Running()
				began := time.Now()
				drained := make(chan error)
				go func() { drained <- p.Drain(within(t, time.Minute)) }()
				<-time.After(time.Second)
				require.True(t, p.Manager.Status().Draining)
				require.NoError(t, end(leader)) // while the hook gives up
				require.NoError(t, <-drained)
				f.Settle(time.Minute)
				for _, v := range f.Checker.Vacancies(began) {
					if v.To.Sub(v.From) > leaderTTL+time.Second {
						require.Contains(t, lost, v.Partition, "only what the leader had waits for its expiry or its window")
					}
				}
			})
		})
	}
}

func TestADrainThatNobodyCanTakeOverFromIsAStopWhenItsContextEnds(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		procs := f.Begin(3)
		f.Rest()
		began := time.Now()
		incomplete := 0
		errs := drains(t, 20*time.Second, procs...)
		took := time.Since(began)
		for i, err := range errs {
			require.NoError(t, procs[i].Manager.Err(), "the Stop was clean")
			requireGone(t, f, procs[i].LastID())
			if err == nil {
				continue // the leader heard of it before it heard that the others leave as well
			}
			incomplete++
			require.ErrorIs(t, err, parti.ErrDrainIncomplete)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "partitions left")
			require.ErrorContains(t, err, "topic.")
		}
		require.NotZero(t, incomplete, "%v after %s", errs, took)
		// A Stop that finds a write of its own without an answer waits 0.4 s before it deletes that.
		require.Equal(t, 20*time.Second, took.Truncate(time.Second), "%v after %s", errs, took)
		f.Start(1)
		f.Settle(coldStart + 10*time.Second)
	})
}

// A worker that joins while all others drain is given everything at once, and their drains end.
func TestADrainThatNobodyCouldTakeOverFromEndsWhenSomebodyJoins(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		procs := f.Begin(1)
		slowLinks(procs...)
		<-time.After(time.Minute)
		began := time.Now()
		joined := make(chan struct{})
		go func() {
			defer close(joined)
			<-time.After(10 * time.Second)
			slowLinks(f.Start(1)...)
		}()
		for _, err := range drains(t, time.Minute, procs...) {
			require.NoError(t, err)
		}
		<-joined
		require.Less(t, time.Since(began), 11*time.Second)
		f.Settle(5 * time.Second)
		require.LessOrEqual(t, longestVacancy(f, began), handoff)
	})
}

func TestADrainWhoseHandlerDoesNotLetGoIsAStopWhenItsContextEnds(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(3)
		stuck := f.Start(1, fleet.Handler(func(_ context.Context, _, removed []parti.Partition) error {
			if len(removed) > 0 {
				<-f.Closing()
			}
			return nil
		}))[0]
		f.Settle(time.Minute)
		held := stuck.Running()
		require.NotEmpty(t, held)
		began := time.Now()
		err := stuck.Drain(within(t, 10*time.Second))
		require.Less(t, time.Since(began), 10*time.Second+2*parti.DefaultConfig().ShutdownTimeout+time.Second)
		require.ErrorIs(t, err, parti.ErrShutdownTimeout)
		require.ErrorIs(t, err, parti.ErrDrainIncomplete)
		require.ErrorContains(t, err, fmt.Sprintf("with %d partitions left", len(held)), "those that the hook is giving up")
		<-stuck.Manager.Done()
	})
}

func TestADrainingWorkerThatCrashesExpiresAsAnyOther(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.Handler(slowToGiveUp(5*time.Second)))
		f.Begin(4)
		f.Rest()
		p := f.Followers()[0]
		go func() { _ = p.Drain(within(t, time.Minute)) }()
		<-time.After(time.Second)
		p.Crash()
		began := time.Now()
		f.Settle(2 * heartbeatTTL)
		require.LessOrEqual(t, longestVacancy(f, began), heartbeatTTL+time.Second)
	})
}

func TestADrainingWorkerThatLosesItsSessionGoesOnDraining(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.Handler(func(ctx context.Context, _, removed []parti.Partition) error {
			if len(removed) > 0 {
				<-ctx.Done() // gives up only when it must
			}
			return nil
		}))
		f.Begin(4)
		f.Rest()
		p := f.Followers()[0]
		drained := make(chan error)
		go func() { drained <- p.Drain(within(t, 2*time.Minute)) }()
		<-time.After(2 * time.Second)
		told, session := f.Checker.Calls(), p.Manager.Status().Session
		p.Link.Cut()
		<-time.After(2 * heartbeatTTL)
		require.Less(t, f.Checker.Calls()-told, 10)
		p.Link.Heal()
		f.Wait(time.Minute, "a new session, or the end", func() bool {
			status := p.Manager.Status()
			return status.Session > session || !p.Lives()
		})
		require.NoError(t, <-drained)
		require.Empty(t, p.Running())
		f.Settle(time.Minute)
	})
}

// Nobody can take over, so the worker is still there in its next session. That one says that it leaves from its first heartbeat, and
// is given what nobody else can have.
func TestTheNextSessionOfADrainingWorkerIsGivenWhatNobodyElseCanHave(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		p := f.Begin(1)[0]
		drained := make(chan error)
		go func() { drained <- p.Drain(within(t, 10*time.Minute)) }()
		<-time.After(time.Second)
		require.Len(t, p.Running(), 12)
		session := p.Manager.Status().Session
		p.Link.Cut()
		<-time.After(2 * heartbeatTTL)
		require.Empty(t, p.Running())
		p.Link.Heal()
		f.Wait(time.Minute, "a new session", func() bool { return p.Manager.Status().Session > session })
		<-time.After(2 * time.Minute)
		require.True(t, p.Manager.Status().Draining)
		require.Len(t, p.Running(), 12)
		f.Start(1)
		require.NoError(t, <-drained)
		f.Settle(5 * time.Second)
	})
}

func TestAWorkerThatWaitsForItsFirstAssignmentJustStopsWhenItDrains(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		p := f.Start(1)[0]
		<-time.After(5 * time.Second)
		began := time.Now()
		require.NoError(t, p.Drain(within(t, time.Minute)))
		require.Less(t, time.Since(began), time.Second)
		require.ErrorIs(t, p.Begun(), parti.ErrStopped)

		unborn := f.Make()
		require.NoError(t, unborn.Manager.Drain(background()))
		require.ErrorIs(t, unborn.Manager.Start(background()), parti.ErrStopped)

		f.Begin(2)
		joiner := f.Start(1)[0]
		waits := f.Start(1, fleet.Config(func(c *parti.Config) { c.WorkerIDMax, c.Standby = 1, true }))[0]
		<-time.After(time.Second)
		require.NoError(t, joiner.Drain(within(t, time.Minute)))
		require.Equal(t, parti.StateClaimingID, waits.Manager.State())
		began = time.Now()
		require.NoError(t, waits.Drain(within(t, time.Minute)), "not even an ID")
		require.Less(t, time.Since(began), time.Second)
		require.Zero(t, f.Checker.Moves())
	})
}

func TestAStopEndsADrain(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		p := f.Begin(1)[0]
		drained := make(chan error)
		go func() { drained <- p.Manager.Drain(background()) }()
		<-time.After(5 * time.Second)
		require.NoError(t, p.Manager.Stop(background()))
		err := <-drained
		require.ErrorIs(t, err, parti.ErrDrainIncomplete)
		require.ErrorContains(t, err, "12 partitions")
		require.ErrorContains(t, err, "and 7 more")
		require.Equal(t, err, p.Manager.Drain(background()), "it was that end")
	})
}

func TestADrainFromInsideANoticeEndsTheWorker(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(2)
		var p *fleet.Process
		outcome := make(chan error, 1)
		p = f.Make(func(s *fleet.Spec) {
			s.OnStateChanged = func(_ context.Context, _, to parti.State) error {
				if to == parti.StateStable {
					outcome <- p.Manager.Drain(background())
				}
				return nil
			}
		})
		p.Start()
		require.NoError(t, <-outcome)
		<-p.Manager.Done()
		f.Settle(time.Minute)
	})
}

// What a hook may call: Cordon and Uncordon anywhere; a Drain that waits for its own hook ends with its context.
func TestADrainAndACordonFromInsideAHookDoNotHangTheWorker(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(2)
		var p *fleet.Process
		outcome := make(chan error, 1)
		p = f.Make(fleet.Handler(func(_ context.Context, added, _ []parti.Partition) error {
			p.Manager.Cordon()
			p.Manager.Uncordon()
			p.Manager.Cordon()
			if len(added) > 0 {
				outcome <- p.Manager.Drain(within(t, 10*time.Second))
			}
			return nil
		}))
		p.Start()
		err := <-outcome
		require.Error(t, err)
		require.True(t, errors.Is(err, parti.ErrDrainIncomplete) || errors.Is(err, parti.ErrShutdownTimeout), err)
		<-p.Manager.Done()
		f.Settle(time.Minute)
	})
}

func TestADrainThatIsFencedIsIncomplete(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20)
		p := f.Begin(2)[0]
		f.Settle(window + 11*time.Second)
		p.Link.Cut()
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		require.ErrorIs(t, p.Drain(ctx), parti.ErrDrainIncomplete, "what it had was given up without a next owner")
	})
}
