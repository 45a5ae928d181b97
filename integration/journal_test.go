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

// TestAMixedGroupKeepsNoJournalAndAnUpgradedOneDoes: a release that reads only the first record format would take an entry
// of the journal for the record of a worker.
func TestAMixedGroupKeepsNoJournalAndAnUpgradedOneDoes(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		procs := f.Begin(3, fleet.EarlierRelease())
		f.Rest()
		f.Settle(0)
		for i := range procs[:2] {
			require.NoError(t, procs[i].Stop())
			procs[i] = f.Restart(procs[i])
			require.NoError(t, procs[i].Begun())
		}
		more := f.Begin(1)[0]
		f.Rest()
		f.Settle(time.Second)
		require.Zero(t, f.Checker.Journals(), "partitions have moved, but one of the group could not read it")
		require.NoError(t, procs[2].Stop())
		procs[2] = f.Restart(procs[2])
		require.NoError(t, procs[2].Begun())
		f.Settle(time.Second)
		more.Crash()
		<-time.After(time.Minute)
		f.Settle(0)
		require.Positive(t, f.Checker.Journals())
		require.ElementsMatch(t, f.Source.IDs(), f.Checker.Grants())
	})
}
