// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/parti-go/parti/kv/embedded"
)

// The servers are reached as real ones are, by their addresses.
func TestARollingRestartMovesNothingAndNothingIsLostByACrash(t *testing.T) {
	server, err := embedded.Start(embedded.WithPort(embedded.RandomPort))
	require.NoError(t, err)
	defer server.Shutdown()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.BrokerConfigs(map[string]string{
		"group.consumer.session.timeout.ms": "6000", "group.consumer.heartbeat.interval.ms": "1000",
	}))
	require.NoError(t, err)
	defer cluster.Close()

	var out bytes.Buffer
	outcomes, err := run(t.Context(), &out, setting{brokers: cluster.ListenAddrs(), nats: server.URL(), plan: plan{
		workers: 3, partitions: 6, every: 20 * time.Millisecond,
		away: 200 * time.Millisecond, quiet: 500 * time.Millisecond, patience: 40 * time.Second,
		crash: true, session: 6 * time.Second,
	}})
	t.Log(out.String())
	require.NoError(t, err, "nothing is lost, and no stale owner is at work")
	require.Len(t, outcomes, 6)
	for i, o := range outcomes[:2] {
		require.Zero(t, o.moves, "contender %d", i)
		require.Zero(t, o.duplicates, "contender %d: before the crash", i)
		require.Equal(t, 6, o.interrupts, "contender %d: each partition is begun anew once", i)
		require.Greater(t, o.worst, 20*time.Millisecond)
	}
	for i, o := range outcomes {
		require.Greater(t, o.crashed, time.Second, "contender %d: nobody sees a crash at once", i)
	}
	require.Contains(t, out.String(), "after a crash: longest pause")
	nothingIsLeft(t, cluster, server)
}

func nothingIsLeft(t *testing.T, cluster *kfake.Cluster, server *embedded.Server) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	require.NoError(t, err)
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(t.Context())
	require.NoError(t, err)
	require.Empty(t, topics.Names())
	nc, err := nats.Connect(server.URL())
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	for name := range js.StreamNames(t.Context()).Name() {
		t.Errorf("stream %s is left", name)
	}
}

func TestTheBookCountsWhatGoesWrong(t *testing.T) {
	b := newBook(2)
	first := b.begin(0, 1)
	b.processed(0, 0, first)
	b.watch()
	second := b.begin(0, 2)
	b.processed(0, 1, second)
	b.processed(0, 1, second) // twice
	b.processed(0, 3, first)  // by the owner before, and the record at 2 is left out
	b.begin(0, 2)             // where it was
	b.unwatch()
	b.begin(0, 1) // is not watched
	o := outcome{lost: b.lost([]int64{4, 2})}
	b.sum(&o)
	b.finish(&o)
	require.Equal(t, outcome{interrupts: 2, moves: 1, duplicates: 1, stale: 1, lost: 3}, o)
	require.Positive(t, b.pauses()[0])
	require.Zero(t, b.pauses()[1])
}

func TestWhatIsLostOrStaleIsAnError(t *testing.T) {
	all := []*contender{{name: "parti", how: "StateDir"}}
	require.NoError(t, verdict(all, []outcome{{moves: 9, duplicates: 9}}))
	require.ErrorContains(t, verdict(all, []outcome{{lost: 3}}), "parti, StateDir: 3 records were lost")
	require.ErrorContains(t, verdict(all, []outcome{{stale: 1}}), "1 were processed by a stale owner")
}

func TestASettingThatCannotBeIsRefused(t *testing.T) {
	_, err := run(t.Context(), &bytes.Buffer{}, setting{plan: plan{workers: 5, partitions: 3, every: time.Second}})
	require.ErrorContains(t, err, "5 workers, 3 partitions")
}
