// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/store"
)

func TestInspectChangesNothingAndSaysWhatIsMissing(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		js := connect(t, srv)
		found, err := Inspect(t.Context(), js, testConfig())
		require.NoError(t, err)
		require.Len(t, found, int(store.Buckets))
		for _, i := range found {
			require.Nil(t, i.Is)
			require.Empty(t, i.Problems)
			_, err := js.Stream(t.Context(), i.Want.Name)
			require.ErrorIs(t, err, jetstream.ErrStreamNotFound)
			_, err = js.CreateStream(t.Context(), i.Want)
			require.NoError(t, err)
		}
		found, err = Inspect(t.Context(), js, testConfig())
		require.NoError(t, err)
		for _, i := range found {
			require.NotNil(t, i.Is)
			require.Empty(t, i.Problems)
		}
		openStore(t, srv, testConfig()) // a worker takes what an inspection asks for
	})
}

// Every problem of a bucket is told at once, and what is said to be editable can be edited.
func TestInspectFindsEveryProblemAndMendsWhatCanBeEdited(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		js, cfg := connect(t, srv), testConfig()
		spoilt := (&Store{cfg: cfg}).wanted(store.Assignments)
		spoilt.MaxAge, spoilt.Duplicates = time.Hour, time.Minute
		spoilt.MaxMsgsPerSubject = 5
		spoilt.AllowMsgTTL, spoilt.SubjectDeleteMarkerTTL = false, 0
		spoilt.AllowAtomicPublish, spoilt.AllowDirect = false, false
		spoilt.Storage = jetstream.FileStorage
		spoilt.Subjects = append(spoilt.Subjects, "more")
		_, err := js.CreateStream(t.Context(), spoilt)
		require.NoError(t, err)

		found, err := Inspect(t.Context(), js, cfg)
		require.NoError(t, err)
		editable := map[string]bool{}
		for _, p := range found[store.Assignments].Problems {
			editable[p.Field] = p.Editable
			require.ErrorIs(t, &p.BucketError, ErrBucketMismatch)
		}
		require.Equal(t, map[string]bool{
			"bucket-wide TTL": true, "history": true, "per-message TTL": true, "delete markers": true, "atomic batches": true, "direct get": true,
			"storage": false, "subjects": false,
		}, editable)

		_, err = js.UpdateStream(t.Context(), found[store.Assignments].Mended)
		require.NoError(t, err)
		found, err = Inspect(t.Context(), js, cfg)
		require.NoError(t, err)
		require.Len(t, found[store.Assignments].Problems, 2, "storage and subjects are left")
	})
}

func TestNoPermissionIsMissingWhereEverythingIsAllowed(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		for _, worker := range []bool{true, false} {
			missing, err := MissingPermissions(t.Context(), s.js, s.cfg, worker)
			require.NoError(t, err)
			require.Empty(t, missing)
		}
	})
}
