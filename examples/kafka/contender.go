// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A fleet starts workers. A slot is a place for one: the pod 3, the machine 3. What starts there takes over from what was there.
type fleet interface {
	start(ctx context.Context, slot int) (member, error)
}

// member is a worker at work.
type member interface {
	stop(ctx context.Context) error
	crash()
}

// contender is a fleet in the comparison.
type contender struct {
	name, how string
	group     string
	newFirst  bool // the next process is started before the one before it is stopped
	fleet     fleet
	book      *book
	members   []member
}

// contenders are two fleets of Parti's and four groups of Kafka's.
func contenders(p plan, k *kafka, connect func(...nats.Option) (*nats.Conn, error), run, dir string) []*contender {
	var all []*contender
	add := func(name, how string, newFirst bool) *contender {
		group := fmt.Sprintf("%s-%d", run, len(all))
		c := &contender{name: name, how: how, newFirst: newFirst, group: group, book: newBook(p.partitions)}
		all = append(all, c)
		return c
	}
	divided := func(c *contender, dir string) {
		cfg := partiConfig(c.group, p.workers)
		cfg.Standby = c.newFirst // the new process waits for the ID of the old one
		c.fleet = &partiFleet{kafka: k, cfg: cfg, connect: connect, dir: dir, book: c.book}
	}
	grouped := func(c *contender, extras func(slot int) []kgo.Opt) {
		c.fleet = &groupFleet{kafka: k, group: c.group, session: p.session, book: c.book, extras: extras}
	}
	cooperative := func(int) []kgo.Opt { return []kgo.Opt{kgo.Balancers(kgo.CooperativeStickyBalancer())} }
	divided(add("parti", "StateDir", false), filepath.Join(dir, "parti"))
	divided(add("parti", "new first", true), "")
	grouped(add("cooperative", "sticky", false), cooperative)
	grouped(add("cooperative", "new first", true), cooperative)
	grouped(add("static", "instance ID", false), func(slot int) []kgo.Opt {
		return []kgo.Opt{kgo.Balancers(constant{kgo.RangeBalancer()}), kgo.InstanceID(fmt.Sprint("worker-", slot))}
	})
	grouped(add("kip-848", "server side", false), func(int) []kgo.Opt {
		return []kgo.Opt{kgo.Balancers(kgo.StickyBalancer()), kgo.ServerSideBalancer()}
	})
	return all
}

// constant has a balancer say the same of a member each time it joins. When a static member is back, Kafka compares the name of
// the balancer; kfake compares what the member says as well, and would rebalance where Kafka does not.
type constant struct{ kgo.GroupBalancer }

// JoinGroupMetadata is what a member says of itself.
func (c constant) JoinGroupMetadata(topics []string, _ map[string][]int32, _ int32) []byte {
	return c.GroupBalancer.JoinGroupMetadata(topics, nil, -1)
}
