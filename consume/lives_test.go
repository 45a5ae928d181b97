// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/consume"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
)

var (
	seeds = flag.Int("seeds", 3, "how many lives TestLives lives")
	seed  = flag.Uint64("seed", 1, "the first of them")
)

// TestLives lets small fleets read streams through crashes, pauses, cuts, restarts of the server and rebalances, and then
// looks at what came of it, with code that this package does not share.
func TestLives(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(300))
	for i := range *seeds {
		t.Run(fmt.Sprint("seed ", *seed+uint64(i)), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				t.Cleanup(func() { <-time.After(100 * time.Millisecond) })
				l := begin(t, s, *seed+uint64(i))
				l.live()
				l.judge()
				if t.Failed() {
					t.Log(strings.Join(l.done, "\n"))
				}
			})
		})
	}
}

const (
	partitions  = 6
	mostWorkers = 5
)

// life is one fleet. Partition i is read by a Stream, by a Stream with durable consumers, or by a Pipeline: each a third.
type life struct {
	t      *testing.T
	s      *bubble.Server
	f      *fleet.Fleet
	rng    *rand.Rand
	began  time.Time
	sink   *sink
	undone sync.WaitGroup
	calm   atomic.Bool
	done   []string
	mu     sync.Mutex
	sent   [partitions]int
	enough chan struct{}
}

func begin(t *testing.T, s *bubble.Server, seed uint64) *life {
	l := &life{
		t: t, s: s, rng: rand.New(rand.NewPCG(seed, 7)), began: time.Now(), enough: make(chan struct{}),
		sink: &sink{t: t, highest: map[string]int{}, epochs: map[string]int64{}, last: map[any]int{}},
	}
	l.f = fleet.New(t, s, partitions, fleet.Config(func(c *parti.Config) {
		c.ColdStartWindow, c.PlannedScaleWindow, c.RebalanceCooldown = 3*time.Second, 2*time.Second, 2*time.Second
	}))
	for _, c := range []jetstream.StreamConfig{
		{Name: "IN", Subjects: []string{"in.>"}},
		{Name: "QUEUE", Subjects: []string{"queue.>"}, Retention: jetstream.WorkQueuePolicy},
		{Name: "OUT", Subjects: []string{"out.>", "pos.>"}, AllowAtomicPublish: true},
		{Name: "KV_IN-positions", Subjects: []string{"$KV.IN-positions.>"}, AllowDirect: true}, // a bucket that forgets nothing
	} {
		_, err := l.f.JS.CreateStream(t.Context(), c)
		require.NoError(t, err)
	}
	for range 2 + l.rng.IntN(3) {
		l.start()
	}
	return l
}

func (l *life) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = append(l.done, fmt.Sprintf("%8.3fs %s", time.Since(l.began).Seconds(), fmt.Sprintf(format, args...)))
}

func kind(p parti.Partition) int { return int(p.Keys[1][len(p.Keys[1])-1]-'0') % 3 }

func subjectOf(p parti.Partition) string { return subjects(kind(p), p.ID()) }

func subjects(kind int, id string) string {
	if kind == 1 {
		return "queue." + id
	}
	return "in." + id
}

// start begins a worker.
func (l *life) start() *fleet.Process {
	var run func(ctx context.Context, o *parti.Ownership) error
	p := l.f.Make(fleet.Runs(func(ctx context.Context, o *parti.Ownership) error { return run(ctx, o) }))
	js, err := jetstream.New(p.Conn)
	require.NoError(l.t, err)
	run = l.handler(js, p, rand.New(rand.NewPCG(l.rng.Uint64(), 3)))
	l.note("start %s", p.Name)
	p.Start()
	return p
}

