// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
)

// stored lists what is stored under an ID, and who holds the lease on leadership.
func stored(t *testing.T, f *fleet.Fleet, id string) (left []string) {
	t.Helper()
	buckets := parti.DefaultConfig().KVBuckets
	for what, at := range map[string][2]string{
		"claim": {buckets.StableID, id}, "heartbeat": {buckets.Heartbeat, id}, "leadership": {buckets.Election, "leader"},
	} {
		bucket, err := f.JS.KeyValue(background(), at[0])
		require.NoError(t, err)
		entry, err := bucket.Get(background(), at[1])
		switch {
		case err != nil:
			require.ErrorIs(t, err, jetstream.ErrKeyNotFound)
		case what != "leadership" || strings.Contains(string(entry.Value()), `"`+id+`"`):
			left = append(left, what)
		}
	}
	return left
}

// took runs a stop and returns what it returned and how long it took.
func took(stop func() error) (time.Duration, error) {
	began := time.Now()
	err := stop()
	return time.Since(began), err
}

const shutdown = 10 * time.Second

func TestAStopOutlastsABriefCut(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20)
		f.Begin(3)
		f.Rest()
		for _, p := range []*fleet.Process{f.Leader(), f.Followers()[0]} {
			id := p.Manager.WorkerID()
			p.Link.Cut()
			time.AfterFunc(50*time.Millisecond, p.Link.Heal)
			d, err := took(p.Manager.Close)
			require.NoError(t, err)
			require.Less(t, d, 3*time.Second)
			require.Empty(t, stored(t, f, id))
		}
	})
}

func TestAStopWhoseDeletionsAreRefusedForAWhileTriesAgain(t *testing.T) {
	for name, fault := range map[string]link.Fault{"refused": link.Refused, "lost": link.Lost} {
		for _, lasts := range fleet.Some([]time.Duration{300 * time.Millisecond, 4 * time.Second, 7 * time.Second}, 1, 1) {
			t.Run(name+" for "+lasts.String(), func(t *testing.T) {
				bubble.Run(t, func(t *testing.T, s *bubble.Server) {
					f := fleet.New(t, s, 20)
					f.Begin(3)
					f.Rest()
					p := f.Leader()
					id := p.Manager.WorkerID()
					p.Link.Fail(func(subject string) link.Fault {
						if strings.HasPrefix(subject, "$KV.") {
							return fault
						}
						return link.None
					})
					time.AfterFunc(lasts, func() { p.Link.Fail(nil) })
					d, err := took(p.Manager.Close)
					require.NoError(t, err)
					require.Less(t, d, lasts+2*time.Second)
					require.Empty(t, stored(t, f, id))
				})
			})
		}
	}
}

func TestAStopOverASlowLinkDeletesEverything(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20)
		f.Begin(3)
		f.Rest()
		p := f.Leader()
		id := p.Manager.WorkerID()
		p.Link.Slow(700 * time.Millisecond)
		require.NoError(t, p.Manager.Close())
		require.Empty(t, stored(t, f, id))
	})
}

func TestAStopNamesWhatIsLeftInTheStore(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20, fleet.Config(func(c *parti.Config) { c.HeartbeatTTL = 20 * time.Second }))
		f.Begin(3)
		f.Rest()
		p := f.Followers()[0]
		id := p.Manager.WorkerID()
		p.Link.Cut()
		d, err := took(p.Manager.Close)
		require.ErrorIs(t, err, parti.ErrShutdownTimeout)
		require.EqualError(t, err, "clean leave took too long: heartbeat of "+id+", claim of "+id+" are left in the store after ShutdownTimeout 10s")
		require.LessOrEqual(t, d, shutdown)
		require.ErrorIs(t, p.Manager.Err(), parti.ErrShutdownTimeout)
		require.Empty(t, p.Manager.WorkerID())
	})
}

