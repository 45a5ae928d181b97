// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package partitest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/partitest"
)

// ledger is what the handler under test writes to. It refuses an epoch below the highest that it has seen.
type ledger struct{ highest int64 }

func (l *ledger) write(epoch int64) error {
	if epoch < l.highest {
		return errors.New("stale epoch")
	}
	l.highest = epoch
	return nil
}

// A handler is tested without a server: it begins, fails and begins again, lets go, and its output refuses a stale owner.
func ExampleWorker() {
	test := func(t *testing.T, handler parti.Handler, output *ledger) {
		synctest.Test(t, func(t *testing.T) {
			w := partitest.New(t, handler, partitest.WithWorkerID("worker-7"), partitest.WithTimeout(time.Minute),
				partitest.WithRestartBackoff(time.Millisecond, time.Second))
			granted := w.Grant("orders.1", "orders.2")
			if granted[0].WorkerID() != "worker-7" || len(w.Owned()) != 2 {
				t.Errorf("owned: %q", w.Owned())
			}
			w.Revoke("orders.2")                  // it returns when the handler has returned
			w.Unlist("orders.1")                  // likewise; the cause is ErrUnlisted
			stale, fresh := w.Overlap("orders.3") // granted first
			if err := errors.Join(output.write(fresh.Epoch()), output.write(stale.Epoch())); err == nil {
				t.Error("the output takes what a stale owner writes")
			}
			w.Fence("orders.3") // its trust ends without warning
			w.Await("orders.3")
			w.Stop()
			if len(w.Errors()) > 0 {
				t.Errorf("the handler failed: %v", w.Errors())
			}
		})
	}
	_ = test
}

// A fleet of three on a real server in virtual time: a worker crashes, and another takes over.
func ExampleFleet() {
	test := func(t *testing.T) {
		partitest.Fleet(t, 3, func(_ *testing.T, fl *partitest.FleetHandle) {
			fl.SetPartitions(partitest.Partitions(12)...)
			fl.Start(func(*partitest.FleetWorker) parti.Handler {
				return parti.HandlerFunc(func(ctx context.Context, _ *parti.Ownership) error {
					<-ctx.Done()
					return nil
				})
			})
			fl.Live()[0].Crash()
			fl.Settle(time.Minute) // virtual time: it takes milliseconds
		})
	}
	_ = test
}
