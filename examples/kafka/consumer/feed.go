// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	pollSize  = 1000         // records of one poll, at most
	feedFull  = 2000         // a feed with so many records is paused, so it never holds more than feedFull + pollSize
	feedSpare = feedFull / 2 // and resumed when so many are left
	feedBatch = 100          // records that a handler takes at once
)

var errClosed = errors.New("consumer is closed")

// feeds hands the records of one client to the partitions' handlers. One goroutine polls. What is consumed changes only
// between two of its polls, so a poll can never bring records that an earlier owner's feed has asked for.
type feeds struct {
	client *kgo.Client
	topic  string
	ended  chan struct{}

	mu      sync.Mutex
	changes []func()           // to be made before the next poll
	wake    context.CancelFunc // ends the present poll
	closed  bool

	byPartition map[int32]*feed // of the polling goroutine
}

// feed is the records of one partition, on their way from the client to the handler.
type feed struct {
	feeds     *feeds
	partition int32
	ready     chan struct{} // a token when there is something to take

	mu      sync.Mutex
	records []*kgo.Record
	err     error
	paused  bool
}

func newFeeds(client *kgo.Client, topic string) *feeds {
	f := &feeds{client: client, topic: topic, ended: make(chan struct{}), wake: func() {}, byPartition: map[int32]*feed{}}
	go f.poll()
	return f
}

// close closes the client and waits for the polling goroutine.
func (f *feeds) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.client.Close()
	<-f.ended
}

// attach begins to consume a partition at an offset.
func (f *feeds) attach(partition int32, at int64) (*feed, error) {
	feed := &feed{feeds: f, partition: partition, ready: make(chan struct{}, 1)}
	err := f.change(func() {
		f.byPartition[partition] = feed
		f.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{f.topic: {partition: kgo.NewOffset().At(at)}})
	})
	if err != nil {
		return nil, fmt.Errorf("consume %s/%d at offset %d: %w", f.topic, partition, at, err)
	}
	return feed, nil
}

// detach ends it. Afterwards the client has no record of the partition left.
func (f *feeds) detach(feed *feed) {
	_ = f.change(func() { // fails when everything is closed
		delete(f.byPartition, feed.partition)
		f.client.RemoveConsumePartitions(map[string][]int32{f.topic: {feed.partition}})
		f.client.ResumeFetchPartitions(map[string][]int32{f.topic: {feed.partition}}) // a pause would outlast the removal
	})
}

// change has the polling goroutine make a change, and waits for it.
func (f *feeds) change(what func()) error {
	made := make(chan struct{})
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return errClosed
	}
	f.changes = append(f.changes, func() { what(); close(made) })
	f.wake()
	f.mu.Unlock()
	select {
	case <-made:
		return nil
	case <-f.ended:
		return errClosed
	}
}

func (f *feeds) poll() {
	defer close(f.ended)
	for {
		ctx, closed := f.between()
		if closed {
			return
		}
		fetches := f.client.PollRecords(ctx, pollSize)
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachPartition(f.hand)
	}
}

// between makes the changes that are asked for, and returns the context of the next poll. A change that is asked for from now
// on ends that poll.
func (f *feeds) between() (context.Context, bool) {
	ctx, wake := context.WithCancel(context.Background())
	f.mu.Lock()
	f.wake()
	f.wake = wake
	changes, closed := f.changes, f.closed
	f.changes = nil
	f.mu.Unlock()
	for _, change := range changes {
		change()
	}
	return ctx, closed
}

// hand gives what a poll has brought to its feed. It does not wait for the handler.
func (f *feeds) hand(p kgo.FetchTopicPartition) {
	feed := f.byPartition[p.Partition]
	if feed == nil {
		return // an error of the poll as a whole
	}
	feed.mu.Lock()
	defer feed.mu.Unlock()
	feed.records = append(feed.records, p.Records...)
	if p.Err != nil {
		feed.err = p.Err
	}
	if !feed.paused && len(feed.records) >= feedFull {
		feed.paused = true
		f.client.PauseFetchPartitions(map[string][]int32{f.topic: {p.Partition}})
	}
	select {
	case feed.ready <- struct{}{}:
	default:
	}
}

// next returns the next records in order: none when ctx has ended or nothing came within the time.
func (f *feed) next(ctx context.Context, within time.Duration) ([]*kgo.Record, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		records, err := f.take()
		if len(records) > 0 || err != nil {
			return records, err
		}
		select {
		case <-f.ready:
		case <-ctx.Done():
			return nil, nil
		case <-timer.C:
			return nil, nil
		case <-f.feeds.ended:
			return nil, errClosed
		}
	}
}

func (f *feed) take() ([]*kgo.Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(len(f.records), feedBatch)
	records := f.records[:n:n]
	f.records = f.records[n:]
	if f.paused && len(f.records) <= feedSpare {
		f.paused = false
		f.feeds.client.ResumeFetchPartitions(map[string][]int32{f.feeds.topic: {f.partition}})
	}
	if n > 0 {
		return records, nil
	}
	if f.err != nil {
		return nil, fmt.Errorf("fetch %s/%d: %w", f.feeds.topic, f.partition, f.err)
	}
	return nil, nil
}