func TestAStopOfALeaderThatIsCutOffNamesItsLease(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20, fleet.Config(func(c *parti.Config) { c.LeaderTTL = 30 * time.Second }))
		f.Begin(2)
		f.Rest()
		p := f.Leader()
		p.Link.Cut()
		require.ErrorContains(t, p.Manager.Close(), "lease on leadership are left")
	})
}

// TestHooksAndDeletionsShareOneBudget: the hook heeds its context, and there is time left to delete the entries.
func TestHooksAndDeletionsShareOneBudget(t *testing.T) {
	for name, heeds := range map[string]bool{"a hook that heeds its context": true, "one that does not": false} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 20)
				f.Begin(2)
				p := f.Start(1, fleet.Handler(func(ctx context.Context, _, removed []parti.Partition) error {
					switch {
					case len(removed) == 0:
					case heeds:
						<-ctx.Done()
					default:
						<-f.Closing()
					}
					return nil
				}))[0]
				f.Wait(window+11*time.Second, "it has partitions", func() bool { return len(p.Running()) > 0 })
				id := p.Manager.WorkerID()
				d, err := took(p.Manager.Close)
				require.LessOrEqual(t, d, shutdown)
				if heeds {
					require.NoError(t, err)
					require.Empty(t, stored(t, f, id))
					return
				}
				require.ErrorIs(t, err, parti.ErrShutdownTimeout)
				require.ErrorContains(t, err, "OnAssignmentChanged has not returned, heartbeat of "+id+", claim of "+id+" are left")
				require.Contains(t, stored(t, f, id), "heartbeat", "what the hook holds is nobody else's")
				p.Crash()
			})
		})
	}
}

func TestAStopCancelsTheHookThatRuns(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20)
		f.Begin(2)
		var takes atomic.Bool
		p := f.Start(1, fleet.Handler(func(ctx context.Context, added, _ []parti.Partition) error {
			if len(added) > 0 {
				takes.Store(true)
				<-ctx.Done()
			}
			return nil
		}))[0]
		f.Wait(window+11*time.Second, "its hook runs", takes.Load)
		d, err := took(p.Manager.Close)
		require.NoError(t, err)
		require.Less(t, d, time.Second)
	})
}

func TestAStopWhoseContextIsOverAlreadyStillLeaves(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20)
		f.Begin(3)
		f.Rest()
		p := f.Followers()[0]
		id := p.Manager.WorkerID()
		over, cancel := context.WithCancel(background())
		cancel()
		require.NoError(t, p.Manager.Stop(over))
		require.Empty(t, stored(t, f, id))
		require.NoError(t, p.Manager.Stop(over), "and again")
	})
}

func TestAStopWhoseContextEndsMeanwhileReturnsAndTheLeaveGoesOn(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20, fleet.SlowHandler(4*time.Second))
		p := f.Begin(1)[0]
		ctx, cancel := context.WithTimeout(background(), time.Second)
		defer cancel()
		d, err := took(func() error { return p.Manager.Stop(ctx) })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, d)
		require.NoError(t, p.Manager.Close())
	})
}

