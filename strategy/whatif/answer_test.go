// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package whatif_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

func TestWhatCannotChangeIsNamed(t *testing.T) {
	f := settled(t, strategy.NewSticky(), workers(3), partitions(10))
	f.IDs.Max = 4
	for want, c := range map[string]whatif.Change{
		`"worker-9" is no worker of the group, allowed: worker-0, worker-1, worker-2`: {Lose: []string{"worker-9"}},
		`allowed: at most +2, because no more IDs from worker-0 to worker-4`:          {Join: 3},
		`Join is -1, allowed: 0 or more`:                                              {Join: -1},
		`add names "topic.0003"`:                                                      {Add: []strategy.Partition{{Keys: []string{"topic", "0003"}}}},
		`"x" is no partition of the group, allowed: one of the 10`:                    {Remove: []string{"x"}},
		`"y" is no partition of the group`:                                            {Weights: map[string]int64{"y": 1}},
	} {
		_, err := whatif.Ask(f, c, strategy.NewSticky())
		require.ErrorIs(t, err, whatif.ErrInvalidChange)
		require.ErrorContains(t, err, want)
	}
	f.IDs.Taken = []string{"worker-3"}
	a, err := whatif.Ask(f, whatif.Change{Join: 1}, strategy.NewSticky())
	require.NoError(t, err)
	require.Equal(t, "worker-4", a.After.Workers[3].ID, "somebody holds worker-3")
	_, err = whatif.Ask(f, whatif.Change{Add: []strategy.Partition{{Keys: []string{"a*"}}}}, strategy.NewSticky())
	require.ErrorIs(t, err, strategy.ErrInvalidKey)
	_, err = whatif.Ask(f, whatif.Change{Join: 1, Capacity: -1}, strategy.NewSticky())
	require.ErrorIs(t, err, strategy.ErrInvalidCapacity)
}

// wild is a strategy of a user's.
type wild struct {
	strategy.Strategy
	assign func(w []strategy.Worker, p []strategy.Partition, previous []int) ([]int, error)
}

func (s wild) Assign(w []strategy.Worker, p []strategy.Partition, previous []int) ([]int, error) {
	return s.assign(w, p, previous)
}

func TestAStrategyThatFailsPanicsOrScribblesIsContained(t *testing.T) {
	f := settled(t, strategy.NewSticky(), workers(3), partitions(30))
	boom := errors.New("boom")
	for _, assign := range []func([]strategy.Worker, []strategy.Partition, []int) ([]int, error){
		func([]strategy.Worker, []strategy.Partition, []int) ([]int, error) { return nil, boom },
		func([]strategy.Worker, []strategy.Partition, []int) ([]int, error) { panic("boom") },
	} {
		_, err := whatif.Ask(f, whatif.Change{Join: 1}, wild{assign: assign})
		require.ErrorIs(t, err, whatif.ErrStrategyFailed)
		require.ErrorContains(t, err, "boom")
		require.ErrorContains(t, err, "wild")
	}
	before := owners(f)
	_, err := whatif.Ask(f, whatif.Change{Join: 1}, wild{assign: func(w []strategy.Worker, p []strategy.Partition, previous []int) ([]int, error) {
		next := make([]int, len(p))
		for i := range p {
			p[i].Keys[0], previous[i] = "scribbled", 7
		}
		w[0].ID = "scribbled"
		return next, nil
	}})
	require.NoError(t, err)
	require.Equal(t, before, owners(f))
	require.Equal(t, "worker-0", f.Workers[0].ID)
}

func TestAChangeIsReadFromText(t *testing.T) {
	query, err := url.ParseQuery("workers=%2B5&capacity=200&label=zone%3Da&label=rack%3D&lose=worker-1,worker-2&lose=worker-3&drain=worker-4&stop=worker-5" +
		"&strategy=hash(bound%3D2)&weight=a.1%3D30,a.2%3D40&add=b.1,b.2%3D70&remove=a.3&group=orders")
	require.NoError(t, err)
	c, err := whatif.ParseChange(query, "group")
	require.NoError(t, err)
	require.Equal(t, whatif.Change{
		Join: 5, Capacity: 200, Labels: map[string]string{"zone": "a", "rack": ""},
		Lose: []string{"worker-1", "worker-2", "worker-3"}, Drain: []string{"worker-4"}, Stop: []string{"worker-5"},
		Strategy: strategy.NewConsistentHash(strategy.WithLoadBound(2)), Weights: map[string]int64{"a.1": 30, "a.2": 40},
		Add: []strategy.Partition{{Keys: []string{"b", "1"}}, {Keys: []string{"b", "2"}, Weight: 70}}, Remove: []string{"a.3"},
	}, c)
	require.Equal(t, "3 workers crash (worker-1, worker-2, worker-3), worker-4 drains, worker-5 stops, 5 workers join, 2 partitions are added, "+
		"a partition is removed, the weights of 2 partitions change, another strategy plans", c.String())
	for name, value := range map[string]string{
		"workers": "5", "capacity": "0", "label": "zone", "weight": "a", "remove": "a=1", "add": "a=x", "what": "ever",
	} {
		_, err := whatif.ParseChange(map[string][]string{name: {value}})
		require.ErrorIs(t, err, whatif.ErrInvalidChange, name)
		require.ErrorContains(t, err, "allowed", name)
	}
	_, err = whatif.ParseChange(map[string][]string{"strategy": {"mine"}})
	require.ErrorIs(t, err, strategy.ErrUnknownStrategy)
}

func TestAnotherListIsAChange(t *testing.T) {
	f := settled(t, strategy.NewSticky(), workers(2), partitions(4))
	p := partitions(5)[1:]
	p[0].Weight, p[1].Weight = 250, 100
	var c whatif.Change
	c.Relist(f, p)
	require.Equal(t, whatif.Change{Add: p[3:], Remove: []string{"topic.0000"}, Weights: map[string]int64{"topic.0001": 250}}, c)
}

func TestAnAnswerIsJSONInCamelCaseWithoutNulls(t *testing.T) {
	f := settled(t, strategy.NewSticky(), workers(3), partitions(6))
	a, err := whatif.Ask(f, whatif.Change{Lose: []string{"worker-2"}}, strategy.NewSticky())
	require.NoError(t, err)
	text, err := json.Marshal(a)
	require.NoError(t, err)
	require.Contains(t, string(text), `"ownerless":[{"what":"crash","partitions":2,"leastMs":4000,"typicalMs":5000,"mostMs":6400,"partitionSeconds":10,`)
	require.Contains(t, string(text), `"from":"worker-2"`)
	require.Contains(t, string(text), `"why":"worker-2 crashes"`)
	a, err = whatif.Ask(f, whatif.Change{}, strategy.NewSticky())
	require.NoError(t, err)
	text, err = json.Marshal(a)
	require.NoError(t, err)
	require.NotContains(t, string(text), "null")
	var back map[string]any
	require.NoError(t, json.Unmarshal(text, &back))
	require.ElementsMatch(t, []string{"change", "strategy", "verdict", "before", "after", "moves", "leastMoves", "ownerless", "waits", "notes"}, keys(back))
}

func keys(m map[string]any) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	return list
}
