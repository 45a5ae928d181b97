// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/partitest"
)

const (
	topic = "eu.orders" // a dot in the name becomes two keys of the partition
	group = "billing"
)

// broker is a Kafka in this process.
type broker struct {
	t      *testing.T
	fake   *kfake.Cluster
	seeds  kgo.Opt
	client *kgo.Client
	next   int // the value of the next record
}

func newBroker(t *testing.T, partitions int32) *broker {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic))
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	b := &broker{t: t, fake: cluster, seeds: kgo.SeedBrokers(cluster.ListenAddrs()...)}
	b.client, err = kgo.NewClient(b.seeds, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	t.Cleanup(b.client.Close)
	return b
}

func (b *broker) produce(partition int32, n int) {
	b.t.Helper()
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Value: fmt.Append(nil, b.next)}
		b.next++
	}
	require.NoError(b.t, b.client.ProduceSync(b.t.Context(), records...).FirstErr())
}

// stored is the committed offset of a partition, -1 for none, and the epoch beside it.
func (b *broker) stored(partition int32) (int64, int64) {
	b.t.Helper()
	offsets, err := kadm.NewClient(b.client).FetchOffsets(b.t.Context(), group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return -1, 0
	}
	require.NoError(b.t, err)
	at, ok := offsets.Lookup(topic, partition)
	if !ok {
		return -1, 0
	}
	return at.At, epochOf(&at.Metadata)
}

func (b *broker) consumer(cfg Config, process Process) *Consumer {
	b.t.Helper()
	cfg.Topic, cfg.Group = topic, group
	c, err := New(cfg, process, b.seeds)
	require.NoError(b.t, err)
	b.t.Cleanup(c.Close)
	return c
}

// log is the offsets that were processed, in order.
type log struct {
	mu      sync.Mutex
	offsets map[int32][]int64
}

func newLog() *log { return &log{offsets: map[int32][]int64{}} }

func (l *log) process(_ context.Context, _ *parti.Ownership, r *kgo.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.offsets[r.Partition] = append(l.offsets[r.Partition], r.Offset)
	return nil
}

func (l *log) of(partition int32) []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]int64(nil), l.offsets[partition]...)
}

func upTo(n int) []int64 {
	list := make([]int64, n)
	for i := range list {
		list[i] = int64(i)
	}
	return list
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	require.Eventually(t, f, 10*time.Second, time.Millisecond, what)
}

func TestTheNextOwnerGoesOnWhereTheLastOneStopped(t *testing.T) {
	b, l := newBroker(t, 2), newLog()
	c := b.consumer(Config{CommitInterval: time.Hour}, l.process)
	w := partitest.New(t, c)
	b.produce(0, 50)
	for round := 1; round <= 3; round++ {
		o := w.Grant("eu.orders.0")[0]
		eventually(t, "all are processed", func() bool { return len(l.of(0)) == 50*round })
		w.Revoke()
		offset, epoch := b.stored(0)
		require.EqualValues(t, 50*round, offset, "what is in hand is committed before the partition is let go")
		require.Equal(t, o.Epoch(), epoch)
		b.produce(0, 50)
	}
	require.Equal(t, upTo(150), l.of(0))
	require.Empty(t, w.Errors())
}

func TestWhatIsNotBegunIsLeftToTheNextOwner(t *testing.T) {
	b, l := newBroker(t, 1), newLog()
	begun, ends := make(chan struct{}), make(chan (<-chan struct{}), 2)
	c := b.consumer(Config{}, func(ctx context.Context, o *parti.Ownership, r *kgo.Record) error {
		if r.Offset == 3 {
			close(begun)
			<-<-ends // it is told to end in the midst of this record
		}
		return l.process(ctx, o, r)
	})
	w := partitest.New(t, parti.HandlerFunc(func(ctx context.Context, o *parti.Ownership) error {
		ends <- ctx.Done()
		return c.Run(ctx, o)
	}))
	b.produce(0, 20) // one batch
	w.Grant("eu.orders.0")
	<-begun
	w.Revoke()
	require.Equal(t, upTo(4), l.of(0))
	offset, _ := b.stored(0)
	require.EqualValues(t, 4, offset)
}

