// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

//go:build process

package process

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// BenchmarkFailover kills the server that leads a stream of three copies and measures for how long no write is
// acknowledged to a client that tries all the time: what ClusteredConfig's leases have to outlast.
func BenchmarkFailover(b *testing.B) {
	c := startCluster(b)
	const stream = "FAILOVER"
	_, err := c.js.CreateStream(within(b, 5*time.Second), jetstream.StreamConfig{Name: stream, Subjects: []string{"failover"}, Replicas: 3})
	require.NoError(b, err)
	c.awaitReplicas(stream)
	writer := connect(b, "writer", c.url())
	var silences []float64
	for b.Loop() {
		n := c.leader(stream)
		require.NotNil(b, n)
		acknowledged(b, writer) // so that the last was just before the kill
		n.kill()
		killed := time.Now()
		acknowledged(b, writer)
		silences = append(silences, time.Since(killed).Seconds())
		n.start()
		c.awaitReplicas(stream)
	}
	slices.Sort(silences)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(silences[len(silences)/2], "p50-s")
	b.ReportMetric(silences[len(silences)*9/10], "p90-s")
	b.ReportMetric(silences[len(silences)-1], "max-s")
}

// acknowledged writes until one write is.
func acknowledged(b *testing.B, js jetstream.JetStream) {
	b.Helper()
	eventually(b, settleIn, "a write is acknowledged", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := js.Publish(ctx, "failover", []byte("x"), jetstream.WithRetryAttempts(0))
		return err == nil
	})
}
