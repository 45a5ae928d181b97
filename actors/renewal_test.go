// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv"
)

// renewals are the three leases of a worker, each with the actor that keeps it.
var renewals = map[string]struct {
	bucket func(kv.Config) string
	build  func(report func(reported), set Settings, buckets *kv.Store) func(*guard) body
}{
	"heartbeat": {
		func(c kv.Config) string { return c.Heartbeat },
		func(report func(reported), set Settings, buckets *kv.Store) func(*guard) body {
			return func(g *guard) body {
				return newHeartbeat(g, report, set, buckets, "worker-0", 1, false, (&handlers{}).Held)
			}
		},
	},
	"claim": {
		func(c kv.Config) string { return c.StableID },
		func(report func(reported), set Settings, buckets *kv.Store) func(*guard) body {
			return func(g *guard) body { return newClaimer(g, report, set, buckets, "", nil, legacy{}) }
		},
	},
	"leadership": {
		func(c kv.Config) string { return c.Election },
		func(report func(reported), set Settings, buckets *kv.Store) func(*guard) body {
			return func(g *guard) body { return newElector(g, report, set, buckets, "worker-0", 1, 0) }
		},
	},
}

// failOne lets the fault befall the next write into the bucket. The counter says how many writes were sent since.
func failOne(way *link.Link, bucket string, fault link.Fault) *atomic.Int64 {
	writes := new(atomic.Int64)
	way.Fail(func(subject string) link.Fault {
		if strings.HasPrefix(subject, "$KV."+bucket+".") && writes.Add(1) == 1 {
			return fault
		}
		return link.None
	})
	return writes
}

var faults = map[string]link.Fault{"lost": link.Lost, "unheard": link.Unheard, "refused": link.Refused}

// ended says that a report is the end of what its actor keeps.
func ended(r reported) error {
	switch r := r.(type) {
	case *sessionLost:
		return r.err
	case *deposed:
		return errors.Join(kv.ErrDeposed, r.err)
	}
	return nil
}

func TestARenewalThatFailsIsTriedAgainWhileTheLeaseIsTrusted(t *testing.T) {
	for hold, r := range renewals {
		for name, fault := range faults {
			t.Run(hold+" "+name, func(t *testing.T) {
				bubble.Run(t, func(t *testing.T, server *bubble.Server) {
					way := link.New(server, nil)
					t.Cleanup(way.Close)
					set, buckets := openStore(t, way)
					reports := make(chan reported, 1000)
					begin(t, r.build(func(m reported) { reports <- m }, set, buckets))
					<-time.After(100 * time.Millisecond) // the lease is held
					writes := failOne(way, r.bucket(set.Store), fault)
					<-time.After(2 * set.Store.WorkerIDTTL)
					require.Greater(t, writes.Load(), int64(2))
					for len(reports) > 0 {
						require.NoError(t, ended(<-reports))
					}
				})
			})
		}
	}
}

// TestAHeartbeatThatHangsIsGivenUpAfterItsInterval: a write that nobody answers must leave time for the next one, however
// long other operations may take.
func TestAHeartbeatThatHangsIsGivenUpAfterItsInterval(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		way := link.New(server, nil)
		t.Cleanup(way.Close)
		set, buckets := openStore(t, way)
		type arrival struct {
			report reported
			at     time.Time
		}
		reports := make(chan arrival, 100)
		begin(t, func(g *guard) body {
			return newHeartbeat(g, func(r reported) { reports <- arrival{r, time.Now()} }, set, buckets, "worker-0", 1, false, (&handlers{}).Held)
		})
		first := <-reports
		require.IsType(t, &beat{}, first.report)
		failOne(way, set.Store.Heartbeat, link.Lost)
		missed := <-reports
		require.IsType(t, &beatMissed{}, missed.report)
		require.Equal(t, 2*set.Topology.HeartbeatInterval, missed.at.Sub(first.at), "it is due after one interval, and has one")
		again := <-reports
		require.IsType(t, &beat{}, again.report)
		require.Less(t, again.at.Sub(missed.at), 2*longestRetry)
	})
}

