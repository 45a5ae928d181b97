// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAJoinerThatDiesWhileItIsPlannedForIsLost(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	topo := New(Config{
		ColdStartWindow: 30 * time.Second, PlannedScaleWindow: 10 * time.Second, RestartDetectionRatio: 0.5, MassLossRatio: 0.2,
		HeartbeatInterval: 2 * time.Second, HeartbeatTTL: 6 * time.Second,
	}, now, []string{"a", "b", "c"}, true)
	for _, w := range []string{"a", "b", "c", "joiner"} {
		topo.Seen(now, w)
	}
	topo.Begin(now, true)
	now = now.Add(10 * time.Second)
	for _, w := range []string{"a", "b", "c", "joiner"} {
		topo.Seen(now, w)
	}
	d := topo.Decide(now)
	require.True(t, d.Act)
	require.Equal(t, []string{"a", "b", "c", "joiner"}, d.Members)
	topo.Lost(now, "joiner")
	topo.Planned(now, d)
	d = topo.Decide(now)
	require.True(t, d.Act)
	require.Equal(t, []string{"a", "b", "c"}, d.Members)
}

func TestAHeartbeatThatSaysNothingNewIsNoReasonToDecideAnew(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	topo := New(Config{ColdStartWindow: time.Second, PlannedScaleWindow: time.Second, HeartbeatInterval: time.Second, HeartbeatTTL: 6 * time.Second},
		now, []string{"a"}, true)
	topo.Seen(now, "a")
	topo.Begin(now, true)
	topo.Decide(now)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		now = now.Add(time.Second)
		topo.Seen(now, "a")
		topo.Decide(now)
	}))
}

func TestMembersWhoseHeartbeatsExpireInAMomentAreCountedWhenALeaderBegins(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	topo := New(Config{
		ColdStartWindow: 30 * time.Second, RestartDetectionRatio: 0.5, MassLossRatio: 0.2, HeartbeatInterval: 2 * time.Second, HeartbeatTTL: 6 * time.Second,
	}, now, []string{"a", "b", "c", "d"}, true)
	topo.Seen(now, "a")
	for _, m := range []string{"b", "c", "d"} {
		topo.Seen(now.Add(-6*time.Second), m)
	}
	topo.Begin(now, false)
	d := topo.Decide(now)
	require.Equal(t, Scaling, d.Phase)
	require.Equal(t, KindRestart, d.Kind)
	for _, m := range []string{"b", "c", "d"} {
		topo.Seen(now.Add(time.Second), m)
	}
	require.Equal(t, Idle, topo.Decide(now.Add(time.Second)).Phase, "all are back")
}

func TestAReasonCountsTheWorkersBeforeAndNow(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	first := New(Config{}, now, nil, false)
	first.Seen(now, "a")
	require.Equal(t, "window over: 1 live worker, none in the plan before, new a", first.Explain(Decision{Why: "window over"}))
	next := New(Config{}, now, []string{"a", "b"}, true)
	for _, w := range []string{"a", "b", "c"} {
		next.Seen(now, w)
	}
	require.Equal(t, "window over: 3 live workers, 2 in the plan before, new c", next.Explain(Decision{Why: "window over"}))
}
