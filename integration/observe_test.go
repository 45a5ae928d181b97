// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/observe"
)

// watching opens an observer on a connection of its own.
func watching(t *testing.T, p nats.InProcessConnProvider) *observe.Observer {
	t.Helper()
	nc, err := nats.Connect("", append(parti.ConnectOptions(), nats.InProcessServer(p))...)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	o, err := observe.Open(background(), js, parti.DefaultConfig())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, o.Close()) })
	return o
}

// agrees compares what an observer says with what the checker has seen run.
func agrees(t *testing.T, f *fleet.Fleet, o *observe.Observer) {
	t.Helper()
	owners := f.Checker.Owners()
	require.Len(t, owners, len(f.Source.IDs()))
	for partition, worker := range owners {
		owner, err := o.Owner(partition)
		require.NoError(t, err, partition)
		require.Equal(t, worker, owner.Worker, partition)
		require.Equal(t, f.Checker.Epoch(partition), owner.Epoch, partition)
		require.NotEmpty(t, owner.Host)
	}
	g := o.Group()
	require.Zero(t, g.Unowned)
	require.Zero(t, g.Stale)
	require.Equal(t, f.Leader().Manager.WorkerID(), g.Leader)
	live := 0
	for _, w := range g.Workers {
		if w.Live {
			live++
			require.Equal(t, w.ID == g.Leader, w.Leader)
		}
	}
	require.Equal(t, len(f.Live()), live)
}

func TestAnObserverAgreesWithTheFleetWhateverHappensToIt(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 40)
		f.Begin(3)
		f.Rest()
		f.Settle(0)
		early := watching(t, s)
		agrees(t, f, early)
		steps := map[string]func(){
			"a crash":             func() { f.Followers()[0].Crash() },
			"a crash of a leader": func() { f.Leader().Crash() },
			"workers join":        func() { f.Start(3) },
			"a drain":             func() { require.NoError(t, f.Followers()[0].Drain(background())) },
			"a restart": func() {
				p := f.Followers()[0]
				require.NoError(t, p.Stop())
				require.NoError(t, f.Restart(p).Begun())
			},
			"the server restarts": func() {
				s.Stop()
				<-time.After(2 * time.Second)
				s.Start()
			},
		}
		for _, name := range []string{"workers join", "a crash", "a crash of a leader", "a drain", "a restart", "the server restarts"} {
			steps[name]()
			<-time.After(time.Minute)
			f.Settle(0)
			t.Log(name)
			agrees(t, f, early)
			late := watching(t, s)
			agrees(t, f, late)
			require.NoError(t, late.Close())
		}
	})
}

func TestOwnerIsRightAsSoonAsTheGrantIsDelivered(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 10)
		f.Begin(2)
		f.Rest()
		o := watching(t, s)
		partition := f.Source.IDs()[0]
		before, err := o.Owner(partition)
		require.NoError(t, err)
		for _, p := range f.Live() {
			if p.Manager.WorkerID() == before.Worker {
				p.Crash()
			}
		}
		var after observe.Owner
		f.Wait(20*time.Second, "it is granted to the other", func() bool { return f.Checker.Epoch(partition) > before.Epoch })
		after, err = o.Owner(partition) // the new owner itself has only just been told
		require.NoError(t, err)
		require.NotEqual(t, before.Worker, after.Worker)
		require.Greater(t, after.Epoch, before.Epoch)
		require.False(t, after.Since.IsZero())
		_, err = o.Owner("no such partition")
		require.ErrorIs(t, err, observe.ErrUnowned)
		f.Live()[0].Crash()
		<-time.After(parti.DefaultConfig().HeartbeatTTL + time.Second)
		late := watching(t, s)
		for _, one := range []*observe.Observer{o, late} {
			_, err = one.Owner(partition)
			require.ErrorIs(t, err, observe.ErrUnowned, "the record is there, and nobody lives")
			require.Equal(t, 10, one.Group().Unowned)
			require.Empty(t, one.Group().Leader)
		}
	})
}

func TestHistoryTellsWhoWasLostAndWhatMovedBecauseOfIt(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20)
		f.Begin(3)
		f.Rest()
		o := watching(t, s)
		lost := f.Followers()[0]
		id, began := lost.Manager.WorkerID(), time.Now()
		partition := lost.Running()[0]
		lost.Crash()
		<-time.After(time.Minute)
		f.Settle(0)
		owner, err := o.Owner(partition)
		require.NoError(t, err)
		changes, err := o.History(background(), observe.Query{Partition: partition})
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(changes), 2)
		first, last := changes[0], changes[len(changes)-1]
		require.Empty(t, first.From, "the group had no owner of it before")
		require.Equal(t, id, last.From)
		require.Equal(t, owner.Worker, last.To)
		require.Equal(t, owner.Epoch, last.Epoch)
		require.Equal(t, owner.Since, last.At)
		require.Contains(t, last.Why, "lost "+id)
		require.Equal(t, f.Leader().Manager.WorkerID(), last.By)

		changes, err = o.History(background(), observe.Query{Since: began, Worker: id})
		require.NoError(t, err)
		require.NotEmpty(t, changes)
		for _, c := range changes {
			require.Equal(t, id, c.From)
			require.False(t, c.At.Before(began))
		}
		joined := f.Start(1)[0]
		<-time.After(time.Minute)
		changes, err = o.History(background(), observe.Query{Worker: joined.Manager.WorkerID(), Limit: 1})
		require.NoError(t, err)
		require.Len(t, changes, 1)
		require.Contains(t, changes[0].Why, joined.Manager.WorkerID())
		_, err = o.History(background(), observe.Query{Limit: -1})
		require.ErrorContains(t, err, "Limit is -1, allowed: 0 or more")
	})
}

