// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/control"
	"github.com/parti-go/parti/kv"
)

// deskAlone is a desk without a manager.
type deskAlone struct {
	t      *testing.T
	nc     *nats.Conn
	desk   *desk
	life   *life
	store  *kv.Store
	asked  chan any // of the manager
	inbox  *nats.Subscription
	worker string
}

func newDeskAlone(t *testing.T, server *bubble.Server) *deskAlone {
	t.Helper()
	set, buckets := openStore(t, server)
	set.Logger = slog.New(slog.DiscardHandler)
	view := newView()
	l := &life{view: view, runner: &runner{handlers: &handlers{}, view: view}}
	a := &deskAlone{t: t, nc: server.Connect(), life: l, store: buckets, asked: make(chan any, 10), worker: "worker-3"}
	runs := make(chan struct{})
	begin(t, func(g *guard) body {
		a.desk = newDesk(g, set, l, func(message any) { a.asked <- message }).(*desk)
		return begun{a.desk, runs}
	})
	<-runs
	inbox, err := a.nc.SubscribeSync("answers")
	require.NoError(t, err)
	a.inbox = inbox
	return a
}

// begun says when it runs.
type begun struct {
	*desk
	runs chan struct{}
}

func (b begun) started() { close(b.runs) }

// attends begins a session that is trusted for a time.
func (a *deskAlone) attends(number uint64, trusted time.Duration) session {
	a.t.Helper()
	s := session{id: a.worker, number: number, trust: &trust{}}
	s.trust.extend(time.Now().Add(trusted))
	a.desk.tell(&attend{session: s, store: a.store})
	<-time.After(time.Millisecond)
	return s
}

const nobody = -1

// hears sends a request and returns how many answers it has within a moment, or that nobody listens.
func (a *deskAlone) hears(action control.Action) (n int) {
	a.t.Helper()
	require.NoError(a.t, a.nc.PublishMsg(&nats.Msg{
		Subject: control.Subject("t-assignment", a.worker), Reply: "answers", Data: control.Request{Action: action}.Encode(),
	}))
	for {
		switch _, err := a.inbox.NextMsg(10 * time.Millisecond); {
		case errors.Is(err, nats.ErrNoResponders):
			return nobody
		case err != nil:
			return n
		}
		n++
	}
}

func TestADeskActsAndSpeaksOnlyWhileItsSessionMay(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		a := newDeskAlone(t, server)
		s := a.attends(7, time.Second)
		require.Equal(t, 1, a.hears(control.Hello))
		s.trust.silent.Store(true)
		require.Zero(t, a.hears(control.Hello), "its entries are about to be deleted")
		s.trust.silent.Store(false)
		<-time.After(time.Second)
		for _, action := range []control.Action{control.Hello, control.Drain, control.Cordon, control.Refresh} {
			require.Zero(t, a.hears(action), "its trust is over")
		}
		require.Empty(t, a.asked)
		require.Nil(t, a.life.askers.Load())

		a.attends(8, time.Second)
		require.Equal(t, 1, a.hears(control.Drain))
		require.IsType(t, &drainAsked{}, <-a.asked)
		a.desk.tell(&dismiss{})
		<-time.After(time.Millisecond)
		require.Equal(t, nobody, a.hears(control.Hello))
		require.Empty(t, a.asked)
	})
}

// What has reached the actor before its session ended is for that session alone.
func TestADeskDropsWhatWasMeantForTheSessionBefore(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		a := newDeskAlone(t, server)
		a.attends(7, time.Minute)
		a.attends(8, time.Minute)
		a.desk.queued.Add(1)
		a.desk.tell(&requested{session: 7, data: control.Request{Action: control.Cordon}.Encode(), reply: "answers"})
		<-time.After(time.Millisecond)
		require.Empty(t, a.asked)
		a.desk.tell(&refreshOver{session: 7})
		require.Equal(t, 1, a.hears(control.Hello))
	})
}

func TestOfADrainNobodyIsToldByAWorkerThatIsFencedAndHasNotNoticed(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		a := newDeskAlone(t, server)
		for _, silent := range []bool{false, true} {
			s := session{id: a.worker, number: 7, trust: &trust{}}
			s.trust.silent.Store(silent) // it has begun to delete its entries while it was trusted
			a.life.await(asker{"answers", s, a.store})
			a.life.farewell()
			m, err := a.inbox.NextMsg(time.Second)
			require.Equal(t, silent, err == nil)
			if err == nil {
				answer, err := control.DecodeAnswer(m.Data)
				require.NoError(t, err)
				require.ErrorIs(t, answer.Err(), control.ErrIncomplete, "nothing says that everything was handed over")
			}
		}
	})
}

