// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/strategy"
)

// effects holds for each field of the configuration what a change of it does.
var effects = map[string]func(t *testing.T, s *bubble.Server){
	"WorkerIDPrefix": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3, fleet.Config(func(c *parti.Config) { c.WorkerIDPrefix = "node" }))
		require.Equal(t, "node-0", f.Begin(1)[0].Manager.WorkerID())
	},
	"WorkerIDMin": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3, fleet.Config(func(c *parti.Config) { c.WorkerIDMin = 5 }))
		require.Equal(t, "worker-5", f.Begin(1)[0].Manager.WorkerID())
	},
	"WorkerIDMax": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3, fleet.Config(func(c *parti.Config) { c.WorkerIDMin, c.WorkerIDMax = 3, 3 }))
		f.Begin(1)
		require.ErrorIs(t, f.Start(1)[0].Begun(), parti.ErrNoFreeID)
	},
	"WorkerIDTTL": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3, fleet.Config(func(c *parti.Config) { c.WorkerIDMin, c.WorkerIDMax, c.WorkerIDTTL = 3, 3, 50*time.Second }))
		f.Begin(1)[0].Crash()
		next := f.Start(1, fleet.Config(func(c *parti.Config) { c.Standby = true }))[0]
		took := f.Wait(time.Minute, "the dead worker's ID is taken", func() bool { return next.Manager.WorkerID() == "worker-3" })
		require.Greater(t, took, 31*time.Second)
	},
	"HeartbeatInterval": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3, fleet.Config(func(c *parti.Config) { c.HeartbeatInterval = time.Second }))
		f.Begin(4)
		f.Rest()
		before := f.Writes()
		<-time.After(time.Minute)
		require.InDelta(t, 4*(1+0.1)+1, float64(f.Writes()-before)/60, 0.3)
	},
	"HeartbeatTTL": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.HeartbeatTTL = 12 * time.Second }))
		require.Greater(t, crashOne(f, 13*time.Second), 9*time.Second)
	},
	"LeaderTTL": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.LeaderTTL = 9 * time.Second }))
		f.Begin(5)
		terms := len(f.Checker.Terms())
		f.Leader().Crash()
		took := f.Wait(10*time.Second, "the next term", func() bool { return len(f.Checker.Terms()) > terms })
		require.Greater(t, took, 5*time.Second)
	},
	"ColdStartWindow": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3, fleet.Config(func(c *parti.Config) { c.ColdStartWindow = 12 * time.Second }))
		f.Start(1)
		require.InDelta(t, 12, f.Settle(13*time.Second).Seconds(), 0.5)
	},
	"PlannedScaleWindow": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.PlannedScaleWindow = 20 * time.Second }))
		require.InDelta(t, 20, joinOne(f, 21*time.Second).Seconds(), 0.5)
	},
	"EmergencyGracePeriod": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.EmergencyGracePeriod = 5 * time.Second }))
		require.Greater(t, crashOne(f, 12*time.Second), 8*time.Second)
	},
	"RestartDetectionRatio": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.RestartDetectionRatio = 0.1 }))
		procs := f.Begin(3)
		f.Rest()
		next := f.Start(1)[0]
		f.Wait(time.Second, "it follows", func() bool { return next.Manager.State() == parti.StateScaling })
		stays := f.Followers()[0]
		stays.Link.Stall() // until the newcomer leads, which was not there when the plan was made
		for _, p := range procs {
			if p != stays {
				p.Crash()
			}
		}
		f.Wait(leaderTTL+500*time.Millisecond, "the newcomer leads", next.Manager.IsLeader)
		stays.Link.Heal()
		f.Settle(20 * time.Second) // by default that would be a restart, which waits for the cold-start window
	},
	"FlapBackoff": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.FlapBackoff = 15 * time.Second }))
		f.Begin(4)
		f.Rest()
		victim := f.Followers()[0]
		for _, expected := range []time.Duration{window, 15 * time.Second} { // by default the second would wait twice the window
			victim.Crash()
			began := time.Now()
			victim = f.Start(1)[0]
			f.Wait(40*time.Second, "it has its share", func() bool { return len(victim.Running()) > 0 })
			require.InDelta(t, expected.Seconds(), time.Since(began).Seconds(), 1)
			f.Settle(time.Second)
		}
		flapping := func(err error) bool { return errors.Is(err, parti.ErrFlapping) }
		require.True(t, slices.ContainsFunc(victim.Errors(), flapping), "the worker is told")
		require.True(t, slices.ContainsFunc(f.Leader().Errors(), flapping), "the leader is told")
	},
	"MassLossRatio": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.Config(func(c *parti.Config) { c.MassLossRatio = 0.9 }))
		f.Begin(9)
		f.Rest()
		for _, p := range f.Followers()[:4] {
			p.Crash()
		}
		f.Settle(heartbeatTTL + time.Second) // by default they would be held for one more TTL
	},
	"RebalanceCooldown": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.RebalanceCooldown = 40 * time.Second }))
		f.Begin(3)
		f.Rest()
		f.Start(1)
		f.Settle(window + time.Second)
		began := time.Now()
		f.Start(1)
		f.Settle(41 * time.Second)
		require.Greater(t, time.Since(began), 35*time.Second)
	},
	"ExpectedWorkers": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.ExpectedWorkers = 4 }))
		f.Start(4)
		require.Less(t, f.Settle(time.Second), time.Second)
	},
	"HandoffTimeout": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.HandoffTimeout = 5 * time.Second }))
		var block atomic.Bool
		f.Begin(3, fleet.Handler(func(context.Context, []parti.Partition, []parti.Partition) error {
			if block.Load() {
				<-f.Closing()
			}
			return nil
		}))
		<-time.After(time.Minute)
		block.Store(true)
		f.Start(1)
		f.Wait(window+6*time.Second, "the leader complains", func() bool { return f.Leader().Saw(parti.ErrHandoffTimeout) })
	},
	"OperationTimeout": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.OperationTimeout = 3 * time.Second }), func(spec *fleet.Spec) {
			spec.Source = parti.SourceFunc(func(ctx context.Context) ([]parti.Partition, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})
		})
		began := time.Now()
		require.ErrorIs(t, f.Start(1)[0].Begun(), parti.ErrSourceFailed)
		require.InDelta(t, 3, time.Since(began).Seconds(), 0.1)
	},
	"ElectionTimeout": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3, fleet.Config(func(c *parti.Config) { c.ElectionTimeout = 12 * time.Second }))
		p := f.Begin(1)[0]
		kv, err := f.JS.KeyValue(background(), parti.DefaultConfig().KVBuckets.Heartbeat)
		require.NoError(t, err)
		_, err = kv.Create(background(), "worker-9", []byte(`{"format":99}`), jetstream.KeyTTL(20*time.Second))
		require.NoError(t, err)
		f.Wait(time.Second, "it leads no more", func() bool { return !p.Manager.IsLeader() })
		took := f.Wait(20*time.Second, "no leader for so long", func() bool { return p.Saw(parti.ErrNoLeader) })
		require.InDelta(t, 12, took.Seconds(), 0.5)
	},
	"StartupTimeout": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3, fleet.Config(func(c *parti.Config) { c.WorkerIDMin, c.WorkerIDMax, c.StartupTimeout = 3, 3, 40*time.Second }))
		f.Begin(1)
		began := time.Now()
		require.ErrorIs(t, f.Start(1)[0].Begun(), parti.ErrNoFreeID)
		require.InDelta(t, 40, time.Since(began).Seconds(), 0.5)
	},
	"ShutdownTimeout": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3, fleet.Config(func(c *parti.Config) { c.ShutdownTimeout = 3 * time.Second }))
		var block atomic.Bool
		p := f.Begin(1, fleet.Handler(func(context.Context, []parti.Partition, []parti.Partition) error {
			if block.Load() {
				<-f.Closing()
			}
			return nil
		}))[0]
		block.Store(true)
		began := time.Now()
		require.ErrorIs(t, p.Manager.Stop(background()), parti.ErrShutdownTimeout)
		require.LessOrEqual(t, time.Since(began), 3*time.Second)
		p.Crash()
	},
	"OnStoreLoss": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3, fleet.Config(func(c *parti.Config) { c.OnStoreLoss = parti.OnStoreLossKeepServing }))
		p := f.Begin(1)[0]
		s.Stop()
		<-time.After(20 * time.Second)
		require.Len(t, p.Running(), 3)
		s.Start()
		f.Settle(time.Minute)
	},
	"Group": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3, fleet.Config(func(c *parti.Config) {
			c.Group = "orders"
			c.ApplyDefaults() // for those who look at the store
		}))
		f.Begin(1)
		for _, kind := range []string{"stableid", "election", "heartbeat", "assignment"} {
			_, err := f.JS.Stream(background(), "KV_parti-orders-"+kind)
			require.NoError(t, err)
		}
	},
	"KVBuckets": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3, fleet.Config(func(c *parti.Config) {
			c.KVBuckets = parti.KVBuckets{StableID: "a", Election: "b", Heartbeat: "c", Assignment: "d", Storage: "memory"}
		}))
		f.Begin(1)
		for _, name := range []string{"a", "b", "c", "d"} {
			stream, err := f.JS.Stream(background(), "KV_"+name)
			require.NoError(t, err)
			require.Equal(t, jetstream.MemoryStorage, stream.CachedInfo().Config.Storage)
		}
		replicated := f.Start(1, fleet.Config(func(c *parti.Config) {
			c.KVBuckets = parti.KVBuckets{StableID: "e", Election: "f", Heartbeat: "g", Assignment: "h", Replicas: 3}
			c.StartupTimeout = 40 * time.Second
		}))[0]
		require.ErrorContains(t, replicated.Begun(), "replicas")
	},
	"PreferredID": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3, fleet.PreferredID("worker-7"))
		require.Equal(t, "worker-7", f.Begin(1)[0].Manager.WorkerID())
	},
	"PreferredIDWait": func(t *testing.T, s *bubble.Server) {
		const wait = 20 * time.Second
		f := fleet.New(t, s, 3, fleet.PreferredID("worker-7"), fleet.Config(func(c *parti.Config) { c.PreferredIDWait = wait }))
		f.Begin(1)
		second := f.Start(1)[0]
		took := f.Wait(wait+time.Second, "another ID", func() bool { return second.Manager.WorkerID() != "" })
		require.GreaterOrEqual(t, took, wait)
	},
	"RelistInterval": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.RelistInterval = 7 * time.Second }))
		f.Begin(3)
		f.Rest()
		f.Source.Set(append(f.Source.List(), fleet.Partition(100))...)
		f.Settle(7*time.Second + 100*time.Millisecond)
	},
	"SourceShrinkConfirmations": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.SourceShrinkConfirmations = 6 }))
		f.Begin(3)
		f.Rest()
		f.Source.Set(f.Source.List()[:10]...)
		began := time.Now()
		require.NoError(t, f.Leader().Refresh())
		require.InDelta(t, 5*time.Second, time.Since(began), float64(500*time.Millisecond))
		f.Settle(100 * time.Millisecond)
	},
	"StateDir": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3)
		dir := t.TempDir()
		first := f.Begin(1, fleet.PreferredID("worker-7"), fleet.StateDir(dir))[0]
		require.NoError(t, first.Stop())
		require.Equal(t, "worker-7", f.Begin(1, fleet.StateDir(dir))[0].Manager.WorkerID())
	},
	"Standby": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3, fleet.Config(func(c *parti.Config) { c.WorkerIDMin, c.WorkerIDMax = 3, 3 }))
		f.Begin(1)
		p := f.Start(1, fleet.Config(func(c *parti.Config) { c.Standby = true }))[0]
		<-time.After(10 * time.Minute)
		require.Equal(t, parti.StateClaimingID, p.Manager.State())
	},
	"Capacity": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 100)
		p := f.Start(1, fleet.Config(func(c *parti.Config) { c.Capacity = 300 }))[0]
		f.Begin(2)
		require.InDelta(t, 60, len(p.Running()), 8)
	},
	"Labels": func(t *testing.T, s *bubble.Server) {
		labels := &labelled{Strategy: strategy.NewRoundRobin()}
		f := fleet.New(t, s, 3, fleet.Strategy(labels), fleet.Config(func(c *parti.Config) { c.Labels = map[string]string{"zone": "north"} }))
		f.Begin(1)
		require.Equal(t, "north", labels.seen.Load())
	},
	"Cordoned": func(t *testing.T, s *bubble.Server) {
		cordoned := fleet.Config(func(c *parti.Config) { c.Cordoned = true })
		f := fleet.New(t, s, 30)
		first := f.Begin(1, cordoned)[0]
		require.Len(t, first.Running(), 30, "rather one that is cordoned than nobody")
		f.Start(2)
		f.Settle(window + time.Second)
		require.Len(t, first.Running(), 30, "it keeps what it has")
		first.Crash()
		f.Settle(heartbeatTTL + time.Second)
		again := f.Restart(first, cordoned)
		<-time.After(time.Minute)
		require.Equal(t, parti.StateStable, again.Manager.State())
		require.Empty(t, again.Running(), "it gets nothing new")
	},
	"Assignment": func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.Assignment.MinRebalanceThreshold = 1 }))
		f.Begin(3)
		moves := f.Checker.Moves()
		weigh(t, f, 0, 190)
		<-time.After(time.Minute)
		require.Equal(t, moves, f.Checker.Moves(), "by default it would be more than is borne")
		weigh(t, f, 0, 1000)
		f.Wait(time.Minute, "the fullest worker is relieved", func() bool { return f.Checker.Moves() > moves })

		short := fleet.New(t, s, 200, fleet.Strategy(strategy.NewSticky()), fleet.Config(func(c *parti.Config) {
			c.KVBuckets = parti.KVBuckets{StableID: "a", Election: "b", Heartbeat: "c", Assignment: "d"}
			c.Assignment.HomeRetention = time.Millisecond
		}))
		require.Less(t, comesBack(t, short), 0.95, "nobody remembers")
	},
}

// labelled notes the zone of the first worker.
type labelled struct {
	strategy.Strategy
	seen atomic.Value
}

func (l *labelled) Assign(workers []strategy.Worker, partitions []strategy.Partition, previous []int) ([]int, error) {
	l.seen.Store(workers[0].Labels["zone"])
	return l.Strategy.Assign(workers, partitions, previous)
}

// crashOne crashes one of five and returns how long its partitions were without an owner.
func crashOne(f *fleet.Fleet, within time.Duration) time.Duration {
	f.Begin(5)
	f.Rest()
	f.Followers()[0].Crash()
	return f.Settle(within)
}

// joinOne adds one to three and returns how long it took until it had its share.
func joinOne(f *fleet.Fleet, within time.Duration) time.Duration {
	f.Begin(3)
	f.Rest()
	f.Start(1)
	return f.Settle(within)
}

func TestNoFieldOfTheConfigurationIsInert(t *testing.T) {
	fields := reflect.TypeFor[parti.Config]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		t.Run(strings.ReplaceAll(name, " ", ""), func(t *testing.T) {
			effect, ok := effects[name]
			require.True(t, ok, "no test shows what %s does", name)
			bubble.Run(t, effect)
		})
	}
}