func TestAnObserverThatSeesNothingSaysSinceWhenAndKeepsWhatItKnew(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 10)
		f.Begin(2)
		f.Rest()
		l := link.New(s, func(string) {})
		o := watching(t, l)
		agrees(t, f, o)
		before := o.Group()
		cut := time.Now()
		l.Cut()
		ctx, cancel := context.WithTimeout(background(), 20*time.Second)
		defer cancel()
		g, err := o.Wait(ctx, before)
		for err == nil && g.Stale.IsZero() {
			g, err = o.Wait(ctx, g)
		}
		require.NoError(t, err)
		require.WithinDuration(t, cut, g.Stale, 3*time.Second)
		_, err = o.Owner(f.Source.IDs()[0])
		require.NoError(t, err, "what is known stays")
		f.Followers()[0].Crash()
		<-time.After(time.Minute)
		l.Heal()
		f.Wait(30*time.Second, "it sees again", func() bool { return o.Group().Stale.IsZero() })
		f.Settle(0)
		agrees(t, f, o)
	})
}

func TestAnObserverOutlivesARestoredAndAPurgedStore(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 10)
		f.Begin(3)
		f.Rest()
		o := watching(t, s)
		s.Stop()
		copied := s.Copy()
		s.Start()
		<-time.After(time.Minute)
		f.Followers()[0].Crash()
		<-time.After(time.Minute)
		f.RestoreFrom(copied)
		<-time.After(3 * time.Minute)
		f.Settle(0)
		agrees(t, f, o)
	})
}

func TestAnObserverOfAPurgedStoreBeginsAnew(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 10)
		f.Begin(2)
		f.Rest()
		o := watching(t, s)
		stream, err := f.JS.Stream(background(), "KV_"+parti.DefaultConfig().KVBuckets.Assignment)
		require.NoError(t, err)
		require.NoError(t, stream.Purge(background()))
		<-time.After(3 * time.Minute)
		f.Settle(0)
		agrees(t, f, o)
	})
}

func TestAnObserverWithoutAGroupIsToldSoAndMakesNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		nc, err := nats.Connect("", nats.InProcessServer(s))
		require.NoError(t, err)
		defer nc.Close()
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		_, err = observe.Open(background(), js, parti.DefaultConfig())
		require.ErrorIs(t, err, observe.ErrNoGroup)
		_, err = js.Stream(background(), "KV_"+parti.DefaultConfig().KVBuckets.StableID)
		require.ErrorIs(t, err, jetstream.ErrStreamNotFound)
		_, err = observe.Open(background(), nil, parti.DefaultConfig())
		require.ErrorIs(t, err, parti.ErrNilArgument)
		cfg := parti.DefaultConfig()
		cfg.HeartbeatTTL = -1
		_, err = observe.Open(background(), js, cfg)
		require.ErrorIs(t, err, parti.ErrInvalidConfig)
		require.True(t, strings.HasPrefix(err.Error(), "observe: "))
	})
}

func TestAClosedObserverEndsWhatWaitsForIt(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 4)
		f.Begin(1)
		f.Rest()
		o := watching(t, s)
		f.Settle(0)
		<-time.After(time.Second)
		ended := make(chan error, 1)
		go func() {
			for g := o.Group(); ; {
				var err error
				if g, err = o.Wait(background(), g); err != nil {
					ended <- err
					return
				}
			}
		}()
		<-time.After(time.Second)
		require.NoError(t, o.Close())
		require.ErrorIs(t, <-ended, observe.ErrClosed)
		require.NoError(t, o.Close(), "again")
		_, err := o.Owner(f.Source.IDs()[0])
		require.NoError(t, err)
	})
}

// In virtual time a look comes when everything is delivered, so what the records say has to be what the workers say.
func TestTheStateInTheRecordsIsThatOfTheWorker(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20)
		f.Start(1)
		<-time.After(time.Second)
		o := watching(t, s)
		seen := map[parti.State]bool{}
		look := func(d time.Duration) {
			for range d / (250 * time.Millisecond) {
				<-time.After(250 * time.Millisecond)
				states := map[string]parti.State{}
				for _, w := range o.Group().Workers {
					states[w.ID] = w.State
				}
				for _, p := range f.Live() {
					if id, state := p.Manager.WorkerID(), p.Manager.State(); id != "" {
						require.Equal(t, state, states[id], "%s %s", p.Name, id)
						seen[state] = true
					}
				}
			}
		}
		f.Start(2)
		look(time.Minute)
		f.Followers()[0].Crash()
		look(time.Minute)
		f.Leader().Crash()
		look(time.Minute)
		f.Start(2)
		look(time.Minute)
		require.NoError(t, f.Followers()[0].Drain(background()))
		look(time.Minute)
		for _, state := range []parti.State{parti.StateScaling, parti.StateStable} {
			require.True(t, seen[state], "%s: %v", state, seen)
		}
	})
}
