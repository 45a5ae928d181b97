// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

// poolOf gives a third of the partitions no pool, and the others one of two.
func poolOf(p strategy.Partition) string {
	n, _ := strconv.Atoi(p.Keys[len(p.Keys)-1])
	clear(p.Keys)
	return []string{"", "gpu", "disk"}[n%3]
}

// pooled gives the workers of a life the labels of two pools, or none.
func (l *life) pooled() {
	for i := range l.workers {
		var n int
		_, _ = fmt.Sscanf(l.workers[i].ID, "worker-%d", &n)
		l.workers[i].Labels = map[string]string{"pool": []string{"", "gpu", "disk"}[n%3]}
	}
}

func (l *life) question(t *testing.T) strategy.Question {
	t.Helper()
	return strategy.Question{Workers: l.workers, List: prepared(t, l.partitions), Previous: l.indices(l.owner)}
}

// obey makes a plan the life's present.
func (l *life) obey(plan strategy.Plan) {
	for i, p := range l.partitions {
		if w := plan.Owners[i]; w != strategy.None {
			l.owner[p.ID()] = l.workers[w].ID
		} else {
			delete(l.owner, p.ID())
		}
	}
}

// share is one pool's part of a question and of its answer: the workers that may have it, and its partitions.
func share(q strategy.Question, plan strategy.Plan, pool string) (workers []strategy.Worker, partitions []strategy.Partition, previous, next []int) {
	index := map[int]int{strategy.None: strategy.None}
	for w, worker := range q.Workers {
		if worker.Labels["pool"] == pool && !worker.Cordoned {
			index[w] = len(workers)
			workers = append(workers, worker)
		}
	}
	in := func(w int) int {
		if at, ok := index[w]; ok {
			return at
		}
		return strategy.None
	}
	for i, p := range q.List.Partitions() {
		if poolOf(strategy.Partition{Keys: slices.Clone(p.Keys)}) != pool || q.Previous[i] != strategy.None && q.Workers[q.Previous[i]].Cordoned {
			continue
		}
		partitions, previous, next = append(partitions, p), append(previous, in(q.Previous[i])), append(next, in(plan.Owners[i]))
	}
	return workers, partitions, previous, next
}

// In each pool the plan is the one the inner strategy makes for the pool alone. So its bounds hold there.
func TestEachPoolIsDividedAmongItsWorkersAloneAsTheInnerStrategyDoes(t *testing.T) {
	inner := []strategy.Strategy{strategy.NewSticky(), strategy.NewConsistentHash(strategy.WithVirtualNodes(30))}
	for seed := range uint64(lives / 2) {
		l := newLife(seed, seed%4 == 0, seed%3 == 0)
		in := inner[seed/2%2]
		reserved := seed%5 < 2
		opts := []strategy.PoolOption{}
		if reserved {
			opts = append(opts, strategy.WithReservedPools())
		}
		s := strategy.NewPools(in, "pool", poolOf, opts...)
		for range 5 {
			l.pooled()
			for i := range l.workers {
				l.workers[i].Cordoned = i > 0 && l.IntN(9) == 0
			}
			q := l.question(t)
			plan, err := strategy.Ask(s, q)
			require.NoError(t, err, "seed %d", seed)
			for _, pool := range []string{"", "gpu", "disk"} {
				if pool == "" && !reserved {
					continue
				}
				workers, partitions, previous, next := share(q, plan, pool)
				if len(workers) == 0 {
					for _, w := range next {
						require.Equal(t, strategy.None, w, "seed %d: nobody may have them", seed)
					}
					continue
				}
				want, err := in.Assign(workers, partitions, previous)
				require.NoError(t, err)
				require.Equal(t, want, next, "seed %d: pool %q", seed, pool)
				if !l.weights && in == inner[0] {
					require.Equal(t, strategy.MinimalMoves(workers, partitions, previous), strategy.Moves(previous, next))
				}
			}
			theRules(t, q, plan, reserved, seed)
			l.obey(plan)
			l.step()
		}
	}
}

// theRules: who is cordoned keeps what it has; everything else is with a worker of its pool, or waits if there is none.
func theRules(t *testing.T, q strategy.Question, plan strategy.Plan, reserved bool, seed uint64) {
	t.Helper()
	open := map[string]int{}
	for _, w := range q.Workers {
		if !w.Cordoned {
			open[w.Labels["pool"]]++
		}
	}
	causes := map[int]string{}
	for _, wait := range plan.Waits {
		require.Zero(t, wait.After)
		for _, i := range wait.Partitions {
			causes[i] = wait.Cause
		}
	}
	for i, p := range q.List.Partitions() {
		was, owner, pool := q.Previous[i], plan.Owners[i], poolOf(p)
		switch {
		case was != strategy.None && q.Workers[was].Cordoned:
			require.Equal(t, was, owner, "seed %d", seed)
		case pool == "" && !reserved:
			require.NotEqual(t, strategy.None, owner, "seed %d", seed)
		case open[pool] == 0:
			require.Equal(t, strategy.None, owner, "seed %d", seed)
			require.Contains(t, causes[i], "no worker", "seed %d", seed)
			require.Contains(t, causes[i], pool, "seed %d", seed)
		default:
			require.Equal(t, pool, q.Workers[owner].Labels["pool"], "seed %d", seed)
			require.False(t, q.Workers[owner].Cordoned, "seed %d", seed)
		}
	}
}

