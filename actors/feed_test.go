// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/integration/link"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv"
)

func TestAFeedNoticesAnOlderCopyThatHasGrownAsLongAsTheStoreWas(t *testing.T) {
	bubble.Run(t, func(t *testing.T, server *bubble.Server) {
		way := link.New(server, func(string) {})
		t.Cleanup(way.Close)
		inFiles := func(set Settings) kv.Config {
			c := set.Store
			c.StableID, c.Election, c.Heartbeat, c.Assignment, c.Storage = "f-stableid", "f-election", "f-heartbeat", "f-assignment", "file"
			return c
		}
		near, _ := openStore(t, server)
		far, _ := openStore(t, way)
		writer, err := kv.Open(t.Context(), near.JetStream, inFiles(near))
		require.NoError(t, err)
		reader, err := kv.Open(t.Context(), far.JetStream, inFiles(far))
		require.NoError(t, err)
		begin := func() (f store.Fence) {
			require.Eventually(t, func() bool {
				f, err = writer.BeginTerm(t.Context(), record.Term{Worker: "worker-0"}, 0, func() bool { return true })
				return err == nil
			}, time.Minute, 100*time.Millisecond)
			return f
		}
		begin()
		server.Stop()
		older := server.Copy()
		server.Start()
		told, ended := make(chan uint64, 100), make(chan error, 1)
		last := begin()
		go func() {
			ended <- reader.Feed(t.Context(), store.Assignments, nil, 0, func(u store.Update) { told <- u.Entry.Revision })
		}()
		require.Equal(t, last.Revision, <-told)
		way.Cut()
		server.Stop()
		server.Restore(older)
		server.Start()
		require.Equal(t, last, begin(), "another write of the same revision")
		way.Heal()
		select {
		case err := <-ended:
			require.ErrorIs(t, err, kv.ErrRolledBack)
		case <-time.After(time.Minute):
			require.Fail(t, "not noticed within a minute")
		}
	})
}
