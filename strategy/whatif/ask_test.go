// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package whatif_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

func timing() whatif.Timing {
	return whatif.Timing{
		HeartbeatInterval: 2 * time.Second, HeartbeatTTL: 6 * time.Second, PlannedScaleWindow: 10 * time.Second, MassLossRatio: 0.2, MinRebalanceThreshold: 0.15,
	}
}

// settled is a fleet at rest: a strategy has divided the partitions, and would move none of them.
func settled(t *testing.T, s strategy.Strategy, w []strategy.Worker, p []strategy.Partition) whatif.Fleet {
	t.Helper()
	list, err := strategy.Prepare(p)
	require.NoError(t, err)
	q := strategy.Question{Workers: w, List: list, Previous: make([]int, len(p))}
	for i := range q.Previous {
		q.Previous[i] = strategy.None
	}
	for range 20 {
		plan, err := strategy.Ask(s, q)
		require.NoError(t, err)
		if strategy.Moves(q.Previous, plan.Owners) == 0 && q.Previous[0] != strategy.None {
			break
		}
		q.Previous = plan.Owners
	}
	f := whatif.Fleet{IDs: whatif.IDs{Prefix: "worker", Max: 999}, Timing: timing()}
	for _, worker := range w {
		f.Workers = append(f.Workers, whatif.Worker{Worker: worker})
	}
	for i, owner := range q.Previous {
		f.Partitions = append(f.Partitions, whatif.Partition{Partition: p[i], Owner: w[owner].ID})
	}
	return f
}

// random is a random fleet at rest; even says that all weights and capacities are the same.
func random(t *testing.T, r *rand.Rand, s strategy.Strategy, even bool) whatif.Fleet {
	w, p := workers(2+r.IntN(12)), partitions(20+r.IntN(300))
	for i := range w {
		w[i].Labels = map[string]string{"zone": fmt.Sprint(i % 3)}
		if !even && r.IntN(3) == 0 {
			w[i].Capacity = 50 + r.Int64N(300)
		}
	}
	for i := range p {
		if !even {
			p[i].Weight = 1 + r.Int64N(400)
		}
	}
	return settled(t, s, w, p)
}

func all() map[string]strategy.Strategy {
	return map[string]strategy.Strategy{
		"sticky": strategy.NewSticky(), "hash": strategy.NewConsistentHash(), "roundrobin": strategy.NewRoundRobin(), "rendezvous": strategy.NewRendezvous(),
		"zoned": strategy.NewZoned(strategy.NewSticky(), "zone"),
	}
}

func each(t *testing.T, f func(t *testing.T, r *rand.Rand, name string, s strategy.Strategy, even bool)) {
	t.Helper()
	for name, s := range all() {
		for seed := range uint64(40) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) { f(t, rand.New(rand.NewPCG(seed, 1)), name, s, seed%2 == 0) })
		}
	}
}

func owners(f whatif.Fleet) map[string]string {
	owners := map[string]string{}
	for _, p := range f.Partitions {
		owners[p.ID()] = p.Owner
	}
	return owners
}

func TestNoChangeMovesNothing(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand, _ string, s strategy.Strategy, even bool) {
		f := random(t, r, s, even)
		before := owners(f)
		a, err := whatif.Ask(f, whatif.Change{}, s)
		require.NoError(t, err)
		require.Empty(t, a.Moves)
		require.Zero(t, a.LeastMoves)
		require.Empty(t, a.Ownerless)
		require.Equal(t, a.Before, a.After)
		require.Equal(t, before, owners(f), "it wrote into the fleet")
		require.Equal(t, "nothing changes", a.Change)
		require.Contains(t, a.Verdict, "nothing moves")
	})
}

func TestALostWorkersPartitionsMoveAndNoOthersAtFirst(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand, name string, s strategy.Strategy, even bool) {
		f := random(t, r, s, even)
		victim := f.Workers[r.IntN(len(f.Workers))].ID
		for _, c := range []whatif.Change{{Lose: []string{victim}}, {Drain: []string{victim}}, {Stop: []string{victim}}} {
			a, err := whatif.Ask(f, c, s)
			require.NoError(t, err)
			want, got := map[string]bool{}, map[string]bool{}
			for id, owner := range owners(f) {
				if owner == victim {
					want[id] = true
				}
			}
			for _, m := range a.Moves {
				if m.When == whatif.First {
					require.Equal(t, victim, m.From)
					require.NotEqual(t, victim, m.To)
					got[m.Partition] = true
				} else {
					require.NotEqual(t, victim, m.To)
				}
			}
			require.Equal(t, want, got)
			if even && (name == "sticky" || name == "hash") {
				require.Len(t, a.Moves, len(want), "equal loads need nothing else")
				require.Equal(t, len(want), a.LeastMoves)
			}
			for _, w := range a.After.Workers {
				require.NotEqual(t, victim, w.ID)
			}
			require.Zero(t, a.After.Unowned)
		}
	})
}

