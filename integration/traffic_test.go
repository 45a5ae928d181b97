// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

// messages sums what workers send and what they are sent.
func messages(workers []*fleet.Process) (sent, received uint64) {
	for _, p := range workers {
		stats := p.Conn.Stats()
		sent, received = sent+stats.OutMsgs, received+stats.InMsgs
	}
	return sent, received
}

func TestAnIdleGroupIsQuiet(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		const workers, seconds = 20, 300
		f := fleet.New(t, s, 200)
		f.Begin(workers)
		f.Rest()
		sent, received := messages(f.Live())
		<-time.After(seconds * time.Second)
		sentLater, receivedLater := messages(f.Live())
		in, out := float64(sentLater-sent)/workers/seconds, float64(receivedLater-received)/workers/seconds
		t.Logf("%.2f messages in and %.2f out per worker and second", in, out)
		require.LessOrEqual(t, in, 0.85)
		// The largest piece is each renewal of the lease on leadership, which every worker follows: one a second.
		require.LessOrEqual(t, out, 2.5)
	})
}
