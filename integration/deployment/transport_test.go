// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package deployment

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv"
)

func TestAFleetRunsWithCredentials(t *testing.T) {
	t.Parallel()
	user, err := nkeys.CreateUser()
	require.NoError(t, err)
	public, err := user.PublicKey()
	require.NoError(t, err)
	seed, err := user.Seed()
	require.NoError(t, err)
	s := serve(t, func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} })
	file := filepath.Join(t.TempDir(), "worker.nk")
	require.NoError(t, os.WriteFile(file, seed, 0o600))
	_, err = nats.Connect("", nats.InProcessServer(s))
	require.Error(t, err)
	credentials, err := nats.NkeyOptionFromSeed(file)
	require.NoError(t, err)
	divides(t, pair(), func() jetstream.JetStream {
		js, err := jetstream.New(connectTo(t, "", nats.InProcessServer(s), credentials))
		require.NoError(t, err)
		return js
	})
}

func TestAFleetRunsOverTLSWithCertificatesOnBothSides(t *testing.T) {
	t.Parallel()
	authority, issue := newAuthority(t)
	s := serve(t, func(o *server.Options) {
		o.DontListen, o.Host, o.Port = false, "127.0.0.1", server.RANDOM_PORT
		o.TLS, o.TLSVerify, o.TLSTimeout = true, true, 2
		o.TLSConfig = &tls.Config{
			Certificates: []tls.Certificate{issue()}, ClientCAs: authority, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
		}
	})
	trusting := nats.Secure(&tls.Config{RootCAs: authority, MinVersion: tls.VersionTLS12})
	_, err := nats.Connect(s.ClientURL(), nats.Secure(&tls.Config{MinVersion: tls.VersionTLS12}))
	var untrusted *tls.CertificateVerificationError
	require.ErrorAs(t, err, &untrusted, "who does not know the authority does not connect")
	_, err = nats.Connect(s.ClientURL(), trusting)
	require.Error(t, err, "nor does who has no certificate")
	certified := nats.Secure(&tls.Config{RootCAs: authority, Certificates: []tls.Certificate{issue()}, MinVersion: tls.VersionTLS12})
	divides(t, pair(), func() jetstream.JetStream {
		nc := connectTo(t, s.ClientURL(), certified)
		_, err := nc.TLSConnectionState()
		require.NoError(t, err)
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		return js
	})
}

// newAuthority returns a certificate authority, and what issues certificates of it for the loopback interface.
func newAuthority(t *testing.T) (*x509.CertPool, func() tls.Certificate) {
	t.Helper()
	serial := int64(0)
	certificate := func(parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		serial++
		c := &x509.Certificate{
			SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		if parent == nil {
			c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
			parent, signer = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
		require.NoError(t, err)
		c, err = x509.ParseCertificate(der)
		require.NoError(t, err)
		return c, key
	}
	root, key := certificate(nil, nil)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return pool, func() tls.Certificate {
		leaf, leafKey := certificate(root, key)
		return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: leafKey, Leaf: leaf}
	}
}

func TestAFleetRunsInADomainBehindALeafNode(t *testing.T) {
	t.Parallel()
	hub, leaf := bridged(t)
	servers := []*server.Server{hub, leaf}
	divides(t, pair(), func() jetstream.JetStream { // one worker on each server, the store at the hub
		js := in(t, servers[0], "hub")
		servers = servers[1:]
		return js
	})
	for name, s := range map[string]*server.Server{"hub": hub, "leaf": leaf} {
		js, err := jetstream.New(connectTo(t, "", nats.InProcessServer(s)))
		require.NoError(t, err)
		_, err = js.Stream(t.Context(), "KV_"+parti.DefaultConfig().KVBuckets.Assignment)
		if name == "hub" {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, jetstream.ErrStreamNotFound)
		}
	}
}

// TestARefreshStaysInItsDomain: the servers of two domains carry each other's messages, and the buckets have the same names.
func TestARefreshStaysInItsDomain(t *testing.T) {
	t.Parallel()
	hub, leaf := bridged(t)
	var served [2]atomic.Int64
	var stores []*kv.Store
	for i, s := range []*server.Server{hub, leaf} {
		buckets, err := kv.Open(t.Context(), in(t, s, ""), domainConfig())
		require.NoError(t, err)
		stop, err := buckets.ServeRefresh(func(reply func(error)) {
			served[i].Add(1)
			reply(nil)
		})
		require.NoError(t, err)
		t.Cleanup(stop)
		stores = append(stores, buckets)
	}
	guest, err := kv.Open(t.Context(), in(t, leaf, "hub"), domainConfig())
	require.NoError(t, err)
	ask := func(s *kv.Store, atHub, atLeaf int64) {
		t.Helper()
		for range 10 {
			require.NoError(t, s.RequestRefresh(t.Context()))
		}
		require.Equal(t, atHub, served[0].Swap(0))
		require.Equal(t, atLeaf, served[1].Swap(0))
	}
	// That a guest is answered shows that the servers carry refreshes to each other.
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(c, guest.RequestRefresh(ctx))
	}, 10*time.Second, 10*time.Millisecond)
	served[0].Store(0)
	ask(guest, 10, 0)
	ask(stores[0], 10, 0)
	ask(stores[1], 0, 10)

	// An earlier release does not say which bucket it means.
	_, err = in(t, leaf, "").Conn().Request("parti.refresh."+domainConfig().Assignment, nil, 5*time.Second)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return served[0].Load() == 1 && served[1].Load() == 1 }, 5*time.Second, time.Millisecond)
}

// bridged runs two servers with domains of their own, one of them a leaf node of the other.
func bridged(t *testing.T) (hub, leaf *server.Server) {
	t.Helper()
	hub = serve(t, func(o *server.Options) {
		o.ServerName, o.JetStreamDomain = "hub", "hub"
		o.LeafNode.Host, o.LeafNode.Port = "127.0.0.1", server.RANDOM_PORT
	})
	leaf = serve(t, func(o *server.Options) {
		o.ServerName, o.JetStreamDomain = "leaf", "leaf"
		o.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: []*url.URL{{Scheme: "nats-leaf", Host: leafAddress(t, hub)}}}}
	})
	require.Eventually(t, func() bool { return hub.NumLeafNodes() == 1 && leaf.NumLeafNodes() == 1 }, 5*time.Second, time.Millisecond)
	return hub, leaf
}

// in connects to a server for a domain, or its own if none is named.
func in(t *testing.T, s *server.Server, domain string) jetstream.JetStream {
	t.Helper()
	nc := connectTo(t, "", nats.InProcessServer(s))
	if domain == "" {
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		return js
	}
	js, err := jetstream.NewWithDomain(nc, domain)
	require.NoError(t, err)
	return js
}

func domainConfig() kv.Config {
	return kv.Config{
		StableID: "a", Election: "b", Heartbeat: "c", Assignment: "d", IDPrefix: "worker", IDMax: 9,
		WorkerIDTTL: 3 * time.Second, HeartbeatTTL: 2 * time.Second, LeaderTTL: time.Second,
	}
}

// leafAddress is where a server that was given no port in particular listens for leaf nodes.
func leafAddress(t *testing.T, s *server.Server) string {
	t.Helper()
	v, err := s.Varz(nil)
	require.NoError(t, err)
	return net.JoinHostPort(v.LeafNode.Host, strconv.Itoa(v.LeafNode.Port))
}
