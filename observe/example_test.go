// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/observe"
	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

// Work is sent to the owner of its partition together with the epoch, so that a worker that is not the owner any more can
// refuse it.
func ExampleObserver_Owner() {
	route := func(ctx context.Context, js jetstream.JetStream, send func(host, partition string, epoch int64) error) error {
		o, err := observe.Open(ctx, js, parti.DefaultConfig())
		if err != nil {
			return err
		}
		defer func() { _ = o.Close() }()
		for {
			seen := o.Group()
			owner, err := o.Owner("orders.17")
			if err == nil {
				err = send(owner.Host, "orders.17", owner.Epoch)
			}
			if err == nil {
				return nil
			}
			if _, err := o.Wait(ctx, seen); err != nil { // until something has changed
				return err
			}
		}
	}
	_ = route
}

func ExampleObserver_History() {
	explain := func(ctx context.Context, o *observe.Observer) error {
		changes, err := o.History(ctx, observe.Query{Partition: "orders.17", Since: time.Now().Add(-time.Hour)})
		if err != nil {
			return err
		}
		for _, c := range changes {
			fmt.Printf("%s: from %q to %q under epoch %d: %s\n", c.At.Format(time.TimeOnly), c.From, c.To, c.Epoch, c.Why)
		}
		if _, err := o.Owner("orders.17"); errors.Is(err, observe.ErrUnowned) {
			fmt.Println("nobody has it")
		}
		return nil
	}
	_ = explain
}

// Why a partition is where it is, and what the crash of a worker would move.
func ExampleObserver_WhatIf() {
	look := func(ctx context.Context, o *observe.Observer) error {
		why, err := o.Explain(ctx, "orders.17", strategy.NewSticky())
		if err != nil {
			return err
		}
		fmt.Println(why)
		answer, err := o.WhatIf(whatif.Change{Lose: []string{"worker-3"}}, strategy.NewSticky())
		if err != nil {
			return err
		}
		fmt.Println(answer.Verdict)
		fmt.Println("last heard of", o.Heard("worker-3"))
		<-o.Done() // the observer was closed, or its connection
		return nil
	}
	_ = look
}
