// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const customers = 40

// order is what a customer orders: the number counts that customer's orders.
type order struct {
	Customer int       `json:"customer"`
	Number   int       `json:"number"`
	At       time.Time `json:"at"`
}

// shop publishes orders until it is closed.
type shop struct {
	js     jetstream.JetStream
	cancel context.CancelFunc
	done   chan struct{}
	counts [customers]int
}

// open begins the sale. It goes on with the numbers behind those that the stream has.
func open(ctx context.Context, js jetstream.JetStream) (*shop, error) {
	s := &shop{js: js, done: make(chan struct{})}
	stream, err := js.Stream(ctx, "ORDERS")
	if err != nil {
		return nil, err
	}
	for customer := range s.counts {
		last, err := stream.GetLastMsgForSubject(ctx, fmt.Sprintf("orders.*.c%d", customer))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for the last order of customer %d: %w", customer, err)
		}
		var o order
		if err := json.Unmarshal(last.Data, &o); err != nil {
			return nil, fmt.Errorf("read the last order of customer %d: %w", customer, err)
		}
		s.counts[customer] = o.Number
	}
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(s.done)
		for { // in bursts: a batch of a pipeline is at its best with many orders
			for i := range 2 * customers {
				s.sell(i % customers)
			}
			if !pause(ctx, time.Second) {
				return
			}
		}
	}()
	return s, nil
}

// sell publishes one order, as often as it takes. The message ID keeps it from being stored twice.
func (s *shop) sell(customer int) {
	o := order{customer, s.counts[customer] + 1, time.Now()}
	data, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := s.js.Publish(ctx, fmt.Sprintf("orders.c%d", customer), data, jetstream.WithMsgID(fmt.Sprint(customer, "-", o.Number)))
		cancel()
		if err == nil {
			s.counts[customer] = o.Number
			return
		}
		pause(context.Background(), 20*time.Millisecond)
	}
}

// close ends the sale; closing twice is no error.
func (s *shop) close() {
	s.cancel()
	<-s.done
}

// sell publishes until ctx ends, says now and then how far everything is, and counts.
func sell(ctx context.Context, js jetstream.JetStream, say telling) error {
	s, err := open(ctx, js)
	if err != nil {
		return err
	}
	defer s.close()
	look := &lookout{js: js}
	for pause(ctx, 5*time.Second) {
		asking, cancel := context.WithTimeout(ctx, time.Second)
		slowest, err := look.slowest(asking)
		if err == nil {
			var published, shipped int
			if published, shipped, err = progress(asking, js); err == nil {
				say("published %d, shipped %d; the slowest order of the last 5s waited %s", published, shipped, slowest.Round(time.Millisecond))
			}
		}
		cancel()
		if err != nil && ctx.Err() == nil {
			say("the server does not answer: %v", err)
		}
	}
	s.close()
	return count(context.WithoutCancel(ctx), js, say)
}
