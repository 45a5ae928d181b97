// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/parti-go/parti"
)

// Partitions is a source that asks Kafka how many partitions the topic has. After
// [parti.Manager.RefreshPartitions], partitions that were added to the topic are given out as well.
func Partitions(client *kgo.Client, topic string) parti.PartitionSource {
	admin := kadm.NewClient(client)
	return parti.SourceFunc(func(ctx context.Context) ([]parti.Partition, error) {
		topics, err := admin.ListTopics(ctx, topic)
		if err != nil {
			return nil, fmt.Errorf("list the partitions of topic %s: %w", topic, err)
		}
		if err := topics[topic].Err; err != nil {
			return nil, fmt.Errorf("list the partitions of topic %s: %w", topic, err)
		}
		var list []parti.Partition
		for _, p := range topics[topic].Partitions.Numbers() {
			list = append(list, partition(topic, p))
		}
		return list, nil
	})
}

// partition is partition 7 of the topic eu.orders as Parti knows it: eu.orders.7.
func partition(topic string, number int32) parti.Partition {
	return parti.Partition{Keys: append(strings.Split(topic, "."), strconv.Itoa(int(number)))}
}

// Number returns the number that Kafka knows a partition of the topic by.
func Number(topic string, p parti.Partition) (int32, error) {
	rest, ok := strings.CutPrefix(p.ID(), topic+".")
	number, err := strconv.ParseInt(rest, 10, 32)
	if !ok || err != nil {
		return 0, fmt.Errorf("partition %s does not belong to topic %s, allowed: %s.0, %s.1 and so on", p.ID(), topic, topic, topic)
	}
	return int32(number), nil
}
