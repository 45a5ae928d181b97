// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/strategy"
)

// weigh gives everything that a worker owns another weight and has the source listed again.
func weigh(t *testing.T, f *fleet.Fleet, worker int, weight int64) {
	t.Helper()
	running := f.Live()[worker].Running()
	list := f.Source.List()
	for i := range list {
		if slices.Contains(running, list[i].ID()) {
			list[i].Weight = weight
		}
	}
	f.Source.Set(list...)
	require.NoError(t, f.Live()[worker].Refresh())
}

func TestWeightsThatDriftALittleMoveNothingUntilItAddsUp(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Strategy(strategy.NewSticky()))
		f.Begin(3)
		f.Rest()
		moves, plans := f.Checker.Moves(), len(f.Checker.Plans())
		weigh(t, f, 0, 115)
		weigh(t, f, 0, 120)
		f.Leader().Crash() // a new leader bears as much
		f.Settle(heartbeatTTL + time.Second)
		<-time.After(time.Minute)
		afterwards := f.Checker.Moves()
		weigh(t, f, 0, 125)
		<-time.After(time.Minute)
		require.Equal(t, afterwards, f.Checker.Moves())
		require.Greater(t, len(f.Checker.Plans()), plans)
		require.GreaterOrEqual(t, afterwards, moves)
		weigh(t, f, 0, 160)
		f.Wait(time.Minute, "the fullest worker is relieved", func() bool { return f.Checker.Moves() > afterwards })
		f.Settle(time.Second)
	})
}

func TestWeightsThatGoBackBeforeTheWindowIsOverMakeNoPlan(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		var asked atomic.Int64
		counted := &faulty{Strategy: strategy.NewSticky()}
		f := fleet.New(t, s, 30, fleet.Strategy(counted))
		f.Begin(3)
		f.Rest()
		counted.fault.Store(func(next []int) ([]int, error) { asked.Add(1); return next, nil })
		before := f.Source.List()
		weigh(t, f, 0, 1000)
		f.Wait(time.Second, "the window opens", func() bool { return f.Leader().Manager.State() == parti.StateScaling })
		f.Source.Set(before...)
		require.NoError(t, f.Live()[0].Refresh())
		<-time.After(time.Minute)
		require.Zero(t, asked.Load())
		require.Equal(t, parti.StateStable, f.Leader().Manager.State())
	})
}

func TestWeightsThatDriftedAreNotForgottenByTwoChangesOfLeader(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Strategy(strategy.NewSticky()))
		f.Begin(4)
		f.Rest()
		moves, running, list := f.Checker.Moves(), f.Followers()[2].Running(), f.Source.List()
		for i := range list {
			if slices.Contains(running, list[i].ID()) {
				list[i].Weight = 1000
			}
		}
		f.Source.Set(list...)
		for range 2 { // each new leader lists the source, and goes before the window is over
			leader := f.Leader()
			require.NoError(t, leader.Stop())
			f.Restart(leader)
			f.Wait(window/2, "the next leader", func() bool { return f.Leader() != nil })
			<-time.After(time.Second)
		}
		f.Wait(time.Minute, "the fullest worker is relieved", func() bool { return f.Checker.Moves() > moves })
		f.Settle(time.Second)
	})
}

// comesBack crashes one of five workers for as long as its partitions take to be given away, and returns which part of
// what it then gets it had before.
func comesBack(t *testing.T, f *fleet.Fleet) float64 {
	t.Helper()
	f.Begin(5)
	f.Rest()
	p := f.Followers()[0]
	had := p.Running()
	p.Crash()
	f.Settle(heartbeatTTL + time.Second)
	<-time.After(time.Minute)
	p = f.Restart(p)
	f.Wait(time.Minute, "it has a share", func() bool { return len(p.Running()) > 0 })
	f.Settle(time.Minute)
	has, same := p.Running(), 0
	for _, id := range has {
		if slices.Contains(had, id) {
			same++
		}
	}
	return float64(same) / float64(len(has))
}

func TestAWorkerThatComesBackGetsWhatItHad(t *testing.T) {
	for name, s := range map[string]strategy.Strategy{"sticky": strategy.NewSticky(), "consistent hash": strategy.NewConsistentHash()} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, server *bubble.Server) {
				f := fleet.New(t, server, 200, fleet.Strategy(s))
				require.GreaterOrEqual(t, comesBack(t, f), 0.95)
			})
		})
	}
}