func TestAPartitionThatIsTakenAwayWithAFullFeedLosesNothing(t *testing.T) {
	const records = 5 * feedFull
	b, l := newBroker(t, 1), newLog()
	open := make(chan struct{})
	c := b.consumer(Config{}, func(ctx context.Context, o *parti.Ownership, r *kgo.Record) error {
		if r.Offset == 10 {
			select {
			case <-open:
			case <-ctx.Done():
			}
		}
		return l.process(ctx, o, r)
	})
	w := partitest.New(t, c)
	b.produce(0, records)
	w.Grant("eu.orders.0")
	eventually(t, "the feed is full, and paused", func() bool { return len(c.client.PauseFetchPartitions(nil)[topic]) == 1 })
	revoked := make(chan struct{})
	go func() { w.Revoke(); close(revoked) }()
	close(open)
	<-revoked
	require.Less(t, len(l.of(0)), records)
	w.Grant("eu.orders.0")
	eventually(t, "all are processed", func() bool { return len(l.of(0)) >= records })
	require.Equal(t, upTo(records), l.of(0))
}

func TestAPartitionDoesNotWaitForAnother(t *testing.T) {
	b, l := newBroker(t, 2), newLog()
	c := b.consumer(Config{}, func(ctx context.Context, o *parti.Ownership, r *kgo.Record) error {
		if r.Partition == 0 {
			<-ctx.Done() // the handler of partition 0 hangs
		}
		return l.process(ctx, o, r)
	})
	w := partitest.New(t, c)
	b.produce(0, 3*feedFull)
	b.produce(1, 3*feedFull)
	w.Grant("eu.orders.0", "eu.orders.1")
	eventually(t, "all of partition 1 are processed", func() bool { return len(l.of(1)) == 3*feedFull })
	require.Empty(t, l.of(0))
	w.Fence("eu.orders.0")
}

func TestAfterTheTrustIsOverNothingIsCommitted(t *testing.T) {
	b, l := newBroker(t, 1), newLog()
	w := partitest.New(t, b.consumer(Config{CommitInterval: time.Hour}, l.process))
	b.produce(0, 20)
	w.Grant("eu.orders.0")
	eventually(t, "all are processed", func() bool { return len(l.of(0)) == 20 })
	w.Fence()
	w.Await()
	require.Empty(t, w.Errors(), "that is no failure of the handler")
	offset, _ := b.stored(0)
	require.Zero(t, offset)
	w.Grant("eu.orders.0")
	eventually(t, "all come again", func() bool { return len(l.of(0)) == 40 })
}

func TestARecordThatFailsComesAgainAndNoneBeforeIt(t *testing.T) {
	b, l := newBroker(t, 1), newLog()
	var once sync.Once
	c := b.consumer(Config{CommitInterval: time.Hour}, func(ctx context.Context, o *parti.Ownership, r *kgo.Record) (err error) {
		if r.Offset == 7 {
			once.Do(func() { err = errors.New("no") })
		}
		if err != nil {
			return err
		}
		return l.process(ctx, o, r)
	})
	w := partitest.New(t, c)
	b.produce(0, 20)
	w.Grant("eu.orders.0")
	eventually(t, "all are processed", func() bool { return len(l.of(0)) >= 20 })
	require.Equal(t, upTo(20), l.of(0))
	require.Len(t, w.Errors(), 1)
	require.ErrorContains(t, w.Errors()[0], "eu.orders/0 at offset 7: no")
}

