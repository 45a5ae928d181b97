// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

func TestASingleWorkerStartsAndStops(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 10)
		w := f.Start(1)[0]
		require.NoError(t, w.Begun())
		f.Settle(time.Second)
		require.Equal(t, "worker-0", w.Manager.WorkerID())
		require.True(t, w.Manager.IsLeader())
		require.Len(t, w.Manager.Assignment().Partitions, 10)
		require.NoError(t, w.Stop())
		require.NoError(t, w.Manager.Err())
		require.Empty(t, w.Running())
		require.Equal(t, parti.StateShutdown, w.Manager.State())
	})
}

func TestAColdStartOfThreeWorkersMakesOnePlan(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		began := time.Now()
		f.Begin(3)
		require.GreaterOrEqual(t, time.Since(began), 30*time.Second)
		require.LessOrEqual(t, time.Since(began), 30*time.Second+500*time.Millisecond)
		require.Len(t, f.Checker.Versions(), 1)
		for _, p := range f.Live() {
			require.Equal(t, f.Checker.Versions()[0], p.Manager.Assignment().Version)
			require.NotEmpty(t, p.Running())
		}
	})
}
