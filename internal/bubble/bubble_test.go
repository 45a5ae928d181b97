// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package bubble

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// leases makes a stream whose messages expire.
func leases(t *testing.T, s *Server, storage jetstream.StorageType) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(s.Connect())
	require.NoError(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "LEASES", Subjects: []string{"lease.>"}, MaxMsgsPerSubject: 1, Storage: storage,
		AllowMsgTTL: true, SubjectDeleteMarkerTTL: time.Hour, AllowRollup: true,
	})
	require.NoError(t, err)
	return js
}

func TestAKeyExpiresInVirtualTime(t *testing.T) {
	for _, storage := range []jetstream.StorageType{jetstream.MemoryStorage, jetstream.FileStorage} {
		Run(t, func(t *testing.T, s *Server) {
			js := leases(t, s, storage)
			began := time.Now()
			_, err := js.Publish(t.Context(), "lease.a", nil, jetstream.WithMsgTTL(20*time.Second))
			require.NoError(t, err)

			c, err := js.OrderedConsumer(t.Context(), "LEASES", jetstream.OrderedConsumerConfig{})
			require.NoError(t, err)
			for {
				m, err := c.Next(jetstream.FetchMaxWait(time.Minute))
				require.NoError(t, err)
				if reason := m.Headers().Get("Nats-Marker-Reason"); reason != "" {
					require.Equal(t, "MaxAge", reason)
					break
				}
			}
			require.WithinRange(t, time.Now(), began.Add(20*time.Second), began.Add(20*time.Second+250*time.Millisecond))
		})
	}
}

func TestAKeyExpiresAmongFrequentMessages(t *testing.T) {
	for _, storage := range []jetstream.StorageType{jetstream.MemoryStorage, jetstream.FileStorage} {
		Run(t, func(t *testing.T, s *Server) {
			js := leases(t, s, storage)
			_, err := js.Publish(t.Context(), "lease.a", nil, jetstream.WithMsgTTL(2*time.Second))
			require.NoError(t, err)
			for began := time.Now(); time.Since(began) < 3*time.Second; time.Sleep(100 * time.Millisecond) {
				_, err = js.Publish(t.Context(), "lease.b", nil, jetstream.WithMsgTTL(10*time.Second))
				require.NoError(t, err)
			}
			stream, err := js.Stream(t.Context(), "LEASES")
			require.NoError(t, err)
			m, err := stream.GetLastMsgForSubject(t.Context(), "lease.a")
			require.NoError(t, err)
			require.Equal(t, "MaxAge", m.Header.Get("Nats-Marker-Reason"))
		})
	}
}

func TestARestartedServerKeepsItsFilesAndItsClients(t *testing.T) {
	Run(t, func(t *testing.T, s *Server) {
		nc := s.Connect(nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "KEPT", Subjects: []string{"kept"}})
		require.NoError(t, err)
		_, err = js.Publish(t.Context(), "kept", []byte("x"))
		require.NoError(t, err)

		s.Stop()
		time.Sleep(time.Minute)
		require.False(t, nc.IsConnected())
		_, err = s.InProcessConn()
		require.ErrorIs(t, err, ErrStopped)
		s.Start()
		time.Sleep(time.Second)
		require.True(t, nc.IsConnected())

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		str, err := js.Stream(ctx, "KEPT")
		require.NoError(t, err)
		require.EqualValues(t, 1, str.CachedInfo().State.Msgs)
	})
}