// TestAHookThatStopsItsOwnWorkerIsNotWaitedForByItself: in whichever hook, with the hook's context or with none.
func TestAHookThatStopsItsOwnWorkerIsNotWaitedForByItself(t *testing.T) {
	for name, stop := range map[string]func(m *parti.Manager, ctx context.Context) error{
		"Stop":  func(m *parti.Manager, ctx context.Context) error { return m.Stop(ctx) },
		"Close": func(m *parti.Manager, _ context.Context) error { return m.Close() },
	} {
		for _, in := range []string{"taking", "giving up", "state"} {
			t.Run(name+" while "+in, func(t *testing.T) {
				bubble.Run(t, func(t *testing.T, s *bubble.Server) {
					f := fleet.New(t, s, 20)
					f.Begin(2)
					var p *fleet.Process
					var armed atomic.Bool
					returned := make(chan time.Time, 1)
					call := func(ctx context.Context) {
						if armed.CompareAndSwap(true, false) {
							_ = stop(p.Manager, ctx)
							returned <- time.Now()
						}
					}
					p = f.Make(fleet.Handler(func(ctx context.Context, added, removed []parti.Partition) error {
						if in == "taking" && len(added) > 0 || in == "giving up" && len(removed) > 0 {
							call(ctx)
						}
						return nil
					}), func(s *fleet.Spec) {
						s.OnStateChanged = func(ctx context.Context, _, _ parti.State) error {
							if in == "state" {
								call(ctx)
							}
							return nil
						}
					})
					armed.Store(in == "taking")
					p.Start()
					if in != "taking" {
						f.Settle(window + 11*time.Second)
						armed.Store(true)
						f.Source.Set(append(f.Source.List()[:8], fleet.Partition(50), fleet.Partition(51), fleet.Partition(52))...)
						if in == "giving up" {
							require.NoError(t, f.Followers()[0].Refresh())
						} else {
							f.Start(1)
						}
					}
					var at time.Time
					f.Wait(window+30*time.Second, "the stop has returned", func() bool {
						select {
						case at = <-returned:
							return true
						default:
							return false
						}
					})
					<-p.Manager.Done()
					require.LessOrEqual(t, time.Since(at), shutdown)
					if name == "Stop" && in != "state" {
						require.NoError(t, p.Manager.Close(), "the hook returned at once, and nothing is left")
					}
				})
			})
		}
	}
}

// TestAStopFindsWhatWasWrittenAndNeverAnswered: each entry is stored by a first write of which the worker hears nothing.
func TestAStopFindsWhatWasWrittenAndNeverAnswered(t *testing.T) {
	buckets := parti.DefaultConfig().KVBuckets
	for what, subject := range map[string]string{
		"claim": buckets.StableID + ".worker-0", "heartbeat": buckets.Heartbeat + ".worker-0", "leadership": buckets.Election + ".leader",
	} {
		for _, after := range fleet.Some([]time.Duration{500 * time.Millisecond, 2 * time.Second}, 0, 1) {
			t.Run(what+" after "+after.String(), func(t *testing.T) {
				bubble.Run(t, func(t *testing.T, s *bubble.Server) {
					f := fleet.New(t, s, 20)
					p := f.Make()
					var unheard atomic.Int64
					p.Link.Fail(func(to string) link.Fault {
						if to == "$KV."+subject && unheard.Add(1) > 0 {
							return link.Unheard
						}
						return link.None
					})
					p.Start()
					<-time.After(after)
					require.Positive(t, unheard.Load())
					require.Contains(t, stored(t, f, "worker-0"), what)
					p.Link.Fail(nil)
					require.NoError(t, p.Manager.Close())
					require.Empty(t, stored(t, f, "worker-0"))
				})
			})
		}
	}
}

// TestAStopWhileTheWorkerRejoinsLeavesNothing: the session before has entries in the store that no actor holds any more.
func TestAStopWhileTheWorkerRejoinsLeavesNothing(t *testing.T) {
	moments := []time.Duration{0, 10 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second, 5 * time.Second}
	for _, after := range fleet.Some(moments, 2, 1) {
		t.Run(after.String(), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 20)
				f.Begin(2)
				f.Rest()
				p := f.Leader()
				id := p.Manager.WorkerID()
				p.Link.Cut()
				f.Wait(heartbeatTTL, "it is fenced", func() bool { return p.Manager.State() == parti.StateClaimingID })
				<-time.After(after)
				p.Link.Heal()
				d, err := took(p.Manager.Close)
				require.NoError(t, err)
				require.LessOrEqual(t, d, 2*time.Second)
				require.Empty(t, stored(t, f, id))
			})
		})
	}
}

