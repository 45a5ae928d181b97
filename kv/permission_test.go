// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/store"
)

func TestTryingOutWhatIsPermittedStoresNothing(t *testing.T) {
	withStore(t, func(t *testing.T, _ *bubble.Server, s *Store) {
		stop, err := s.ServeRefresh(func(func(error)) { t.Error("a leader was asked") })
		require.NoError(t, err)
		defer stop()
		ctx, cancel := s.bound(t.Context())
		defer cancel()
		require.NoError(t, s.checkPermissions(ctx))
		time.Sleep(time.Second)
		for b := range store.Buckets {
			info, err := s.info(t.Context(), b)
			require.NoError(t, err)
			require.Zero(t, info.State.Msgs, b)
			require.Zero(t, info.State.Consumers, b)
		}
	})
}

func TestWhatIsNotPermittedIsNamedInOneLine(t *testing.T) {
	require.Equal(t, `"$JS.API.a"`, named([]string{"$JS.API.a"}))
	require.Equal(t, "\"$JS.API.a\", and 2 more; `parti verify` lists them", named([]string{"$JS.API.a", "$JS.API.b", "$JS.API.c"}))
}

func TestAStoreThatCannotBeReachedLacksNoPermission(t *testing.T) {
	bubble.Run(t, func(t *testing.T, srv *bubble.Server) {
		js := connect(t, srv)
		srv.Stop()
		_, err := Open(t.Context(), js, testConfig())
		require.ErrorIs(t, err, ErrNotDone)
		require.NotErrorIs(t, err, ErrPermission)
	})
}
