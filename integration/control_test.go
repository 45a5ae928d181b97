// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/control"
	"github.com/parti-go/parti/internal/record"
)

var controlled = parti.DefaultConfig().KVBuckets.Assignment

// asks is somebody outside who asks the workers of a fleet.
type asks struct {
	t  *testing.T
	nc *nats.Conn
}

func outside(t *testing.T, s *bubble.Server) asks { return asks{t, s.Connect()} }

// ask asks a worker, and returns what was heard until the end.
func (a asks) ask(d time.Duration, worker string, r control.Request) (heard []control.Progress, err error) {
	ctx, cancel := context.WithTimeout(background(), d)
	defer cancel()
	err = control.Ask(ctx, a.nc, controlled, worker, r, func(p control.Progress) { heard = append(heard, p) })
	return heard, err
}

// later asks on a goroutine of its own.
func (a asks) later(d time.Duration, worker string, r control.Request) <-chan error {
	outcome := make(chan error, 1)
	go func() {
		_, err := a.ask(d, worker, r)
		outcome <- err
	}()
	return outcome
}

// raw sends something as a request, and returns what is answered to it within a time.
func (a asks) raw(worker, reply string, data []byte) func(within time.Duration) []control.Answer {
	a.t.Helper()
	if reply == "" {
		reply = a.nc.NewInbox()
	}
	sub, err := a.nc.SubscribeSync(reply)
	require.NoError(a.t, err)
	require.NoError(a.t, a.nc.PublishMsg(&nats.Msg{Subject: control.Subject(controlled, worker), Reply: reply, Data: data}))
	return func(within time.Duration) (answers []control.Answer) {
		a.t.Helper()
		for until := time.Now().Add(within); ; {
			m, err := sub.NextMsg(time.Until(until))
			if err != nil {
				require.NoError(a.t, sub.Unsubscribe())
				return answers
			}
			answer, err := control.DecodeAnswer(m.Data)
			require.NoError(a.t, err)
			answers = append(answers, answer)
		}
	}
}

// heeds takes its time to give something up, unless its context ends.
func heeds(d time.Duration) func(context.Context, []parti.Partition, []parti.Partition) error {
	return func(ctx context.Context, _, removed []parti.Partition) error {
		if len(removed) > 0 {
			select {
			case <-time.After(d):
			case <-ctx.Done():
			}
		}
		return nil
	}
}

func TestARemoteDrainIsAnsweredWhenTheWorkerHasLeft(t *testing.T) {
	for _, who := range []string{"a follower", "the leader"} {
		t.Run(who, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 60, fleet.Handler(slowToGiveUp(2500*time.Millisecond)))
				f.Begin(4)
				f.Settle(time.Minute)
				p := f.Followers()[0]
				if who == "the leader" {
					p = f.Leader()
				}
				slowLinks(f.Live()...)
				go func() { // as a main does that has nothing else to do
					<-p.Manager.Done()
					p.Conn.Close()
				}()
				p.LastIDKept()
				worker, session, began := p.LastID(), p.Manager.Status().Session, time.Now()
				heard, err := outside(t, s).ask(time.Minute, worker, control.Request{Action: control.Drain, Session: session, By: "a test"})
				require.NoError(t, err)
				took := time.Since(began)
				require.Less(t, took, 10*time.Second)
				require.GreaterOrEqual(t, len(heard), int(took/time.Second), "at least one each second")
				require.Equal(t, control.Progress{Worker: worker, Session: session, Draining: true, Leaving: true}, heard[len(heard)-1])
				require.Positive(t, heard[0].Left)
				requireGone(t, f, worker)
				<-p.Manager.Done()
				require.NoError(t, p.Manager.Err())
				f.Settle(5 * time.Second)
				require.LessOrEqual(t, longestVacancy(f, began), handoff)
			})
		})
	}
}

