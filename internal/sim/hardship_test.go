// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/store"
)

func TestWhileTheStrategyFailsOwnersStayAndACrashedWorkersPartitionsAreOwnedAgain(t *testing.T) {
	for _, how := range []wits{fails, short, beyond} {
		f := healthy(t, 4, 60)
		f.wits = how
		before, crashed := f.owners(), f.follower()
		gone := crashed.status.Worker
		f.Start()
		crashed.Crash()
		settle(t, f, 10*time.Second)
		f.Run(f.Now().Add(30 * time.Second))
		require.NotZero(t, f.Seen[fmt.Sprintf("strategy %d", how)], "%d: it was never asked", how)
		for p, owner := range f.owners() {
			if before[p] != gone {
				require.Equal(t, before[p], owner, "%d: %s moved", how, p)
			}
		}
		require.Empty(t, f.Broken)
	}
}

func TestAProcessThatOversleptIsFencedOffAndLetsGoAtOnce(t *testing.T) {
	f := healthy(t, 4, 60)
	w := f.follower()
	w.client.freeze()
	f.Run(f.Now().Add(20 * time.Second))
	require.Len(t, w.Owned, 15, "it does not notice")
	f.thaws(w)
	f.Run(f.Now().Add(daze))
	require.Equal(t, 15, f.Seen["overslept"])
	require.Empty(t, w.Owned)
	require.Empty(t, f.Broken)
}

// TestTheJudgeOfSleepers: the excuse of a process that overslept ends at once.
func TestTheJudgeOfSleepers(t *testing.T) {
	f := healthy(t, 4, 60)
	w := f.follower()
	w.client.freeze()
	f.Run(f.Now().Add(20 * time.Second))
	w.client.ice.kept = nil // it hears of nothing
	f.thaws(w)
	require.Empty(t, f.Broken)
	f.Run(f.Now().Add(daze))
	require.Len(t, f.Broken, 1)
	require.Contains(t, f.Broken[0], "woke up")

	w.client.freeze()
	for p := range w.Owned {
		w.Owned[p] = f.epochs[p].epoch
	}
	f.thaws(w)
	require.Contains(t, f.Broken[1], "no fence refuses it")
}

// TestARecordOfAnotherReleaseEndsWhoeverLeadsAndIsLeftAlone: nobody leads until it is taken back, and what runs goes on to run. Whoever
// leads already reads the term and no other of these records, so another worker is to lead.
func TestARecordOfAnotherReleaseEndsWhoeverLeadsAndIsLeftAlone(t *testing.T) {
	for _, key := range []string{store.TermKey, store.PlanKey, "worker-1"} {
		f := healthy(t, 4, 60)
		f.stranger.outdate(store.Assignments, key, f.Now().Add(time.Second), func(e store.Entry) { f.outdated[key] = e })
		if key != store.TermKey {
			f.leader().Crash()
		}
		before := f.owners()
		f.Run(f.Now().Add(20 * time.Second))
		require.Zero(t, f.Leaders(), key)
		require.Equal(t, before, f.owners(), key)
		f.cures()
		f.Run(f.Now().Add(30 * time.Second))
		require.Equal(t, 1, f.Leaders(), key)
		for p, owner := range before {
			require.Equal(t, owner, f.owners()[p], "%s: %s moved", key, p)
		}
		require.Zero(t, f.Missing(), key)
		require.Empty(t, f.Broken, key)
	}
}

// TestARecordThatDoesNotFitIsTriedAgainUntilItDoes: what has an owner stays meanwhile, and the leader goes on.
func TestARecordThatDoesNotFitIsTriedAgainUntilItDoes(t *testing.T) {
	f := healthy(t, 4, 60)
	before, crashed := f.owners(), f.follower()
	gone := crashed.status.Worker
	f.Narrow = 16
	crashed.Crash()
	f.Run(f.Now().Add(30 * time.Second))
	require.Equal(t, 15, f.Missing(), "each of the others has 15, and would get 5 more")
	require.Equal(t, 1, f.Leaders())
	f.Narrow = 0
	settle(t, f, 31*time.Second)
	for p, owner := range before {
		if owner != gone {
			require.Equal(t, owner, f.owners()[p], "%s moved", p)
		}
	}
}