func TestPoolsAskedAgainMoveNothingAndTheOrderDoesNotMatter(t *testing.T) {
	for seed := range uint64(lives / 4) {
		l := newLife(seed, seed%2 == 0, seed%3 == 0)
		opts := []strategy.PoolOption{strategy.WithPoolGrace(time.Minute)}
		if seed%5 < 2 {
			opts = append(opts, strategy.WithReservedPools())
		}
		s := strategy.NewPools(strategy.NewSticky(), "pool", poolOf, opts...)
		for range 4 {
			l.pooled()
			waited := map[string]time.Duration{}
			o := l.shuffled()
			q, other := l.question(t), o.question(t)
			q.Waited, other.Waited = waited, waited
			plan, err := strategy.Ask(s, q)
			require.NoError(t, err)
			shuffled, err := strategy.Ask(s, other)
			require.NoError(t, err)
			l.obey(plan)
			o.obey(shuffled)
			require.Equal(t, l.owner, o.owner, "seed %d", seed)
			for _, wait := range plan.Waits {
				waited[wait.Cause] = time.Duration(l.IntN(2)) * time.Minute
			}
			for range 2 { // first some have waited long enough
				q.Previous = plan.Owners
				plan, err = strategy.Ask(s, q)
				require.NoError(t, err)
			}
			require.Equal(t, q.Previous, plan.Owners, "seed %d", seed)
			l.obey(plan)
			l.step()
		}
	}
}

// fleetOfPools is two workers of pool gpu and three without a pool, and 90 partitions, a third of them of pool gpu.
func fleetOfPools() ([]strategy.Worker, []strategy.Partition, func(strategy.Partition) string) {
	w := workers(0, 1, 2, 3, 4)
	w[0].Labels, w[1].Labels = map[string]string{"pool": "gpu"}, map[string]string{"pool": "gpu"}
	return w, partitions(90), func(p strategy.Partition) string {
		if n, _ := strconv.Atoi(p.Keys[1]); n < 30 {
			return "gpu"
		}
		return ""
	}
}

func tally(n int, owners []int) []int {
	c := make([]int, n+1)
	for _, w := range owners {
		c[w+1]++
	}
	return c[1:]
}

func TestWhatAWorkerHasFromItsPoolCountsAsItsLoad(t *testing.T) {
	w, p, pool := fleetOfPools()
	plan, err := strategy.Ask(strategy.NewPools(strategy.NewSticky(), "pool", pool), strategy.Question{Workers: w, List: prepared(t, p), Previous: nobody(90)})
	require.NoError(t, err)
	require.Equal(t, []int{18, 18, 18, 18, 18}, tally(5, plan.Owners))
	plan, err = strategy.Ask(strategy.NewPools(strategy.NewSticky(), "pool", pool, strategy.WithReservedPools()),
		strategy.Question{Workers: w, List: prepared(t, p), Previous: nobody(90)})
	require.NoError(t, err)
	require.Equal(t, []int{15, 15, 20, 20, 20}, tally(5, plan.Owners), "none without a pool to workers of one")
}

