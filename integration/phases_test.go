// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

// TestWhoeverFailsAtWhateverStepOfAHandoff: the old owner, the new owner or the leader crashes, is paused for longer than
// its leases, or loses the store, at each step of a handoff in turn; everything gets exactly one owner again. Unless the run is
// thorough, each of them fails at each step in one way, and each way strikes at each step.
func TestWhoeverFailsAtWhateverStepOfAHandoff(t *testing.T) {
	faults := map[string]func(f *fleet.Fleet, p *fleet.Process){
		"crashes": func(_ *fleet.Fleet, p *fleet.Process) { p.Crash() },
		"is paused": func(_ *fleet.Fleet, p *fleet.Process) {
			p.Freeze()
			time.AfterFunc(2*heartbeatTTL, p.Thaw)
		},
		"is cut off": func(_ *fleet.Fleet, p *fleet.Process) {
			p.Link.Cut()
			time.AfterFunc(2*heartbeatTTL, p.Link.Heal)
		},
	}
	ways := slices.Sorted(maps.Keys(faults))
	for i, step := range fleet.Kinds() {
		for j, victim := range fleet.Some([]string{"old owner", "new owner", "leader"}, i, 1) {
			for _, fault := range fleet.Some(ways, i+j, len(ways)) {
				strike := faults[fault]
				t.Run(fmt.Sprintf("at %q the %s %s", step, victim, fault), func(t *testing.T) {
					bubble.Run(t, func(t *testing.T, s *bubble.Server) {
						f := fleet.New(t, s, 30, fleet.SlowHandler(200*time.Millisecond))
						f.Begin(3)
						f.Rest()
						leader := f.Leader()
						others := f.Followers()
						joiner := f.Make()
						var struck atomic.Bool
						var revoked atomic.Int64
						f.Watch(func(e fleet.Event) {
							if e.Kind == fleet.Revoked {
								revoked.CompareAndSwap(0, e.Version)
							}
							if e.Kind == fleet.Acknowledged && (revoked.Load() == 0 || e.Version < revoked.Load()) {
								return // of an earlier plan
							}
							// A step of the old owner's, or of the new one's.
							giving := step == fleet.Revoked || step == fleet.Returned || step == fleet.Acknowledged
							if e.Kind != step || giving != (e.Process != joiner) || giving && e.Process == leader || !struck.CompareAndSwap(false, true) {
								return
							}
							f.Watch(nil)
							who := map[string]*fleet.Process{"old owner": others[0], "new owner": joiner, "leader": leader}[victim]
							if giving && victim == "old owner" {
								who = e.Process
							}
							f.Checker.Note("fault: the %s, %s, %s", victim, who.Name, fault)
							strike(f, who)
						})
						joiner.Start()
						f.Wait(window+10*time.Second, "the step", struck.Load)
						<-time.After(2*heartbeatTTL + time.Second)
						f.Settle(coldStart + time.Minute)
						require.NoError(t, f.Checker.Complete(f.Source.IDs()))
					})
				})
			}
		}
	}
}
