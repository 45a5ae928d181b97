// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
	"github.com/parti-go/parti/internal/store/storetest"
)

// real is the real server as a subject of the conformance suite: it is asked as this package asks it, but once, not again
// and again.
type real struct {
	t      testing.TB
	stores [2]*Store // of the clients
	late   time.Duration
	suffer func(what storetest.Trouble, c model.Client, b store.Bucket)

	mu   sync.Mutex
	feed model.ID
	told map[model.ID][]model.Event
}

func (r *real) Now() time.Time        { return time.Now() }
func (r *real) Sleep(d time.Duration) { time.Sleep(d) }
func (r *real) Late() time.Duration   { return r.late }

func (r *real) Suffer(what storetest.Trouble, c model.Client, b store.Bucket) { r.suffer(what, c, b) }

func (r *real) Ask(requests ...storetest.Request) []model.Event {
	if len(requests) == 1 {
		return []model.Event{r.ask(requests[0])}
	}
	events := make([]model.Event, len(requests))
	var all sync.WaitGroup
	for i, request := range requests {
		all.Go(func() { events[i] = r.ask(request) })
	}
	all.Wait()
	return events
}

func (r *real) Send(request storetest.Request) (outcome func() model.Event) {
	answer := make(chan model.Event, 1)
	go func() { answer <- r.ask(request) }()
	return func() model.Event { return <-answer }
}

func (r *real) Told(feed model.ID) []model.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := r.told[feed]
	r.told[feed] = nil
	return told
}

// outcomeOf says how this package understands an error.
func outcomeOf(err error) model.Outcome {
	switch {
	case err == nil:
		return model.Applied
	case errors.Is(err, errConflict):
		return model.Refused
	case errors.Is(err, errBusy):
		return model.Busy
	case errors.Is(err, ErrNotDone):
		return model.NotSent
	}
	return model.Unknown
}

func (r *real) ask(request storetest.Request) model.Event {
	ctx, cancel := context.WithTimeout(context.Background(), request.Within)
	defer cancel()
	s, e := r.stores[request.Client], model.Event{Kind: request.Kind, Bucket: request.Bucket}
	var err error
	switch request.Kind {
	case model.Written:
		e.Revision, err = publish(ctx, s, request)
		e.Outcome = outcomeOf(err)
		return e
	case model.Got:
		e.Entry, err = s.get(ctx, request.Bucket, request.Keys[0])
		if errors.Is(err, ErrNotFound) {
			e.None, err = true, nil
		}
	case model.Listed:
		keys := request.Keys
		if keys == nil {
			keys = []string{">"}
			if request.Bucket == store.Assignments {
				keys = []string{"*"}
			}
		}
		var snapshot store.Snapshot
		snapshot, err = s.readChunk(ctx, request.Bucket, keys, request.Within)
		e.Entries, e.Revision, e.None = snapshot.Entries, snapshot.UpTo, len(snapshot.Entries) == 0
	case model.Described:
		var stream jetstream.Stream
		stream, err = s.js.Stream(ctx, s.stream(request.Bucket))
		if err == nil {
			info := stream.CachedInfo()
			e.Info = model.Info{
				Created: info.Created, First: info.State.FirstSeq, Last: info.State.LastSeq, Messages: int(info.State.Msgs),
				At: info.State.LastTime, Now: info.TimeStamp,
			}
		} else if errors.Is(err, jetstream.ErrStreamNotFound) {
			e.None, err = true, nil
		}
	case model.Followed:
		e.ID, err = r.follow(ctx, s, request)
	case model.Delivered, model.Lost:
	}
	if err != nil {
		e.Outcome = model.NotSent
	}
	return e
}

// publish sends a write once.
func publish(ctx context.Context, s *Store, request storetest.Request) (uint64, error) {
	messages := make([]*nats.Msg, len(request.Messages))
	for i, m := range request.Messages {
		messages[i] = &nats.Msg{Subject: s.writes + s.subject(request.Bucket, m.Key), Data: m.Value, Header: nats.Header{}}
		if m.Kind == store.Deleted {
			messages[i].Header.Set("KV-Operation", "PURGE")
		}
		if m.TTL > 0 {
			messages[i].Header.Set(jetstream.MsgTTLHeader, m.TTL.String())
		}
		messages[i].Header.Set(jetstream.ExpectedLastSubjSeqHeader, fmt.Sprint(request.When.Revision))
		if request.When.Key != "" {
			messages[i].Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, s.subject(request.Bucket, request.When.Key))
		}
	}
	return bounded(ctx, func() (uint64, error) {
		if request.Atomic {
			ack, err := jetstreamext.PublishMsgBatch(ctx, s.js, messages, jetstreamext.BatchFlowControl{})
			if err != nil {
				return 0, outcome(err)
			}
			return ack.Sequence, nil
		}
		ack, err := s.js.PublishMsg(ctx, messages[0], jetstream.WithRetryAttempts(0))
		if err != nil {
			return 0, outcome(err)
		}
		return ack.Sequence, nil
	})
}

