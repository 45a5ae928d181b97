// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// kafka is the broker, with a topic of this run's own.
type kafka struct {
	seeds      []string
	topic      string
	partitions int
	client     *kgo.Client // of the producer and for administration
	fake       *kfake.Cluster
}

// openKafka starts a broker in this process where none is named, and creates the topic.
func openKafka(ctx context.Context, seeds []string, topic string, partitions int) (*kafka, error) {
	k := &kafka{seeds: seeds, topic: topic, partitions: partitions}
	var err error
	if len(seeds) == 0 {
		if k.fake, err = kfake.NewCluster(kfake.NumBrokers(1)); err != nil {
			return nil, fmt.Errorf("start a broker in this process: %w", err)
		}
		k.seeds = k.fake.ListenAddrs()
	}
	k.client, err = kgo.NewClient(k.seed(), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.RecordDeliveryTimeout(30*time.Second))
	if err == nil {
		_, err = kadm.NewClient(k.client).CreateTopic(ctx, int32(partitions), -1, nil, topic)
	}
	if err != nil {
		k.close(nil)
		return nil, fmt.Errorf("create topic %s on %v: %w", topic, k.seeds, err)
	}
	return k, nil
}

func (k *kafka) seed() kgo.Opt { return kgo.SeedBrokers(k.seeds...) }

// close removes the topic and the groups, if the broker outlives this process.
func (k *kafka) close(groups []string) error {
	if k.fake != nil {
		if k.client != nil {
			k.client.Close()
		}
		k.fake.Close()
		return nil
	}
	if k.client == nil {
		return nil
	}
	defer k.client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	admin := kadm.NewClient(k.client)
	_, err := admin.DeleteTopic(ctx, k.topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		err = nil
	}
	if len(groups) > 0 {
		_, failed := admin.DeleteGroups(ctx, groups...)
		err = errors.Join(err, failed)
	}
	if err != nil {
		return fmt.Errorf("remove topic %s and its groups: %w", k.topic, err)
	}
	return nil
}

// producer gives each partition a record at each tick, until it is stopped.
type producer struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu   sync.Mutex
	ends []int64 // of each partition: the offset after the last record that Kafka has taken
	err  error
}

func (k *kafka) produce(every time.Duration) *producer {
	ctx, cancel := context.WithCancel(context.Background())
	p := &producer{cancel: cancel, ends: make([]int64, k.partitions)}
	p.done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for i := range k.partitions {
				p.done.Add(1)
				k.client.Produce(context.Background(), &kgo.Record{Topic: k.topic, Partition: int32(i), Value: []byte("order")}, p.taken)
			}
		}
	})
	return p
}

func (p *producer) taken(r *kgo.Record, err error) {
	defer p.done.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.err = err
		return
	}
	p.ends[r.Partition] = max(p.ends[r.Partition], r.Offset+1)
}

// stop ends it when Kafka has answered for every record, and returns where the partitions end.
func (p *producer) stop() ([]int64, error) {
	p.cancel()
	p.done.Wait()
	return p.ends, p.err
}