func TestAPlanCarriesItsCertificate(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 40, fleet.Strategy(strategy.NewSticky()))
		f.Begin(3)
		f.Rest()
		f.Start(1)
		f.Settle(window + time.Second)
		bucket, err := f.JS.KeyValue(background(), parti.DefaultConfig().KVBuckets.Assignment)
		require.NoError(t, err)
		entry, err := bucket.Get(background(), "plan")
		require.NoError(t, err)
		var plan struct {
			Certificate struct {
				Moves, LeastMoves         int
				Imbalance, LeastImbalance float64
			} `json:"certificate"`
		}
		require.NoError(t, json.Unmarshal(entry.Value(), &plan))
		require.Equal(t, 10, plan.Certificate.Moves)
		require.Equal(t, 10, plan.Certificate.LeastMoves)
		require.InDelta(t, 1, plan.Certificate.Imbalance, 1e-9)
		require.InDelta(t, 1, plan.Certificate.LeastImbalance, 1e-9)
	})
}

// faulty is a strategy that does as it should until told otherwise.
type faulty struct {
	strategy.Strategy
	fault atomic.Value // of func(next []int) ([]int, error)
}

func (s *faulty) Assign(workers []strategy.Worker, partitions []strategy.Partition, previous []int) ([]int, error) {
	next, err := s.Strategy.Assign(workers, partitions, previous)
	if fault, ok := s.fault.Load().(func([]int) ([]int, error)); ok && fault != nil {
		return fault(next)
	}
	return next, err
}

func TestAFaultyStrategyIsRefusedAndWhatHasAnOwnerStays(t *testing.T) {
	broken := errors.New("the table of tenants is gone")
	type fault struct {
		name  string
		fault func(next []int) ([]int, error)
		cause error // nil for none in particular
		text  string
	}
	faults := []fault{
		{"error", func([]int) ([]int, error) { return nil, broken }, broken, "tenants"},
		{"owner that does not exist", func(next []int) ([]int, error) { next[3] = 99; return next, nil }, strategy.ErrInvalidOwner, "next[3] is 99, allowed: 0 to 3"},
		{"owner below zero", func(next []int) ([]int, error) { next[3] = -7; return next, nil }, strategy.ErrInvalidOwner, "next[3] is -7"},
		{"partition forgotten", func(next []int) ([]int, error) { next[5] = strategy.None; return next, nil }, strategy.ErrPartitionMissing, "next[5]"},
		{"too short", func(next []int) ([]int, error) { return next[1:], nil }, strategy.ErrPartitionMissing, "len(next) is 29"},
		{"panic", func([]int) ([]int, error) { panic("index out of range") }, parti.ErrPanic, "index out of range"},
		{"too slow", func(next []int) ([]int, error) { <-time.After(25 * time.Second); return next, nil }, nil, "OperationTimeout 10s"},
	}
	for _, c := range fleet.Some(faults, len(faults)-1, 1) { // the one that is too slow runs beside everything else
		t.Run(c.name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, server *bubble.Server) {
				s := &faulty{Strategy: strategy.NewSticky()}
				f := fleet.New(t, server, 30, fleet.Strategy(s))
				f.Begin(3)
				f.Rest()
				s.fault.Store(c.fault)
				moves := f.Checker.Moves()
				f.Start(1, fleet.Config(func(c *parti.Config) { c.StartupTimeout = 10 * time.Minute }))
				complained := func() bool {
					return slices.ContainsFunc(f.Leader().Errors(), func(err error) bool {
						return errors.Is(err, parti.ErrStrategyFailed) && (c.cause == nil || errors.Is(err, c.cause))
					})
				}
				f.Wait(2*window+time.Second, "OnError says so", complained)
				for _, err := range f.Leader().Errors() {
					if errors.Is(err, parti.ErrStrategyFailed) {
						require.ErrorContains(t, err, c.text)
					}
				}
				<-time.After(2 * time.Minute)
				require.Equal(t, moves, f.Checker.Moves(), "what has an owner stays")
				require.NoError(t, f.Live()[3].Begun(), "the newcomer has its assignment, though nothing is in it yet")
				owned := 0
				for _, p := range f.Live() {
					owned += len(p.Running())
				}
				require.Equal(t, 30, owned)
				s.fault.Store((func([]int) ([]int, error))(nil))
				f.Wait(2*time.Minute, "the fourth worker has its share", func() bool { return len(f.Live()[3].Running()) > 6 })
				f.Settle(time.Second)
			})
		})
	}
}

