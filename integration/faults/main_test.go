// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package faults has the scenarios in which a fleet is hurt: crashes, panics, garbage, restored stores, streams that fail, and
// how long it takes until everything has an owner again. It is a package of its own so that the two halves of the scenarios run
// beside each other.
package faults

import (
	"context"
	"os"
	"runtime/debug"
	"testing"

	"github.com/parti-go/parti/integration/fleet"
)

const (
	heartbeatTTL = fleet.HeartbeatTTL
	leaderTTL    = fleet.LeaderTTL
	window       = fleet.Window
	coldStart    = fleet.ColdStart
	recovery     = fleet.Recovery
)

func background() context.Context { return context.Background() }

// TestMain has the garbage collected less often. A fleet and its server in one process allocate all the time and keep little,
// and virtual time makes that the better part of what a test costs.
func TestMain(m *testing.M) {
	debug.SetGCPercent(300)
	os.Exit(m.Run())
}