func TestManyMayAskForTheSameDrainAndForSeveral(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.Handler(slowToGiveUp(2*time.Second)))
		f.Begin(5)
		f.Settle(time.Minute)
		p, q := f.Followers()[0], f.Leader()
		p.LastIDKept()
		q.LastIDKept()
		a := outside(t, s)
		drain := control.Request{Action: control.Drain}
		outcomes := []<-chan error{
			a.later(time.Minute, p.LastID(), drain), a.later(time.Minute, q.LastID(), drain), outside(t, s).later(time.Minute, p.LastID(), drain),
		}
		<-time.After(time.Second)
		outcomes = append(outcomes, a.later(time.Minute, p.LastID(), drain))
		for _, outcome := range outcomes {
			require.NoError(t, <-outcome)
		}
		<-p.Manager.Done()
		<-q.Manager.Done()
		f.Settle(5 * time.Second)
	})
}

func TestARemoteDrainThatCannotEndIsAStopAfterItsTime(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(3)
		stuck := f.Start(1, fleet.Handler(func(_ context.Context, _, removed []parti.Partition) error {
			if len(removed) > 0 {
				<-f.Closing()
			}
			return nil
		}))[0]
		f.Settle(time.Minute)
		held, worker := stuck.Running(), stuck.LastID()
		require.NotEmpty(t, held)
		began, a := time.Now(), outside(t, s)
		unbound := a.later(5*time.Minute, worker, control.Request{Action: control.Drain})
		_, err := a.ask(5*time.Minute, worker, control.Request{Action: control.Drain, Within: 10 * time.Second})
		require.ErrorIs(t, err, control.ErrIncomplete)
		require.ErrorContains(t, err, fmt.Sprintf("with %d partitions left", len(held)))
		require.ErrorContains(t, err, held[0])
		require.GreaterOrEqual(t, time.Since(began), 10*time.Second)
		require.Less(t, time.Since(began), 10*time.Second+2*parti.DefaultConfig().ShutdownTimeout)
		require.ErrorIs(t, <-unbound, control.ErrIncomplete, "of two the earlier bound counts")
		<-stuck.Manager.Done()
	})
}

func TestAStopEndsARemoteDrain(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		p := f.Begin(1)[0]
		outcome := outside(t, s).later(time.Minute, p.Manager.WorkerID(), control.Request{Action: control.Drain})
		<-time.After(5 * time.Second)
		require.True(t, p.Manager.Status().Draining)
		require.NoError(t, p.Manager.Stop(background()))
		err := <-outcome
		require.ErrorIs(t, err, control.ErrIncomplete)
		require.ErrorContains(t, err, "12 partitions")
	})
}

func TestAWorkerThatWaitsForItsFirstAssignmentCanBeDrainedFromOutside(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		p := f.Start(1)[0]
		<-time.After(5 * time.Second)
		_, err := outside(t, s).ask(time.Minute, p.Manager.WorkerID(), control.Request{Action: control.Drain})
		require.NoError(t, err)
		require.ErrorIs(t, p.Begun(), parti.ErrStopped)
	})
}

// A worker that was frozen for so long that others may have its ID does nothing of what it was asked meanwhile, and says nothing.
func TestAFrozenWorkerDoesNotDoLaterWhatItWasAsked(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(4)
		f.Settle(time.Minute)
		p, a := f.Followers()[0], outside(t, s)
		worker, session := p.Manager.WorkerID(), p.Manager.Status().Session
		p.Freeze()
		answers := a.raw(worker, "", control.Request{Action: control.Drain, Session: session}.Encode())
		began := time.Now()
		_, err := a.ask(5*time.Second, worker, control.Request{Action: control.Cordon, Session: session})
		require.ErrorIs(t, err, control.ErrSilent)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(began))
		<-time.After(3 * heartbeatTTL)
		p.Thaw()
		require.Empty(t, answers(time.Minute))
		f.Settle(time.Minute)
		status := p.Manager.Status()
		require.Greater(t, status.Session, session)
		require.False(t, status.Draining)
		require.False(t, status.Cordoned)
	})
}