// TestAManagerThatPanicsWhileItLeavesLeavesAllTheSame: the next incarnation goes on with the leave.
func TestAManagerThatPanicsWhileItLeavesLeavesAllTheSame(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20)
		f.Begin(2)
		p := f.Start(1, fleet.SlowHandler(2*time.Second))[0]
		f.Settle(window + 11*time.Second)
		id := p.Manager.WorkerID()
		time.AfterFunc(500*time.Millisecond, func() { p.Panic("manager") })
		d, err := took(p.Manager.Close)
		require.NoError(t, err)
		require.LessOrEqual(t, d, shutdown)
		require.True(t, f.Panicked())
		require.Empty(t, stored(t, f, id))
	})
}

func TestAWorkerThatHasEndedHasNoID(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 10)
		p := f.Begin(1)[0]
		require.NotEmpty(t, p.Manager.WorkerID())
		require.NoError(t, p.Manager.Close())
		require.Empty(t, p.Manager.WorkerID())
		require.False(t, p.Manager.IsLeader())
		require.NoError(t, p.Manager.Close(), "once more")
		require.NoError(t, f.Make().Manager.Close(), "one that was never started")
	})
}

// TestAWorkerWhoseConnectionIsClosedDoesNotTryInVain: and it says what it could not delete.
func TestAWorkerWhoseConnectionIsClosedDoesNotTryInVain(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 10)
		f.Begin(2)
		p := f.Followers()[0]
		id := p.Manager.WorkerID()
		p.Conn.Close()
		d, err := took(func() error { <-p.Manager.Done(); return p.Manager.Close() })
		require.Less(t, d, time.Second)
		require.ErrorIs(t, err, parti.ErrConnectionClosed)
		require.ErrorContains(t, err, "heartbeat of "+id+", claim of "+id+" are left in the store")
		require.ErrorIs(t, p.Manager.Err(), parti.ErrConnectionClosed)
		require.NotErrorIs(t, p.Manager.Err(), parti.ErrShutdownTimeout)
	})
}

// TestARejoinDeletesOnlyWhatTheSessionBeforeLeft: its heartbeat cannot be deleted until the next session has one.
func TestARejoinDeletesOnlyWhatTheSessionBeforeLeft(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20)
		f.Begin(2)
		f.Rest()
		p := f.Followers()[0]
		heartbeat := "$KV." + parti.DefaultConfig().KVBuckets.Heartbeat + "."
		p.Link.Fail(func(subject string) link.Fault {
			if strings.HasPrefix(subject, heartbeat) {
				return link.Refused
			}
			return link.None
		})
		p.Panic("follower")
		f.Source.Set(append(f.Source.List(), fleet.Partition(50), fleet.Partition(51), fleet.Partition(52))...)
		_ = f.Leader().Refresh()
		f.Wait(time.Minute, "it rejoins", func() bool { return p.Manager.State() == parti.StateClaimingID })
		f.Wait(time.Minute, "and has an ID again", func() bool { return p.Manager.State() == parti.StateElection })
		<-time.After(100 * time.Millisecond)
		p.Link.Fail(nil)
		f.Settle(window + 11*time.Second)
		before := len(p.Errors())
		<-time.After(time.Minute)
		require.Len(t, p.Errors(), before, "nobody touched the new session")
		require.Equal(t, 1, lost(p))
	})
}

// lost counts the sessions that a process has lost.
func lost(p *fleet.Process) (n int) {
	for _, err := range p.Errors() {
		if errors.Is(err, parti.ErrIdentityLost) {
			n++
		}
	}
	return n
}

// TestAManagerThatPanicsOverTheRequestToLeaveLeavesAllTheSame: the message is lost with the incarnation that failed over it.
func TestAManagerThatPanicsOverTheRequestToLeaveLeavesAllTheSame(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 10)
		p := f.Begin(2)[0]
		<-time.After(50 * time.Millisecond) // nothing else is on its way to the manager
		synctest.Wait()
		p.Panic("manager")
		began := time.Now()
		require.NoError(t, p.Stop())
		require.Less(t, time.Since(began), parti.DefaultConfig().ShutdownTimeout)
		require.True(t, f.Panicked())
	})
}