// handler is the user's code of one worker.
func (l *life) handler(js jetstream.JetStream, p *fleet.Process, rng *rand.Rand) func(context.Context, *parti.Ownership) error {
	var mu sync.Mutex
	chance := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(n)
	}
	// mood is what befalls the user's function: it takes its time, fails or panics. A frozen process does nothing.
	mood := func(ctx context.Context) error {
		for p.Frozen() {
			<-time.After(100 * time.Millisecond)
		}
		if l.calm.Load() {
			return nil
		}
		switch n := chance(400); {
		case n < 4:
			return errors.New("a failing function")
		case n == 5:
			panic("a panicking function")
		case n < 60:
			wait(ctx, time.Duration(chance(50))*time.Millisecond)
		}
		return nil
	}
	cfg := consume.Config{Stream: "IN", Subject: subjectOf, Every: 20, Retry: consume.Retry{First: 10 * time.Millisecond, Most: 300 * time.Millisecond, Attempts: 3}}
	var runs sync.Map // of ownerships: which Run it is
	handle := func(ctx context.Context, o *parti.Ownership, m consume.Message) error {
		if err := mood(ctx); err != nil {
			return err
		}
		run, _ := runs.Load(o)
		return l.sink.store(o.Partition().ID(), o.Epoch(), run, number(m.Data()), kind(o.Partition()) == 1)
	}
	stream, err := consume.Stream(js, cfg, handle)
	require.NoError(l.t, err)
	cfg.Stream, cfg.Mode = "QUEUE", consume.Durable
	queue, err := consume.Stream(js, cfg, handle)
	require.NoError(l.t, err)
	cfg.Stream, cfg.Mode, cfg.Every = "IN", consume.Checkpoint, 50
	pipeline, err := consume.Pipeline(js, cfg, consume.Output{Stream: "OUT", Position: func(p parti.Partition) string { return "pos." + p.ID() }},
		func(ctx context.Context, o *parti.Ownership, m consume.Message) ([]*nats.Msg, error) {
			if err := mood(ctx); err != nil {
				return nil, err
			}
			return []*nats.Msg{{Subject: "out." + o.Partition().ID(), Data: m.Data()}}, nil
		})
	require.NoError(l.t, err)
	return func(ctx context.Context, o *parti.Ownership) error {
		runs.Store(o, new(int))
		return []parti.Handler{stream, queue, pipeline}[kind(o.Partition())].Run(ctx, o)
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func number(data []byte) int {
	n, err := strconv.Atoi(string(data))
	if err != nil {
		panic(err)
	}
	return n
}

// sink is where the effects go: a store that refuses those of an older epoch. It looks at their order.
type sink struct {
	t       *testing.T
	mu      sync.Mutex
	highest map[string]int
	epochs  map[string]int64
	last    map[any]int // of each Run
	stale   int
	again   int
}

// store takes an effect. Within one Run nothing is left out. With durable consumers a repetition may leave out what is handled
// and acknowledged already, because an acknowledgement in front of it was lost: holes says so. Nothing is ever lost.
func (s *sink) store(partition string, epoch int64, run any, n int, holes bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if epoch < s.epochs[partition] {
		s.stale++
		return errors.New("a stale effect")
	}
	s.epochs[partition] = epoch
	if last, ok := s.last[run]; ok && (n <= last || n > last+1 && !holes) {
		s.t.Errorf("partition %s: %d came after %d in one Run", partition, n, last)
	}
	s.last[run] = n
	switch highest := s.highest[partition]; {
	case n > highest+1:
		s.t.Errorf("partition %s: %d came when %d was the last: something is lost", partition, n, highest)
	case n <= highest:
		s.again++
	default:
		s.highest[partition] = n
	}
	return nil
}

// publish adds numbers to a partition until it is enough.
func (l *life) publish(i int, rng *rand.Rand) {
	id := fleet.Partition(i).ID()
	subject := subjects(kind(fleet.Partition(i)), id)
	for n := 1; ; n++ {
		for {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_, err := l.f.JS.Publish(ctx, subject, fmt.Append(nil, n), jetstream.WithMsgID(fmt.Sprint(id, "-", n)))
			cancel()
			if err == nil {
				break
			}
			<-time.After(50 * time.Millisecond)
		}
		l.mu.Lock()
		l.sent[i] = n
		l.mu.Unlock()
		if n%16 > 0 && rng.IntN(8) > 0 { // in bursts: each batch of a pipeline costs the server a few files
			continue
		}
		select {
		case <-time.After(time.Duration(rng.ExpFloat64() * float64(time.Second))):
		case <-l.enough:
			return
		}
	}
}

// live lives the life and its calm.
func (l *life) live() {
	var publishers sync.WaitGroup
	for i := range partitions {
		rng := rand.New(rand.NewPCG(l.rng.Uint64(), 5))
		publishers.Go(func() { l.publish(i, rng) })
	}
	end := l.began.Add(45*time.Second + time.Duration(l.rng.IntN(45))*time.Second)
	l.f.Wait(time.Minute, "work has begun", func() bool { l.sink.mu.Lock(); defer l.sink.mu.Unlock(); return len(l.sink.highest) > 0 })
	for time.Now().Before(end) {
		l.fault()
		<-time.After(time.Duration(l.rng.ExpFloat64() * float64(5*time.Second)))
	}
	l.undone.Wait()
	l.calm.Store(true)
	for _, p := range l.f.Live() {
		p.Thaw()
		p.Link.Heal()
	}
	if len(l.f.Live()) == 0 {
		l.start()
	}
	close(l.enough)
	publishers.Wait()
	l.note("calm")
}

func (l *life) fault() {
	live := l.f.Live()
	if len(live) < 2 {
		l.start()
		return
	}
	p := live[l.rng.IntN(len(live))]
	within := time.Duration(l.rng.Int64N(int64(14 * time.Second)))
	later := func(do func()) { l.undone.Go(func() { <-time.After(within); do() }) }
	switch l.rng.IntN(11) {
	case 0, 1:
		l.note("crash %s", p.Name)
		p.Crash()
		l.start()
	case 2, 3:
		if p.Frozen() {
			return
		}
		l.note("freeze %s for %s", p.Name, within)
		p.Freeze()
		later(p.Thaw)
	case 4:
		l.note("cut %s for %s", p.Name, within)
		p.Link.Cut()
		later(func() {
			if !p.Frozen() && p.Lives() {
				p.Link.Heal()
			}
		})
	case 5:
		l.note("stall %s for %s", p.Name, within)
		p.Link.Stall()
		later(func() {
			if !p.Frozen() && p.Lives() {
				p.Link.Heal()
			}
		})
	case 6:
		l.note("server away for %s", within/2)
		l.s.Stop()
		<-time.After(within / 2)
		l.s.Start()
	case 7:
		if len(live) < mostWorkers {
			l.start()
		}
	case 9, 10:
		if !p.Frozen() {
			l.deafen(p)
			later(func() { p.Link.Fail(nil) })
		}
	case 8:
		l.note("stop %s", p.Name)
		l.undone.Go(func() { _ = p.Stop() })
		if l.rng.IntN(2) == 0 {
			l.start()
		}
	}
}

// deafen lets some of what a worker writes, or the answers to it, be lost.
func (l *life) deafen(p *fleet.Process) {
	l.note("writes of %s, or their answers, are lost now and then", p.Name)
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(l.rng.Uint64(), 9))
	p.Link.Fail(func(subject string) link.Fault {
		mu.Lock()
		defer mu.Unlock()
		for _, of := range []string{"out.", "pos.", "$KV.IN-positions.", "$JS.ACK."} {
			if strings.HasPrefix(subject, of) && rng.IntN(4) == 0 {
				return []link.Fault{link.Lost, link.Unheard, link.Unheard, link.Refused}[rng.IntN(4)]
			}
		}
		return link.None
	})
}

