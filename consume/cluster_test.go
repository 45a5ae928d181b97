// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/freeport"
)

// cluster is three servers on loopback, in real time: servers talk over sockets.
func cluster(t *testing.T) []*server.Server {
	t.Helper()
	if testing.Short() {
		t.Skip("runs in real time")
	}
	var ports []int
	var routes []*url.URL
	for range 3 {
		ports = append(ports, freeport.Take(t))
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", ports[len(ports)-1])})
	}
	var all []*server.Server
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: t.TempDir(), Routes: routes, Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port},
		})
		require.NoError(t, err)
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		all = append(all, s)
	}
	require.Eventually(t, func() bool {
		for _, s := range all {
			if s.JetStreamIsLeader() {
				return len(s.JetStreamClusterPeers()) == 3
			}
		}
		return false
	}, 30*time.Second, 20*time.Millisecond, "a leader of three peers")
	return all
}

// TestOnAClusterEachModeGoesThroughAChangeOfOwnerAndOfLeader: what one server never shows is a replicated reset of a consumer,
// answers that a subject is busy, and leaders that change.
func TestOnAClusterEachModeGoesThroughAChangeOfOwnerAndOfLeader(t *testing.T) {
	servers := cluster(t)
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.ClientURL())
	}
	nc, err := nats.Connect(strings.Join(urls, ","), parti.ConnectOptions()...)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	st := &stage{t: t, nc: nc, js: js, safe: js}
	for _, c := range []jetstream.StreamConfig{
		{Name: "IN", Subjects: []string{"in.>"}},
		{Name: "QUEUE", Subjects: []string{"queue.>"}, Retention: jetstream.WorkQueuePolicy},
		{Name: "OUT", Subjects: []string{"out.>", "pos.>"}, AllowAtomicPublish: true},
	} {
		c.Replicas = 3
		repeat(t, func() error { _, err := js.CreateStream(t.Context(), c); return err })
	}
	publish := func(n, m int) {
		for i := n; i <= m; i++ {
			for _, subject := range []string{"in.a", "queue.a"} {
				repeat(t, func() error {
					_, err := js.Publish(t.Context(), subject, fmt.Append(nil, i), jetstream.WithMsgID(fmt.Sprint(subject, i)))
					return err
				})
			}
		}
	}
	stream, queue := &log{}, &log{}
	h := st.handler(js, func(c *Config) { c.Every = 7 })
	q := st.durable(js, false, func(c *Config) {
		c.Stream, c.Every, c.Subject = "QUEUE", 7, func(p parti.Partition) string { return "queue." + p.ID() }
	})
	p := st.pipeline(js, func(c *Config) { c.Every = 20 })
	begin := func(epoch int64) []*run {
		return []*run{
			st.reading(h, owns("a", epoch), stream.take),
			st.working(q, owns("a", epoch), queue.take),
			st.piping(p, owns("a", epoch), func(_ context.Context, m Message) ([]*nats.Msg, error) {
				return []*nats.Msg{{Subject: "out.a", Data: m.Data()}}, nil
			}),
		}
	}
	all := func(n int) func() bool {
		return func() bool {
			return len(stream.all()) >= n && len(queue.all()) >= n && at(st, "a") == uint64(n)
		}
	}
	first := begin(1)
	publish(1, 100)
	require.Eventually(t, all(100), time.Minute, 50*time.Millisecond)
	for _, r := range first {
		require.NoError(t, r.stop(t))
	}
	second := begin(2)
	for _, name := range []string{"IN", "OUT", "QUEUE", "KV_IN-positions"} {
		for _, s := range servers {
			if s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, name) {
				_, err := nc.Request("$JS.API.STREAM.LEADER.STEPDOWN."+name, nil, 5*time.Second)
				require.NoError(t, err)
				break
			}
		}
	}
	publish(101, 200)
	require.Eventually(t, all(200), 2*time.Minute, 50*time.Millisecond)
	for _, r := range second {
		require.NoError(t, r.stop(t))
	}
	require.Equal(t, numbers(1, 200), stream.all())
	require.Equal(t, numbers(1, 200), queue.all())
	var results []string
	repeat(t, func() (err error) { results, err = st.look("OUT", "out.a"); return err })
	require.Equal(t, numbers(1, 200), results)
}

// at is the position in the output stream, 0 where it cannot be read.
func at(st *stage, partition string) uint64 {
	last, err := newClient(st.safe).last(st.t.Context(), "OUT", "pos."+partition)
	if err != nil || last.sequence == 0 {
		return 0
	}
	position, err := place{}.read(last.data, record{Epoch: 1 << 62, Stream: "IN", Subject: "in." + partition, Created: created(st.t, last.data)})
	require.NoError(st.t, err)
	return position
}

// repeat does something until the cluster can.
func repeat(t *testing.T, f func() error) {
	t.Helper()
	var err error
	for range 100 {
		if err = f(); err == nil {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	require.NoError(t, err)
}
