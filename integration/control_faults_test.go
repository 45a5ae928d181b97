// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/control"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/strategy"
)

func TestGarbageIsAnsweredWithWhatIsWrongAndHarmsNobody(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		p, a := f.Begin(1)[0], outside(t, s)
		worker, session := p.Manager.WorkerID(), p.Manager.Status().Session
		rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // by a seed
		valid := control.Request{Action: control.Drain, Session: session + 1, Within: time.Minute, By: "x"}.Encode()
		for range 500 {
			data := append([]byte(nil), valid...)
			for range 1 + rng.IntN(4) {
				data[rng.IntN(len(data))] = byte(rng.IntN(256))
			}
			data = data[:rng.IntN(len(data))] // never whole
			answers := a.raw(worker, "", data)(10 * time.Millisecond)
			require.Len(t, answers, 1, "%q", data)
			require.ErrorIs(t, answers[0].Err(), control.ErrRequest)
			require.ErrorContains(t, answers[0].Err(), "control request")
		}
		for message, want := range map[string]string{
			`{"format":1,"action":"reboot"}`: "allowed: hello, drain", `{"format":7,"action":"drain"}`: "format is 7, allowed: 1",
			"": "not JSON", strings.Repeat("x", 100_000): "100000 bytes",
		} {
			answers := a.raw(worker, "", []byte(message))(10 * time.Millisecond)
			require.Len(t, answers, 1)
			require.ErrorContains(t, answers[0].Err(), want)
		}
		require.False(t, p.Manager.Status().Draining)
		require.Equal(t, session, p.Manager.Status().Session)
		require.Empty(t, p.Errors())
	})
}

// Whoever may ask must not have a worker write where only workers may.
func TestAnAnswerIsNeverWrittenIntoABucket(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		p, a := f.Begin(1)[0], outside(t, s)
		keys, err := f.JS.KeyValue(background(), controlled)
		require.NoError(t, err)
		before, err := keys.Get(background(), store.PlanKey)
		require.NoError(t, err)
		require.NoError(t, a.nc.PublishMsg(&nats.Msg{
			Subject: control.Subject(controlled, p.Manager.WorkerID()), Reply: "$KV." + controlled + "." + store.PlanKey, Data: control.Request{Action: control.Hello}.Encode(),
		}))
		<-time.After(time.Second)
		after, err := keys.Get(background(), store.PlanKey)
		require.NoError(t, err)
		require.Equal(t, before.Revision(), after.Revision())
	})
}

func TestAWorkerThatIsNotThereOrTakesNoRequestsAnswersNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		alone := f.Begin(1, fleet.Options(parti.WithoutRemoteControl()))[0]
		for _, worker := range []string{"worker-99", alone.Manager.WorkerID()} {
			began := time.Now()
			_, err := outside(t, s).ask(time.Minute, worker, control.Request{Action: control.Drain})
			require.ErrorIs(t, err, control.ErrNobody)
			require.Less(t, time.Since(began), 5*time.Second)
		}
		require.False(t, alone.Manager.Status().Draining)
	})
}

func TestARequestForABucketOfTheSameNameElsewhereIsNotHeard(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		p, a := f.Begin(1)[0], outside(t, s)
		stream, err := f.JS.Stream(background(), "KV_"+controlled)
		require.NoError(t, err)
		made := stream.CachedInfo().Created
		_, err = a.ask(time.Minute, p.Manager.WorkerID(), control.Request{Action: control.Hello, Made: made})
		require.NoError(t, err)
		_, err = a.ask(10*time.Second, p.Manager.WorkerID(), control.Request{Action: control.Cordon, Made: made.Add(time.Second)})
		require.ErrorIs(t, err, control.ErrSilent)
		require.False(t, p.Manager.Status().Cordoned)
	})
}

func TestAWorkerListensAgainAfterAReconnect(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		p := f.Begin(1)[0]
		session := p.Manager.Status().Session
		p.Link.Cut()
		<-time.After(time.Second)
		p.Link.Heal()
		<-time.After(time.Second)
		_, err := outside(t, s).ask(time.Minute, p.Manager.WorkerID(), control.Request{Action: control.Cordon})
		require.NoError(t, err)
		require.Equal(t, session, p.Manager.Status().Session)
	})
}

// Who asks loses the connection while the worker drains, and asks again.
func TestAnAnswerIsMissedAndAskedForAgain(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.Handler(heeds(8*time.Second)))
		f.Begin(4)
		f.Settle(time.Minute)
		p := f.Followers()[0]
		far := f.Make() // nothing but its connection is used
		outcome := asks{t, far.Conn}.later(5*time.Minute, p.Manager.WorkerID(), control.Request{Action: control.Drain})
		<-time.After(2 * time.Second)
		far.Link.Cut()
		<-time.After(2 * time.Second)
		far.Link.Heal()
		require.NoError(t, <-outcome)
		<-p.Manager.Done()

		p = f.Followers()[0]
		outcome = asks{t, far.Conn}.later(5*time.Minute, p.Manager.WorkerID(), control.Request{Action: control.Drain})
		<-time.After(2 * time.Second)
		far.Link.Cut()
		f.Wait(time.Minute, "the end", func() bool { return !p.Lives() })
		far.Link.Heal()
		err := <-outcome
		require.ErrorIs(t, err, control.ErrNobody)
		require.ErrorContains(t, err, "has ended without an answer", "it was heard, and what it came to is not known")
	})
}

func TestADeskThatFailsCostsTheWorkerNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		p, a := f.Begin(1)[0], outside(t, s)
		session := p.Manager.Status().Session
		for range 20 { // many more than actors may fail that a worker cannot do without
			p.Panic("desk")
			_, err := a.ask(time.Minute, p.Manager.WorkerID(), control.Request{Action: control.Cordon})
			require.NoError(t, err)
		}
		require.True(t, f.Panicked())
		require.True(t, p.Saw(parti.ErrPanic))
		require.Equal(t, session, p.Manager.Status().Session)
		require.Len(t, p.Running(), 12)
	})
}

func TestWhoAsksBeyondWhatAWorkerCanAnswerIsToldSo(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		p, a := f.Begin(1)[0], outside(t, s)
		var mu sync.Mutex
		codes := map[bool]int{}
		sub, err := a.nc.Subscribe("answers.*", func(m *nats.Msg) {
			answer, err := control.DecodeAnswer(m.Data)
			if err == nil && (answer.Done || answer.Code != control.OK) {
				mu.Lock()
				defer mu.Unlock()
				codes[errors.Is(answer.Err(), control.ErrBusy)]++
			}
		})
		require.NoError(t, err)
		for n := range 250 { // nobody can take over: all of them wait
			require.NoError(t, a.nc.PublishMsg(&nats.Msg{
				Subject: control.Subject(controlled, p.Manager.WorkerID()), Reply: fmt.Sprintf("answers.%d", n), Data: control.Request{Action: control.Drain}.Encode(),
			}))
		}
		<-time.After(5 * time.Second)
		mu.Lock()
		require.Equal(t, map[bool]int{true: 150}, codes)
		mu.Unlock()
		require.NoError(t, p.Stop())
		<-time.After(time.Second)
		mu.Lock()
		require.Equal(t, map[bool]int{true: 150, false: 100}, codes, "each of the others is told how it ended")
		mu.Unlock()
		require.NoError(t, sub.Unsubscribe())
	})
}

func TestARequestToAWorkerThatLeavesIsToldSo(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12, fleet.Handler(slowToGiveUp(5*time.Second)))
		p, a := f.Begin(1)[0], outside(t, s)
		worker := p.Manager.WorkerID()
		p.Link.Block(func(subject string) bool { return strings.HasPrefix(subject, "$KV.") })
		cordon := a.later(time.Minute, worker, control.Request{Action: control.Cordon})
		<-time.After(100 * time.Millisecond)
		go func() { _ = p.Stop() }()
		require.ErrorIs(t, <-cordon, control.ErrLeaving)
		p.Link.Heal()
		_, err := a.ask(time.Minute, worker, control.Request{Action: control.Refresh})
		require.ErrorIs(t, err, control.ErrLeaving)
		_, err = a.ask(time.Minute, worker, control.Request{Action: control.Drain})
		require.ErrorIs(t, err, control.ErrIncomplete, "it is told how the worker has left")
	})
}

// A server forgets after a while who may answer, so a drain that takes long is asked for again, and is the same drain.
func TestALongDrainIsAskedForNowAndThen(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		p, a := f.Begin(1)[0], outside(t, s)
		worker, heard := p.Manager.WorkerID(), atomic.Int32{}
		sub, err := a.nc.Subscribe(control.Subject(controlled, worker), func(m *nats.Msg) {
			if r, err := control.DecodeRequest(m.Data); err == nil && r.Action == control.Drain {
				heard.Add(1)
			}
		})
		require.NoError(t, err)
		outcome := a.later(5*time.Minute, worker, control.Request{Action: control.Drain})
		<-time.After(61 * time.Second)
		require.EqualValues(t, 4, heard.Load())
		f.Start(1) // somebody takes over
		require.NoError(t, <-outcome)
		require.NoError(t, sub.Unsubscribe())
		<-p.Manager.Done()
	})
}

func TestATreeOfActorsIsDrainedFromOutside(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		quiet := func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }
		system := actor.NewActorSystem(actor.WithLoggerFactory(quiet))
		defer system.Shutdown()
		f := fleet.New(t, s, 12)
		f.Begin(1)
		js, err := jetstream.New(s.Connect(parti.ConnectOptions()...))
		require.NoError(t, err)
		props, err := parti.Props(parti.DefaultConfig(), js, f.Source, strategy.NewSticky(), parti.WithLogger(quiet(nil)))
		require.NoError(t, err)
		tree, ended := system.Root.Spawn(props), make(chan struct{})
		system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
			switch ctx.Message().(type) {
			case *actor.Started:
				ctx.Watch(tree)
			case *actor.Terminated:
				close(ended)
			}
		}))
		<-time.After(time.Minute)
		_, err = outside(t, s).ask(time.Minute, "worker-1", control.Request{Action: control.Drain})
		require.NoError(t, err)
		<-ended
		f.Settle(5 * time.Second)
		<-time.After(time.Second)
	})
}

// A list that changes while the source is being listed may be in no answer of that listing.
func TestARefreshIsAnsweredByAListingThatBeganAfterwards(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		source := &fleet.SlowSource{}
		f := fleet.New(t, s, 12, fleet.Slowly(source))
		f.Begin(2)
		f.Settle(time.Minute)
		source.Delay.Store(int64(2 * time.Second))
		a, worker := outside(t, s), f.Followers()[0].Manager.WorkerID()
		first := a.later(time.Minute, worker, control.Request{Action: control.Refresh})
		<-time.After(500 * time.Millisecond)
		f.Source.Set(append(f.Source.List(), fleet.Partition(100))...)
		second := a.later(time.Minute, worker, control.Request{Action: control.Refresh})
		require.NoError(t, <-first)
		require.NoError(t, <-second)
		f.Settle(time.Second)
	})
}