// TestWhatACrashLeavesUnevenIsEvenedOutLater: the first plan moves nothing that has an owner.
func TestWhatACrashLeavesUnevenIsEvenedOutLater(t *testing.T) {
	seen := 0
	for seed := range uint64(60) {
		s := strategy.NewSticky()
		f := random(t, rand.New(rand.NewPCG(seed, 2)), s, false)
		a, err := whatif.Ask(f, whatif.Change{Lose: []string{"worker-0"}}, s)
		require.NoError(t, err)
		index := map[string]int{}
		var w []strategy.Worker
		for _, worker := range f.Workers[1:] {
			index[worker.ID] = len(w)
			w = append(w, worker.Worker)
		}
		first, later := owners(f), 0
		for _, m := range a.Moves {
			if m.When == whatif.First {
				first[m.Partition] = m.To
			} else {
				require.Equal(t, "the loads are uneven", m.Why)
				later++
			}
		}
		var p []strategy.Partition
		var at []int
		for _, partition := range f.Partitions {
			p, at = append(p, partition.Partition), append(at, index[first[partition.ID()]])
		}
		next, err := s.Assign(w, p, at)
		require.NoError(t, err)
		require.Equal(t, strategy.Moves(at, next) > 0, later > 0, "the strategy would move something: seed %d", seed)
		if later > 0 {
			seen++
			require.Contains(t, strings.Join(a.Notes, " "), "in a plan of its own")
		}
	}
	require.Greater(t, seen, 10)
}

// homing is a strategy that notes what it is told of homes.
type homing struct {
	*strategy.Sticky
	homes *[][]int
}

func (h homing) AssignHome(w []strategy.Worker, p []strategy.Partition, previous, home []int) ([]int, error) {
	*h.homes = append(*h.homes, home)
	return h.Assign(w, p, previous)
}

// AssignPrepared hides that of Sticky.
func (h homing) AssignPrepared(q strategy.Question) (strategy.Plan, error) {
	next, err := h.AssignHome(q.Workers, q.List.Partitions(), q.Previous, q.Home)
	return strategy.Plan{Owners: next}, err
}

func TestPartitionsAreAtHomeWhereTheyWereBeforeTheChange(t *testing.T) {
	f := settled(t, strategy.NewSticky(), workers(2), partitions(4))
	var homes [][]int
	_, err := whatif.Ask(f, whatif.Change{Lose: []string{"worker-0"}, Join: 1}, homing{strategy.NewSticky(), &homes})
	require.NoError(t, err)
	want := make([]int, 4)
	for i, p := range f.Partitions {
		if want[i] = 0; p.Owner == "worker-0" {
			want[i] = strategy.None
		}
	}
	require.Equal(t, [][]int{want, want}, homes)
}

func TestWorkersThatJoinMoveNoMoreThanTheLeast(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand, name string, s strategy.Strategy, even bool) {
		f := random(t, r, s, even)
		n := 1 + r.IntN(4)
		a, err := whatif.Ask(f, whatif.Change{Join: n}, s)
		require.NoError(t, err)
		require.Len(t, a.After.Workers, len(f.Workers)+n)
		joins := map[string]bool{}
		for i := range n {
			joins[fmt.Sprintf("worker-%d", len(f.Workers)+i)] = true
		}
		for _, w := range a.After.Workers {
			require.Equal(t, joins[w.ID], w.State == "joins")
		}
		require.LessOrEqual(t, a.LeastMoves, len(a.Moves))
		if even && (name == "sticky" || name == "hash") {
			require.Len(t, a.Moves, a.LeastMoves)
			for _, m := range a.Moves {
				require.True(t, joins[m.To], "%v", m)
			}
		}
		for _, o := range a.Ownerless {
			require.Zero(t, o.Most, "everything is handed over")
		}
	})
}

