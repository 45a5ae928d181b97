// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

func TestALeaderWhoseListingsAreNotAnsweredStillRepairs(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(6)
		f.Rest()
		leader := f.Leader()
		leader.Link.Block(func(subject string) bool { return strings.HasPrefix(subject, "$JS.API.STREAM.INFO.") })
		<-time.After(35 * time.Second) // so that a listing is under way, or has failed
		f.Followers()[0].Crash()
		f.Settle(heartbeatTTL + 350*time.Millisecond)
		require.Same(t, leader, f.Leader(), "its feed goes on, so it leads on")
		<-time.After(time.Minute)
		require.True(t, slices.ContainsFunc(leader.Errors(), func(err error) bool { return errors.Is(err, parti.ErrBlind) }), "it says so")
	})
}

func TestALeaderThatDoesNotSeeTheHeartbeatsLeavesTheLeadToOthers(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(6)
		f.Rest()
		blind := f.Leader()
		moves := f.Checker.Moves()
		// Its leases go on, and so does its own assignment: only what the feed of the heartbeats needs is lost.
		stream := "KV_" + parti.DefaultConfig().KVBuckets.Heartbeat
		blind.Link.Block(func(subject string) bool {
			return strings.Contains(subject, stream) &&
				(strings.HasPrefix(subject, "$JS.API.CONSUMER.") || strings.HasPrefix(subject, "$JS.API.STREAM.INFO."))
		})
		// The pull under way is served for up to two minutes more. Then the feed is blind within two seconds and a half, the
		// leader waits for one TTL, and the others campaign at once.
		took := f.Wait(2*time.Minute+2*heartbeatTTL, "somebody else leads", func() bool { l := f.Leader(); return l != nil && l != blind })
		t.Logf("another leads after %s", took)
		require.Equal(t, moves, f.Checker.Moves(), "nothing moves because of it")
		victim := f.Followers()[0]
		if victim == blind {
			victim = f.Followers()[1]
		}
		victim.Crash()
		f.Wait(heartbeatTTL+350*time.Millisecond, "everything of the crashed worker is owned again", func() bool {
			return f.Checker.Complete(f.Source.IDs()) == nil
		})
		blind.Link.Heal()
		f.Settle(time.Minute)
	})
}
