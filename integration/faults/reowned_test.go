// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

const (
	beatEvery = 2 * time.Second
	ofWorkers = 12
)

var phases = flag.Int("phases", 2, "in how many phases of a heartbeat the crashes come whose recovery is measured")

// What lies between an expiry and the hook of the next owner are three trips: to the leader, to the store, to the owner. When
// the next expiry comes in the same instant its plan waits for the answer of the first: two more.
const (
	tripsOfOne  = 3
	tripsOfMore = 5
)

// reowned measures how long partitions are without an owner after a crash, once for each phase of the heartbeat of the
// first victim, and fails when it takes longer than is promised and so many trips over the network.
func reowned(t *testing.T, promised time.Duration, trips int, victims func(f *fleet.Fleet) []*fleet.Process) {
	t.Helper()
	for _, latency := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond} {
		t.Run(fmt.Sprintf("at a latency of %s", latency), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 60)
				slow := func(procs []*fleet.Process) {
					for _, p := range procs {
						p.Link.Slow(latency)
					}
				}
				slow(f.Begin(ofWorkers))
				took := make([]time.Duration, *phases)
				for phase := range took {
					<-time.After(window + time.Second) // for the cooldown
					crashed := victims(f)
					since := time.Since(lastBeat(t, f, crashed[0].LastID()))
					<-time.After((beatEvery - since%beatEvery) + beatEvery*time.Duration(phase)/time.Duration(*phases))
					for _, p := range crashed {
						p.Crash()
					}
					took[phase] = f.Wait(2*promised, "everything owned", func() bool { return f.Checker.Complete(f.Source.IDs()) == nil })
					joined := f.Start(len(crashed))
					slow(joined)
					f.Wait(time.Minute, "the next ones have their share", func() bool {
						return f.Unsettled() == nil && !slices.ContainsFunc(joined, func(p *fleet.Process) bool { return len(p.Running()) == 0 })
					})
				}
				slices.Sort(took)
				allowed := promised + time.Duration(trips)*latency
				t.Logf("p50 %s, max %s, promised %s", took[len(took)/2], took[len(took)-1], allowed)
				require.LessOrEqual(t, took[len(took)-1], allowed)
			})
		})
	}
}

// lastBeat is when the last heartbeat of a worker was stored.
func lastBeat(t *testing.T, f *fleet.Fleet, worker string) time.Time {
	t.Helper()
	bucket := parti.DefaultConfig().KVBuckets.Heartbeat
	stream, err := f.JS.Stream(background(), "KV_"+bucket)
	require.NoError(t, err)
	m, err := stream.GetLastMsgForSubject(background(), "$KV."+bucket+"."+worker)
	require.NoError(t, err)
	return m.Time
}

func TestHowLongAfterACrashOfAFollower(t *testing.T) {
	reowned(t, heartbeatTTL+350*time.Millisecond, tripsOfOne, func(f *fleet.Fleet) []*fleet.Process { return f.Followers()[:1] })
}

func TestHowLongAfterACrashOfTwoFollowersAtOnce(t *testing.T) {
	reowned(t, heartbeatTTL+350*time.Millisecond, tripsOfMore, func(f *fleet.Fleet) []*fleet.Process { return f.Followers()[:2] })
}

func TestHowLongAfterACrashOfTheLeader(t *testing.T) {
	reowned(t, max(heartbeatTTL, leaderTTL)+400*time.Millisecond, tripsOfOne, func(f *fleet.Fleet) []*fleet.Process { return []*fleet.Process{f.Leader()} })
}

func TestHowLongAfterACrashOfTheLeaderAndAFollowerAtOnce(t *testing.T) {
	reowned(t, max(heartbeatTTL, leaderTTL)+400*time.Millisecond, tripsOfMore, func(f *fleet.Fleet) []*fleet.Process {
		return []*fleet.Process{f.Leader(), f.Followers()[0]}
	})
}

// TestHowLongAfterAMassLoss: more than max(2, MassLossRatio) of the members, who are held for one HeartbeatTTL.
func TestHowLongAfterAMassLoss(t *testing.T) {
	reowned(t, 2*heartbeatTTL+350*time.Millisecond, tripsOfMore, func(f *fleet.Fleet) []*fleet.Process { return f.Followers()[:3] })
}