func TestTheMovesLeadFromBeforeToAfter(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand, _ string, s strategy.Strategy, even bool) {
		f := random(t, r, s, even)
		c := whatif.Change{
			Join: r.IntN(3), Lose: []string{f.Workers[0].ID}, Remove: []string{f.Partitions[3].ID()}, Weights: map[string]int64{f.Partitions[4].ID(): 5000},
			Add: []strategy.Partition{{Keys: []string{"new", "1"}}, {Keys: []string{"new", "2"}, Weight: 70}},
		}
		a, err := whatif.Ask(f, c, s)
		require.NoError(t, err)
		now := owners(f)
		delete(now, f.Partitions[3].ID())
		for _, m := range a.Moves {
			require.Equal(t, now[m.Partition], m.From, "%v", m)
			now[m.Partition] = m.To
		}
		counts := map[string]int{}
		for _, owner := range now {
			counts[owner]++
		}
		for _, w := range a.After.Workers {
			require.Equal(t, counts[w.ID], w.Partitions, w.ID)
		}
		require.Len(t, now, a.After.Partitions)
		require.NotEmpty(t, now["new.1"])
	})
}

func TestACrashIsNoticedInItsTimeAndAStopWaits(t *testing.T) {
	f := settled(t, strategy.NewSticky(), workers(12), partitions(120))
	ask := func(c whatif.Change) whatif.Ownerless {
		t.Helper()
		a, err := whatif.Ask(f, c, strategy.NewSticky())
		require.NoError(t, err)
		require.Len(t, a.Ownerless, 1)
		return a.Ownerless[0]
	}
	crash := ask(whatif.Change{Lose: []string{"worker-3"}})
	require.Equal(t, []any{"crash", 10, 4 * time.Second, 5 * time.Second, 6400 * time.Millisecond, 50.0},
		[]any{crash.What, crash.Partitions, crash.Least, crash.Typical, crash.Most, crash.Seconds})
	mass := ask(whatif.Change{Lose: []string{"worker-1", "worker-2", "worker-3"}})
	require.Equal(t, 12400*time.Millisecond, mass.Most, "so many at once are a mass loss")
	require.Contains(t, mass.Why, "fault of the store")
	require.Equal(t, crash.Most, ask(whatif.Change{Lose: []string{"worker-1", "worker-2"}}).Most)
	stop := ask(whatif.Change{Stop: []string{"worker-3"}})
	require.Equal(t, []any{"stop", 10, 10 * time.Second, 100.0}, []any{stop.What, stop.Partitions, stop.Most, stop.Seconds})
	drain := ask(whatif.Change{Drain: []string{"worker-3"}})
	require.Equal(t, []any{"handoff", 10, time.Duration(0), 0.0}, []any{drain.What, drain.Partitions, drain.Most, drain.Seconds})
	f.Timing.EmergencyGracePeriod = time.Minute
	require.Equal(t, 66400*time.Millisecond, ask(whatif.Change{Lose: []string{"worker-3"}}).Most)
}

func TestWeightsThatDriftBelowTheThresholdMoveNothing(t *testing.T) {
	f := settled(t, strategy.NewSticky(), workers(4), partitions(400))
	mild, err := whatif.Ask(f, whatif.Change{Weights: map[string]int64{f.Partitions[0].ID(): 800}}, strategy.NewSticky())
	require.NoError(t, err)
	require.Empty(t, mild.Moves)
	require.Contains(t, strings.Join(mild.Notes, " "), "MinRebalanceThreshold 0.15")
	heavy, err := whatif.Ask(f, whatif.Change{Weights: map[string]int64{f.Partitions[0].ID(): 3000}}, strategy.NewSticky())
	require.NoError(t, err)
	require.NotEmpty(t, heavy.Moves)
	require.Less(t, heavy.After.Imbalance, 1.1)
	for _, m := range heavy.Moves {
		require.Equal(t, "the weights are different", m.Why)
		require.Equal(t, whatif.Later, m.When)
	}
}

func TestWhoIsAwayKeepsWhatItHasAndWhoIsCordonedGetsNothing(t *testing.T) {
	f := settled(t, strategy.NewSticky(), workers(4), partitions(40))
	f.Workers[0].Away, f.Workers[1].Cordoned = true, true
	a, err := whatif.Ask(f, whatif.Change{Lose: []string{"worker-2"}}, strategy.NewSticky())
	require.NoError(t, err)
	require.Len(t, a.Moves, 10)
	for _, m := range a.Moves {
		require.Equal(t, "worker-3", m.To)
	}
	a, err = whatif.Ask(f, whatif.Change{Lose: []string{"worker-2", "worker-3"}}, strategy.NewSticky())
	require.NoError(t, err)
	require.Len(t, a.Moves, 20)
	for _, m := range a.Moves {
		require.Equal(t, "worker-1", m.To, "where all are cordoned nobody is")
	}
	a, err = whatif.Ask(f, whatif.Change{Lose: []string{"worker-1", "worker-2", "worker-3"}}, strategy.NewSticky())
	require.NoError(t, err)
	require.Empty(t, a.Moves)
	require.Equal(t, 30, a.After.Unowned)
	require.Contains(t, strings.Join(a.Notes, " "), "until a worker joins")
}

