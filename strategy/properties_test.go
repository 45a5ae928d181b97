// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
)

// life is a random history of a group: workers and partitions come, go, are cordoned and change their weight.
type life struct {
	*rand.Rand
	workers    []strategy.Worker
	partitions []strategy.Partition
	owner      map[string]string
	home       map[string]string
	made       int

	weights, capacities bool
}

func newLife(seed uint64, weights, capacities bool) *life {
	l := &life{
		Rand: rand.New(rand.NewPCG(seed, 99)), owner: map[string]string{}, home: map[string]string{},
		weights: weights, capacities: capacities,
	}
	for range 1 + l.IntN(12) {
		l.join()
	}
	for range l.IntN(150) {
		l.add()
	}
	return l
}

func (l *life) join() {
	w := strategy.Worker{ID: fmt.Sprintf("worker-%d", l.made), Labels: map[string]string{"zone": fmt.Sprint(l.made % 3)}}
	l.made++
	if l.capacities {
		w.Capacity = 25 << l.IntN(5)
	}
	l.workers = append(l.workers, w)
}

func (l *life) add() {
	p := strategy.Partition{Keys: []string{"topic", fmt.Sprint(l.made)}}
	l.made++
	if l.weights {
		p.Weight = l.weight()
	}
	l.partitions = append(l.partitions, p)
}

func (l *life) weight() int64 {
	switch l.IntN(30) {
	case 0:
		return 10_000
	case 1:
		return 1
	default:
		return 1 + int64(1000/math.Pow(float64(1+l.IntN(100)), 1.1))
	}
}

// step is one change, now and then a big one.
func (l *life) step() {
	for range 1 + l.IntN(2)*l.IntN(4) {
		switch i := l.IntN(max(1, len(l.partitions))); l.IntN(6) {
		case 0, 1:
			l.join()
		case 2, 3:
			if len(l.workers) > 1 {
				i := l.IntN(len(l.workers))
				l.workers = append(l.workers[:i:i], l.workers[i+1:]...)
			}
		case 4:
			l.add()
		case 5:
			if l.weights && len(l.partitions) > 0 {
				l.partitions[i].Weight = l.weight()
			} else if len(l.partitions) > 0 {
				l.partitions = append(l.partitions[:i:i], l.partitions[i+1:]...)
			}
		}
	}
}

func (l *life) indices(owner map[string]string) []int {
	index := map[string]int{}
	for i, w := range l.workers {
		index[w.ID] = i
	}
	at := make([]int, len(l.partitions))
	for i, p := range l.partitions {
		at[i] = strategy.None
		if w, ok := index[owner[p.ID()]]; ok {
			at[i] = w
		}
	}
	return at
}

// plan asks a strategy, with homes half of the time, and lives by its answer.
func (l *life) plan(t *testing.T, s strategy.Strategy) (previous, next []int) {
	t.Helper()
	previous, home := l.indices(l.owner), l.indices(l.home)
	var err error
	if h, ok := s.(strategy.Homing); ok && l.IntN(2) == 0 {
		next, err = h.AssignHome(l.workers, l.partitions, previous, home)
	} else {
		next, err = s.Assign(l.workers, l.partitions, previous)
	}
	require.NoError(t, err)
	require.NoError(t, strategy.Check(l.workers, l.partitions, next))
	for i, p := range l.partitions {
		id := p.ID()
		l.owner[id] = l.workers[next[i]].ID
		if home[i] != strategy.None || l.home[id] == "" {
			l.home[id] = l.owner[id]
		}
	}
	return previous, next
}

// shuffled is the same group, in another order.
func (l *life) shuffled() *life {
	other := *l
	other.workers, other.partitions, other.owner = nil, nil, map[string]string{}
	for _, i := range l.Perm(len(l.workers)) {
		other.workers = append(other.workers, l.workers[i])
	}
	for _, i := range l.Perm(len(l.partitions)) {
		other.partitions = append(other.partitions, l.partitions[i])
	}
	for id, w := range l.owner {
		other.owner[id] = w
	}
	return &other
}

func all() map[string]strategy.Strategy {
	return map[string]strategy.Strategy{
		"hash": strategy.NewConsistentHash(), "hash 1.25": strategy.NewConsistentHash(strategy.WithVirtualNodes(40), strategy.WithLoadBound(1.25)),
		"sticky": strategy.NewSticky(), "roundrobin": strategy.NewRoundRobin(), "rendezvous": strategy.NewRendezvous(),
		"zoned": strategy.NewZoned(strategy.NewSticky(), "zone"),
		"pinned": strategy.NewPinned(strategy.NewConsistentHash(strategy.WithVirtualNodes(30)),
			map[string]string{"topic.1": "worker-0", "topic.9": "worker-3", "topic.11": "worker-3", "topic.12": "worker-3", "topic.20": "worker-1"}),
	}
}

