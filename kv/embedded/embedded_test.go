// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

func TestNoPortIsOpenedUnlessAsked(t *testing.T) {
	s, err := Start()
	require.NoError(t, err)
	defer s.Shutdown()
	require.Empty(t, s.URL())
	require.Nil(t, s.NATS().Addr())
	nc, err := s.Connect()
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	_, err = js.AccountInfo(t.Context())
	require.NoError(t, err)
}

func TestAPortThatWasAskedForIsOpenedOnLoopback(t *testing.T) {
	s, err := Start(WithPort(RandomPort))
	require.NoError(t, err)
	defer s.Shutdown()
	require.True(t, s.NATS().Addr().(*net.TCPAddr).IP.IsLoopback())
	nc, err := nats.Connect(s.URL())
	require.NoError(t, err)
	nc.Close()
}

func TestATemporaryDirectoryIsRemovedAndAGivenOneKept(t *testing.T) {
	s, err := Start()
	require.NoError(t, err)
	require.DirExists(t, s.temp)
	s.Shutdown()
	s.Shutdown()
	require.NoDirExists(t, s.temp)

	dir := t.TempDir()
	s, err = Start(WithStoreDir(dir))
	require.NoError(t, err)
	store(t, s)
	s.Shutdown()
	s, err = Start(WithStoreDir(dir))
	require.NoError(t, err)
	defer s.Shutdown()
	nc, err := s.Connect()
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	stream, err := js.Stream(t.Context(), "KEPT")
	require.NoError(t, err)
	require.EqualValues(t, 1, stream.CachedInfo().State.Msgs)
}

func store(t *testing.T, s *Server) {
	nc, err := s.Connect()
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "KEPT", Subjects: []string{"kept"}})
	require.NoError(t, err)
	_, err = js.Publish(t.Context(), "kept", nil)
	require.NoError(t, err)
}

func TestAnUnusableDirectoryIsAnErrorAndNotAHang(t *testing.T) {
	file := t.TempDir() + "/file"
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	began := time.Now()
	_, err := Start(WithStoreDir(file))
	require.ErrorContains(t, err, `the store directory "`+file+`" cannot be used`)
	require.Less(t, time.Since(began), readyIn, "the server is not asked")
}