func TestASlowRecordDoesNotHoldUpTheCommit(t *testing.T) {
	b := newBroker(t, 1)
	c := b.consumer(Config{CommitInterval: time.Millisecond}, func(ctx context.Context, _ *parti.Ownership, r *kgo.Record) error {
		switch {
		case r.Offset < 5:
			<-time.After(2 * time.Millisecond)
		case r.Offset == 6:
			<-ctx.Done()
		}
		return nil
	})
	w := partitest.New(t, c)
	b.produce(0, 20) // one batch
	w.Grant("eu.orders.0")
	eventually(t, "what is processed is committed", func() bool { offset, _ := b.stored(0); return offset >= 2 })
	w.Fence()
}

func TestTheCommitOfAStaleOwnerIsRefused(t *testing.T) {
	b, l := newBroker(t, 1), newLog()
	frozen, thaw := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	c := func() *Consumer {
		return b.consumer(Config{CommitInterval: time.Millisecond}, func(ctx context.Context, o *parti.Ownership, r *kgo.Record) error {
			if r.Offset == 10 && first.CompareAndSwap(false, true) {
				close(frozen)
				<-thaw
			}
			return l.process(ctx, o, r)
		})
	}
	one, two := c(), c() // two workers: each has a client
	w := partitest.New(t, parti.HandlerFunc(func(ctx context.Context, o *parti.Ownership) error {
		if o.WorkerID() == "worker-0" {
			return one.Run(ctx, o)
		}
		return two.Run(ctx, o)
	}), partitest.WithRestartBackoff(time.Millisecond, 10*time.Millisecond))
	b.produce(0, 20)
	w.Grant("eu.orders.0")
	<-frozen
	stale, fresh := w.Overlap("eu.orders.0")
	eventually(t, "the successor has committed all", func() bool { offset, _ := b.stored(0); return offset == 20 })
	close(thaw)
	eventually(t, "the stale owner sees that it is stale", func() bool { return errors.Is(errors.Join(w.Errors()...), errNewer) })
	require.ErrorIs(t, errors.Join(w.Errors()...), errFenced, "its commit was refused first")
	require.NoError(t, stale.Valid(), "its own clock does not tell it")

	b.produce(0, 20)
	eventually(t, "the successor goes on", func() bool { offset, _ := b.stored(0); return offset == 40 })
	_, epoch := b.stored(0)
	require.Equal(t, fresh.Epoch(), epoch)
	w.Fence("eu.orders.0")
}

func TestAStaleOwnerThatRaisesTheFenceLastGivesUp(t *testing.T) {
	b := newBroker(t, 1)
	b.produce(0, 20)
	cfg := Config{Topic: topic, Group: group}
	client := b.consumer(Config{}, newLog().process).client
	stale, fresh := newFence(client, cfg, 0, 3), newFence(client, cfg, 0, 4)
	ctx := t.Context()
	_, err := stale.raise(ctx, func() error { // it is paused after its last look at the clock
		offset, err := fresh.raise(ctx, func() error { return nil })
		require.NoError(t, err)
		require.Zero(t, offset)
		require.NoError(t, fresh.commit(ctx, 5))
		return nil
	})
	require.ErrorIs(t, err, errNewer)

	require.ErrorIs(t, fresh.commit(ctx, 6), errFenced, "the rightful owner is refused once")
	offset, err := fresh.raise(ctx, func() error { return nil })
	require.NoError(t, err)
	require.EqualValues(t, 5, offset)
	require.NoError(t, fresh.commit(ctx, 6))
	require.ErrorIs(t, stale.commit(ctx, 20), errFenced)
	_, err = stale.raise(ctx, func() error { t.Error("it looks for a newer epoch first"); return nil })
	require.ErrorIs(t, err, errNewer)
	offset, epoch := b.stored(0)
	require.EqualValues(t, []int64{6, 4}, []int64{offset, epoch})
}