func loads(l *life, next []int) (load, fair []float64, heaviest float64) {
	load, fair = make([]float64, len(l.workers)), make([]float64, len(l.workers))
	var total, room float64
	for i, p := range l.partitions {
		load[next[i]] += float64(p.Load())
		total += float64(p.Load())
		heaviest = max(heaviest, float64(p.Load()))
	}
	for _, w := range l.workers {
		room += float64(w.Room())
	}
	for i, w := range l.workers {
		fair[i] = total * float64(w.Room()) / room
	}
	return load, fair, heaviest
}

// lives is how many random lives each property is held to; 2500 in a thorough run.
var lives = func() int {
	if os.Getenv("PARTITEST_THOROUGH") != "" {
		return 2500
	}
	return 800
}()

func TestStickyIsAsEvenAsCanBeAndMovesTheLeast(t *testing.T) {
	for seed := range uint64(lives) {
		l := newLife(seed, false, seed%2 == 0)
		for range 6 {
			previous, next := l.plan(t, strategy.NewSticky())
			load, fair, _ := loads(l, next)
			for w := range load {
				require.Less(t, math.Abs(load[w]-fair[w]), 100-1e-6, "seed %d: worker %d has %g, fair is %g", seed, w, load[w], fair[w])
			}
			require.Equal(t, strategy.MinimalMoves(l.workers, l.partitions, previous), strategy.Moves(previous, next), "seed %d", seed)
			if c := strategy.Certify(l.workers, l.partitions, previous, next); !l.capacities {
				require.Equal(t, c.LeastMoves, c.Moves, "seed %d", seed)
				require.InDelta(t, c.LeastImbalance, c.Imbalance, 1e-9, "seed %d", seed)
			}
			l.step()
		}
	}
}

func TestConsistentHashStaysInItsBandAndMovesTheLeastForIt(t *testing.T) {
	for seed := range uint64(lives) {
		l := newLife(seed, false, seed%2 == 0)
		bound := 1.1
		s := strategy.NewConsistentHash(strategy.WithVirtualNodes(30))
		if seed%3 == 0 {
			bound = 1.5
			s = strategy.NewConsistentHash(strategy.WithVirtualNodes(30), strategy.WithLoadBound(bound))
		}
		for range 6 {
			previous, next := l.plan(t, s)
			load, fair, _ := loads(l, next)
			for w := range load {
				require.LessOrEqual(t, load[w], max(fair[w]*bound, math.Ceil(fair[w]/100-1e-9)*100), "seed %d", seed)
				require.GreaterOrEqual(t, load[w], min(fair[w]/bound, math.Floor(fair[w]/100+1e-9)*100), "seed %d", seed)
			}
			least := strategy.MinimalMovesWithin(l.workers, l.partitions, previous, bound)
			require.Equal(t, least, strategy.Moves(previous, next), "seed %d", seed)
			l.step()
		}
	}
}

// evenWhereWeightsAllow: above the bound is a worker only for a partition's sake. Where some partitions are heavier than
// any fair share, the others share what is left, which is not computed again here.
func evenWhereWeightsAllow(t *testing.T, l *life, next []int, bound float64, seed uint64) {
	t.Helper()
	load, fair, heaviest := loads(l, next)
	lightest := make([]float64, len(load))
	for w := range lightest {
		lightest[w] = math.Inf(1)
	}
	for i, p := range l.partitions {
		lightest[next[i]] = min(lightest[next[i]], float64(p.Load()))
	}
	for w := range load {
		if heaviest > fair[w] || load[w] <= max(fair[w]*bound, fair[w]+lightest[w])+1 {
			continue
		}
		for v := range load {
			after := (load[v] + lightest[w]) / float64(l.workers[v].Room())
			require.GreaterOrEqual(t, after, load[w]/float64(l.workers[w].Room()), "seed %d: worker %d could give to %d", seed, w, v)
		}
	}
	if small := (bound - 1) * fair[0]; heaviest <= small && !l.capacities {
		require.LessOrEqual(t, strategy.Imbalance(l.workers, l.partitions, next), bound+1e-9, "seed %d", seed)
	}
}

func TestWeightsAreEvenWhereTheHeaviestAllows(t *testing.T) {
	for seed := range uint64(lives) {
		l := newLife(seed, true, seed%2 == 0)
		for range 5 {
			_, next := l.plan(t, strategy.NewConsistentHash(strategy.WithVirtualNodes(30)))
			evenWhereWeightsAllow(t, l, next, 1.1, seed)
			_, next = l.plan(t, strategy.NewSticky())
			evenWhereWeightsAllow(t, l, next, 1.05, seed)
			l.step()
		}
	}
}

