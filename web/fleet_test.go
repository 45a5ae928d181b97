// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/observe"
)

// whole is a fleet and a handler that shows it.
type whole struct {
	t      *testing.T
	fleet  *fleet.Fleet
	view   *observe.Observer
	conn   *nats.Conn
	client *http.Client
}

// open observes a fleet that runs, and serves it. manager may be nil.
func open1(t *testing.T, s *bubble.Server, f *fleet.Fleet, manager *parti.Manager) *whole {
	t.Helper()
	nc := s.Connect(append(parti.ConnectOptions(), nats.MaxReconnects(-1))...)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	o, err := observe.Open(context.Background(), js, f.Config())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, o.Close()) })
	h := Handler(Options{Manager: manager, Observer: o, Allow: yes, Conn: nc, Logger: quiet()})
	return &whole{t: t, fleet: f, view: o, conn: nc, client: serveOver(t, h, nil)}
}

func (w *whole) post(path string) (status int, body string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://web/"+path, nil)
	require.NoError(w.t, err)
	req.Header.Set(actionHeader, "1")
	res, err := w.client.Do(req)
	require.NoError(w.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	return res.StatusCode, string(b)
}

// follower is a page that is open. It reads all the time, as a browser does: who does not is sent away.
type follower struct {
	t      *testing.T
	events chan sseEvent
	replica
	changes []map[string]any
}

func (w *whole) page() *follower {
	s := stream1(w.t, w.client, "http://web/events")
	p := &follower{t: w.t, events: make(chan sseEvent, 100_000)}
	p.begin(s.must("group"))
	go func() {
		defer close(p.events)
		for e, ok := s.next(); ok; e, ok = s.next() {
			p.events <- e
		}
	}()
	return p
}

// catchUp reads events up to a number.
func (p *follower) catchUp(seq float64) {
	p.t.Helper()
	for p.seq < seq {
		e, ok := <-p.events
		require.True(p.t, ok, "the stream has ended")
		if e.kind == "change" {
			for _, one := range decoded(p.t, []byte(`{"list":`+e.data+"}"))["list"].([]any) {
				p.changes = append(p.changes, one.(map[string]any))
			}
			continue
		}
		require.Equal(p.t, "delta", e.kind)
		require.NoError(p.t, p.apply(decoded(p.t, []byte(e.data))))
	}
}

// agrees compares a page with /group.json, and with what really runs.
func (w *whole) agrees(p *follower) {
	w.t.Helper()
	body := get(w.t, w.client, "http://web/group.json")
	p.catchUp(decoded(w.t, body)["seq"].(float64))
	p.require(w.t, body)
}

func TestAPageThatIsOpenSeesACrashADrainARestartAndAnOutage(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				c := rand.New(rand.NewPCG(seed, 5))
				f := fleet.New(t, s, 40)
				f.Begin(4)
				w := open1(t, s, f, nil)
				p := w.page()
				steps := []func(){
					func() { f.Followers()[0].Crash() },
					func() { f.Leader().Crash() },
					func() { require.NoError(t, f.Followers()[0].Drain(context.Background())) },
					func() {
						one := f.Followers()[0]
						require.NoError(t, one.Stop())
						f.Restart(one)
					},
					func() {
						s.Stop()
						<-time.After(2 * time.Second)
						s.Start()
					},
				}
				for range 6 {
					if len(f.Live()) < 3 {
						f.Start(2)
					} else {
						steps[c.IntN(len(steps))]()
					}
					for range 10 {
						<-time.After(time.Duration(c.IntN(3000)) * time.Millisecond)
						w.agrees(p)
					}
					<-time.After(time.Minute)
					f.Settle(0)
					w.agrees(p)
					owners := f.Checker.Owners()
					require.Len(t, owners, 40)
					for partition, worker := range owners {
						require.Contains(t, p.partitions[worker], partition)
					}
					require.EqualValues(t, 0, p.head["unowned"])
				}
				require.NotEmpty(t, p.changes)
			})
		})
	}
}

func TestTheHandlerOfARealWorkerAnswersItsProbesAndActions(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 20)
		f.Begin(3)
		own, other := f.Followers()[0], f.Followers()[1]
		w := open1(t, s, f, own.Manager)
		p := w.page()
		require.Equal(t, "ok\n", string(get(t, w.client, "http://web/livez")))
		require.Equal(t, "ok\n", string(get(t, w.client, "http://web/readyz")))
		status := decoded(t, get(t, w.client, "http://web/status.json"))
		require.Equal(t, own.Manager.WorkerID(), status["workerID"])
		require.Len(t, status["partitions"], len(own.Running()))

		code, body := w.post("refresh")
		require.Equal(t, http.StatusOK, code, body)
		code, body = w.post("cordon?worker=" + other.Manager.WorkerID())
		require.Equal(t, http.StatusOK, code, body)
		<-time.After(time.Millisecond) // the answer may overtake the heartbeat, which the observer hears on its own
		w.agrees(p)
		require.Equal(t, true, p.workers[other.Manager.WorkerID()]["cordoned"], "it is done when it is answered")
		code, body = w.post("uncordon?worker=" + other.Manager.WorkerID())
		require.Equal(t, http.StatusOK, code, body)

		code, body = w.post("cordon?worker=worker-99")
		require.Equal(t, http.StatusNotFound, code)
		require.Contains(t, body, `no worker \"worker-99\" lives in the group`)
		code, body = w.post("cordon?session=1&worker=" + other.Manager.WorkerID())
		require.Equal(t, http.StatusConflict, code, body)
		require.False(t, other.Manager.Status().Cordoned)

		code, body = w.post("drain?worker=" + other.Manager.WorkerID())
		require.Equal(t, http.StatusAccepted, code, body)
		<-other.Manager.Done()
		require.NoError(t, other.Manager.Err())
		code, body = w.post("drain")
		require.Equal(t, http.StatusAccepted, code, body)
		<-own.Manager.Done()
		<-time.After(time.Minute)
		f.Settle(0)
		w.agrees(p)
		require.Len(t, p.partitions[f.Leader().Manager.WorkerID()], 20)
		left := 0
		for _, c := range p.changes {
			if c["to"] == f.Leader().Manager.WorkerID() {
				left++
			}
		}
		require.GreaterOrEqual(t, left, len(status["partitions"].([]any)), "the timeline has what moved")
	})
}

func TestAWorkerThatIsNotStartedIsShownAsItIs(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		h := Handler(Options{Manager: fleet.New(t, s, 1).Make().Manager, Allow: yes, Logger: quiet()})
		require.Equal(t, "ok\n", asked(h, http.MethodGet, "/livez").Body.String())
		require.Contains(t, asked(h, http.MethodGet, "/readyz").Body.String(), "no assignment yet: it is in state Init")
		require.Contains(t, asked(h, http.MethodGet, "/status.json").Body.String(), `"workerID":"","session":0,"state":"Init"`)
		require.Contains(t, asked(h, http.MethodGet, "/status.json").Body.String(), `"partitions":[],"waits":[]`, "lists are never null")
		require.Equal(t, http.StatusConflict, asked(h, http.MethodPost, "/refresh", actionHeader, "1").Code)
		require.Equal(t, http.StatusNotImplemented, asked(h, http.MethodPost, "/drain?worker=worker-1", actionHeader, "1").Code)
	})
}