func TestAPoolWithoutWorkersSpillsOverAfterItsGraceAndReturns(t *testing.T) {
	w, p, pool := fleetOfPools()
	list := prepared(t, p)
	s := strategy.NewPools(strategy.NewSticky(), "pool", pool, strategy.WithPoolGrace(time.Minute))
	q := strategy.Question{Workers: w[2:], List: list, Previous: nobody(90)}
	plan, err := strategy.Ask(s, q)
	require.NoError(t, err)
	require.Len(t, plan.Waits, 1)
	require.Equal(t, strategy.Wait{
		Cause: `pool "gpu" has no worker: none has label pool="gpu" and is not cordoned`, After: time.Minute, Partitions: plan.Waits[0].Partitions,
	}, plan.Waits[0])
	require.Len(t, plan.Waits[0].Partitions, 30)
	require.Equal(t, []int{20, 20, 20}, tally(3, plan.Owners))
	require.NotContains(t, plan.Owners[30:], strategy.None)

	q.Previous, q.Waited = plan.Owners, map[string]time.Duration{plan.Waits[0].Cause: time.Minute - 1}
	plan, err = strategy.Ask(s, q)
	require.NoError(t, err)
	require.Len(t, plan.Waits[0].Partitions, 30, "not yet")

	q.Waited[plan.Waits[0].Cause] = time.Minute
	plan, err = strategy.Ask(s, q)
	require.NoError(t, err)
	require.Equal(t, []int{30, 30, 30}, tally(3, plan.Owners))
	require.Zero(t, strategy.Moves(q.Previous, plan.Owners))
	require.Len(t, plan.Waits, 1, "the cause is still there, so that the time it lasts goes on")
	require.Empty(t, plan.Waits[0].Partitions)

	q.Previous, q.Waited = slices.Clone(plan.Owners), nil
	q.Previous[0] = strategy.None
	plan, err = strategy.Ask(s, q)
	require.NoError(t, err)
	require.Equal(t, []int{0}, plan.Waits[0].Partitions, "to a new leader only what has no owner is at the beginning")
	require.Zero(t, strategy.Moves(q.Previous, plan.Owners))

	q.Workers, q.Previous = append(slices.Clone(w[2:]), w[:2]...), plan.Owners
	plan, err = strategy.Ask(s, q)
	require.NoError(t, err)
	require.Empty(t, plan.Waits)
	for i := range 30 {
		require.GreaterOrEqual(t, plan.Owners[i], 3, "back to its pool")
	}
	require.Equal(t, []int{18, 18, 18, 18, 18}, tally(5, plan.Owners))
}

func TestReservedPoolsLetWhatHasNoPoolWait(t *testing.T) {
	w, p, pool := fleetOfPools()
	q := strategy.Question{Workers: w[:2], List: prepared(t, p), Previous: nobody(90)}
	s := strategy.NewPools(strategy.NewSticky(), "pool", pool, strategy.WithReservedPools(), strategy.WithPoolGrace(time.Minute))
	plan, err := strategy.Ask(s, q)
	require.NoError(t, err)
	require.Equal(t, "no worker for partitions without a pool: none is without label pool and not cordoned", plan.Waits[0].Cause)
	require.Len(t, plan.Waits[0].Partitions, 60)
	require.Equal(t, []int{15, 15}, tally(2, plan.Owners))
	q.Waited = map[string]time.Duration{plan.Waits[0].Cause: time.Hour}
	plan, err = strategy.Ask(s, q)
	require.NoError(t, err)
	require.Equal(t, []int{45, 45}, tally(2, plan.Owners))
}

func TestWithoutAGraceAPartitionLeavesAWorkerThatIsNotOfItsPool(t *testing.T) {
	w, p, pool := fleetOfPools()
	previous := make([]int, 90) // all with a worker that has just lost its label
	q := strategy.Question{Workers: w[2:], List: prepared(t, p), Previous: previous}
	plan, err := strategy.Ask(strategy.NewPools(strategy.NewSticky(), "pool", pool), q)
	require.NoError(t, err)
	require.Len(t, plan.Waits[0].Partitions, 30)
	_, err = strategy.NewPools(strategy.NewSticky(), "pool", pool).Assign(q.Workers, p, previous)
	require.ErrorIs(t, err, strategy.ErrPartitionMissing)
	require.ErrorContains(t, err, `pool "gpu" has no worker`)
	r, err := whatif.Simulate(whatif.Begin("start", w, p).Leave("no gpu", "worker-0", "worker-1"), strategy.NewPools(strategy.NewSticky(), "pool", pool))
	require.NoError(t, err)
	require.Equal(t, []int64{2000, 2000, 2000}, r[1].Loads)
}

func TestPoolsNameWhatIsWrongWithTheirOptions(t *testing.T) {
	_, p, pool := fleetOfPools()
	in := strategy.NewSticky()
	for text, s := range map[string]strategy.Strategy{
		"inner":         strategy.NewPools(nil, "pool", pool),
		"label":         strategy.NewPools(in, "", pool),
		"pool of":       strategy.NewPools(in, "pool", nil),
		"WithPoolGrace": strategy.NewPools(in, "pool", pool, strategy.WithPoolGrace(-1)),
	} {
		_, err := s.Assign(workers(1), p, nobody(90))
		require.ErrorIs(t, err, strategy.ErrInvalidOption)
		require.ErrorContains(t, err, text)
		require.ErrorContains(t, err, "allowed")
	}
	boom := answers{plan: strategy.Plan{Owners: nobody(1)}}
	_, err := strategy.NewPools(boom, "pool", func(strategy.Partition) string { return "gpu" }).Assign(workers(1), p, nobody(90))
	require.ErrorIs(t, err, strategy.ErrPartitionMissing)
	w, _, _ := fleetOfPools()
	_, err = strategy.NewPools(boom, "pool", pool).Assign(w, p, nobody(90))
	require.ErrorContains(t, err, `pool "gpu": `)
	require.ErrorIs(t, err, strategy.ErrPartitionMissing)
}