func TestAHeavyPartitionHasAWorkerAsEmptyAsPossible(t *testing.T) {
	for name, s := range map[string]strategy.Strategy{"hash": strategy.NewConsistentHash(), "sticky": strategy.NewSticky()} {
		for seed := range uint64(200) {
			l := newLife(seed, false, false)
			for len(l.workers) < 4 {
				l.join()
			}
			for range 20 {
				l.add()
			}
			heavy := min(2, len(l.partitions))
			l.plan(t, s)
			for i := range heavy {
				l.partitions[i].Weight = 100 * 1000
			}
			_, next := l.plan(t, s)
			for i := range heavy {
				for q, w := range next {
					require.True(t, q == i || w != next[i], "%s seed %d: with %d are %v", name, seed, i, next)
				}
			}
		}
	}
}

func TestAskedAgainNothingMoves(t *testing.T) {
	for name, s := range all() {
		for seed := range uint64(lives / 2) {
			l := newLife(seed, seed%2 == 0, seed%3 == 0)
			for range 3 {
				l.plan(t, s)
				previous, next := l.plan(t, s)
				require.Zero(t, strategy.Moves(previous, next), "%s seed %d", name, seed)
				l.step()
			}
		}
	}
}

func TestInAnyOrderThePlanIsTheSame(t *testing.T) {
	for name, s := range all() {
		for seed := range uint64(lives / 4) {
			l := newLife(seed, seed%2 == 0, seed%3 == 0)
			for range 3 {
				previous, home := l.indices(l.owner), l.indices(l.home)
				o := l.shuffled()
				a, err := ask(s, l.workers, l.partitions, previous, home)
				require.NoError(t, err)
				b, err := ask(s, o.workers, o.partitions, o.indices(l.owner), o.indices(l.home))
				require.NoError(t, err)
				named := map[string]string{}
				for i, p := range o.partitions {
					named[p.ID()] = o.workers[b[i]].ID
				}
				for i, p := range l.partitions {
					require.Equal(t, l.workers[a[i]].ID, named[p.ID()], "%s seed %d", name, seed)
				}
				l.plan(t, s)
				l.step()
			}
		}
	}
}

func ask(s strategy.Strategy, w []strategy.Worker, p []strategy.Partition, previous, home []int) ([]int, error) {
	if h, ok := s.(strategy.Homing); ok {
		return h.AssignHome(w, p, previous, home)
	}
	return s.Assign(w, p, previous)
}

func TestACordonedWorkerKeepsWhatItHasAndGetsNothingNew(t *testing.T) {
	for name, s := range all() {
		for seed := range uint64(300) {
			l := newLife(seed, seed%2 == 0, seed%3 == 0)
			l.join()
			l.plan(t, s)
			l.workers[l.IntN(len(l.workers))].Cordoned = true
			l.step()
			l.join()
			previous, next := l.plan(t, s)
			for i := range next {
				wasThere := previous[i] != strategy.None && l.workers[previous[i]].Cordoned
				require.True(t, !wasThere || next[i] == previous[i], "%s seed %d: kept", name, seed)
				require.True(t, wasThere || !l.workers[next[i]].Cordoned, "%s seed %d: nothing new", name, seed)
			}
		}
		w := workers(1, 2)
		w[0].Cordoned, w[1].Cordoned = true, true
		_, err := s.Assign(w, partitions(1), nobody(1))
		require.ErrorIs(t, err, strategy.ErrNoWorkers, name)
		next, err := s.Assign(w, partitions(1), []int{1})
		require.NoError(t, err)
		require.Equal(t, []int{1}, next)
	}
}

func TestAReturningWorkerGetsBackWhatItHad(t *testing.T) {
	for name, want := range map[string]struct{ alone, told float64 }{"sticky": {0.67, 0.95}, "hash": {0.67, 0.95}} {
		s := all()[name]
		for _, n := range []int{5, 40, 200} {
			l := newLife(1, false, false)
			l.workers, l.partitions = nil, nil
			for range n {
				l.join()
			}
			for range 50 * n {
				l.add()
			}
			for _, told := range []bool{false, true} {
				before := nobody(len(l.partitions))
				before, err := s.Assign(l.workers, l.partitions, before)
				require.NoError(t, err)
				without := nobody(len(before))
				for i, w := range before {
					if w != n-1 {
						without[i] = w
					}
				}
				without, err = s.Assign(l.workers[:n-1], l.partitions, without)
				require.NoError(t, err)
				home := before
				if !told {
					home = nobody(len(before))
				}
				after, err := ask(s, l.workers, l.partitions, without, home)
				require.NoError(t, err)
				got, back := 0, 0
				for i, w := range after {
					if w == n-1 {
						got++
						if before[i] == w {
							back++
						}
					}
				}
				share := float64(back) / float64(got)
				t.Logf("%s, %d workers, told %v: %.3f of what it gets", name, n, told, share)
				if told {
					require.GreaterOrEqual(t, share, want.told)
				} else {
					require.GreaterOrEqual(t, share, want.alone)
				}
			}
		}
	}
}
