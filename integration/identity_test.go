// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

// An identity survives a crash: with a StateDir at once, without one after HeartbeatTTL.

// atOnce is how long a process that was killed may take, from its start, until its partitions run again.
const atOnce = 300 * time.Millisecond

// young is the age until which the heartbeat of the process before is not written over.
const young = 400 * time.Millisecond

// withState begins n processes, each with a StateDir of its own, and lets the group come to rest.
func withState(t *testing.T, f *fleet.Fleet, n int) []*fleet.Process {
	t.Helper()
	var procs []*fleet.Process
	for range n {
		procs = append(procs, f.Make(fleet.StateDir(t.TempDir())))
	}
	for _, p := range procs {
		p.Start()
	}
	f.Settle(coldStart + 10*time.Second)
	f.Rest()
	return procs
}

func TestAWorkerThatIsKilledGoesOnAtOnceWhereItsStateIs(t *testing.T) {
	for i, leads := range []bool{false, true} {
		aways := []time.Duration{time.Millisecond, time.Second, 2500 * time.Millisecond, 3 * time.Second}
		for _, away := range fleet.Some(aways, i, 1) {
			t.Run(fmt.Sprintf("leads %t, away for %s", leads, away), func(t *testing.T) {
				bubble.Run(t, func(t *testing.T, s *bubble.Server) {
					f := fleet.New(t, s, 60)
					withState(t, f, 5)
					victim := f.Followers()[0]
					if leads {
						victim = f.Leader()
					}
					id, had, owners := victim.LastID(), victim.Running(), f.Checker.Owners()
					calls := f.Checker.Calls()
					victim.Crash()
					<-time.After(away)
					next := f.Restart(victim)
					most := atOnce
					if away < young { // its last heartbeat may have been stored just before it was killed
						most += young - away
					}
					if leads && away > time.Second {
						most = time.Second // another worker may be about to lead when the lease has expired
					}
					took := f.Wait(most, "its partitions run again", func() bool { return len(next.Running()) == len(had) })
					t.Logf("running again after %s", took)
					require.Equal(t, id, next.LastID())
					require.Equal(t, had, next.Running())
					<-time.After(time.Minute)
					require.NoError(t, f.Unsettled())
					require.Equal(t, owners, f.Checker.Owners())
					require.Zero(t, f.Checker.Moves())
					require.Equal(t, calls+1, f.Checker.Calls(), "nobody else's hook was called")
				})
			})
		}
	}
}

func TestAFleetThatIsKilledGoesOnWithinASecondWhereItsStateIs(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		procs := withState(t, f, 6)
		owners := f.Checker.Owners()
		crash(procs)
		<-time.After(time.Second)
		var next []*fleet.Process
		for _, p := range procs {
			next = append(next, f.Restart(p))
		}
		took := f.Settle(time.Second)
		t.Logf("running again after %s", took)
		require.Equal(t, owners, f.Checker.Owners())
		require.Zero(t, f.Checker.Moves())
		for i, p := range procs {
			require.Equal(t, p.LastID(), next[i].LastID())
		}
	})
}

func TestTheIDComesBackHoweverLongTheProcessWasAway(t *testing.T) {
	aways := []time.Duration{
		6050 * time.Millisecond, 5 * time.Second, 5900 * time.Millisecond, 12 * time.Second, 20 * time.Second, 26 * time.Second,
		29500 * time.Millisecond, time.Minute,
	}
	for i, away := range fleet.Some(aways, 0, 1) {
		for _, state := range fleet.Some([]bool{true, false}, i, 2) {
			t.Run(fmt.Sprintf("%s, StateDir %t", away, state), func(t *testing.T) {
				bubble.Run(t, func(t *testing.T, s *bubble.Server) {
					f := fleet.New(t, s, 60)
					if state {
						withState(t, f, 4)
					} else {
						f.Begin(4)
						f.Rest()
					}
					victim := f.Followers()[0]
					id := victim.LastID()
					victim.Crash()
					<-time.After(away)
					next := f.Restart(victim)
					took := f.Wait(parti.DefaultConfig().PreferredIDWait+reaction, "it has an ID", func() bool { return next.Manager.WorkerID() != "" })
					t.Logf("%s after %s", next.LastID(), took)
					require.Equal(t, id, next.LastID())
					f.Settle(recovery)
				})
			})
		}
	}
}

