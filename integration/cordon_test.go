// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/strategy"
)

func TestACordonTakesEffectAtOnceAndLastsUntilItIsTakenBack(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(4)
		<-time.After(time.Minute + 700*time.Millisecond) // between two heartbeats
		beats := func(p *fleet.Process) int {
			return p.Sent(func(subject string) bool {
				return strings.HasPrefix(subject, "$KV."+parti.DefaultConfig().KVBuckets.Heartbeat+".")
			})
		}
		p, victim := f.Followers()[0], f.Followers()[1]
		held, sent := p.Running(), beats(p)
		for range 3 {
			p.Manager.Cordon() // twice for nothing
		}
		f.Wait(100*time.Millisecond, "told", func() bool { return p.Manager.Status().Cordoned && beats(p) == sent+1 })
		victim.Crash()
		f.Settle(2 * heartbeatTTL)
		require.Equal(t, held, p.Running(), "it keeps what it has and gets nothing")

		p.Link.Cut() // a rejoin
		<-time.After(2 * heartbeatTTL)
		p.Link.Heal()
		f.Settle(2 * time.Minute)
		require.True(t, p.Manager.Status().Cordoned)
		require.Empty(t, p.Running(), "a session that begins cordoned gets nothing")

		p.Manager.Uncordon()
		f.Wait(3*window, "its share", func() bool { return len(p.Running()) > 0 })
		require.False(t, p.Manager.Status().Cordoned)
	})
}

func TestACordonBeforeTheStartIsHowTheWorkerBegins(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(2)
		p := f.Make()
		p.Manager.Cordon()
		require.True(t, p.Manager.Status().Cordoned)
		p.Start()
		q := f.Make(fleet.Config(func(c *parti.Config) { c.Cordoned = true }))
		require.True(t, q.Manager.Status().Cordoned)
		q.Manager.Uncordon()
		q.Start()
		f.Settle(time.Minute)
		<-time.After(time.Minute)
		require.Empty(t, p.Running())
		require.NotEmpty(t, q.Running())
	})
}

func TestATreeOfActorsIsCordonedAndDrainedByMessages(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		quiet := func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }
		system := actor.NewActorSystem(actor.WithLoggerFactory(quiet))
		defer system.Shutdown()
		js, err := jetstream.New(s.Connect(parti.ConnectOptions()...))
		require.NoError(t, err)
		source := parti.StaticSource(fleet.Partition(0), fleet.Partition(1), fleet.Partition(2), fleet.Partition(3))
		tree := func() *actor.PID {
			props, err := parti.Props(parti.DefaultConfig(), js, source, strategy.NewSticky(), parti.WithLogger(quiet(nil)))
			require.NoError(t, err)
			return system.Root.Spawn(props)
		}
		ask := func(tree *actor.PID) *parti.Status {
			answer, _ := system.Root.RequestFuture(tree, &parti.GetStatus{}, time.Second).Result()
			status, _ := answer.(*parti.Status)
			return status
		}
		until := func(within time.Duration, what string, condition func() bool) {
			t.Helper()
			for began := time.Now(); !condition(); <-time.After(5 * time.Millisecond) {
				if time.Since(began) >= within {
					t.Fatalf("after %s still not: %s", within, what)
				}
			}
		}
		ended := make(chan *actor.PID, 1)
		watcher := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
			switch message := ctx.Message().(type) {
			case *actor.PID:
				ctx.Watch(message)
			case *actor.Terminated:
				ended <- message.Who
			}
		}))
		ends := func(tree *actor.PID) {
			t.Helper()
			select {
			case who := <-ended:
				require.Equal(t, tree.Id, who.Id)
			case <-time.After(time.Second):
				t.Fatal("the tree has not ended")
			}
		}
		one, other := tree(), tree()
		system.Root.Send(watcher, one)
		system.Root.Send(watcher, other)
		until(coldStart+time.Second, "both have work", func() bool {
			a, b := ask(one), ask(other)
			return len(a.Assignment.Partitions) == 2 && len(b.Assignment.Partitions) == 2
		})
		for _, cordoned := range []bool{true, false} {
			if cordoned {
				system.Root.Send(other, &parti.Cordon{})
			} else {
				system.Root.Send(other, &parti.Uncordon{})
			}
			require.Equal(t, cordoned, ask(other).Cordoned)
		}
		system.Root.Send(other, &parti.Drain{})
		ends(other)
		until(time.Second, "the other has everything", func() bool { return len(ask(one).Assignment.Partitions) == 4 })
		system.Root.Send(one, &parti.Drain{})
		<-time.After(time.Minute)
		require.True(t, ask(one).Draining, "nobody can take over")
		system.Root.Send(one, &parti.Leave{})
		ends(one)
		system.Root.Stop(watcher)
		<-time.After(time.Second)
	})
}
