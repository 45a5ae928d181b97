// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
)

func TestAPreparedListGivesTheSamePlanAndTheSameCertificate(t *testing.T) {
	for name, s := range all() {
		for seed := range uint64(300) {
			l := newLife(seed, seed%2 == 0, seed%3 == 0)
			l.plan(t, s)
			l.step()
			l.join()
			l.workers[l.IntN(len(l.workers)-1)].Cordoned = seed%5 == 0
			q := strategy.Question{Workers: l.workers, List: prepared(t, l.partitions), Previous: l.indices(l.owner), Home: l.indices(l.home)}
			plan, err := strategy.Ask(s, q)
			require.NoError(t, err)
			want, err := ask(s, q.Workers, l.partitions, q.Previous, q.Home)
			require.NoError(t, err)
			require.Equal(t, want, plan.Owners, "%s seed %d", name, seed)
			require.Equal(t, strategy.Certify(q.Workers, l.partitions, q.Previous, want), q.Certify(want), "%s seed %d", name, seed)
		}
	}
}

func TestAPreparedListStaysAsItWas(t *testing.T) {
	source := partitions(3)
	list := prepared(t, source)
	for _, p := range [][]strategy.Partition{source, list.Partitions()} {
		_ = append(p[0].Keys, "next") // reaches no other partition
		p[1].Keys[1], p[2].Weight = "scribble", 7
	}
	require.Equal(t, partitions(3), list.Partitions())
	part, at := list.Where(func(i int) bool { return i != 1 })
	require.Equal(t, []int{0, 2}, at)
	require.Equal(t, []strategy.Partition{partitions(3)[0], partitions(3)[2]}, part.Partitions())
	require.Equal(t, 2, part.Len())
	require.Zero(t, new(strategy.Prepared).Len())
	_, err := strategy.Prepare(append(partitions(1), partitions(1)...))
	require.ErrorIs(t, err, strategy.ErrDuplicateID)
}

// scribbler is somebody's strategy that writes into everything it is given, and later into what it answered.
type scribbler struct{ answered []int }

func (s *scribbler) Assign(workers []strategy.Worker, partitions []strategy.Partition, previous []int) ([]int, error) {
	for i := range partitions {
		clear(partitions[i].Keys)
	}
	return s.AssignHome(workers, partitions, previous, nil)
}

func (s *scribbler) AssignHome(workers []strategy.Worker, partitions []strategy.Partition, previous, home []int) ([]int, error) {
	for i := range s.answered {
		s.answered[i] = 99
	}
	for i := range partitions {
		clear(partitions[i].Keys)
	}
	for _, w := range workers {
		clear(w.Labels)
	}
	s.answered = make([]int, len(previous))
	for _, owners := range [][]int{previous, home} {
		for i := range owners {
			owners[i] = 99
		}
	}
	clear(workers)
	clear(partitions)
	return s.answered, nil
}

// preparing is the same, asked with a prepared list.
type preparing struct{ scribbler }

func (s *preparing) AssignPrepared(q strategy.Question) (strategy.Plan, error) {
	clear(q.Waited)
	next, err := s.AssignHome(q.Workers, q.List.Partitions(), q.Previous, q.Home)
	return strategy.Plan{Owners: next}, err
}

func TestAStrategyMayWriteIntoEverythingItIsGiven(t *testing.T) {
	wraps := map[string]func(strategy.Strategy) strategy.Strategy{
		"alone": func(s strategy.Strategy) strategy.Strategy { return s },
		"pinned": func(s strategy.Strategy) strategy.Strategy {
			return strategy.NewPinned(s, map[string]string{"topic.4": "b-0"})
		},
		"zoned": func(s strategy.Strategy) strategy.Strategy { return strategy.NewZoned(s, "zone") },
	}
	inner := map[string]strategy.Strategy{
		"plain": struct{ strategy.Strategy }{&scribbler{}}, "homing": &scribbler{}, "preparing": &preparing{},
	}
	for wrapper, wrap := range wraps {
		for name, s := range inner {
			for _, home := range [][]int{nil, {0, 1, 2, 3, 4, 4}} {
				w, p, previous := zoned(2, 3), partitions(6), []int{0, 1, 2, 3, 4, strategy.None}
				waited := map[string]time.Duration{"cause": 1}
				list := prepared(t, p)
				plan, err := strategy.Ask(wrap(s), strategy.Question{Workers: w, List: list, Previous: previous, Home: home, Waited: waited})
				require.NoError(t, err, "%s %s", wrapper, name)
				was := slices.Clone(plan.Owners)
				_, err = wrap(s).Assign(w, p, previous)
				if wrapper != "alone" { // whoever calls a strategy itself has to look after what it passes
					require.NoError(t, err)
					require.Equal(t, partitions(6), p, "%s %s", wrapper, name)
				}
				require.Equal(t, was, plan.Owners, "%s %s: a later call", wrapper, name)
				require.Equal(t, partitions(6), list.Partitions(), "%s %s", wrapper, name)
				require.Equal(t, map[string]time.Duration{"cause": 1}, waited)
				if wrapper == "alone" {
					continue
				}
				require.Equal(t, zoned(2, 3), w, "%s %s", wrapper, name)
				require.Equal(t, []int{0, 1, 2, 3, 4, strategy.None}, previous, "%s %s", wrapper, name)
			}
		}
	}
}