// TestAQuestionGoesWithTheNextHeartbeatWhenItsOwnFails: who was elected leads from the heartbeat on that was asked for
// then. Without it there would be a leader that never begins.
func TestAQuestionGoesWithTheNextHeartbeatWhenItsOwnFails(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, server *bubble.Server) {
				way := link.New(server, nil)
				t.Cleanup(way.Close)
				set, buckets := openStore(t, way)
				reports := make(chan reported, 100)
				var g *guard
				begin(t, func(made *guard) body {
					g = made
					return newHeartbeat(g, func(r reported) { reports <- r }, set, buckets, "worker-0", 1, false, (&handlers{}).Held)
				})
				require.IsType(t, &beat{}, next(t, reports))
				failOne(way, set.Store.Heartbeat, fault)
				fence := store.Fence{Term: 3, Revision: 30}
				g.tell(&beatNow{fence: fence})
				require.IsType(t, &beatMissed{}, next(t, reports))
				answer := next(t, reports)
				require.IsType(t, &beat{}, answer)
				require.Equal(t, &fence, answer.(*beat).asked)
			})
		})
	}
}

// TestAQuestionIsAnsweredByAHeartbeatThatWasBegunAfterIt: what was under way may have been stored before the term was.
func TestAQuestionIsAnsweredByAHeartbeatThatWasBegunAfterIt(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		way := link.New(server, func(string) {})
		t.Cleanup(way.Close)
		set, buckets := openStore(t, way)
		way.Slow(200 * time.Millisecond)
		reports := make(chan reported, 100)
		sending := make(chan *guard, 100)
		begin(t, func(g *guard) body {
			held := func() unsettled { sending <- g; return unsettled{} }
			return newHeartbeat(g, func(r reported) { reports <- r }, set, buckets, "worker-0", 1, false, held)
		})
		g := <-sending
		<-time.After(100 * time.Millisecond) // the first is under way
		require.Empty(t, reports)
		fence, asked := store.Fence{Term: 3, Revision: 30}, time.Now()
		g.tell(&beatNow{fence: fence})
		first := next(t, reports)
		require.IsType(t, &beat{}, first)
		require.Nil(t, first.(*beat).asked)
		answer := next(t, reports)
		require.IsType(t, &beat{}, answer)
		require.Equal(t, &fence, answer.(*beat).asked)
		require.True(t, answer.(*beat).lease.Sent.After(asked))
		require.Less(t, answer.(*beat).lease.Sent.Sub(first.(*beat).lease.Sent), set.Topology.HeartbeatInterval, "it does not wait for the interval")
	})
}

// TestAHeartbeatThatHangsLeavesTimeForTheNext: however short the interval, and however much of the trust is over.
func TestAHeartbeatThatHangsLeavesTimeForTheNext(t *testing.T) {
	for _, interval := range []time.Duration{10 * time.Millisecond, 200 * time.Millisecond, time.Second, 2 * time.Second} {
		bubble.Run(t, func(t *testing.T, server *bubble.Server) {
			way := link.New(server, nil)
			t.Cleanup(way.Close)
			set, buckets := openStore(t, way)
			set.Topology.HeartbeatInterval = interval
			reports := make(chan reported, 10000)
			begin(t, func(g *guard) body {
				return newHeartbeat(g, func(r reported) { reports <- r }, set, buckets, "worker-0", 1, false, (&handlers{}).Held)
			})
			require.IsType(t, &beat{}, next(t, reports))
			failOne(way, set.Store.Heartbeat, link.Lost)
			<-time.After(10 * time.Second)
			missed := 0
			for len(reports) > 0 {
				r := <-reports
				require.NoError(t, ended(r), interval)
				if _, ok := r.(*beatMissed); ok {
					missed++
				}
			}
			require.Equal(t, 1, missed, interval)
		})
	}
}
