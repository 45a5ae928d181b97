// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/strategy"
)

// A group is live as well as safe: what has no owner gets one in time, and one worker's trouble costs the others little.

// reaction is what the leader and the store may take on top of a deadline.
const reaction = 350 * time.Millisecond

// few is how many partitions may be without an owner on average while one worker of six, with 20 of the 120 partitions,
// fails again and again.
const few = 1.5

func TestACrashLoopCostsTheWorkersOwnShareAndNotOncePerCrash(t *testing.T) {
	periods := []time.Duration{5 * time.Second, 15 * time.Second, 40 * time.Second}
	for i, period := range fleet.Some(periods, 0, 1) {
		most := []int{80, 150, 150}[i]
		for _, name := range fleet.Some([]string{"the same ID", "new IDs"}, i, 2) {
			same := name == "the same ID"
			t.Run(fmt.Sprintf("every %s under %s", period, name), func(t *testing.T) {
				bubble.Run(t, func(t *testing.T, s *bubble.Server) {
					f := fleet.New(t, s, 120)
					f.Begin(6)
					f.Rest()
					c := begin(f)
					loop(f, f.Followers()[0], period, same)
					requireCalm(t, c, most)
				})
			})
		}
	}
}

func TestALinkThatStallsAgainAndAgainCostsItsWorkersOwnShare(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 120)
		f.Begin(6)
		f.Rest()
		p, c := f.Followers()[0], begin(f)
		for time.Since(c.began) < loopLasts {
			p.Link.Stall()
			<-time.After(8 * time.Second)
			p.Link.Heal()
			<-time.After(22 * time.Second)
		}
		requireCalm(t, c, 150)
	})
}

// requireCalm says that what has happened since cost at most so many moves, and few partitions their owner.
func requireCalm(t *testing.T, c cost, moves int) {
	t.Helper()
	moved, sum, longest := c.end()
	average := sum.Seconds() / time.Since(c.began).Seconds()
	t.Logf("%d moves, %.2f partitions without an owner on average, %s at the longest", moved, average, longest)
	require.LessOrEqual(t, moved, moves)
	require.LessOrEqual(t, average, few)
}

func TestAnOverlappingRollingRestartMovesNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 1000)
		f.Begin(20)
		f.Rest()
		c := begin(f)
		rolls(t, f, 6*time.Second, 5*time.Second)
		f.Settle(recovery)
		<-time.After(time.Minute)
		moves, _, longest := c.end()
		require.Zero(t, moves)
		require.LessOrEqual(t, longest, 6*time.Second+reaction)
	})
}

func TestMoreThanHalfOfTheWorkersMayLeaveCleanly(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 200)
		f.Begin(20)
		f.Rest()
		c := begin(f)
		leave(t, f.Followers()[:11])
		requireOwned(t, c, window+reaction)
	})
}

// requireOwned waits until everything has an owner and says that nothing was without one for longer than so.
func requireOwned(t *testing.T, c cost, most time.Duration) {
	t.Helper()
	c.f.Settle(recovery)
	_, _, longest := c.end()
	t.Logf("%s without an owner", longest)
	require.LessOrEqual(t, longest, most)
}

func TestManyWorkersThatCrashTogetherAreHeldForOneHeartbeatTTLOnly(t *testing.T) {
	for all, crashed := range map[int]int{5: 3, 12: 4} {
		t.Run(fmt.Sprintf("%d of %d", crashed, all), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 120)
				f.Begin(all)
				f.Rest()
				c := begin(f)
				crash(f.Followers()[:crashed])
				requireOwned(t, c, 2*heartbeatTTL+reaction)
			})
		})
	}
}

func TestTheGraceOfACrashedWorkerIsNotCutBecauseSomebodyJoins(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		const period = time.Minute
		f := fleet.New(t, s, 120, fleet.Config(func(c *parti.Config) { c.EmergencyGracePeriod = period }))
		f.Begin(5)
		f.Rest()
		p, c := f.Followers()[0], begin(f)
		had := p.Running()
		p.Crash()
		<-time.After(heartbeatTTL)
		joined := f.Start(1)[0]
		f.Wait(window+5*time.Second, "the joiner has a share", func() bool { return len(joined.Running()) > 0 })
		<-time.After(period - window - 10*time.Second)
		owners := f.Checker.Owners()
		for _, partition := range had {
			require.Equal(t, p.LastID(), owners[partition], "it may still come back")
		}
		requireOwned(t, c, heartbeatTTL+period+reaction)
	})
}