func TestEveryStepOfAStaleCommitIsRefusedAndWhatItBeganIsDropped(t *testing.T) {
	b := newBroker(t, 1)
	cfg := Config{Topic: topic, Group: group}
	client := b.consumer(Config{}, newLog().process).client
	stale, fresh := newFence(client, cfg, 0, 3), newFence(client, cfg, 0, 4)
	ctx := t.Context()
	require.NoError(t, stale.initProducer(ctx))
	require.NoError(t, stale.begin(ctx))
	require.NoError(t, stale.stage(ctx, 20))
	require.NoError(t, fresh.initProducer(ctx)) // in the midst of the other one's commit
	require.ErrorIs(t, stale.end(ctx), kerr.ProducerFenced)
	require.ErrorIs(t, stale.begin(ctx), kerr.ProducerFenced)
	require.ErrorIs(t, stale.stage(ctx, 20), kerr.ProducerFenced)
	require.NoError(t, fresh.commit(ctx, 5))
	offset, epoch := b.stored(0)
	require.EqualValues(t, []int64{5, 4}, []int64{offset, epoch})
}

func TestAnOffsetThatWasSetByHandIsWhereItGoesOn(t *testing.T) {
	b, l := newBroker(t, 1), newLog()
	b.produce(0, 20)
	var by kadm.Offsets
	by.Add(kadm.Offset{Topic: topic, Partition: 0, At: 15, LeaderEpoch: -1})
	require.NoError(t, kadm.NewClient(b.client).CommitAllOffsets(t.Context(), group, by))
	w := partitest.New(t, b.consumer(Config{}, l.process))
	w.Grant("eu.orders.0")
	eventually(t, "the rest is processed", func() bool { return len(l.of(0)) == 5 })
	require.EqualValues(t, []int64{15, 16, 17, 18, 19}, l.of(0))
}

func TestAKafkaThatDoesNotAnswerDoesNotHoldUpTheNextOwner(t *testing.T) {
	b, l := newBroker(t, 1), newLog()
	w := partitest.New(t, b.consumer(Config{CommitInterval: time.Hour, CommitTimeout: 50 * time.Millisecond}, l.process))
	b.produce(0, 20)
	w.Grant("eu.orders.0")
	eventually(t, "all are processed", func() bool { return len(l.of(0)) == 20 })
	b.fake.ControlKey(int16(kmsg.AddOffsetsToTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.AddOffsetsToTxnResponse)
		resp.ErrorCode = kerr.ConcurrentTransactions.Code // come again
		return resp, nil, true
	})
	began := time.Now()
	w.Revoke() // or the test fails after 10 s
	require.GreaterOrEqual(t, time.Since(began), 50*time.Millisecond, "it has tried")
	require.Len(t, w.Errors(), 1)
	require.ErrorContains(t, w.Errors()[0], "commit offset 20 of eu.orders/0 in group billing")
	offset, _ := b.stored(0)
	require.Zero(t, offset)
}

func TestTheOffsetOfAnIdlePartitionIsRefreshed(t *testing.T) {
	b := newBroker(t, 1)
	var commits atomic.Int32
	b.fake.ControlKey(int16(kmsg.TxnOffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		commits.Add(1)
		return nil, nil, false
	})
	w := partitest.New(t, b.consumer(Config{Refresh: time.Millisecond}, newLog().process))
	w.Grant("eu.orders.0")
	eventually(t, "the same offset is committed again and again", func() bool { return commits.Load() > 3 })
	w.Revoke()
	offset, _ := b.stored(0)
	require.Zero(t, offset)
}

func TestATopicIsASource(t *testing.T) {
	b := newBroker(t, 3)
	list, err := Partitions(b.client, topic).ListPartitions(t.Context())
	require.NoError(t, err)
	for i, p := range list {
		require.Equal(t, fmt.Sprintf("eu.orders.%d", i), p.ID())
		number, err := Number(topic, p)
		require.NoError(t, err)
		require.EqualValues(t, i, number)
	}
	require.Len(t, list, 3)
	_, err = Number("orders", list[0])
	require.ErrorContains(t, err, "eu.orders.0 does not belong to topic orders")
	_, err = Partitions(b.client, "missing").ListPartitions(t.Context())
	require.ErrorContains(t, err, "missing")
}