// judge waits for the end of the work and looks at it.
func (l *life) judge() {
	for i := range partitions {
		p := fleet.Partition(i)
		l.f.Wait(3*time.Minute, fmt.Sprintf("all %d of partition %s are done", l.sent[i], p.ID()), func() bool {
			if kind(p) == 2 {
				return l.stored("OUT", "out."+p.ID()) >= l.sent[i]
			}
			l.sink.mu.Lock()
			defer l.sink.mu.Unlock()
			return l.sink.highest[p.ID()] == l.sent[i]
		})
	}
	for i := range partitions {
		p := fleet.Partition(i)
		switch kind(p) {
		case 0:
			l.rises(l.all("KV_IN-positions", "$KV.IN-positions."+p.ID()))
		case 2:
			for at, m := range l.all("OUT", "out."+p.ID()) {
				if number(m.Data()) != at+1 {
					l.t.Errorf("partition %s: result %d is of message %s", p.ID(), at+1, m.Data())
					break
				}
			}
			require.Equal(l.t, l.sent[i], l.stored("OUT", "out."+p.ID()), "each once")
			l.rises(l.all("OUT", "pos."+p.ID()))
		}
	}
	l.t.Logf("%d published, %d handled again, %d stale effects refused", total(l.sent[:]), l.sink.again, l.sink.stale)
}

func total(list []int) (sum int) {
	for _, n := range list {
		sum += n
	}
	return sum
}

// rises looks at the positions that were stored, oldest first.
func (l *life) rises(stored []jetstream.Msg) {
	require.NotEmpty(l.t, stored)
	var before struct {
		Epoch    int64
		Position uint64
	}
	for _, m := range stored {
		now := before
		require.NoError(l.t, json.Unmarshal(m.Data(), &now))
		if now.Epoch < before.Epoch || now.Position < before.Position {
			l.t.Errorf("%s fell from %+v to %+v", m.Subject(), before, now)
		}
		before = now
	}
}

// stored counts the messages of a subject.
func (l *life) stored(stream, subject string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s, err := l.f.JS.Stream(ctx, stream)
	if err != nil {
		return 0
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return 0
	}
	return int(info.State.Subjects[subject])
}

// all returns the messages of a subject.
func (l *life) all(stream, subject string) (list []jetstream.Msg) {
	n := l.stored(stream, subject)
	c, err := l.f.JS.OrderedConsumer(l.t.Context(), stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}})
	require.NoError(l.t, err)
	batch, err := c.Fetch(max(1, n))
	require.NoError(l.t, err)
	for m := range batch.Messages() {
		list = append(list, m)
	}
	require.Len(l.t, list, n)
	return list
}
