// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/observe"
	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

// move is one that was predicted, or that has happened.
type move struct{ partition, from, to string }

// predicted is what an observer says that a change would move in the end.
func predicted(t *testing.T, o *observe.Observer, c whatif.Change) (map[move]bool, whatif.Answer) {
	t.Helper()
	a, err := o.WhatIf(c, nil)
	require.NoError(t, err)
	from, to := map[string]string{}, map[string]string{}
	for _, m := range a.Moves {
		if _, moved := from[m.Partition]; !moved {
			from[m.Partition] = m.From
		}
		to[m.Partition] = m.To
	}
	moves := map[move]bool{}
	for id := range to {
		if from[id] != to[id] {
			moves[move{id, from[id], to[id]}] = true
		}
	}
	return moves, a
}

// ownersNow is who has what the source lists.
func ownersNow(f *fleet.Fleet) map[string]string {
	all, now := f.Checker.Owners(), map[string]string{}
	for _, id := range f.Source.IDs() {
		now[id] = all[id]
	}
	return now
}

// happened is what has moved since the owners were those.
func happened(f *fleet.Fleet, before map[string]string) map[move]bool {
	moves := map[move]bool{}
	for id, to := range ownersNow(f) {
		if from := before[id]; from != to {
			moves[move{id, from, to}] = true
		}
	}
	return moves
}

// whatIfs are changes and what makes them happen.
var whatIfs = map[string]struct {
	change func(f *fleet.Fleet) whatif.Change
	happen func(t *testing.T, f *fleet.Fleet, c whatif.Change)
}{
	"a follower crashes": {
		func(f *fleet.Fleet) whatif.Change { return whatif.Change{Lose: []string{f.Followers()[0].LastID()}} },
		func(_ *testing.T, f *fleet.Fleet, c whatif.Change) { processOf(f, c.Lose[0]).Crash() },
	},
	"the leader crashes": {
		func(f *fleet.Fleet) whatif.Change { return whatif.Change{Lose: []string{f.Leader().LastID()}} },
		func(_ *testing.T, f *fleet.Fleet, c whatif.Change) { processOf(f, c.Lose[0]).Crash() },
	},
	"three crash": {
		func(f *fleet.Fleet) whatif.Change {
			l := f.Followers()
			return whatif.Change{Lose: []string{l[0].LastID(), l[1].LastID(), l[2].LastID()}}
		},
		func(_ *testing.T, f *fleet.Fleet, c whatif.Change) {
			for _, id := range c.Lose {
				processOf(f, id).Crash()
			}
		},
	},
	"one stops": {
		func(f *fleet.Fleet) whatif.Change { return whatif.Change{Stop: []string{f.Followers()[1].LastID()}} },
		func(t *testing.T, f *fleet.Fleet, c whatif.Change) {
			require.NoError(t, processOf(f, c.Stop[0]).Stop())
		},
	},
	"one drains": {
		func(f *fleet.Fleet) whatif.Change { return whatif.Change{Drain: []string{f.Followers()[1].LastID()}} },
		func(t *testing.T, f *fleet.Fleet, c whatif.Change) {
			require.NoError(t, processOf(f, c.Drain[0]).Drain(background()))
		},
	},
	"two join": {
		func(*fleet.Fleet) whatif.Change { return whatif.Change{Join: 2} },
		func(_ *testing.T, f *fleet.Fleet, _ whatif.Change) { f.Start(2) },
	},
	"a large one joins": {
		func(*fleet.Fleet) whatif.Change { return whatif.Change{Join: 1, Capacity: 300} },
		func(_ *testing.T, f *fleet.Fleet, _ whatif.Change) {
			f.Start(1, fleet.Config(func(c *parti.Config) { c.Capacity = 300 }))
		},
	},
	"other partitions": {
		func(f *fleet.Fleet) whatif.Change {
			var c whatif.Change
			for i := range 30 {
				c.Remove = append(c.Remove, fleet.Partition(i).ID())
			}
			for i := range 20 {
				c.Add = append(c.Add, parti.Partition{Keys: []string{"new", fmt.Sprint(i)}})
			}
			return c
		},
		func(t *testing.T, f *fleet.Fleet, c whatif.Change) {
			f.Source.Set(append(f.Source.List()[len(c.Remove):], c.Add...)...)
			require.NoError(t, f.Leader().Manager.RefreshPartitions(background()))
		},
	},
	"other weights": {
		func(f *fleet.Fleet) whatif.Change {
			return whatif.Change{Weights: map[string]int64{fleet.Partition(3).ID(): 5000, fleet.Partition(7).ID(): 800}}
		},
		func(t *testing.T, f *fleet.Fleet, c whatif.Change) {
			list := f.Source.List()
			for i := range list {
				if w, is := c.Weights[list[i].ID()]; is {
					list[i].Weight = w
				}
			}
			f.Source.Set(list...)
			require.NoError(t, f.Leader().Manager.RefreshPartitions(background()))
		},
	},
	"nothing": {
		func(*fleet.Fleet) whatif.Change { return whatif.Change{} },
		func(*testing.T, *fleet.Fleet, whatif.Change) {},
	},
}

func processOf(f *fleet.Fleet, id string) *fleet.Process {
	for _, p := range f.Live() {
		if p.LastID() == id {
			return p
		}
	}
	return nil
}

