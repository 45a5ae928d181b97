// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
)

// given is an assignment of partitions under one epoch each.
func given(epochs map[string]int64) *Assignment {
	a := &Assignment{Epochs: epochs}
	for id := range epochs {
		a.Partitions = append(a.Partitions, named(id, 0))
	}
	return a
}

func TestAPartitionIsHeldSinceItsEpochWasGranted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newView()
		began := time.Now()
		v.show(given(map[string]int64{"a": 1, "b": 1, "c": 1}))
		<-time.After(time.Minute)
		v.show(given(map[string]int64{"a": 1, "b": 2, "d": 2}))
		var told []PartitionStatus
		c := call{name: "OnAssignmentChanged", added: []strategy.Partition{named("d", 0)}, removed: []strategy.Partition{named("c", 0)}}
		v.hook.during(c, func() { told = v.Status().Partitions })
		require.Equal(t, []PartitionStatus{
			{Partition: named("a", 0), Epoch: 1, Since: began, Phase: PhaseRunning},
			{Partition: named("b", 0), Epoch: 2, Since: began.Add(time.Minute), Phase: PhaseRunning},
			{Partition: named("c", 0), Epoch: 1, Since: began, Phase: PhaseStopping},
			{Partition: named("d", 0), Epoch: 2, Since: began.Add(time.Minute), Phase: PhaseStarting},
		}, told)
		require.Len(t, v.Status().Partitions, 3, "what was given up is gone when the hook has returned")
	})
}

func TestTrustIsCountedAtTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newView()
		require.Zero(t, v.Status().TrustedFor)
		tr := &trust{}
		tr.extend(time.Now().Add(time.Minute))
		v.trust.Store(tr)
		<-time.After(20 * time.Second)
		require.Equal(t, 40*time.Second, v.Status().TrustedFor)
		<-time.After(time.Minute)
		require.Zero(t, v.Status().TrustedFor)
	})
}
