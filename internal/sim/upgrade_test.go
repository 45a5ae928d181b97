// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// stored is the format of what is stored for a worker.
func (f *Fleet) stored(id string) int { return f.judge.entries[store.Assignments][id].Format }

func TestAWorkerOfTheFirstReleaseReadsWhatTheOthersWriteAndTheyWriteItsFormat(t *testing.T) {
	f := healthy(t, 4, 60)
	require.Equal(t, record.FormatPacked, f.stored("worker-0"))
	f.cfg.IDs = append(f.cfg.IDs, "worker-4")
	old := f.Start()
	old.client.reads = record.Oldest
	f.Run(f.Now().Add(30 * time.Second))
	require.Len(t, old.Owned, 12)
	for _, w := range f.live() {
		require.Equal(t, record.Oldest, f.stored(w.status.Worker), w.Name)
	}
	old.Leave()
	f.Run(f.Now().Add(30 * time.Second))
	require.Zero(t, f.Missing())
	require.Empty(t, f.Broken)
}

// TestTheJudgeOfReleases: a leader that writes what somebody cannot read is seen.
func TestTheJudgeOfReleases(t *testing.T) {
	f := healthy(t, 4, 60)
	w := f.follower()
	b := f.judge.beats[w.status.Worker]
	b.reads = record.Oldest // it has said so all the time
	f.judge.beats[w.status.Worker] = b
	e := f.judge.entries[store.Assignments]["worker-0"]
	f.Store.Watch(e)
	require.Empty(t, f.Broken, "the leader may not have heard that yet")
	e.Created = e.Created.Add(resyncEvery)
	f.Store.Watch(e)
	require.Len(t, f.Broken, 1)
	require.Contains(t, f.Broken[0], "upgrade: ")
}
