// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/source"
)

// restricted starts a server on which "worker" may do no more than this, and returns the connections of it and of an
// administrator.
func restricted(t *testing.T, may ...string) (worker, admin jetstream.JetStream) {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
		Users: []*server.User{
			{Username: "admin", Password: "a"},
			{Username: "worker", Password: "w", Permissions: &server.Permissions{
				Publish: &server.SubjectPermission{Allow: may}, Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
			}},
		},
	})
	require.NoError(t, err)
	s.Start()
	t.Cleanup(s.Shutdown)
	open := func(user, password string) jetstream.JetStream {
		nc, err := nats.Connect("", append(parti.ConnectOptions(), nats.InProcessServer(s), nats.UserInfo(user, password),
			nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { t.Errorf("%s: %v", user, err) }))...)
		require.NoError(t, err)
		t.Cleanup(nc.Close)
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		return js
	}
	return open("worker", "w"), open("admin", "a")
}

// TestThePermissionsInTheDocumentationSuffice: those of docs/sources.md.
func TestThePermissionsInTheDocumentationSuffice(t *testing.T) {
	worker, admin := restricted(t, "$JS.API.STREAM.INFO.KV_partitions", "$JS.API.DIRECT.GET.KV_partitions",
		"$JS.API.CONSUMER.CREATE.KV_partitions.>", "$JS.API.CONSUMER.DELETE.KV_partitions.*", "$JS.FC.KV_partitions.>",
		"$JS.API.STREAM.INFO.events")
	kv := newBucket(t, admin, "a", "", "b", "7")
	require.Len(t, ids(t, source.KV(worker, "partitions")), 2)
	var changes atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- source.KV(worker, "partitions").Watch(ctx, func() { changes.Add(1) }) }()
	require.Eventually(t, func() bool { return changes.Load() == 1 }, 30*time.Second, 10*time.Millisecond, "it begins")
	set(t, kv, "c", "")
	require.Eventually(t, func() bool { return changes.Load() == 2 }, 30*time.Second, 10*time.Millisecond, "an edit is seen")
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)

	_, err := admin.CreateStream(t.Context(), jetstream.StreamConfig{Name: "events", Subjects: []string{"orders.>"}})
	require.NoError(t, err)
	_, err = admin.Publish(t.Context(), "orders.eu", nil)
	require.NoError(t, err)
	require.Equal(t, []string{"orders.eu"}, ids(t, source.Subjects(worker, "events", "orders.*", time.Second)))
	require.NoError(t, worker.Conn().Flush(), "whatever was refused has been told")
}
