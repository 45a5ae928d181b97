// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

var (
	errFenced = errors.New("another owner has raised the fence") // Kafka refuses this one's commits from now on
	errNewer  = errors.New("the offset was committed under a newer epoch")

	errIncomplete = errors.New("the answer lacks the partition")
)

// fence has Kafka refuse the commits of a stale owner. Kafka compares no epochs of ours, so it is done in two ways at once:
//
//   - Each partition has a transactional ID, and offsets are committed in transactions under it. Raising the fence is
//     InitProducerId: from then on Kafka answers PRODUCER_FENCED to whoever raised it before, and drops what they had not
//     committed.
//   - With each offset our epoch is committed, in its metadata. Whoever raises the fence last wins, even a stale owner that
//     was paused just before. But it reads the offset afterwards, finds the newer epoch there, and gives up before it has
//     done anything. The rightful owner is refused once, raises the fence again, and goes on.
type fence struct {
	client    *kgo.Client
	group     string
	topic     string
	partition int32
	owner     int64 // the epoch of the owner

	id       string // the transactional ID
	producer int64  // what Kafka has given for it
	epoch    int16
}

// transactionTimeout is how long Kafka leaves a transaction open whose owner is gone. The next owner does not wait for it.
const transactionTimeout = 10 * time.Second

func newFence(client *kgo.Client, cfg Config, partition int32, epoch int64) *fence {
	return &fence{
		client: client, group: cfg.Group, topic: cfg.Topic, partition: partition, owner: epoch,
		id: fmt.Sprintf("parti.%s.%s-%d", cfg.Group, cfg.Topic, partition),
	}
}

// classicTransactions are the requests as every Kafka since 2.5 takes them. In newer versions the epoch of the producer changes
// with each transaction, and topics have IDs in place of names.
func classicTransactions() *kversion.Versions {
	v := kversion.Stable()
	v.SetMaxKeyVersion(int16(kmsg.AddOffsetsToTxn), 3)
	v.SetMaxKeyVersion(int16(kmsg.TxnOffsetCommit), 4)
	v.SetMaxKeyVersion(int16(kmsg.EndTxn), 4)
	v.SetMaxKeyVersion(int16(kmsg.OffsetFetch), 9)
	return v
}

// raise makes this owner the only one whose commits are taken, and returns the offset to begin at. The order matters: a newer
// epoch is looked for first, so that a stale owner that is called again and again disturbs nobody, and once more when
// nobody else can commit any more.
func (f *fence) raise(ctx context.Context, valid func() error) (int64, error) {
	if _, err := f.committed(ctx); err != nil {
		return 0, err
	}
	if err := valid(); err != nil {
		return 0, err
	}
	if err := f.initProducer(ctx); err != nil {
		return 0, err
	}
	offset, err := f.committed(ctx)
	if err != nil {
		return 0, err
	}
	if offset < 0 {
		if offset, err = f.start(ctx); err != nil {
			return 0, err
		}
	}
	return offset, f.commit(ctx, offset) // with our epoch, before the first record
}

func (f *fence) initProducer(ctx context.Context) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = &f.id
	req.TransactionTimeoutMillis = int32(transactionTimeout.Milliseconds())
	err := again(ctx, func() error {
		resp, err := req.RequestWith(ctx, f.client)
		if err != nil {
			return err
		}
		f.producer, f.epoch = resp.ProducerID, resp.ProducerEpoch
		return kerr.ErrorForCode(resp.ErrorCode)
	})
	return f.wrap("raise the fence", err)
}

