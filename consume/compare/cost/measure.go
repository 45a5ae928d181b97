// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/consume/compare/process"
)

// phase is what was used in one part of a run.
type phase struct {
	name            string
	took            float64
	servers         process.Usage
	workers         process.Usage
	published, kept float64 // messages published, positions stored
}

const header = "| servers | partitions | keys | | CPU of servers | CPU of workers | cores per key, servers + workers |" +
	" MiB per key, servers + workers | positions stored a second per key, all replicas | 4 KiB pages to disk a second per key |\n" +
	"| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"

func (p phase) print(set settings, n, keys int, base phase) {
	per := func(now, base float64) float64 { return (now - base) / float64(keys) }
	rate := func(v float64, of phase) float64 {
		if of.took == 0 {
			return 0
		}
		return v / of.took
	}
	fmt.Printf("| %d | %d | %d | %s | %.3f | %.3f | %.6f + %.6f | %.3f + %.3f | %.4f | %.4f |\n", set.servers, n, keys, p.name,
		rate(p.servers.CPU, p), rate(p.workers.CPU, p),
		per(rate(p.servers.CPU, p), rate(base.servers.CPU, base)), per(rate(p.workers.CPU, p), rate(base.workers.CPU, base)),
		per(p.servers.Memory, base.servers.Memory), per(p.workers.Memory, base.workers.Memory),
		rate(p.kept, p)*float64(set.servers)/float64(keys), per(rate(p.servers.Written, p), rate(base.servers.Written, base))/4096)
	fmt.Fprintf(os.Stderr, "%+v\n", p)
}

// fleet is the processes of one size.
type fleet struct {
	settings
	partitions int
	shared     bool // several keys share a partition
	count      int  // of keys
	servers    *process.Servers
	workers    []*process.Process
	js         jetstream.JetStream
	published  int
}

// measure measures one size.
func measure(ctx context.Context, set settings, n, keys int) (phases []phase, err error) {
	ctx, cancel := context.WithTimeout(ctx, set.limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "parti-cost-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	f := &fleet{settings: set, partitions: n, shared: set.keys > 0, count: keys}
	if f.servers, err = process.StartServers(ctx, dir, set.servers); err != nil {
		return nil, err
	}
	defer f.servers.Stop()
	nc, err := nats.Connect(f.servers.URL)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	if f.js, err = jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4096)); err != nil {
		return nil, err
	}
	// The server allows 1,000 consumers in a stream that does not say otherwise.
	in := jetstream.StreamConfig{Name: "IN", Subjects: []string{"in.>"}, Replicas: set.servers, MaxConsumers: 2*n + 1000}
	if f.shared {
		in.SubjectTransform = &jetstream.SubjectTransformConfig{
			Source: "in.*", Destination: fmt.Sprintf("in.{{partition(%d,1)}}.{{wildcard(1)}}", n),
		}
	}
	if _, err := f.js.CreateStream(ctx, in); err != nil {
		return nil, err
	}
	defer f.end()
	parts := []struct {
		name   string
		settle time.Duration
		length time.Duration
		rate   float64
		before func(context.Context) error
	}{
		{"published, not read", 2 * time.Second, 10 * time.Second, set.rate, nil},
		{"idle", 8 * time.Second, set.idle, 0, f.start},
		{"steady", 3 * time.Second, set.load, set.rate, nil},
	}
	for _, part := range parts {
		if part.before != nil {
			if err := part.before(ctx); err != nil {
				return phases, err
			}
		}
		if err := f.publish(ctx, part.settle, part.rate); err != nil {
			return phases, err
		}
		p, err := f.during(ctx, part.name, part.length, part.rate)
		if err != nil {
			return phases, err
		}
		phases = append(phases, p)
	}
	return phases, nil
}

// start starts the workers and waits until each partition has its consumer.
func (f *fleet) start(ctx context.Context) error {
	text, err := json.Marshal(setup{f.servers.URL, f.partitions, f.settings.workers, f.shared, f.durable, f.interval})
	if err != nil {
		return err
	}
	for range f.settings.workers {
		p, err := process.Start(workerRole, string(text))
		if err != nil {
			return err
		}
		f.workers = append(f.workers, p)
	}
	began, last := time.Now(), 0
	for {
		asking, cancel := context.WithTimeout(ctx, 5*time.Second)
		s, err := f.js.Stream(asking, "IN")
		cancel()
		if err == nil {
			if last = s.CachedInfo().State.Consumers; last >= f.partitions {
				fmt.Fprintf(os.Stderr, "%d partitions, %d servers: read after %s\n",
					f.partitions, f.settings.servers, time.Since(began).Round(time.Second))
				return nil
			}
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%d of %d partitions had a consumer after %s", last, f.partitions, time.Since(began).Round(time.Second))
		}
	}
}

func (f *fleet) end() {
	for _, p := range f.workers {
		p.Kill()
	}
}

// during measures for some time, and publishes meanwhile.
func (f *fleet) during(ctx context.Context, name string, length time.Duration, rate float64) (phase, error) {
	p := phase{name: name}
	published, kept := f.published, f.stored(ctx)
	servers, err := process.Used(f.servers.Processes)
	if err != nil {
		return p, err
	}
	workers, err := process.Used(f.workers)
	if err != nil {
		return p, err
	}
	began := time.Now()
	if err := f.publish(ctx, length, rate); err != nil {
		return p, err
	}
	if p.servers, err = process.Used(f.servers.Processes); err != nil {
		return p, err
	}
	if p.workers, err = process.Used(f.workers); err != nil {
		return p, err
	}
	p.took = time.Since(began).Seconds()
	p.servers, p.workers = p.servers.Less(servers), p.workers.Less(workers)
	p.published, p.kept = float64(f.published-published), float64(f.stored(ctx)-kept)
	return p, nil
}

// stored is how many positions were ever stored.
func (f *fleet) stored(ctx context.Context) uint64 {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s, err := f.js.Stream(ctx, "KV_IN-positions")
	if err != nil {
		return 0
	}
	return s.CachedInfo().State.LastSeq
}

// publish publishes for some time: one key after the other, evenly.
func (f *fleet) publish(ctx context.Context, length time.Duration, rate float64) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	began, sent, data := time.Now(), 0, make([]byte, 128)
	for time.Since(began) < length {
		due := int(time.Since(began).Seconds() * rate * float64(f.count))
		for ; sent < due; sent++ {
			if _, err := f.js.PublishAsync("in."+name(f.published%f.count), data); err != nil {
				return err
			}
			f.published++
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
