// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

// TestALostLeaseOnLeadershipCostsFewTerms: somebody overwrites the lease while its holder still trusts it, so that another
// worker leads. The two do not answer each other's terms: not on one processor, and not on all that the test may use.
func TestALostLeaseOnLeadershipCostsFewTerms(t *testing.T) {
	for _, processors := range slices.Compact([]int{1, runtime.GOMAXPROCS(0)}) {
		for i, latency := range []time.Duration{0, 10 * time.Microsecond, 200 * time.Microsecond, time.Millisecond} {
			for _, kind := range fleet.Some([]string{"foreign JSON", "empty"}, i, 1) {
				t.Run(fmt.Sprintf("%s at %s on %d processors", kind, latency, processors), func(t *testing.T) {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
					bubble.Run(t, func(t *testing.T, s *bubble.Server) { loseLease(t, fleet.New(t, s, 12), latency, garbage()[kind]) })
				})
			}
		}
	}
}

func loseLease(t *testing.T, f *fleet.Fleet, latency time.Duration, value string) {
	f.Begin(3)
	f.Rest()
	for _, p := range f.Live() {
		p.Link.Slow(latency)
	}
	terms, listings, before := len(f.Checker.Terms()), f.Source.Calls(), f.Leader()
	overwrite(t, f, "$KV."+parti.DefaultConfig().KVBuckets.Election+".leader", value)
	<-time.After(30 * time.Second)
	terms, listings = len(f.Checker.Terms())-terms, f.Source.Calls()-listings
	require.NotSame(t, before, f.Leader())
	require.Positive(t, terms)
	require.LessOrEqual(t, terms, 3)
	require.LessOrEqual(t, listings, terms)
	require.NoError(t, f.Unsettled())
	require.Zero(t, f.Checker.Moves())
}

// TestALeaseThatIsOverwrittenAgainAndAgainCostsFewTerms: each time another worker may lead, but none begins more than four
// terms in a LeaderTTL.
func TestALeaseThatIsOverwrittenAgainAndAgainCostsFewTerms(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		const workers, long = 3, 30 * time.Second
		f := fleet.New(t, s, 12)
		f.Begin(workers)
		f.Rest()
		terms := len(f.Checker.Terms())
		for began := time.Now(); time.Since(began) < long; {
			overwrite(t, f, "$KV."+parti.DefaultConfig().KVBuckets.Election+".leader", garbage()["foreign JSON"])
			<-time.After(50 * time.Millisecond)
		}
		terms = len(f.Checker.Terms()) - terms
		t.Logf("%d terms", terms)
		require.LessOrEqual(t, terms, workers*int(3*long/leaderTTL+2))
		f.Settle(10 * time.Second)
		require.Zero(t, f.Checker.Moves())
	})
}