func TestTwoWorkersShareNoStateDir(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20)
		dir := t.TempDir()
		first := f.Begin(1, fleet.StateDir(dir))[0]
		second := f.Start(1, fleet.StateDir(dir))[0]
		err := second.Begun()
		require.ErrorIs(t, err, parti.ErrStateDirInUse)
		require.ErrorContains(t, err, dir)
		require.NoError(t, f.Unsettled())
		require.NoError(t, first.Stop())
		third := f.Start(1, fleet.StateDir(dir))[0]
		require.NoError(t, third.Begun(), "the lock is released by a stop")
	})
}

func TestAStateDirThatCannotBeUsedEndsTheStart(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20)
		err := f.Start(1, fleet.StateDir("/dev/null/state"))[0].Begun()
		require.ErrorIs(t, err, parti.ErrStateDir)
		require.ErrorContains(t, err, "/dev/null/state")
	})
}

func TestAWorkerThatWasStoppedComesBackUnderItsIDWhereItsStateIs(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		procs := withState(t, f, 4)
		owners := f.Checker.Owners()
		for _, p := range []*fleet.Process{procs[1], procs[2]} {
			require.NoError(t, p.Stop())
		}
		for _, p := range []*fleet.Process{procs[2], procs[1]} {
			require.NoError(t, f.Restart(p).Begun())
		}
		f.Settle(recovery)
		require.Equal(t, owners, f.Checker.Owners())
	})
}

// TestAHookThatHangsBeyondTheStopIsNoDeadProcess: the lock is released, and what the file says must prove nothing, because the
// hook still runs.
func TestAHookThatHangsBeyondTheStopIsNoDeadProcess(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20)
		f.Start(2)
		dir := t.TempDir()
		quick := fleet.Config(func(c *parti.Config) { c.ShutdownTimeout = time.Second })
		stuck := f.Start(1, fleet.StateDir(dir), quick, fleet.Handler(func(_ context.Context, _, removed []parti.Partition) error {
			if len(removed) > 0 {
				<-f.Closing()
			}
			return nil
		}))[0]
		f.Settle(coldStart + 10*time.Second)
		f.Rest()
		stuck.Link.Cut()
		require.Error(t, stuck.Stop())
		next := f.Start(1, fleet.StateDir(dir))[0]
		took := f.Wait(heartbeatTTL+reaction, "it has an ID", func() bool { return next.Manager.WorkerID() != "" })
		require.GreaterOrEqual(t, took, heartbeatTTL/3, "the session before had to run out")
	})
}

func TestAPreferredIDIsTakenOverOnceItsSessionIsOver(t *testing.T) {
	for _, away := range fleet.Some([]time.Duration{0, time.Second, 3 * time.Second}, 0, 1) {
		t.Run(away.String(), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				// The claim may be as young as the crash, and is watched for HeartbeatTTL from the restart on.
				f := fleet.New(t, s, 60, fleet.Config(func(c *parti.Config) { c.EmergencyGracePeriod = away + 3*time.Second }))
				f.Begin(5)
				f.Rest()
				victim, owners := f.Followers()[0], f.Checker.Owners()
				victim.Crash()
				<-time.After(away)
				next := f.Restart(victim)
				took := f.Wait(heartbeatTTL+reaction, "it has an ID", func() bool { return next.Manager.WorkerID() != "" })
				t.Logf("%s after %s", next.LastID(), took)
				require.Equal(t, victim.LastID(), next.LastID())
				f.Settle(2 * time.Second)
				require.Equal(t, owners, f.Checker.Owners())
				require.Zero(t, f.Checker.Moves())
			})
		})
	}
}

func TestALiveHolderOfAPreferredIDIsNotRobbed(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		procs := f.Begin(4)
		f.Rest()
		for _, p := range procs {
			other := f.Start(1, fleet.PreferredID(p.LastID()))[0]
			wait := parti.DefaultConfig().PreferredIDWait
			took := f.Wait(wait+reaction, "another ID", func() bool { return other.Manager.WorkerID() != "" })
			require.GreaterOrEqual(t, took, wait-reaction)
			require.NotEqual(t, p.LastID(), other.LastID())
		}
		<-time.After(time.Minute)
		require.NoError(t, f.Unsettled())
		for _, p := range procs {
			require.Empty(t, p.Errors())
		}
	})
}

func TestAPreferredIDThatIsReleasedIsClaimedAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(4)
		f.Rest()
		old := f.Followers()[0]
		next := f.Restart(old)
		<-time.After(3 * time.Second)
		require.Empty(t, next.Manager.WorkerID())
		require.NoError(t, old.Stop())
		f.Wait(50*time.Millisecond, "the ID", func() bool { return next.Manager.WorkerID() == old.LastID() })
		f.Settle(recovery)
		require.Zero(t, f.Checker.Moves())
	})
}

