// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// crew is the workers of the day: in this process, or each a process. It is used by one goroutine.
type crew interface {
	join(ctx context.Context, n int) error // starts workers, and waits until they are ready
	kill() error                           // ends the first worker as a crash would: nobody is told
	drain(ctx context.Context) error       // has the second worker hand over and leave
	restart(ctx context.Context) error     // stops the server and starts it again; errNotMine where it is not the program's
	close()
}

var errNotMine = errors.New("this program did not start the server")

// day lets something happen, and something else.
type day struct {
	say    telling
	look   *lookout
	failed error
}

// show lets the fleet live through its day, and counts.
func show(ctx context.Context, js jetstream.JetStream, say telling, workers crew) error {
	defer workers.close()
	if err := workers.join(ctx, 3); err != nil {
		return err
	}
	shop, err := open(ctx, js)
	if err != nil {
		return err
	}
	defer shop.close()
	d := &day{say: say, look: &lookout{js: js}}
	calm, takeover := 4*time.Second, 10*time.Second // the dead worker's heartbeat has to expire
	d.event(ctx, "three workers", calm, func() error { return nil })
	d.event(ctx, "two more join", calm, func() error { return workers.join(ctx, 2) })
	d.event(ctx, "one is killed", takeover, workers.kill)
	d.event(ctx, "one is drained", calm, func() error { return workers.drain(ctx) })
	d.event(ctx, "the server restarts", takeover, func() error { return workers.restart(ctx) })
	shop.close()
	if err := errors.Join(d.failed, ctx.Err()); err != nil {
		return err
	}
	return count(ctx, js, say)
}

// event lets something happen while orders come in, and says how long the slowest order of that time had to wait.
func (d *day) event(ctx context.Context, name string, lasts time.Duration, happen func() error) {
	if d.failed != nil || !pause(ctx, 2*time.Second) {
		return
	}
	_, d.failed = d.look.slowest(ctx)
	err := happen()
	if errors.Is(err, errNotMine) {
		return
	}
	if d.failed = errors.Join(d.failed, err); d.failed != nil {
		d.failed = fmt.Errorf("%s: %w", name, d.failed)
		return
	}
	pause(ctx, lasts)
	slowest, err := d.look.slowest(ctx)
	d.failed = err
	d.say("%-20s longest pause %s", name, slowest.Round(time.Millisecond))
}