// committed is the offset that the group has committed, or -1 for none. An epoch above our own beside it is errNewer.
func (f *fence) committed(ctx context.Context) (int64, error) {
	topic := kmsg.NewOffsetFetchRequestGroupTopic()
	topic.Topic, topic.Partitions = f.topic, []int32{f.partition}
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group, group.Topics = f.group, append(group.Topics, topic)
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Groups, req.RequireStable = append(req.Groups, group), true // no offset of a transaction that may yet be undone
	var at kmsg.OffsetFetchResponseGroupTopicPartition
	err := again(ctx, func() error {
		resp, err := req.RequestWith(ctx, f.client)
		if err == nil {
			at, err = only(resp)
		}
		return err
	})
	if errors.Is(err, kerr.GroupIDNotFound) {
		return -1, nil // nobody has committed anything yet
	}
	if err != nil {
		return 0, f.wrap("read the committed offset", err)
	}
	if epoch := epochOf(at.Metadata); epoch > f.owner {
		return 0, f.wrap("read the committed offset", fmt.Errorf("%w: %d", errNewer, epoch))
	}
	return at.Offset, nil
}

// only is the one partition that was asked for.
func only(resp *kmsg.OffsetFetchResponse) (at kmsg.OffsetFetchResponseGroupTopicPartition, err error) {
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return at, err
	}
	for _, g := range resp.Groups {
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
			return at, err
		}
		for _, t := range g.Topics {
			for _, at := range t.Partitions {
				return at, kerr.ErrorForCode(at.ErrorCode)
			}
		}
	}
	return at, errIncomplete
}

// start is the first offset of the partition that there is.
func (f *fence) start(ctx context.Context) (int64, error) {
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = f.partition, -2 // the earliest
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic, topic.Partitions = f.topic, append(topic.Partitions, p)
	req := kmsg.NewPtrListOffsetsRequest()
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, f.client)
	if err == nil && (len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1) {
		err = errIncomplete
	}
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		return 0, f.wrap("look for the first offset", err)
	}
	return resp.Topics[0].Partitions[0].Offset, nil
}

// commit stores the offset to go on at, together with our epoch. errFenced says that another owner has raised the fence. After
// any other error the offset may be stored or not: raise the fence again to know.
func (f *fence) commit(ctx context.Context, offset int64) error {
	for _, step := range []func(context.Context) error{
		f.begin,
		func(ctx context.Context) error { return f.stage(ctx, offset) },
		f.end,
	} {
		if err := again(ctx, func() error { return step(ctx) }); err != nil {
			return f.wrap(fmt.Sprintf("commit offset %d", offset), err)
		}
	}
	return nil
}

func (f *fence) begin(ctx context.Context) error {
	req := kmsg.NewPtrAddOffsetsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = f.id, f.producer, f.epoch, f.group
	resp, err := req.RequestWith(ctx, f.client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}

func (f *fence) stage(ctx context.Context, offset int64) error {
	metadata := epochPrefix + strconv.FormatInt(f.owner, 10)
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset, p.Metadata = f.partition, offset, &metadata
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic, topic.Partitions = f.topic, append(topic.Partitions, p)
	req := kmsg.NewPtrTxnOffsetCommitRequest() // its generation is -1: no member of a consumer group
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = f.id, f.producer, f.epoch, f.group
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, f.client)
	if err != nil {
		return err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return errIncomplete
	}
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}

func (f *fence) end(ctx context.Context) error {
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = f.id, f.producer, f.epoch, true
	resp, err := req.RequestWith(ctx, f.client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}

// again repeats what Kafka refuses only for a moment, because a transaction has not quite ended.
func again(ctx context.Context, f func() error) error {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		err := f()
		if !errors.Is(err, kerr.ConcurrentTransactions) && !errors.Is(err, kerr.UnstableOffsetCommit) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

func (f *fence) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) {
		err = fmt.Errorf("%w: %w", errFenced, err)
	}
	return fmt.Errorf("%s of %s/%d in group %s under epoch %d: %w", what, f.topic, f.partition, f.group, f.owner, err)
}

const epochPrefix = "parti epoch "

// epochOf reads the metadata of an offset. An offset that somebody has set by hand has no epoch, and may be used by all.
func epochOf(metadata *string) int64 {
	if metadata == nil {
		return 0
	}
	text, ok := strings.CutPrefix(*metadata, epochPrefix)
	epoch, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil {
		return 0
	}
	return epoch
}