// follow makes a consumer and gives it up as a feed would.
func (r *real) follow(ctx context.Context, s *Store, request storetest.Request) (model.ID, error) {
	const sign = time.Second
	c, err := s.consume(ctx, request.Bucket, request.Keys, request.After, sign)
	if err != nil {
		return 0, err
	}
	status := s.js.Conn().StatusChanged(nats.CONNECTED, nats.CLOSED)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.feed++
	id := r.feed
	over, ended := context.WithCancel(context.Background())
	done := make(chan struct{})
	r.t.Cleanup(func() { ended(); <-done })
	go func() {
		defer close(done)
		defer c.stop()
		defer s.js.Conn().RemoveStatusListener(status)
		for {
			quiet := time.NewTimer(sign + heartbeatGrace)
			select {
			case m := <-c.messages:
				quiet.Stop()
				e, ok, err := c.receive(over, request.Bucket, m)
				if ok {
					r.tell(id, model.Event{Kind: model.Delivered, Entry: e})
				}
				if err == nil {
					continue
				}
			case <-quiet.C:
			case <-status:
				quiet.Stop()
			case <-over.Done():
				quiet.Stop()
				return
			}
			r.tell(id, model.Event{Kind: model.Lost})
			return
		}
	}()
	return id, nil
}

func (r *real) tell(id model.ID, e model.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told[id] = append(r.told[id], e)
}

var troublesInVirtualTime = []storetest.Trouble{
	storetest.StallUp, storetest.StallDown, storetest.Cut, storetest.Heal, storetest.Stop, storetest.Start, storetest.Copy,
	storetest.Restore, storetest.RestoreAll, storetest.Delete, storetest.Create, storetest.Purge,
}

// TestTheRealServerDoesWhatEachCaseAllows in virtual time, on both kinds of storage where nothing restarts.
func TestTheRealServerDoesWhatEachCaseAllows(t *testing.T) {
	for _, c := range storetest.Cases() {
		if !c.Runs(false, troublesInVirtualTime...) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
				t.Logf("seen: %s", c.Try(t, inBubble(t, srv, "file")))
			})
			if len(c.Needs) == 0 {
				bubble.Run(t, func(t *testing.T, srv *bubble.Server) { c.Try(t, inBubble(t, srv, "memory")) })
			}
		})
	}
}

// inBubble is one server in virtual time; client 0 is behind a link.
func inBubble(t *testing.T, srv *bubble.Server, storage string) *real {
	cfg := testConfig()
	cfg.Storage = storage
	l := link.New(srv, nil)
	t.Cleanup(l.Close)
	t.Cleanup(func() { time.Sleep(time.Second) }) // the server's files are written by then
	r := &real{t: t, late: model.LateAlone, told: map[model.ID][]model.Event{}}
	r.stores = [2]*Store{openStore(t, l, cfg), openStore(t, srv, cfg)}
	copied := ""
	r.suffer = func(what storetest.Trouble, _ model.Client, b store.Bucket) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s := r.stores[1]
		switch what {
		case storetest.StallUp:
			l.Stall(link.Up)
		case storetest.StallDown:
			l.Stall(link.Down)
		case storetest.Cut:
			l.Cut()
		case storetest.Heal:
			l.Heal()
		case storetest.Stop:
			srv.Stop()
		case storetest.Start:
			srv.Start()
		case storetest.Copy:
			copied = srv.Copy()
		case storetest.Restore:
			srv.Restore(copied, s.stream(b))
		case storetest.RestoreAll:
			srv.Restore(copied)
		case storetest.Delete:
			require.NoError(t, s.js.DeleteStream(ctx, s.stream(b)))
		case storetest.Create:
			_, err := s.js.CreateStream(ctx, s.wanted(b))
			require.NoError(t, err)
		case storetest.Purge:
			stream, err := s.js.Stream(ctx, s.stream(b))
			require.NoError(t, err)
			require.NoError(t, stream.Purge(ctx))
		case storetest.Elect:
		}
	}
	return r
}

// TestTheRealServerAndTheModelGiveTheSameLines: random scripts, step by step.
func TestTheRealServerAndTheModelGiveTheSameLines(t *testing.T) {
	for seed := range uint64(8) {
		bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
			storage := []string{"memory", "file"}[seed/2%2]
			lines := storetest.Script(&storetest.Session{TB: t, Subject: inBubble(t, srv, storage)}, seed, 60)
			modelled := storetest.NewModelled(model.Config{Start: time.Now()}, model.Benign{})
			require.Equal(t, storetest.Script(&storetest.Session{TB: t, Subject: modelled}, seed, 60), lines, "seed %d", seed)
		})
	}
}
