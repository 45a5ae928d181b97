// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
)

// script is a body made of functions.
type script struct {
	onStart   func()
	onMessage func(actor.Context, any)
	onStop    func()
}

func (s *script) started() {
	if s.onStart != nil {
		s.onStart()
	}
}

func (s *script) receive(ctx actor.Context, message any) {
	if s.onMessage != nil {
		s.onMessage(ctx, message)
	}
}

func (s *script) stopping(bool) {
	if s.onStop != nil {
		s.onStop()
	}
}

func quietSystem(t *testing.T) *actor.ActorSystem {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
	t.Cleanup(system.Shutdown)
	return system
}

func guarded(build func(*guard) body, onEnd func()) *actor.Props {
	return actor.PropsFromProducer(func() actor.Actor {
		return newGuard("test", "", slog.New(slog.DiscardHandler), onEnd, build)
	})
}

func within(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(10 * time.Second):
		t.Fatalf("not within 10 s: %s", what)
	}
}

// decided answers every failure with one directive.
type decided struct {
	reasons   chan any
	directive func(actor.Supervisor, *actor.PID)
}

func (d *decided) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	d.reasons <- reason
	d.directive(s, child)
}

func TestAPanicReachesTheSupervisorWithItsStack(t *testing.T) {
	system := quietSystem(t)
	ended := make(chan struct{})
	d := &decided{reasons: make(chan any, 1), directive: func(s actor.Supervisor, c *actor.PID) { s.StopChildren(c) }}
	cause := errors.New("boom")
	props := guarded(func(*guard) body {
		return &script{onMessage: func(actor.Context, any) { panic(cause) }}
	}, func() { close(ended) })
	pid := system.Root.Spawn(props.Configure(actor.WithGuardian(d)))
	system.Root.Send(pid, "anything")
	var p *panicError
	require.ErrorAs(t, (<-d.reasons).(error), &p)
	require.ErrorIs(t, p, ErrPanic)
	require.ErrorIs(t, p, cause)
	require.Contains(t, string(p.Stack), "guard_test.go")
	within(t, ended, "end of the stopped actor")
}

func TestAPanicWhileStoppingNeitherRevivesNorHangs(t *testing.T) {
	for range 200 {
		system := quietSystem(t)
		ended := make(chan struct{})
		d := &decided{reasons: make(chan any, 8), directive: func(s actor.Supervisor, c *actor.PID) { s.RestartChildren(c) }}
		var lives atomic.Int32
		props := guarded(func(*guard) body {
			lives.Add(1)
			return &script{onStop: func() { panic("while stopping") }}
		}, func() { close(ended) })
		pid := system.Root.Spawn(props.Configure(actor.WithGuardian(d)))
		system.Root.Stop(pid)
		within(t, ended, "end in spite of a panic while stopping")
		require.Equal(t, int32(1), lives.Load())
		require.Empty(t, d.reasons)
	}
}

func TestTheEndWaitsForIO(t *testing.T) {
	system := quietSystem(t)
	ended, working := make(chan struct{}), make(chan struct{})
	var finished atomic.Bool
	props := guarded(func(g *guard) body {
		return &script{onStart: func() {
			g.run(func(ctx context.Context) any {
				close(working)
				<-ctx.Done()
				finished.Store(true)
				return nil
			})
		}}
	}, func() { close(ended) })
	pid := system.Root.Spawn(props)
	within(t, working, "work")
	system.Root.Stop(pid)
	within(t, ended, "end")
	require.True(t, finished.Load())
}

func TestOutcomesOfAnEarlierIncarnationAreDropped(t *testing.T) {
	system := quietSystem(t)
	gate, got := make(chan struct{}), make(chan any, 8)
	life := 0
	d := &decided{reasons: make(chan any, 8), directive: func(s actor.Supervisor, c *actor.PID) { s.RestartChildren(c) }}
	props := guarded(func(g *guard) body {
		life++
		mine := life
		return &script{
			onStart: func() {
				if mine == 1 {
					g.run(func(context.Context) any { <-gate; return "of the first life" })
				}
			},
			onMessage: func(_ actor.Context, message any) {
				if message == "panic" {
					panic("on purpose")
				}
				got <- message
			},
		}
	}, nil)
	pid := system.Root.Spawn(props.Configure(actor.WithGuardian(d)))
	system.Root.Send(pid, "panic")
	<-d.reasons
	system.Root.Send(pid, "second life?")
	require.Equal(t, "second life?", <-got)
	close(gate)
	system.Root.Send(pid, "last")
	for message := range got {
		require.NotEqual(t, "of the first life", message)
		if message == "last" {
			return
		}
	}
}

func TestAPanicOfIOIsAPanicOfItsActor(t *testing.T) {
	system := quietSystem(t)
	d := &decided{reasons: make(chan any, 1), directive: func(s actor.Supervisor, c *actor.PID) { s.StopChildren(c) }}
	props := guarded(func(g *guard) body {
		return &script{onStart: func() { g.run(func(context.Context) any { panic("in the background") }) }}
	}, nil)
	system.Root.Spawn(props.Configure(actor.WithGuardian(d)))
	require.ErrorContains(t, (<-d.reasons).(error), "in the background")
}

func TestAFiredTimerIsForgottenAndAStoppedOneIsSilent(t *testing.T) {
	system := quietSystem(t)
	sizes := make(chan int, 8)
	props := guarded(func(g *guard) body {
		return &script{
			onStart: func() {
				g.after(time.Hour, "never")()
				g.after(0, "fired")
			},
			onMessage: func(_ actor.Context, message any) {
				if message == "fired" {
					sizes <- len(g.timers)
				}
			},
		}
	}, nil)
	system.Root.Spawn(props)
	require.Zero(t, <-sizes)
}