// TestWhoDrainsKeepsWhatNobodyCanTakeOver: a drain waits until another worker joins. A crash and a stop do not.
func TestWhoDrainsKeepsWhatNobodyCanTakeOver(t *testing.T) {
	s := strategy.NewSticky()
	f := settled(t, s, workers(3), partitions(30))
	everybody := []string{"worker-0", "worker-1", "worker-2"}
	const waits = "nobody can take over: a drain waits, and the worker keeps its partitions, until another joins (--within ends the wait)"

	a, err := whatif.Ask(f, whatif.Change{Drain: everybody}, s)
	require.NoError(t, err)
	require.Empty(t, a.Moves)
	require.Empty(t, a.Notes)
	require.Zero(t, a.LeastMoves)
	require.Zero(t, a.After.Unowned)
	require.Equal(t, waits, a.Verdict)
	require.Equal(t, whatif.Load{ID: "worker-1", Capacity: 100, Partitions: 10, Load: 1000, Share: 1, State: "drains"}, a.After.Workers[1])

	a, err = whatif.Ask(f, whatif.Change{Drain: everybody[:1], Lose: everybody[1:2], Stop: everybody[2:]}, s)
	require.NoError(t, err)
	require.Empty(t, a.Moves)
	require.Equal(t, 20, a.After.Unowned, "who is lost or stops keeps nothing")
	require.Equal(t, waits+", and 20 are left without an owner", a.Verdict)
	require.Contains(t, a.Notes, "Nobody is left who can take partitions. They have no owner until a worker joins.")
	require.Len(t, a.After.Workers, 1)

	a, err = whatif.Ask(f, whatif.Change{Drain: everybody, Join: 1}, s)
	require.NoError(t, err)
	require.Len(t, a.Moves, 30)
	require.NotContains(t, a.Verdict, "nobody can take over")
	require.Len(t, a.After.Workers, 1)

	f.Workers[0].Leaving, f.Workers[1].Away = true, true
	a, err = whatif.Ask(f, whatif.Change{Drain: everybody[2:]}, s)
	require.NoError(t, err)
	require.Zero(t, a.After.Unowned)
	require.Equal(t, waits, a.Verdict)
	require.Equal(t, []string{"leaves", "away", "drains"}, []string{a.After.Workers[0].State, a.After.Workers[1].State, a.After.Workers[2].State})
}

func TestWhoIsLeavingHandsOverByItself(t *testing.T) {
	f := settled(t, strategy.NewSticky(), workers(4), partitions(40))
	f.Workers[0].Leaving = true
	f.Workers = append(f.Workers, whatif.Worker{Worker: strategy.Worker{ID: "worker-7"}, Joining: true})
	a, err := whatif.Ask(f, whatif.Change{}, strategy.NewSticky())
	require.NoError(t, err)
	require.Len(t, a.After.Workers, 4)
	first, later := 0, 0
	for _, m := range a.Moves {
		switch m.When {
		case whatif.First:
			first++
			require.Equal(t, "worker-0 leaves", m.Why)
		case whatif.Later:
			later++
			require.Equal(t, "worker-7 joins", m.Why)
		}
	}
	require.Equal(t, 10, first)
	require.Equal(t, 10, later)
	require.Contains(t, strings.Join(a.Notes, " "), "in a plan of its own")
}

func TestAFleetThatNobodyIsLeftOfTakesInWhoeverJoins(t *testing.T) {
	f := settled(t, strategy.NewSticky(), workers(2), partitions(10))
	a, err := whatif.Ask(f, whatif.Change{Lose: []string{"worker-0", "worker-1"}, Join: 1}, strategy.NewSticky())
	require.NoError(t, err)
	require.Len(t, a.Moves, 10)
	require.Equal(t, "worker-2", a.Moves[0].To)
	require.Equal(t, whatif.First, a.Moves[0].When)
}

func TestPartitionsThatMayNotBePlacedWait(t *testing.T) {
	w := workers(2)
	w[0].Labels = map[string]string{"pool": "gpu"}
	s := strategy.NewPools(strategy.NewSticky(), "pool", func(p strategy.Partition) string {
		if p.Keys[1] < "0005" {
			return "gpu"
		}
		return ""
	})
	f := settled(t, s, w, partitions(10))
	a, err := whatif.Ask(f, whatif.Change{Lose: []string{"worker-0"}}, s)
	require.NoError(t, err)
	require.Len(t, a.Waits, 1)
	require.Len(t, a.Waits[0].Partitions, 5)
	require.Equal(t, 5, a.After.Unowned)
	require.Contains(t, a.Verdict, "5 are left without an owner")
}
