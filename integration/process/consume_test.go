// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readers is a fleet of processes that read streams. A third of its partitions is read by a Stream, a third by a Stream with
// durable consumers, and a third by a Pipeline.
type readers struct {
	t      *testing.T
	url    string
	copies int // of each stream
	js     jetstream.JetStream
	sink   *sink
	procs  []*reading

	mu     sync.Mutex
	sent   map[string]int
	enough chan struct{}
	ends   sync.WaitGroup
}

// readPartitions is how many partitions the fleet shares.
const readPartitions = 12

func readPartition(i int) string { return fmt.Sprintf("p%02d", i) }

// kindOf says how a partition is read: 0 by a Stream, 1 by a Stream with durable consumers, 2 by a Pipeline.
func kindOf(partition string) int {
	i, err := strconv.Atoi(partition[1:])
	if err != nil {
		panic(err)
	}
	return i % 3
}

func inputOf(partition string) string {
	if kindOf(partition) == 1 {
		return "queue." + partition
	}
	return "in." + partition
}

func newReaders(t *testing.T, url string, copies int) *readers {
	t.Helper()
	r := &readers{t: t, url: url, copies: copies, sent: map[string]int{}, enough: make(chan struct{})}
	r.js = connect(t, "publisher", url)
	r.sink = newSink(t)
	for _, c := range []jetstream.StreamConfig{
		{Name: "IN", Subjects: []string{"in.>"}},
		{Name: "QUEUE", Subjects: []string{"queue.>"}, Retention: jetstream.WorkQueuePolicy},
		{Name: "OUT", Subjects: []string{"out.>", "pos.>"}, AllowAtomicPublish: true},
	} {
		c.Replicas = copies
		_, err := r.js.CreateStream(within(t, 5*time.Second), c)
		require.NoError(t, err)
	}
	for i := range 4 {
		r.start(fmt.Sprintf("w%d", i+1))
	}
	for i := range readPartitions {
		rng := rand.New(rand.NewPCG(uint64(i), 5))
		r.ends.Go(func() { r.publish(readPartition(i), rng) })
	}
	t.Cleanup(r.close)
	return r
}

// publish adds numbers to a partition until it is enough, about thirty a second, and each as often as it takes.
func (r *readers) publish(partition string, rng *rand.Rand) {
	for n := 1; ; n++ {
		for {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_, err := r.js.Publish(ctx, inputOf(partition), fmt.Append(nil, n), jetstream.WithMsgID(fmt.Sprint(partition, "-", n)))
			cancel()
			if err == nil {
				break
			}
			<-time.After(50 * time.Millisecond)
		}
		r.mu.Lock()
		r.sent[partition] = n
		r.mu.Unlock()
		select {
		case <-time.After(time.Duration(rng.ExpFloat64() * float64(30*time.Millisecond))):
		case <-r.enough:
			return
		}
	}
}

func (r *readers) published(partition string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent[partition]
}

// stopPublishing returns when the last message is stored.
func (r *readers) stopPublishing() {
	select {
	case <-r.enough:
	default:
		close(r.enough)
	}
	r.ends.Wait()
}

func (r *readers) close() {
	r.stopPublishing()
	for _, p := range r.procs {
		p.signal(syscall.SIGCONT)
		p.kill()
		if r.t.Failed() {
			r.t.Logf("%s said:\n%s", p.name, p.stderr.String())
		}
	}
}

