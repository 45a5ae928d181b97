// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/strategy"
)

// leading is a calculator by itself, with the store it leads from.
type leading struct {
	store   *kv.Store
	set     Settings
	listed  chan struct{} // a value whenever the source is asked
	reports chan reported
}

// openStore opens a store in which nothing is stored, through a server or a link to one.
func openStore(t *testing.T, server nats.InProcessConnProvider) (Settings, *kv.Store) {
	t.Helper()
	nc, err := nats.Connect("", append(kv.ConnectOptions(), nats.InProcessServer(server))...)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	set := Settings{
		measures: &measures{},
		Store: kv.Config{
			StableID: "t-stableid", Election: "t-election", Heartbeat: "t-heartbeat", Assignment: "t-assignment", Storage: "memory",
			Replicas: 1, IDPrefix: "worker", IDMax: 9, WorkerIDTTL: 30 * time.Second, HeartbeatTTL: 6 * time.Second,
			LeaderTTL: 3 * time.Second, OperationTimeout: 5 * time.Second,
		},
		Topology: topology.Config{
			ColdStartWindow: time.Second, HeartbeatInterval: 2 * time.Second, HeartbeatTTL: 6 * time.Second, RebalanceCooldown: time.Second,
		},
		HandoffTimeout: time.Minute, ElectionTimeout: 5 * time.Second, JetStream: js, Strategy: strategy.NewRoundRobin(),
	}
	buckets, err := kv.Open(t.Context(), js, set.Store)
	require.NoError(t, err)
	return set, buckets
}

// begin runs an actor by itself until the test ends.
func begin(t *testing.T, build func(*guard) body) {
	t.Helper()
	system, ended := quietSystem(t), make(chan struct{})
	pid := system.Root.Spawn(guarded(build, func() { close(ended) }))
	t.Cleanup(func() {
		system.Root.Stop(pid)
		within(t, ended, "end of the actor")
	})
}

// next waits for what an actor reports next.
func next(t *testing.T, reports <-chan reported) reported {
	t.Helper()
	select {
	case r := <-reports:
		return r
	case <-time.After(time.Minute):
		require.FailNow(t, "nothing is reported within a minute")
		return nil
	}
}

// newLeading opens a store in which nothing is stored but one heartbeat.
func newLeading(t *testing.T, server *bubble.Server) (*leading, store.Lease) {
	t.Helper()
	l := &leading{listed: make(chan struct{}, 100), reports: make(chan reported, 100)}
	l.set, l.store = openStore(t, server)
	l.set.Source = func(context.Context) ([]strategy.Partition, error) {
		l.listed <- struct{}{}
		return []strategy.Partition{{Keys: []string{"p"}}}, nil
	}
	hold, err := l.store.Acquire(t.Context(), store.Heartbeats, "worker-0", record.Heartbeat{Session: 1}, nil)
	require.NoError(t, err)
	return l, hold
}

// lead starts the calculator. since is the heartbeat that it waits for; the term is claimed to be stored later than it is
// by ahead revisions.
func (l *leading) lead(t *testing.T, since, ahead uint64) {
	t.Helper()
	fence, err := l.store.BeginTerm(t.Context(), record.Term{Worker: "worker-0", Session: 1}, 0, func() bool { return true })
	require.NoError(t, err)
	fence.Revision += ahead

	begin(t, func(g *guard) body {
		strategist := newStrategist(l.set.Strategy, l.set.Store.OperationTimeout)
		worker := session{id: "worker-0", number: 1}
		return newCalculator(g, func(r reported) { l.reports <- r }, l.set, strategist, l.store, worker, &member.Spawn{Fence: fence, Joined: time.Now(), Since: since})
	})
}

// planned waits until a plan is stored, for at most a while.
func (l *leading) planned(t *testing.T, while time.Duration) bool {
	t.Helper()
	for until := time.Now().Add(while); time.Now().Before(until); {
		if _, err := l.store.Get(t.Context(), store.Assignments, "worker-0"); err == nil {
			return true
		}
		<-time.After(100 * time.Millisecond)
	}
	return false
}

func TestALeaderPlansForTheHeartbeatsThatItWaitedFor(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		l, beat := newLeading(t, server)
		l.lead(t, beat.Revision, 0)
		require.True(t, l.planned(t, 10*time.Second))
	})
}

func TestALeaderDoesNotBeginWithHeartbeatsOlderThanItsOwn(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		l, beat := newLeading(t, server)
		l.lead(t, beat.Revision+5, 0)
		require.False(t, l.planned(t, 10*time.Second))
	})
}

func TestALeaderDoesNotBeginWithRecordsOlderThanItsTerm(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		l, beat := newLeading(t, server)
		l.lead(t, beat.Revision, 5)
		report := next(t, l.reports)
		require.IsType(t, &fenceLost{}, report)
		require.ErrorIs(t, report.(*fenceLost).err, kv.ErrNotDone)
		require.Empty(t, l.listed, "the source is not even asked")
	})
}

func TestACleanLeaveIsToldFromAnExpiry(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		l, _ := newLeading(t, server)
		for _, id := range []string{"worker-1", "worker-2"} {
			hold, err := l.store.Acquire(t.Context(), store.Heartbeats, id, record.Heartbeat{Session: 1}, nil)
			require.NoError(t, err)
			if id == "worker-1" {
				require.NoError(t, l.store.Release(t.Context(), hold))
			}
		}
		<-time.After(10 * time.Second) // the heartbeat of worker-2 expires
		found := lookUp(t.Context(), l.store, []string{"worker-1", "worker-2", "worker-3"})
		require.NoError(t, found.Err)
		require.Len(t, found.Left, 1)
		require.Equal(t, 10*time.Second, time.Since(found.Left["worker-1"]).Round(time.Second))
	})
}

func TestALookUpThatFailsEndsTheTerm(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		l, _ := newLeading(t, server)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, lookUp(ctx, l.store, []string{"worker-1"}).Err)
	})
}

func TestALeaderThatEndsAnswersEveryRefresh(t *testing.T) {
	answers := map[string]error{}
	c := &calculator{set: Settings{measures: &measures{}}, stop: func() {}, refreshes: map[uint64]func(error){
		1: func(err error) { answers["first"] = err }, 2: func(err error) { answers["second"] = err },
	}}
	c.stopping(false)
	require.Equal(t, map[string]error{"first": kv.ErrDeposed, "second": kv.ErrDeposed}, answers)
}

func TestAWriteOfWhichAnythingMayBeStoredIsNotRepeated(t *testing.T) {
	require.Equal(t, leader.Stored, outcome(nil))
	require.Equal(t, leader.Refused, outcome(fmt.Errorf("write: %w", kv.ErrNotDone)))
	for _, err := range []error{kv.ErrUnknown, fmt.Errorf("the second batch: %w: %w", kv.ErrUnknown, kv.ErrNotDone), kv.ErrDeposed, errors.New("anything else")} {
		require.Equal(t, leader.Lost, outcome(err), err)
	}
}
