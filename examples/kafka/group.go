// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// groupFleet is workers among which a consumer group of Kafka's divides the partitions. It is written as carefully as the other
// one: a goroutine for each partition, offsets marked when a record is processed, and committed before a partition is let go.
type groupFleet struct {
	kafka  *kafka
	group  string
	book   *book
	extras func(slot int) []kgo.Opt // which kind of group

	session time.Duration // after how long without a heartbeat a worker is seen as dead
}

// groupMember is one worker.
type groupMember struct {
	book   *book
	slot   int
	client *kgo.Client
	cancel context.CancelFunc
	polls  sync.WaitGroup
	wire   wire
	ready  chan struct{} // closed at the first assignment
	once   sync.Once

	mu      sync.Mutex
	readers map[int32]*reader
}

// reader processes one partition.
type reader struct {
	rank    int64
	records chan []*kgo.Record
	quit    chan struct{}
	done    chan struct{}
}

func newReader(rank int64) *reader {
	return &reader{rank: rank, records: make(chan []*kgo.Record, 16), quit: make(chan struct{}), done: make(chan struct{})}
}

func (f *groupFleet) start(ctx context.Context, slot int) (member, error) {
	m := &groupMember{book: f.book, slot: slot, ready: make(chan struct{}), readers: map[int32]*reader{}}
	client, err := kgo.NewClient(append(f.extras(slot), f.kafka.seed(), m.wire.option(),
		kgo.ConsumerGroup(f.group), kgo.ConsumeTopics(f.kafka.topic), kgo.SessionTimeout(f.session),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.OnPartitionsAssigned(m.assigned), kgo.OnPartitionsRevoked(m.revoked), kgo.OnPartitionsLost(m.lost),
		kgo.BlockRebalanceOnPoll(), kgo.AutoCommitMarks(), kgo.AutoCommitInterval(commitInterval),
	)...)
	if err != nil {
		return nil, fmt.Errorf("start worker %d: %w", slot, err)
	}
	polling, cancel := context.WithCancel(context.Background())
	m.client, m.cancel = client, cancel
	m.polls.Go(func() { m.poll(polling) })
	select {
	case <-m.ready:
		return m, nil
	case <-ctx.Done():
		err := fmt.Errorf("start worker %d: no assignment: %w", slot, context.Cause(ctx))
		leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaving)
		defer cancel()
		return nil, errors.Join(err, m.stop(leave))
	}
}

// stop leaves the group; a static member only goes away. The client calls revoked before it has left.
func (m *groupMember) stop(ctx context.Context) error {
	m.cancel()
	m.polls.Wait()
	m.client.AllowRebalance()
	err := m.client.LeaveGroupContext(ctx)
	m.revoked(ctx, m.client, nil) // what is left, if it did not
	if err != nil {
		go m.client.CloseAllowingRebalance() // it tries to leave once more, for as long as it takes
		return fmt.Errorf("leave the group: %w", err)
	}
	m.client.CloseAllowingRebalance()
	return nil
}

// crash cuts the connections: nothing is committed, and the group is not left.
func (m *groupMember) crash() {
	m.wire.cut()
	m.cancel()
	m.polls.Wait()
	go m.client.CloseAllowingRebalance() // it tries to reach Kafka for a while
}

func (m *groupMember) poll(ctx context.Context) {
	for ctx.Err() == nil {
		fetches := m.client.PollRecords(ctx, 1000)
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			m.mu.Lock()
			r := m.readers[p.Partition]
			m.mu.Unlock()
			if r != nil && len(p.Records) > 0 {
				r.records <- p.Records // nothing is revoked before AllowRebalance
			}
		})
		m.client.AllowRebalance()
	}
}

func (m *groupMember) assigned(_ context.Context, client *kgo.Client, added map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, partitions := range added {
		for _, p := range partitions {
			r := newReader(m.book.begin(p, m.slot))
			m.readers[p] = r
			go r.run(client, m)
		}
	}
	m.once.Do(func() { close(m.ready) })
}

func (r *reader) run(client *kgo.Client, m *groupMember) {
	defer close(r.done)
	for {
		select {
		case <-r.quit:
			return
		case records := <-r.records:
			for _, record := range records {
				if m.wire.dead() {
					break
				}
				m.book.processed(record.Partition, record.Offset, r.rank)
				client.MarkCommitRecords(record)
			}
		}
	}
}

// revoked ends the readers of the partitions, or of all, and commits what they have processed.
func (m *groupMember) revoked(ctx context.Context, client *kgo.Client, gone map[string][]int32) {
	m.end(gone)
	if err := client.CommitMarkedOffsets(ctx); err != nil && !m.wire.dead() {
		m.book.failed(err)
	}
}

// lost ends them without a commit: the group has given the partitions away already.
func (m *groupMember) lost(_ context.Context, _ *kgo.Client, gone map[string][]int32) { m.end(gone) }

func (m *groupMember) end(gone map[string][]int32) {
	m.mu.Lock()
	var ending []*reader
	if gone == nil {
		for p, r := range m.readers {
			ending = append(ending, r)
			delete(m.readers, p)
		}
	}
	for _, partitions := range gone {
		for _, p := range partitions {
			if r := m.readers[p]; r != nil {
				ending = append(ending, r)
				delete(m.readers, p)
			}
		}
	}
	m.mu.Unlock()
	for _, r := range ending {
		close(r.quit)
	}
	for _, r := range ending {
		<-r.done
	}
}
