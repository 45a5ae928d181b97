// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package bubble

import (
	"sync/atomic"
	"testing"
	"time"
	_ "unsafe" // for linkname

	"github.com/nats-io/nats-server/v2/server/ats"
)

// The server reads the time from a cached clock where it need not be exact, one for the whole process. Left to itself that
// clock shows real time: in virtual time it hardly moves, and the server, which compares it to tell whether its timer for
// expired messages is set already, sets it anew with every message, so that among frequent messages nothing ever expires.

//go:linkname clockTime github.com/nats-io/nats-server/v2/server/ats.utime
var clockTime atomic.Int64

//go:linkname clockUsers github.com/nats-io/nats-server/v2/server/ats.refs
var clockUsers atomic.Int64

// holdClock keeps the servers that are started from now on from running the clock, whose goroutine would keep virtual time
// from moving. It returns how to let go of it.
func holdClock() (release func()) {
	clockUsers.Add(1)
	return func() { clockUsers.Add(-1) }
}

// runClock moves the clock in virtual time until the test ends.
func runClock(t *testing.T) {
	ended := make(chan struct{})
	clockTime.Store(time.Now().UnixNano())
	go func() {
		tick := time.NewTicker(ats.TickInterval)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				clockTime.Store(now.UnixNano())
			case <-ended:
				return
			}
		}
	}()
	t.Cleanup(func() { close(ended) })
}