func TestAskGivesCopiesToAStrategyFromElsewhere(t *testing.T) {
	for _, s := range []strategy.Strategy{struct{ strategy.Strategy }{&scribbler{}}, &scribbler{}, &preparing{}} {
		q := strategy.Question{
			Workers: zoned(1, 1), List: prepared(t, partitions(2)), Previous: []int{0, 1}, Home: []int{1, 0}, Waited: map[string]time.Duration{"cause": 1},
		}
		_, err := strategy.Ask(s, q)
		require.NoError(t, err)
		want := strategy.Question{Workers: zoned(1, 1), List: q.List, Previous: []int{0, 1}, Home: []int{1, 0}, Waited: map[string]time.Duration{"cause": 1}}
		require.Equal(t, want, q, "%T", s)
		require.Equal(t, partitions(2), q.List.Partitions(), "%T", s)
	}
}

// answers is somebody's strategy with an answer ready.
type answers struct {
	strategy.Strategy
	plan strategy.Plan
	err  error
}

func (a answers) AssignPrepared(strategy.Question) (strategy.Plan, error) { return a.plan, a.err }

func TestAnAnswerIsAPlanOnlyIfEveryPartitionHasAnOwnerOrWaits(t *testing.T) {
	boom := errors.New("boom")
	wait := func(at ...int) []strategy.Wait { return []strategy.Wait{{Cause: "no room", Partitions: at}} }
	for name, c := range map[string]struct {
		plan     strategy.Plan
		err      error
		expected error
	}{
		"good":             {plan: strategy.Plan{Owners: []int{0, 1, 0}}},
		"one waits":        {plan: strategy.Plan{Owners: []int{0, strategy.None, 0}, Waits: wait(1)}},
		"a cause alone":    {plan: strategy.Plan{Owners: []int{0, 1, 0}, Waits: wait()}},
		"forgotten":        {plan: strategy.Plan{Owners: []int{0, strategy.None, 0}}, expected: strategy.ErrPartitionMissing},
		"another waits":    {plan: strategy.Plan{Owners: []int{strategy.None, strategy.None, 0}, Waits: wait(1)}, expected: strategy.ErrPartitionMissing},
		"owned, but waits": {plan: strategy.Plan{Owners: []int{0, 1, 0}, Waits: wait(1)}, expected: strategy.ErrInvalidOwner},
		"waits twice":      {plan: strategy.Plan{Owners: []int{0, strategy.None, 0}, Waits: wait(1, 1)}, expected: strategy.ErrInvalidOwner},
		"waits nowhere":    {plan: strategy.Plan{Owners: []int{0, 1, 0}, Waits: wait(3)}, expected: strategy.ErrInvalidOwner},
		"unknown owner":    {plan: strategy.Plan{Owners: []int{0, 2, 0}}, expected: strategy.ErrInvalidOwner},
		"too short":        {plan: strategy.Plan{Owners: []int{0}, Waits: wait()}, expected: strategy.ErrPartitionMissing},
		"failed":           {plan: strategy.Plan{Owners: []int{0, 1, 0}}, err: boom, expected: boom},
	} {
		q := strategy.Question{Workers: workers(1, 2), List: prepared(t, partitions(3)), Previous: nobody(3)}
		_, err := strategy.Ask(answers{plan: c.plan, err: c.err}, q)
		require.ErrorIs(t, err, c.expected, name)
	}
	_, err := strategy.Ask(strategy.NewSticky(), strategy.Question{Workers: workers(1)})
	require.ErrorIs(t, err, strategy.ErrInvalidOption)
	_, err = strategy.NewSticky().AssignPrepared(strategy.Question{Workers: workers(1)})
	require.ErrorIs(t, err, strategy.ErrInvalidOption)
}

func TestWaitsPassThroughPinnedWithTheirPlaces(t *testing.T) {
	inner := answers{plan: strategy.Plan{Owners: []int{1, strategy.None}, Waits: []strategy.Wait{{Cause: "no room", Partitions: []int{1}, After: 7}}}}
	q := strategy.Question{Workers: workers(1, 2), List: prepared(t, partitions(3)), Previous: nobody(3)}
	plan, err := strategy.Ask(strategy.NewPinned(inner, map[string]string{"topic.0": "worker-1"}), q)
	require.NoError(t, err)
	require.Equal(t, strategy.Plan{
		Owners: []int{0, 1, strategy.None}, Waits: []strategy.Wait{{Cause: "no room", Partitions: []int{2}, After: 7}},
	}, plan)
	require.Equal(t, []int{1}, inner.plan.Waits[0].Partitions, "what it answered is its own")
	_, err = strategy.NewPinned(inner, map[string]string{"topic.0": "worker-1"}).Assign(q.Workers, partitions(3), q.Previous)
	require.ErrorIs(t, err, strategy.ErrPartitionMissing, "there is nobody to tell")
	require.ErrorContains(t, err, "no room")
	_, err = strategy.Ask(strategy.NewZoned(inner, "zone"), strategy.Question{Workers: zoned(1, 1), List: prepared(t, partitions(2)), Previous: nobody(2)})
	require.ErrorIs(t, err, strategy.ErrInvalidOption, "a zone does not know the labels of its workers")
	c := q.Certify(plan.Owners)
	require.Equal(t, 1.0, c.Imbalance, "what waits is nobody's load")
}