func TestNewPartitionsAreNotGivenToMembersThatAreAbsent(t *testing.T) {
	for name, away := range map[string]func(t *testing.T, p *fleet.Process){
		"left":    func(t *testing.T, p *fleet.Process) { require.NoError(t, p.Stop()) },
		"crashed": func(_ *testing.T, p *fleet.Process) { p.Crash() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 60, fleet.Config(func(c *parti.Config) { c.EmergencyGracePeriod = time.Minute }))
				f.Begin(4)
				f.Rest()
				away(t, f.Followers()[0])
				<-time.After(heartbeatTTL + time.Second)
				list := f.Source.List()
				added := []string{}
				for i := range 20 {
					list = append(list, fleet.Partition(100+i))
					added = append(added, fleet.Partition(100+i).ID())
				}
				f.Source.Set(list...)
				require.NoError(t, f.Leader().Refresh())
				f.Wait(reaction, "the new ones have owners", func() bool { return allRun(f, added) })
			})
		})
	}
}

// allRun says that each of the partitions runs somewhere.
func allRun(f *fleet.Fleet, partitions []string) bool {
	var running []string
	for _, p := range f.Live() {
		running = append(running, p.Running()...)
	}
	return !slices.ContainsFunc(partitions, func(p string) bool { return !slices.Contains(running, p) })
}

func TestASourceThatGrowsAgainAndAgainStarvesNobodysPartitions(t *testing.T) {
	for name, goes := range map[string]struct {
		away func(t *testing.T, p *fleet.Process)
		most time.Duration
	}{
		"a worker leaves":  {func(t *testing.T, p *fleet.Process) { require.NoError(t, p.Stop()) }, window},
		"a worker crashes": {func(_ *testing.T, p *fleet.Process) { p.Crash() }, heartbeatTTL},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 60)
				f.Begin(5)
				f.Rest()
				c := begin(f)
				for i := range 15 {
					f.Source.Set(append(f.Source.List(), fleet.Partition(100+i))...)
					require.NoError(t, f.Leader().Refresh())
					if i == 2 {
						goes.away(t, f.Followers()[0])
					}
					<-time.After(8 * time.Second)
				}
				requireOwned(t, c, goes.most+reaction)
			})
		})
	}
}

func TestAChangeOfLeaderStoresNoPlanWhenNothingHasChanged(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(5)
		f.Rest()
		plans, terms := len(f.Checker.Plans()), len(f.Checker.Terms())
		f.Leader().Panic("elector")
		f.Wait(10*time.Second, "the next term", func() bool { return len(f.Checker.Terms()) > terms && f.Leader() != nil })
		<-time.After(time.Minute)
		require.Len(t, f.Checker.Plans(), plans)
		require.NoError(t, f.Unsettled())
	})
}

func TestAThousandLateHandoffsOfOneWorkerAreOneReport(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 2000, fleet.Strategy(strategy.NewSticky()))
		slow := f.Begin(1, fleet.Handler(func(_ context.Context, _, removed []parti.Partition) error {
			if len(removed) > 0 {
				<-f.Closing()
			}
			return nil
		}))[0]
		<-time.After(time.Minute)
		f.Start(1)
		late := func() (all []error) {
			for _, err := range slow.Errors() { // it leads
				if errors.Is(err, parti.ErrHandoffTimeout) && !errors.Is(err, parti.ErrStuck) { // else as the worker that it is about
					all = append(all, err)
				}
			}
			return all
		}
		f.Wait(window+parti.DefaultConfig().HandoffTimeout+time.Second, "it is reported", func() bool { return len(late()) > 0 })
		<-time.After(5 * time.Minute)
		require.Len(t, late(), 1)
		require.ErrorContains(t, late()[0], slow.LastID())
		require.Regexp(t, "1,?000", late()[0].Error())
		require.Less(t, len(late()[0].Error()), 1000, "it names the first few")
	})
}