func TestAWorkerThatComesBackWithAnotherCapacityIsPlannedFor(t *testing.T) {
	capacity := func(n int64) fleet.With { return fleet.Config(func(c *parti.Config) { c.Capacity = n }) }
	for name, pick := range map[string]func(f *fleet.Fleet) *fleet.Process{
		"a follower": func(f *fleet.Fleet) *fleet.Process { return f.Followers()[0] },
		"the leader": (*fleet.Fleet).Leader,
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 60, fleet.Strategy(strategy.NewSticky()))
				f.Begin(3)
				f.Rest()
				p := pick(f)
				require.Len(t, p.Running(), 20)
				require.NoError(t, p.Stop())
				p = f.Restart(p, capacity(200))
				f.Wait(time.Minute, "twice the capacity, twice the share", func() bool { return len(p.Running()) == 30 })
				f.Settle(time.Second)

				plans := len(f.Checker.Plans())
				f.Leader().Crash() // who leads next knows for which capacity was planned
				f.Settle(heartbeatTTL + time.Second)
				<-time.After(time.Minute)
				moves := f.Checker.Moves()
				require.Greater(t, len(f.Checker.Plans()), plans)
				leader := f.Leader()
				require.NoError(t, leader.Stop())
				if leader.LastID() == p.LastID() {
					f.Restart(leader, capacity(200))
				} else {
					f.Restart(leader)
				}
				f.Settle(window + time.Second)
				<-time.After(time.Minute)
				require.Equal(t, moves, f.Checker.Moves(), "everybody is as before")
			})
		})
	}
}

func TestALeaderThatBeginsPlansForACapacityThatChangedMeanwhile(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.Strategy(strategy.NewSticky()))
		f.Begin(3)
		f.Rest()
		before, p := f.Leader(), f.Followers()[0]
		before.Freeze() // for long enough to be replaced, and not to be dead
		require.NoError(t, p.Stop())
		p = f.Restart(p, fleet.Config(func(c *parti.Config) { c.Capacity = 200 }))
		f.Wait(leaderTTL+time.Second, "another leader", func() bool {
			now := f.Leader()
			return now != nil && now != before
		})
		before.Thaw()
		f.Wait(time.Minute, "twice the capacity, twice the share", func() bool { return len(p.Running()) == 30 })
		f.Settle(time.Second)
	})
}

func TestAWorkerThatIsCordonedNoMoreGetsItsShareAgain(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.Strategy(strategy.NewSticky()))
		f.Begin(3)
		f.Rest()
		cordoned := fleet.Config(func(c *parti.Config) { c.Cordoned = true })
		p, moves := f.Followers()[0], f.Checker.Moves()
		require.NoError(t, p.Stop())
		p = f.Restart(p, cordoned)
		f.Settle(window + time.Second)
		<-time.After(time.Minute)
		require.Equal(t, moves, f.Checker.Moves(), "it keeps what it has")

		p.Crash()
		f.Settle(heartbeatTTL + time.Second)
		p = f.Restart(p, cordoned)
		f.Wait(time.Minute, "it is back", func() bool { return p.Manager.State() == parti.StateStable })
		<-time.After(time.Minute)
		require.Empty(t, p.Running(), "it gets nothing new")

		require.NoError(t, p.Stop())
		p = f.Restart(p)
		f.Wait(time.Minute, "it has its share", func() bool { return len(p.Running()) == 20 })
		f.Settle(time.Second)
	})
}

func TestARollingRestartWithAnotherLabelMovesNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.Strategy(strategy.NewSticky()))
		f.Begin(4)
		f.Rest()
		moves := f.Checker.Moves()
		next := fleet.Config(func(c *parti.Config) { c.Labels = map[string]string{"version": "2"} })
		for _, p := range f.Live() {
			require.NoError(t, p.Stop())
			<-time.After(2 * time.Second)
			f.Restart(p, next)
			<-time.After(7 * time.Second)
		}
		f.Settle(time.Minute)
		<-time.After(time.Minute)
		require.Equal(t, moves, f.Checker.Moves())
	})
}

func TestAnotherCapacityIsPlannedForWhateverWasPlannedWhileItsWorkerWasAway(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.Strategy(strategy.NewSticky()))
		f.Begin(4)
		f.Rest()
		p, leader := f.Followers()[0], f.Leader()
		require.NoError(t, p.Stop())
		require.NoError(t, leader.Stop())
		f.Restart(leader)
		f.Wait(leaderTTL, "a leader that has never seen the other", func() bool { return f.Leader() != nil })
		<-time.After(time.Second)
		f.Source.Set(f.Source.List()[:59]...)
		require.NoError(t, f.Leader().Refresh())
		p = f.Restart(p, fleet.Config(func(c *parti.Config) { c.Capacity = 300 }))
		f.Wait(time.Minute, "three times the capacity, half of all", func() bool { return len(p.Running()) >= 29 })
		f.Settle(time.Second)
	})
}