// done is the last number of a partition that has had its effect; 0 where that cannot be read.
func (r *readers) done(partition string) int {
	if kindOf(partition) < 2 {
		return r.sink.last(partition)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s, err := r.js.Stream(ctx, "OUT")
	if err != nil {
		return 0
	}
	m, err := s.GetLastMsgForSubject(ctx, "out."+partition)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(string(m.Data))
	assert.NoError(r.t, err)
	return n
}

// goesOn waits until every partition is done with something that is published from now on.
func (r *readers) goesOn(bound time.Duration, after string) {
	r.t.Helper()
	var before [readPartitions]int
	for i := range before {
		before[i] = r.published(readPartition(i))
	}
	var on [readPartitions]time.Duration // when each did
	began := time.Now()
	took := eventually(r.t, bound, "every partition goes on after "+after, func() bool {
		all := true
		for i, n := range before {
			switch {
			case on[i] > 0:
			case r.done(readPartition(i)) > n:
				on[i] = time.Since(began).Round(time.Millisecond)
			default:
				all = false
			}
		}
		return all
	})
	r.t.Logf("%s: every partition went on within %s, one after the other after %v", after, took.Round(time.Millisecond), on)
}

// judge waits until everything is done, and looks at what came of it.
func (r *readers) judge() {
	r.stopPublishing()
	eventually(r.t, 30*time.Second, "everything is done", func() bool {
		for i := range readPartitions {
			if r.done(readPartition(i)) < r.published(readPartition(i)) {
				return false
			}
		}
		return true
	})
	total := 0
	for i := range readPartitions {
		p := readPartition(i)
		total += r.published(p)
		if kindOf(p) < 2 {
			assert.Equal(r.t, r.published(p), r.sink.count(p), "effects of partition %s", p)
			continue
		}
		results := r.results(p)
		assert.Len(r.t, results, r.published(p), "results of partition %s", p)
		for at, n := range results {
			if n != at+1 {
				r.t.Errorf("partition %s: result %d is of message %d", p, at+1, n)
				break
			}
		}
	}
	again, stale := r.sink.noted()
	r.t.Logf("%d messages; the sink was given %d again, and refused %d of stale owners", total, again, stale)
	assert.Greater(r.t, total, 1000)
}

// results are the numbers that the output stream holds for a partition.
func (r *readers) results(partition string) (numbers []int) {
	ctx := within(r.t, 20*time.Second)
	c, err := r.js.OrderedConsumer(ctx, "OUT", jetstream.OrderedConsumerConfig{FilterSubjects: []string{"out." + partition}})
	require.NoError(r.t, err)
	info, err := c.Info(ctx)
	require.NoError(r.t, err)
	batch, err := c.Fetch(max(1, int(info.NumPending)), jetstream.FetchMaxWait(10*time.Second))
	require.NoError(r.t, err)
	for m := range batch.Messages() {
		n, err := strconv.Atoi(string(m.Data()))
		require.NoError(r.t, err)
		numbers = append(numbers, n)
	}
	require.NoError(r.t, batch.Error())
	return numbers
}

// TestNothingIsLostTwiceOrOutOfOrderAcrossKilledServersAndWorkers: the server is killed twice, once while a worker is frozen, one
// worker is killed, and one is frozen until others have what it had.
func TestNothingIsLostTwiceOrOutOfOrderAcrossKilledServersAndWorkers(t *testing.T) {
	t.Parallel()
	server := startServer(t, "")
	r := newReaders(t, server.url(), 1)
	r.goesOn(30*time.Second, "the start")

	server.kill()
	<-time.After(time.Second) // for which there is no server
	server.start()
	r.goesOn(20*time.Second, "the server was killed and started again")

	victim := r.owner(readPartition(0))
	victim.kill()
	r.goesOn(20*time.Second, "a worker was killed")
	require.NotEqual(t, victim, r.owner(readPartition(0)))

	frozen := r.owner(readPartition(1))
	frozen.signal(syscall.SIGSTOP)
	r.goesOn(20*time.Second, "a worker was frozen")
	require.NotEqual(t, frozen, r.owner(readPartition(1)))
	server.kill()
	server.start()
	frozen.signal(syscall.SIGCONT)
	r.goesOn(20*time.Second, "the server was killed again and the worker thawed")
	r.judge()
	r.neverDoubtedAStream()
}

// TestNothingIsLostTwiceOrOutOfOrderAcrossFailoversOfACluster: the leader of the output, of the input and of the positions is
// killed, one after the other, each while the others are whole.
func TestNothingIsLostTwiceOrOutOfOrderAcrossFailoversOfACluster(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	r := newReaders(t, c.url(), 3)
	r.goesOn(40*time.Second, "the start")
	for _, stream := range []string{"OUT", "IN", "KV_IN-positions"} {
		n := c.leader(stream)
		require.NotNil(t, n, stream)
		n.kill()
		r.goesOn(40*time.Second, "the leader of "+stream+" was killed")
		n.start()
		c.awaitReplicas("IN", "QUEUE", "OUT", "KV_IN-positions")
	}
	r.judge()
	r.neverDoubtedAStream()
}

// owner is the process from which the last effect of a partition came.
func (r *readers) owner(partition string) *reading {
	r.t.Helper()
	name := r.sink.owner(partition)
	for _, p := range r.procs {
		if p.name == name {
			return p
		}
	}
	r.t.Fatalf("partition %s is of %q, which is no process", partition, name)
	return nil
}

// effect is what a worker tells the sink.
type effect struct {
	Process, Partition string
	Epoch              int64
	Position           uint64
	Number             int
}

func (e effect) encode() []byte {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return text
}
