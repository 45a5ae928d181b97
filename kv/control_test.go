// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/internal/control"
	"github.com/parti-go/parti/internal/store"
)

// Under a prefix of the user's own, the subjects of JetStream do not begin with a $.
func TestNoAnswerGoesToJetStream(t *testing.T) {
	withStore(t, func(t *testing.T, srv *bubble.Server, s *Store) {
		nc := s.js.Conn()
		js, err := jetstream.NewWithAPIPrefix(nc, "JS.acme.API")
		require.NoError(t, err)
		s.prefix = apiPrefix(js)
		heard := make(chan string, 10)
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() {
			served <- s.ServeControl(ctx, "worker-3", func(_ []byte, reply string) { heard <- reply })
		}()
		synctest.Wait()
		all, err := nc.SubscribeSync("JS.acme.API.>")
		require.NoError(t, err)
		for _, reply := range []string{
			"JS.acme.API.STREAM.PURGE.KV_parti-assignment", "JS.acme.API.$KV.parti-assignment.plan", "$JS.API.STREAM.PURGE.KV_x",
		} {
			require.ErrorIs(t, s.AnswerControl(reply, nil), ErrNotDone)
			require.NoError(t, nc.PublishMsg(&nats.Msg{Subject: control.Subject("t-assignment", "worker-3"), Reply: reply}))
		}
		require.NoError(t, nc.PublishMsg(&nats.Msg{Subject: control.Subject("t-assignment", "worker-3"), Reply: "JS.acme.inbox"}))
		require.NoError(t, s.AnswerControl("JS.acme.inbox", nil))
		require.NoError(t, nc.Flush())
		synctest.Wait()
		require.Equal(t, "JS.acme.inbox", <-heard)
		require.Empty(t, heard)
		n, _, err := all.Pending()
		require.NoError(t, err)
		require.Zero(t, n)
		cancel()
		require.NoError(t, <-served)
	})
}

// TestNoAnswerToARefreshPurgesABucket: the answer has no body, which the server takes for a purge of everything.
func TestNoAnswerToARefreshPurgesABucket(t *testing.T) {
	withStore(t, func(t *testing.T, srv *bubble.Server, s *Store) {
		nc := s.js.Conn()
		acquire(t, s, "worker-0")
		asked := 0
		stop, err := s.ServeRefresh(func(reply func(error)) { asked++; reply(nil) })
		require.NoError(t, err)
		purge := "$JS.API.STREAM.PURGE." + "KV_" + testConfig().Heartbeat
		require.NoError(t, nc.PublishMsg(&nats.Msg{Subject: s.refreshSubject(), Reply: purge}))
		require.NoError(t, nc.Flush())
		synctest.Wait()
		stop()
		_, err = s.Get(t.Context(), store.Heartbeats, "worker-0")
		require.NoError(t, err)
		require.Zero(t, asked)
	})
}
