// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/consume/compare/process"
)

// row is what was seen in a part of a run.
type row struct {
	name string
	counts
}

// result is a run: its parts, and what was never handled.
type result struct {
	rows      []row
	published int
	lost      int
}

// run is a fleet of one library between a publisher and a sink.
type run struct {
	settings
	setup
	peer    peer
	js      jetstream.JetStream
	sink    *sink
	members []*process.Process

	published []int // by partition; the publisher's until it has ended
}

// peer is a library that is compared.
type peer struct {
	name, role string
	// prepare is called once, when the stream exists; joins, before members are started; leaves, before one is stopped.
	prepare func(context.Context, *run) error
	joins   func(context.Context, *run, ...string) error
	leaves  func(context.Context, *run, string) error
	standby bool // a second process of the member is there before the first is killed
}

// play plays the same events on one library.
func play(ctx context.Context, p peer, set settings) (res result, err error) {
	dir, err := os.MkdirTemp("", "parti-compare-")
	if err != nil {
		return res, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	servers, err := process.StartServers(ctx, dir, 1)
	if err != nil {
		return res, err
	}
	defer servers.Stop()
	nc, err := nats.Connect(servers.URL)
	if err != nil {
		return res, err
	}
	defer nc.Close()
	r := &run{settings: set, peer: p, sink: newSink(set.partitions), published: make([]int, set.partitions)}
	r.setup = setup{
		URL: servers.URL, Partitions: set.partitions, Config: set.config, Stop: set.stop,
		Consumer: jetstream.ConsumerConfig{MaxAckPending: 1, AckWait: set.ackWait, AckPolicy: jetstream.AckExplicitPolicy},
	}
	if r.js, err = jetstream.New(nc); err != nil {
		return res, err
	}
	if _, err = nc.Subscribe(done, r.sink.take); err != nil {
		return res, err
	}
	if _, err = r.js.CreateStream(ctx, jetstream.StreamConfig{Name: inStream, Subjects: []string{"in.*"}}); err != nil {
		return res, err
	}
	if err := p.prepare(ctx, r); err != nil {
		return res, err
	}
	defer func() {
		for _, m := range r.members {
			m.Kill()
		}
	}()
	return r.events(ctx)
}

// events are the parts of a run.
func (r *run) events(ctx context.Context) (res result, err error) {
	if err := r.join(ctx, "m1", "m2"); err != nil {
		return res, err
	}
	publishing, stop := context.WithCancel(ctx)
	published := make(chan error, 1)
	var publisher sync.WaitGroup
	publisher.Go(func() { published <- r.publish(publishing) })
	defer publisher.Wait()
	defer stop()
	if err := r.begun(ctx); err != nil {
		return res, err
	}
	for _, part := range []struct {
		name string
		act  func() error
	}{
		{"two members, nothing happens", func() error { return nil }},
		{"scale-out, 2 to 4", func() error { return r.join(ctx, "m3", "m4") }},
		{"clean leave, 4 to 3", func() error { return r.leave(ctx, "m4") }},
		{"kill -9", func() error { return r.kill(ctx, "m2") }},
	} {
		r.sink.next(time.Now())
		if err := part.act(); err != nil {
			return res, fmt.Errorf("%s: %w", part.name, err)
		}
		if err := pause(ctx, r.length); err != nil {
			return res, err
		}
		res.rows = append(res.rows, row{part.name, r.sink.next(time.Now())})
	}
	stop()
	if err := <-published; err != nil {
		return res, err
	}
	for _, n := range r.published {
		res.published += n
	}
	for began := time.Now(); time.Since(began) < drainWithin; {
		if res.lost = r.sink.missing(r.published); res.lost == 0 {
			break
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return res, err
		}
	}
	return res, nil
}

// drainWithin is how long after the last message all have to be handled.
const drainWithin = 30 * time.Second

// begun waits until each partition has been read.
func (r *run) begun(ctx context.Context) error {
	for deadline := time.Now().Add(time.Minute); ; {
		r.sink.mu.Lock()
		idle := 0
		for _, k := range r.sink.keys {
			if k.highest == 0 {
				idle++
			}
		}
		r.sink.mu.Unlock()
		if idle == 0 {
			return pause(ctx, 2*time.Second) // what came meanwhile is read
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d partitions are not read", idle)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// publish publishes until ctx ends, evenly, and waits for each acknowledgement.
func (r *run) publish(ctx context.Context) error {
	began := time.Now()
	for sent := 0; ; sent++ {
		due := began.Add(time.Duration(float64(sent) / r.rate / float64(r.partitions) * float64(time.Second)))
		if pause(ctx, time.Until(due)) != nil {
			return nil
		}
		i := sent % r.partitions
		data := fmt.Sprintf("%d %d", i, r.published[i]+1)
		if _, err := r.js.Publish(context.WithoutCancel(ctx), "in."+key(i), []byte(data)); err != nil {
			return err
		}
		r.published[i]++
	}
}

func (r *run) start(name string) error {
	s := r.setup
	s.Name = name
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	p, err := process.Start(r.peer.role, string(text))
	if err == nil {
		r.members = append(r.members, p)
	}
	return err
}

func (r *run) join(ctx context.Context, names ...string) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, r.start(name))
	}
	return errors.Join(append(errs, r.peer.joins(ctx, r, names...))...)
}

// leave lets the member that came last leave in order.
func (r *run) leave(ctx context.Context, name string) error {
	if err := r.peer.leaves(ctx, r, name); err != nil {
		return err
	}
	return r.members[3].Interrupt()
}

// kill kills the second member, beside a standby where the library has these.
func (r *run) kill(ctx context.Context, name string) error {
	if r.peer.standby {
		if err := r.start(name); err != nil {
			return err
		}
		if err := pause(ctx, 3*time.Second); err != nil {
			return err
		}
		r.sink.next(time.Now())
	}
	r.members[1].Kill()
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
