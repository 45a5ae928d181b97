// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store/model"
)

// without lets time pass and returns for how long partitions had no owner, the longest.
func (f *Fleet) without(d time.Duration) (longest time.Duration) {
	const step = 10 * time.Millisecond
	since := map[string]time.Time{}
	for end := f.Now().Add(d); f.Now().Before(end); f.Run(f.Now().Add(step)) {
		owners := f.owners()
		for _, p := range f.source.list() {
			switch at, is := since[p.ID()]; {
			case owners[p.ID()] != "":
				delete(since, p.ID())
			case !is:
				since[p.ID()] = f.Now()
			default:
				longest = max(longest, f.Now().Sub(at))
			}
		}
	}
	return longest
}

// owners is who runs what, by worker ID.
func (f *Fleet) owners() map[string]string {
	owners := map[string]string{}
	for _, w := range f.Workers {
		for p := range w.Owned {
			owners[p] = w.status.Worker
		}
	}
	return owners
}

func TestWhereAllDrainWithinMomentsEverythingKeepsAnOwner(t *testing.T) {
	for apart := range 30 {
		f := healthy(t, 5, 60)
		f.cfg.IDs = append(f.cfg.IDs, "worker-5")
		for n, w := range f.Workers {
			f.After(time.Duration(n*apart)*100*time.Microsecond, func() { w.Drain(20 * time.Second) })
		}
		require.Less(t, f.without(15*time.Second), 350*time.Millisecond, "they begin %d times 100 µs apart", apart)
		require.NotEmpty(t, f.live(), "nobody is there to take over from the last")
		f.Start()
		require.Less(t, f.without(15*time.Second), 350*time.Millisecond)
		require.Len(t, f.live(), 1)
		require.Empty(t, f.Broken)
	}
}

func TestARollingRestartMovesNothing(t *testing.T) {
	f := healthy(t, 5, 60)
	before := f.owners()
	for _, w := range f.live() {
		w.Leave()
		f.Run(f.Now().Add(time.Second))
		f.Restart(w)
		f.Run(f.Now().Add(4 * time.Second))
	}
	f.Run(f.Now().Add(30 * time.Second))
	require.Equal(t, before, f.owners())
	require.Empty(t, f.Broken)
}

func TestAHandlerThatDoesNotReturnHoldsUpItsOwnPartitionAloneAndIsReported(t *testing.T) {
	cfg := Defaults(5, 60)
	cfg.Member.Handled = true
	f := NewFleet(NewLoop(model.Config{Start: Begin}), cfg)
	for range 4 {
		f.Start()
	}
	settle(t, f, time.Minute)
	f.Run(f.Now().Add(time.Minute))
	stuck := f.follower()
	stuck.Become(Mood{Takes: Stuck, Deaf: true})
	w := f.Start()
	f.Run(f.Now().Add(25 * time.Second))
	require.Len(t, w.Owned, 9, "what the three others let go of")
	require.Len(t, stuck.user.holding(), 3)
	require.Zero(t, f.Seen["stuck"])
	f.Run(f.Now().Add(30 * time.Second))
	require.NotZero(t, f.Seen["stuck"], "HandoffTimeout is over")
	require.NotZero(t, f.Seen["handoff"], "and the leader says it, too")
	stuck.Become(Mood{})
	f.Run(f.Now().Add(5 * time.Second))
	require.Len(t, w.Owned, 12)
	require.NotZero(t, f.Seen["overlong"])
	require.Empty(t, f.Broken)
}

// TestAHookThatCameLateBecauseTheOneBeforeItOverstayedOverstaysAsWell, and one after that does not.
func TestAHookThatCameLateBecauseTheOneBeforeItOverstayedOverstaysAsWell(t *testing.T) {
	f := healthy(t, 2, 4)
	w := f.Workers[0]
	partition := slices.Sorted(maps.Keys(w.Owned))[0]
	w.Become(Mood{Takes: Stuck, Deaf: true})
	w.user.ask(&change{owned: []record.Owned{{Partition: partition, Epoch: w.Owned[partition]}}, tenure: &tenure{wound: true}})
	held := &change{everything: true, until: f.Now()}
	w.user.ask(held)
	f.Run(f.Now().Add(time.Second))
	require.True(t, w.user.overstays(partition))
	w.Become(Mood{})
	f.Run(f.Now().Add(time.Second))
	require.Nil(t, w.user.serving)
	require.True(t, held.hook.behind)

	w.user.told[partition] = 1
	next := &change{everything: true, until: f.Now()}
	w.user.ask(next)
	require.False(t, next.hook.behind)
	f.Run(f.Now().Add(time.Second))

	for _, behind := range []bool{false, true} {
		w.user.calls = []*call{{late: true, behind: behind}}
		require.Equal(t, behind, w.user.overstays(partition))
	}
}

// TestEveryFaultHappens: a fault that is never drawn, or changes nothing, judges nothing.
func TestEveryFaultHappens(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(16) {
		f := Live(Expand(seed))
		require.Empty(t, f.Broken, "seed %d\n%s", seed, f.Stack)
		for what, n := range f.Seen {
			seen[what] += n
		}
	}
	for _, fault := range faults {
		require.NotZero(t, seen[fault.name], fault.name)
	}
	for _, what := range []string{"refreshed", "source fails", "source partial", "overslept", "strategy 1", "strategy 2", "strategy 3", "strategy 4"} {
		require.NotZero(t, seen[what], what)
	}
}

func TestAProcessThatIsRestartedAfterACrashIsTheSameWorkerAndNothingMoves(t *testing.T) {
	for _, c := range []struct {
		name     string
		stateDir bool
		who      func(*Fleet) *Worker
		most     time.Duration
	}{
		{"with a state directory", true, (*Fleet).follower, 450 * time.Millisecond}, // a heartbeat that was just stored is not written over
		{"the leader, with a state directory", true, (*Fleet).leader, 450 * time.Millisecond},
		{"without", false, (*Fleet).follower, 6350 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := healthy(t, 5, 60)
			f.cfg.StateDir = c.stateDir
			before, w := f.owners(), c.who(f)
			w.Crash()
			f.Restart(w)
			require.Less(t, f.without(20*time.Second), c.most+10*time.Millisecond)
			require.Equal(t, before, f.owners())
			require.Empty(t, f.Broken)
		})
	}
}

// TestASourceThatFailsDelaysAStartAndDoesNotEndIt: a worker compares its list with the group's before it takes anything up.
func TestASourceThatFailsDelaysAStartAndDoesNotEndIt(t *testing.T) {
	f := healthy(t, 3, 12)
	f.cfg.IDs = append(f.cfg.IDs, "worker-3")
	f.set(append(slices.Clone(f.source.list()), f.source.name())) // nobody who leads is told
	f.source.fails = true
	w := f.Start()
	f.Run(f.Now().Add(20 * time.Second))
	require.NotEmpty(t, f.judge.holdings)
	require.Empty(t, w.Owned, "it has not compared its list")
	f.source.fails = false
	f.Run(f.Now().Add(10 * time.Second))
	require.NotEmpty(t, w.Owned)
	require.Empty(t, f.Broken)
}
