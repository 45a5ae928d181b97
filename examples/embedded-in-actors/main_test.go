// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/bubble"
)

func TestASupervisorSeesTheTreeGiveUpAndRestartsIt(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		defer synctest.Wait() // the server is idle when it is stopped
		var out bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := run(ctx, &out, s.Connect(parti.ConnectOptions()...))
		require.NoError(t, err, "%s", &out)
		require.NoError(t, ctx.Err(), "%s", &out)
		text := out.String()
		last := 0
		for _, what := range []string{
			"Init → ClaimingID", "leads: true", "has 4 partitions (4 added, 0 removed)", "status: worker-0 is Stable, leads: true",
			"panicked: sabotage", "escalated: too many failures, giving up: calculator panicked: sabotage", "restarts the tree",
			"Init → ClaimingID", "status: worker-0 is Stable", "a clean leave", "Stable → Shutdown", "ended",
		} {
			at := strings.Index(text[last:], what)
			if !assert.GreaterOrEqual(t, at, 0, "%q comes next in\n%s", what, text) {
				return
			}
			last += at
		}
		for _, room := range rooms() {
			assert.Equal(t, strings.Count(text, room.ID()+" is opened"), strings.Count(text, room.ID()+" is closed"), text)
			assert.Contains(t, text, room.ID()+" is opened")
		}
		assert.Equal(t, failuresToGiveUp, strings.Count(text, "survived   calculator panicked: sabotage"), text)
	})
}

func TestAnInterruptEndsInACleanLeave(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		defer synctest.Wait() // the server is idle when it is stopped
		var out bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		require.NoError(t, run(ctx, &out, s.Connect(parti.ConnectOptions()...)))
		assert.Contains(t, out.String(), "Scaling → Shutdown")
	})
}
