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
	"github.com/parti-go/parti/internal/record"
)

// reads returns which record format a worker says it reads.
func reads(t *testing.T, f *fleet.Fleet, p *fleet.Process) int {
	t.Helper()
	bucket, err := f.JS.KeyValue(background(), parti.DefaultConfig().KVBuckets.Heartbeat)
	require.NoError(t, err)
	entry, err := bucket.Get(background(), p.Manager.WorkerID())
	require.NoError(t, err)
	h, err := record.DecodeHeartbeat(entry.Value())
	require.NoError(t, err)
	return h.Reads
}

func TestARollingUpgradeToANewerRecordFormatAndBackMovesNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		procs := f.Begin(6, fleet.EarlierRelease())
		f.Rest()
		for _, step := range []struct {
			with  []fleet.With
			reads int
		}{{nil, record.Newest}, {[]fleet.With{fleet.EarlierRelease()}, 0}} {
			for i, p := range procs {
				require.NotEqual(t, step.reads, reads(t, f, p))
				require.NoError(t, p.Stop())
				<-time.After(time.Duration(i) * time.Second)
				procs[i] = f.Restart(p, step.with...)
				require.NoError(t, procs[i].Begun(), "whoever leads, the others can read")
				require.Equal(t, p.LastID(), procs[i].Manager.WorkerID())
				f.Settle(time.Second)
				require.Equal(t, step.reads, reads(t, f, procs[i]))
			}
			<-time.After(time.Minute)
			f.Settle(0)
		}
		require.Zero(t, f.Checker.Moves())
		for _, p := range procs {
			require.Equal(t, parti.StateStable, p.Manager.State())
			require.Empty(t, p.Errors(), p.Name)
		}
	})
}
