// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

// Under the race detector this takes minutes, and what it shows does not depend on the order of events.

package integration

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/strategy"
)

// noise is a name that does not compress to less than half.
func noise(length int, random *rand.Rand) string {
	b := make([]byte, length/2)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return hex.EncodeToString(b)
}

// A worker's record would have one and a half megabytes, and while the fleet grows as much again for what is handed over. That
// is the size which matters: a thorough run has ten workers with so much each, and otherwise there are three.
func TestAHundredThousandPartitionsWithLongIDsSurviveGrowthAndACrash(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds of CPU")
	}
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		workers := 3
		if fleet.Thorough() {
			workers = 10
		}
		const each = 10_000
		f := fleet.New(t, s, 0, fleet.Strategy(strategy.NewSticky()))
		random := rand.New(rand.NewPCG(7, 7))
		list := make([]parti.Partition, workers*each)
		for i := range list {
			list[i] = parti.Partition{Keys: []string{noise(100, random)}}
		}
		f.Source.Set(list...)
		// To ask the checker about all of them takes a while, so it is asked when it should be over.
		f.Start(workers)
		<-time.After(parti.DefaultConfig().ColdStartWindow + 5*time.Second)
		f.Settle(0)
		require.Zero(t, f.Checker.Moves())

		grown := f.Start(workers)
		for _, p := range grown {
			require.NoError(t, p.Begun())
		}
		<-time.After(parti.DefaultConfig().PlannedScaleWindow + 15*time.Second)
		f.Settle(0)
		require.LessOrEqual(t, f.Checker.Moves(), len(list)*6/10, "half of them have to move")

		moved := f.Checker.Moves()
		crashed := f.Followers()[0]
		had := len(crashed.Running())
		require.Positive(t, had)
		crashed.Crash()
		<-time.After(parti.DefaultConfig().HeartbeatTTL + time.Second)
		f.Settle(0)
		require.LessOrEqual(t, f.Checker.Moves()-moved, had+had/2)
		for _, p := range f.Live() {
			require.Empty(t, p.Errors(), p.Name)
		}
	})
}
