// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/observe"
)

// watch is the process of an observer: it holds the whole group in memory, as a router or a page does.
func watch(in io.Reader, out io.Writer) error {
	orders, tell := json.NewDecoder(in), newSpeaker(out)
	setup, err := readSetup(orders)
	if err != nil {
		return err
	}
	nc, err := nats.Connect(setup.URL, parti.ConnectOptions()...)
	if err != nil {
		return fmt.Errorf("connect an observer to %s: %w", setup.URL, err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	o, err := observe.Open(context.Background(), js, setup.Config)
	if err != nil {
		return err
	}
	defer func() { _ = o.Close() }()
	tell.say(notice{Ready: &ready{}})
	for {
		var next order
		if err := orders.Decode(&next); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read an order: %w", err)
		}
		if next.Sample {
			taken, err := usage()
			if err != nil {
				return err
			}
			taken.Seen = withOwner(o.Group())
			tell.say(notice{Sample: &taken})
		}
	}
}

// observe starts the observer, once there are buckets to look at.
func (f *fleet) observe(ctx context.Context) error {
	var err error
	if f.observer, err = spawn("the observer", roleObserver, setup{URL: f.url, Config: f.set.config}, func(notice) {}); err != nil {
		return err
	}
	_, err = answer(ctx, f.observer, f.observer.ready)
	return err
}

// withOwner counts the partitions that have a live owner, as the observer sees it.
func withOwner(g observe.Group) int { return g.Plan.Partitions - g.Unowned }