// TestASessionDoesNotBeginWithAFirstHeartbeatLongAfterItsClaim: others take its ID over then, because it has no heartbeat.
func TestASessionDoesNotBeginWithAFirstHeartbeatLongAfterItsClaim(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20)
		f.Begin(2)
		p := f.Make()
		p.Link.Block(func(subject string) bool {
			return strings.HasPrefix(subject, "$JS.API.STREAM.MSG.GET.KV_parti-heartbeat")
		})
		p.Start()
		<-time.After(heartbeatTTL)
		p.Link.Heal()
		f.Settle(recovery)
		require.ErrorIs(t, errors.Join(p.Errors()...), parti.ErrIdentityLost)
	})
}

// TestAFrozenHolderFindsOutThatItsIDWasTakenOver: nothing that it does after the thaw counts, which the checker judges.
func TestAFrozenHolderFindsOutThatItsIDWasTakenOver(t *testing.T) {
	for _, after := range fleet.Some([]time.Duration{2 * time.Second, 14 * time.Second}, 0, 1) {
		t.Run(after.String(), func(t *testing.T) {
			thawedAfter(t, heartbeatTTL+after, func(f *fleet.Fleet, frozen, next *fleet.Process, id string) {
				f.Wait(recovery, "another ID", func() bool { now := frozen.Manager.WorkerID(); return now != "" && now != id })
				f.Settle(recovery)
				require.Equal(t, id, next.Manager.WorkerID())
			})
		})
	}
}

// TestAnIDThatIsTakenOverAsItsHolderThawsHasOneHolder: the server ends a heartbeat up to a second after its TTL. Until then
// the holder may renew its claim first, or lose it. Both are right.
func TestAnIDThatIsTakenOverAsItsHolderThawsHasOneHolder(t *testing.T) {
	for _, after := range fleet.Some([]time.Duration{0, 100 * time.Millisecond, 500 * time.Millisecond}, 0, 1) {
		t.Run(after.String(), func(t *testing.T) {
			thawedAfter(t, heartbeatTTL+after, func(f *fleet.Fleet, frozen, next *fleet.Process, id string) {
				f.Wait(recovery, "an ID each", func() bool { // in the moment of the thaw its holder does not know yet
					one, other := frozen.Manager.WorkerID(), next.Manager.WorkerID()
					return one != other && one != "" && other != ""
				})
				f.Settle(recovery)
				require.Contains(t, []string{frozen.Manager.WorkerID(), next.Manager.WorkerID()}, id)
			})
		})
	}
}

// thawedAfter freezes the holder of an ID that a new process prefers, and thaws it after pause.
func thawedAfter(t *testing.T, pause time.Duration, check func(f *fleet.Fleet, frozen, next *fleet.Process, id string)) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(5)
		f.Rest()
		frozen := f.Followers()[0]
		id := frozen.LastID()
		frozen.Freeze()
		next := f.Restart(frozen)
		<-time.After(pause)
		frozen.Thaw()
		check(f, frozen, next, id)
	})
}

// TestAWorkerThatTakesLongToGiveUpRejoinsAtOnce: its claim is renewed all the while, so it is still its own.
func TestAWorkerThatTakesLongToGiveUpRejoinsAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.ShutdownTimeout = 2 * time.Minute }))
		f.Begin(2)
		var returned atomic.Bool
		slow := f.Start(1, fleet.Handler(func(ctx context.Context, _, removed []parti.Partition) error {
			if len(removed) > 5 {
				defer returned.Store(true)
				select {
				case <-time.After(parti.DefaultConfig().WorkerIDTTL - 2*time.Second):
				case <-ctx.Done():
				}
			}
			return nil
		}))[0]
		f.Settle(window + 11*time.Second)
		id := slow.Manager.WorkerID()
		slow.Panic("follower")
		f.Source.Set(append(f.Source.List(), fleet.Partition(30))...)
		require.NoError(t, f.Leader().Manager.RefreshPartitions(t.Context()))
		f.Wait(time.Minute, "it gives up to rejoin", func() bool { return slow.Manager.State() == parti.StateClaimingID })
		f.Wait(time.Minute, "it has given up", returned.Load)
		f.Wait(2*time.Second, "it has another session", func() bool { return slow.Manager.State() != parti.StateClaimingID })
		require.Equal(t, id, slow.Manager.WorkerID())
		f.Settle(window + 30*time.Second)
	})
}