// The manager may forget a session between the desk's look at its voice and its note of who asked.
func TestWhoIsNotedAfterTheSessionWasForgottenIsToldNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		a := newDeskAlone(t, server)
		s := a.attends(7, time.Minute)
		m := &manager{life: a.life, session: s}
		m.forget()
		a.life.await(asker{"answers", s, a.store})
		a.life.view.drained.Store(true)
		a.life.farewell()
		_, err := a.inbox.NextMsg(time.Second)
		require.ErrorIs(t, err, nats.ErrTimeout)
	})
}

// sends sends a request whose answers go to a subject.
func (a *deskAlone) sends(reply string, r control.Request) {
	a.t.Helper()
	require.NoError(a.t, a.nc.PublishMsg(&nats.Msg{Subject: control.Subject("t-assignment", a.worker), Reply: reply, Data: r.Encode()}))
	require.NoError(a.t, a.nc.Flush())
	<-time.After(time.Millisecond)
}

// fills takes up every place of a desk.
func (a *deskAlone) fills() {
	a.t.Helper()
	for i := range mostErrands {
		a.sends(fmt.Sprintf("gone.%d", i), control.Request{Action: control.Drain})
		<-a.asked
	}
}

// answered is the next answer to those who listen.
func (a *deskAlone) answered() control.Answer {
	a.t.Helper()
	m, err := a.inbox.NextMsg(time.Second)
	require.NoError(a.t, err)
	answer, err := control.DecodeAnswer(m.Data)
	require.NoError(a.t, err)
	return answer
}

func TestADeskForgetsWhoDoesNotAskAgain(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		a := newDeskAlone(t, server)
		a.attends(7, time.Hour)
		a.fills()
		require.Len(t, *a.life.askers.Load(), mostErrands)
		for range 10 { // one of them is still there
			<-time.After(20 * time.Second)
			a.sends("gone.7", control.Request{Action: control.Drain})
		}
		require.Len(t, *a.life.askers.Load(), 1)
		gone, err := a.nc.SubscribeSync("gone.*")
		require.NoError(t, err)
		require.NoError(t, a.nc.Flush())
		for range 3 {
			m, err := gone.NextMsg(2 * time.Second)
			require.NoError(t, err)
			require.Equal(t, "gone.7", m.Subject)
		}
		require.Empty(t, a.asked, "what is asked for again is asked for once")
		a.sends("answers", control.Request{Action: control.Drain})
		require.NoError(t, a.answered().Err(), "there is room again")
		<-time.After(2 * errandLasts)
		require.Nil(t, a.life.askers.Load())
	})
}

func TestAFullDeskPassesTheBoundOfADrainOn(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		a := newDeskAlone(t, server)
		a.attends(7, time.Hour)
		a.fills()
		a.sends("answers", control.Request{Action: control.Drain, Within: time.Minute})
		answer := a.answered()
		require.ErrorIs(t, answer.Err(), control.ErrBusy)
		require.Len(t, a.asked, 1)
		require.WithinDuration(t, time.Now().Add(time.Minute), (<-a.asked).(*drainAsked).by, time.Second)
		require.ErrorContains(t, answer.Err(), "the drain goes on")
		a.sends("answers", control.Request{Action: control.Drain})
		require.ErrorIs(t, a.answered().Err(), control.ErrBusy)
		a.sends("answers", control.Request{Action: control.Drain, Session: 6, Within: time.Second})
		require.ErrorIs(t, a.answered().Err(), control.ErrSession)
		require.Empty(t, a.asked)
		require.Len(t, *a.life.askers.Load(), mostErrands)
	})
}

func TestARefreshWithoutAnAnswerOfTheLeaderMayBeDone(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		a := newDeskAlone(t, server)
		a.attends(7, time.Hour)
		refreshes := func() error {
			a.sends("answers", control.Request{Action: control.Refresh})
			for {
				m, err := a.inbox.NextMsg(time.Minute)
				require.NoError(t, err)
				if answer, err := control.DecodeAnswer(m.Data); err != nil || answer.Done {
					require.NoError(t, err)
					return answer.Err()
				}
			}
		}
		require.ErrorIs(t, refreshes(), control.ErrFailed, "there is no leader")
		stop, err := a.store.ServeRefresh(func(func(error)) {})
		require.NoError(t, err)
		defer stop()
		err = refreshes()
		require.ErrorIs(t, err, control.ErrSilent)
		require.ErrorContains(t, err, "may still do it")
	})
}