// TestAFleetDoesWhatWasPredicted: the moves, partition by partition, the loads, and how long partitions have no owner.
func TestAFleetDoesWhatWasPredicted(t *testing.T) {
	some := map[string]bool{"three crash": true, "a follower crashes": fleet.Thorough(), "two join": fleet.Thorough()}
	for i, s := range []strategy.Strategy{
		strategy.NewSticky(), strategy.NewConsistentHash(), strategy.NewRendezvous(), strategy.NewConsistentHash(strategy.WithLoadBound(1.02)),
	} {
		for name, c := range whatIfs {
			if i > 0 && !some[name] {
				continue // sticky goes through all of them
			}
			t.Run(strategy.Describe(s)+"/"+name, func(t *testing.T) {
				bubble.Run(t, func(t *testing.T, server *bubble.Server) {
					f := fleet.New(t, server, 200, fleet.Strategy(s))
					f.Begin(7)
					f.Rest()
					o := watching(t, server)
					change := c.change(f)
					want, answer := predicted(t, o, change)
					require.Equal(t, strategy.Describe(s), answer.Strategy)
					before, began := f.Checker.Owners(), time.Now()
					c.happen(t, f, change)
					<-time.After(2 * time.Minute)
					f.Settle(0)
					require.Equal(t, want, happened(f, before))
					inTime(t, f, answer, began)
					loads := map[string]int{}
					for _, worker := range ownersNow(f) {
						loads[worker]++
					}
					for _, w := range answer.After.Workers {
						require.Equal(t, loads[w.ID], w.Partitions, w.ID)
					}
					again, after := predicted(t, o, whatif.Change{})
					require.Empty(t, again)
					require.InDelta(t, answer.After.Imbalance, after.Before.Imbalance, 1e-9)
				})
			})
		}
	}
}

// TestTheLastWorkerKeepsWhatItDrainsAsPredicted: nobody can take over, so that the drain waits.
func TestTheLastWorkerKeepsWhatItDrainsAsPredicted(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		f := fleet.New(t, server, 50)
		last := f.Begin(1)[0]
		f.Rest()
		id := last.Manager.WorkerID()
		o := watching(t, server)
		want, answer := predicted(t, o, whatif.Change{Drain: []string{id}})
		require.Empty(t, want)
		require.Contains(t, answer.Verdict, "nobody can take over")
		before, ended := f.Checker.Owners(), make(chan error, 1)
		go func() { ended <- last.Drain(background()) }()
		<-time.After(2 * time.Minute)
		require.Empty(t, ended, "the drain waits")
		require.Equal(t, before, f.Checker.Owners())
		require.Equal(t, 50, answer.After.Workers[0].Partitions)
		_, after := predicted(t, o, whatif.Change{})
		require.Contains(t, after.Verdict, "nobody can take over", "it leaves, and waits")
		f.Start(1)
		f.Settle(time.Minute)
		require.NoError(t, <-ended)
		for partition, owner := range ownersNow(f) {
			require.NotEqual(t, id, owner, partition)
		}
	})
}

// TestAMixedFleetDoesWhatWasPredicted: with weights and capacities that differ a crash leaves the loads uneven, so that two
// plans follow.
func TestAMixedFleetDoesWhatWasPredicted(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		f := fleet.New(t, server, 40, fleet.Strategy(strategy.NewSticky()))
		list := f.Source.List()
		for i := range list {
			list[i].Weight = int64(1 + i*i*i*31%397)
		}
		f.Source.Set(list...)
		for i := range 6 {
			f.Start(1, fleet.PreferredID(fmt.Sprintf("worker-%d", i)), fleet.Config(func(c *parti.Config) { c.Capacity = int64(100 + 70*[]int{3, 1, 5, 0, 4, 2}[i]) }))
		}
		f.Settle(time.Minute)
		<-time.After(time.Minute)
		o := watching(t, server)
		twice := 0
		for i := range 4 {
			change := whatif.Change{Lose: []string{fmt.Sprintf("worker-%d", i)}}
			want, answer := predicted(t, o, change)
			if answer.Moves[len(answer.Moves)-1].When == whatif.Later {
				twice++
			}
			before := f.Checker.Owners()
			processOf(f, change.Lose[0]).Crash()
			<-time.After(parti.DefaultConfig().Assignment.HomeRetention + time.Minute) // until then the leader knows of homes that nobody sees
			f.Settle(0)
			require.Equal(t, want, happened(f, before))
		}
		require.Positive(t, twice, "a second plan was to follow")
	})
}

// inTime checks when what a crash or a stop left without an owner had one again.
func inTime(t *testing.T, f *fleet.Fleet, a whatif.Answer, began time.Time) {
	t.Helper()
	var orphans []string
	for _, m := range a.Moves {
		if m.When == whatif.First && m.From != "" {
			orphans = append(orphans, m.Partition)
		}
	}
	for _, o := range a.Ownerless {
		if o.What == "handoff" {
			continue
		}
		took, most := f.Checker.LastGrant(orphans...).Sub(began), o.Most
		if o.What == "stop" {
			most += reaction // a window is what it is, and the store answers after it
		}
		require.GreaterOrEqual(t, took, o.Least, o.What)
		require.LessOrEqual(t, took, most, o.What)
	}
}
