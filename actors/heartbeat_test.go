// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv"
)

func TestAHeartbeatIsTrustedFromItsSendingHoweverSlowTheAnswer(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		slow := link.New(server, func(string) {})
		t.Cleanup(slow.Close)
		set, buckets := openStore(t, slow)
		const oneWay = 400 * time.Millisecond
		slow.Slow(oneWay)
		type arrival struct {
			beat *beat
			at   time.Time
		}
		beats := make(chan arrival, 10)
		report := func(message reported) {
			if b, ok := message.(*beat); ok {
				beats <- arrival{b, time.Now()}
			}
		}
		begin(t, func(g *guard) body {
			return newHeartbeat(g, report, set, buckets, "worker-0", 1, false, (&handlers{}).Held)
		})
		for range 3 {
			a := <-beats
			require.False(t, a.beat.lease.Sent.After(a.at.Add(-2*oneWay)), "sent %s before the answer came", a.at.Sub(a.beat.lease.Sent))
		}
	})
}

func TestASessionWhoseFirstHeartbeatIsAcknowledgedTooLateDoesNotBegin(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		way := link.New(server, func(string) {})
		t.Cleanup(way.Close)
		set, buckets := openStore(t, way)
		way.Stall(link.Down)
		reports := make(chan reported, 100)
		begin(t, func(g *guard) body {
			return newHeartbeat(g, func(r reported) { reports <- r }, set, buckets, "worker-0", 1, false, (&handlers{}).Held)
		})
		<-time.After(20 * time.Second)
		way.Heal()
		for {
			switch r := next(t, reports).(type) {
			case *beatMissed: // as often as it is tried
			case *sessionLost:
				require.ErrorIs(t, r.err, kv.ErrLate)
				return
			default:
				t.Fatalf("%T: the session begins although its first heartbeat has expired", r)
			}
		}
	})
}

func TestASessionWhoseHeartbeatAnotherWritesEnds(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		set, buckets := openStore(t, server)
		reports := make(chan reported, 100)
		begin(t, func(g *guard) body {
			return newHeartbeat(g, func(r reported) { reports <- r }, set, buckets, "worker-0", 1, false, (&handlers{}).Held)
		})
		require.IsType(t, &beat{}, next(t, reports))
		_, err := buckets.Acquire(t.Context(), store.Heartbeats, "worker-0", record.Heartbeat{Session: 2}, func(store.Entry) bool { return true })
		require.NoError(t, err)
		lost := next(t, reports)
		require.IsType(t, &sessionLost{}, lost)
		require.ErrorIs(t, lost.(*sessionLost).err, kv.ErrLost)
	})
}

// TestTheEndOfAHandlerIsToldAtOnce: the next owner of its partition waits for that.
func TestTheEndOfAHandlerIsToldAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		set, buckets := openStore(t, server)
		beats := make(chan *beat, 10)
		report := func(message reported) {
			if b, ok := message.(*beat); ok {
				beats <- b
			}
		}
		tell := make(chan func(any), 1)
		begin(t, func(g *guard) body {
			tell <- g.tell
			return newHeartbeat(g, report, set, buckets, "worker-0", 1, false, (&handlers{}).Held)
		})
		first := <-beats
		<-time.After(set.Topology.HeartbeatInterval / 4)
		(<-tell)(&heldChanged{})
		require.Less(t, (<-beats).lease.Sent.Sub(first.lease.Sent), set.Topology.HeartbeatInterval/2)
	})
}
