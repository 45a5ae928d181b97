// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheLeaderIsChargedWhatItsNeighboursDoNotUse(t *testing.T) {
	leader, follower := divide(part{used: 10, workers: 20}, []part{{used: 2, workers: 20}, {used: 1, workers: 10}, {}})
	require.InDelta(t, 0.1, follower, 1e-9)
	require.InDelta(t, 10-19*0.1, leader, 1e-9)
}

func TestALeaderThatIsAloneInItsProcessIsChargedAllOfIt(t *testing.T) {
	leader, follower := divide(part{used: 3, workers: 1}, []part{{used: 1, workers: 1}, {used: 2, workers: 1}})
	require.InDelta(t, 3, leader, 1e-9)
	require.InDelta(t, 1.5, follower, 1e-9)
}

func TestTheReportHasOneRowForEachStepAndComparesTheCrashes(t *testing.T) {
	set, err := parse(nil, nil)
	require.NoError(t, err)
	r := newResult(set)
	r.add(stepIdle, step{Workers: 200, Watched: 30, Streams: []stream{{Name: "KV_a", Messages: 4, Bytes: 1000, Written: 3000}}})
	r.add(stepFollower, step{Workers: 199, Watched: 20, Reowned: 5, FleetCPU: 4})
	r.add(stepLeader, step{Workers: 198, Watched: 20, Reowned: 6, FleetCPU: 8})
	text := r.markdown()
	for _, s := range r.Steps {
		require.Equal(t, 1, strings.Count(text, "| "+s.Name+" |"), s.Name)
	}
	require.Contains(t, text, "re-owned after 1.20 times as long, 2.0 times the CPU of all workers")
	require.Contains(t, text, "| KV_a | 4 | 1000 | 250 | 0.500 |")
}

func TestTheReportSaysWhereWhatTheLeaderSpentIsNotKnown(t *testing.T) {
	set, err := parse(nil, nil)
	require.NoError(t, err)
	r := newResult(set)
	r.add(stepLeader, step{NewLeader: true})
	require.NotContains(t, r.markdown(), "Another worker leads")
	r.add(stepTenth, step{NewLeader: true})
	require.Contains(t, r.markdown(), `Another worker leads at the end of the step "a tenth crashes"`)
}