func TestARequestDoesNotReachWhoeverHasTheIDNext(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.Handler(heeds(20*time.Second)))
		f.Begin(4)
		f.Settle(time.Minute)
		p, a := f.Followers()[0], outside(t, s)
		worker, session := p.Manager.WorkerID(), p.Manager.Status().Session
		unnamed := a.later(5*time.Minute, worker, control.Request{Action: control.Drain}) // it is under way when the ID changes hands
		<-time.After(2 * time.Second)
		p.Crash()
		next := f.Start(1, fleet.PreferredID(worker))[0]
		require.NoError(t, next.Begun())
		require.Equal(t, worker, next.Manager.WorkerID())
		for _, action := range []control.Action{control.Hello, control.Drain, control.Cordon, control.Refresh} {
			_, err := a.ask(time.Minute, worker, control.Request{Action: action, Session: session})
			require.ErrorIs(t, err, control.ErrSession, action)
			require.ErrorContains(t, err, fmt.Sprintf("the request is for session %d, but session %d holds %s now", session, next.Manager.Status().Session, worker))
		}
		require.ErrorIs(t, <-unnamed, control.ErrSession)
		require.False(t, next.Manager.Status().Draining)
		heard, err := a.ask(time.Minute, worker, control.Request{Action: control.Hello})
		require.NoError(t, err)
		require.Equal(t, next.Manager.Status().Session, heard[0].Session)
	})
}

// The worker loses its session while it drains, and drains on. Nobody speaks for the session that is over.
func TestADrainThatAnotherSessionGoesOnWithIsNotAnswered(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.Handler(heeds(15*time.Second)))
		f.Begin(4)
		f.Settle(time.Minute)
		p, a := f.Followers()[0], outside(t, s)
		worker, session := p.Manager.WorkerID(), p.Manager.Status().Session
		answers := a.raw(worker, "", control.Request{Action: control.Drain, Within: time.Minute}.Encode())
		<-time.After(2500 * time.Millisecond)
		p.Link.Cut()
		<-time.After(2 * heartbeatTTL)
		p.Link.Heal()
		f.Wait(time.Minute, "the end", func() bool { return !p.Lives() })
		got := answers(time.Minute)
		require.Len(t, got, 3)
		for _, answer := range got {
			require.Equal(t, session, answer.Session)
			require.False(t, answer.Done)
		}
		f.Settle(time.Minute)
	})
}

func TestACordonFromOutsideIsAnsweredWhenTheHeartbeatIsStored(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(3)
		f.Settle(time.Minute)
		p, a := f.Followers()[0], outside(t, s)
		worker := p.Manager.WorkerID()
		stored := func() bool {
			keys, err := f.JS.KeyValue(background(), parti.DefaultConfig().KVBuckets.Heartbeat)
			require.NoError(t, err)
			e, err := keys.Get(background(), worker)
			require.NoError(t, err)
			h, err := record.DecodeHeartbeat(e.Value())
			require.NoError(t, err)
			return h.Cordoned
		}
		for _, action := range []control.Action{control.Cordon, control.Cordon, control.Uncordon, control.Uncordon, control.Cordon} {
			began := time.Now()
			_, err := a.ask(time.Minute, worker, control.Request{Action: action})
			require.NoError(t, err)
			require.Equal(t, action == control.Cordon, stored())
			require.Equal(t, action == control.Cordon, p.Manager.Status().Cordoned)
			require.Less(t, time.Since(began), 100*time.Millisecond)
		}

		// One that was sent before does not count: it is stored and acknowledged after the worker was asked.
		const oneWay = 300 * time.Millisecond
		p.Link.Slow(oneWay)
		for n := range 20 {
			action, began := []control.Action{control.Uncordon, control.Cordon}[n%2], time.Now()
			_, err := a.ask(time.Minute, worker, control.Request{Action: action})
			require.NoError(t, err)
			require.Equal(t, action == control.Cordon, stored())
			require.GreaterOrEqual(t, time.Since(began), 6*oneWay, "hello, the request, the heartbeat, and their answers")
			<-time.After(time.Duration(n) * 37 * time.Millisecond)
		}

		p.Link.Slow(0)

		// Stored is stored: while no heartbeat is, there is no answer.
		p.Link.Block(func(subject string) bool {
			return strings.HasPrefix(subject, "$KV."+parti.DefaultConfig().KVBuckets.Heartbeat)
		})
		outcome := a.later(time.Minute, worker, control.Request{Action: control.Uncordon})
		<-time.After(1500 * time.Millisecond)
		require.Empty(t, outcome)
		require.True(t, stored())
		p.Link.Heal()
		require.NoError(t, <-outcome)
		require.False(t, stored())
	})
}

