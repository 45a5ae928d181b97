// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
)

var faults = map[string]link.Fault{"lost": link.Lost, "unheard": link.Unheard, "refused": link.Refused}

// TestALeaderWhoseHeartbeatFailsAsItIsElectedLeadsAllTheSame: a leader begins with the heartbeat that follows its term. When
// exactly that write fails, the next one has to serve.
func TestALeaderWhoseHeartbeatFailsAsItIsElectedLeadsAllTheSame(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 30)
				f.Begin(3)
				f.Rest()
				buckets := parti.DefaultConfig().KVBuckets
				var failed atomic.Int64
				for _, p := range f.Followers() {
					var began atomic.Bool
					p.Link.Fail(func(subject string) link.Fault {
						switch {
						case subject == "$KV."+buckets.Assignment+".term":
							began.Store(true)
						case strings.HasPrefix(subject, "$KV."+buckets.Heartbeat+".") && began.CompareAndSwap(true, false):
							failed.Add(1)
							return fault
						}
						return link.None
					})
				}
				f.Leader().Crash()
				f.Settle(heartbeatTTL + leaderTTL + time.Second)
				require.Positive(t, failed.Load())
			})
		})
	}
}

// TestWhicheverStreamFailsForTheLeaderEverythingIsOwnedAgain: one stream takes or answers no request of the leader for
// longer than the leases last, while the others do; a worker crashes meanwhile.
func TestWhicheverStreamFailsForTheLeaderEverythingIsOwnedAgain(t *testing.T) {
	b := parti.DefaultConfig().KVBuckets
	for i, bucket := range []string{b.StableID, b.Election, b.Heartbeat, b.Assignment} {
		stream := []string{"stable IDs", "election", "heartbeats", "assignments"}[i]
		for _, name := range fleet.Some(slices.Sorted(maps.Keys(faults)), i, 1) {
			fault := faults[name]
			t.Run(stream+" "+name, func(t *testing.T) {
				bubble.Run(t, func(t *testing.T, s *bubble.Server) {
					f := fleet.New(t, s, 30)
					f.Begin(4)
					f.Rest()
					leader, crashes := f.Leader(), f.Followers()[0]
					leader.Link.Fail(func(subject string) link.Fault {
						if strings.Contains(subject, bucket) {
							return fault
						}
						return link.None
					})
					<-time.After(time.Second)
					crashes.Crash()
					<-time.After(20 * time.Second)
					leader.Link.Heal()
					f.Settle(recovery)
				})
			})
		}
	}
}