func TestACordonThatIsTakenBackBeforeItIsStoredIsToldSo(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		p, a := f.Begin(1)[0], outside(t, s)
		worker := p.Manager.WorkerID()
		p.Link.Block(func(subject string) bool { return strings.HasPrefix(subject, "$KV.") })
		first := a.later(time.Minute, worker, control.Request{Action: control.Cordon})
		<-time.After(100 * time.Millisecond)
		last := a.later(time.Minute, worker, control.Request{Action: control.Uncordon})
		require.ErrorIs(t, <-first, control.ErrSuperseded)
		p.Link.Heal()
		require.NoError(t, <-last)
		require.False(t, p.Manager.Status().Cordoned)

		p.Link.Block(func(subject string) bool { return strings.HasPrefix(subject, "$KV.") })
		first = a.later(time.Minute, worker, control.Request{Action: control.Cordon})
		<-time.After(100 * time.Millisecond)
		p.Manager.Uncordon()
		p.Link.Heal()
		require.ErrorIs(t, <-first, control.ErrSuperseded)
	})
}

func TestACordonFromOutsideOutlivesTheSession(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(3)
		f.Settle(time.Minute)
		p, a := f.Followers()[0], outside(t, s)
		session := p.Manager.Status().Session
		_, err := a.ask(time.Minute, p.Manager.WorkerID(), control.Request{Action: control.Cordon})
		require.NoError(t, err)
		p.Link.Cut()
		<-time.After(2 * heartbeatTTL)
		p.Link.Heal()
		f.Wait(time.Minute, "the next session", func() bool { return p.Manager.Status().Session > session })
		<-time.After(2 * time.Minute)
		require.True(t, p.Manager.Status().Cordoned)
		require.Empty(t, p.Running())
		_, err = a.ask(time.Minute, p.Manager.WorkerID(), control.Request{Action: control.Uncordon})
		require.NoError(t, err, "the next session listens")
		f.Wait(3*window, "its share", func() bool { return len(p.Running()) > 0 })
	})
}

func TestARefreshCanBeAskedOfAnyWorker(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 12)
		f.Begin(3)
		f.Settle(time.Minute)
		a := outside(t, s)
		for n, p := range append(f.Followers(), f.Leader()) {
			f.Source.Set(append(f.Source.List(), fleet.Partition(100+n))...)
			_, err := a.ask(time.Minute, p.Manager.WorkerID(), control.Request{Action: control.Refresh})
			require.NoError(t, err)
			f.Settle(time.Second)
		}
		f.Source.Fail(errors.New("the database is away"))
		_, err := a.ask(time.Minute, f.Followers()[0].Manager.WorkerID(), control.Request{Action: control.Refresh})
		require.ErrorIs(t, err, control.ErrRefused)
		require.ErrorContains(t, err, "the database is away")
		f.Source.Fail(nil)
	})
}

func TestManyRefreshesAtOnceAreFewListings(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		source := &fleet.SlowSource{}
		f := fleet.New(t, s, 12, fleet.Slowly(source))
		f.Begin(2)
		f.Settle(time.Minute)
		source.Delay.Store(int64(time.Second))
		a, before := outside(t, s), f.Source.Calls()
		var outcomes []<-chan error
		for range 50 {
			outcomes = append(outcomes, a.later(time.Minute, f.Leader().Manager.WorkerID(), control.Request{Action: control.Refresh}))
		}
		for _, outcome := range outcomes {
			require.NoError(t, <-outcome)
		}
		require.Equal(t, 2, f.Source.Calls()-before, "the first, and one for all the others")
	})
}
