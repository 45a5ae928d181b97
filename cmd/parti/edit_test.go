// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/kv/embedded"
	"github.com/parti-go/parti/source"
)

// listed is a server with a bucket of partitions.
func listed(t *testing.T) (*fleet, jetstream.KeyValue) {
	t.Helper()
	f := own(t)
	bucket, err := f.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "list", Storage: jetstream.MemoryStorage})
	require.NoError(t, err)
	return f, bucket
}

func TestTheListOfAGroupIsEditedFromOutside(t *testing.T) {
	f, bucket := listed(t)
	f.ok(t, "partitions", "add", "--bucket", "list", "a.1", "a.2=300", "a.3")
	workers, err := f.start(quick("", 1), 1, source.KV(f.js, "list"))
	require.NoError(t, err)
	owned := func() (ids []string) {
		for _, p := range workers[0].Status().Partitions {
			ids = append(ids, fmt.Sprintf("%s %d", p.Partition.ID(), p.Partition.Weight))
		}
		return ids
	}
	require.Equal(t, []string{"a.1 0", "a.2 300", "a.3 0"}, owned())
	f.ok(t, "partitions", "add", "--bucket", "list", "b.1")
	f.ok(t, "partitions", "remove", "--bucket", "list", "a.1")
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Equal(c, []string{"a.2 300", "a.3 0", "b.1 0"}, owned())
	}, 15*time.Second, 20*time.Millisecond)

	f.ok(t, "partitions", "weigh", "--bucket", "list", "a.3=7")
	entry, err := bucket.Get(t.Context(), "a.3")
	require.NoError(t, err)
	require.Equal(t, "7", string(entry.Value()))
}

func TestAnEditSaysWhatItHasDone(t *testing.T) {
	f, bucket := listed(t)
	do := func(args ...string) (results []result) {
		t.Helper()
		return decode[[]result](t, f.ok(t, append([]string{"partitions", "--json"}, args...)...))
	}
	require.Equal(t, []result{{"x", "added", "", ""}, {"y", "added", "", "5"}}, do("add", "--bucket", "list", "x", "y=5"))
	require.Equal(t, []result{{"x", "unchanged", "", ""}}, do("add", "--bucket", "list", "x"))
	require.Equal(t, []result{{"y", "weighed", "5", "6"}}, do("weigh", "--bucket", "list", "y=6"))
	require.Equal(t, []result{{"y", "weighed", "6", ""}}, do("weigh", "--bucket", "list", "y="))
	require.Equal(t, []result{{"x", "removed", "", ""}, {"z", "unchanged", "", ""}}, do("remove", "--bucket", "list", "x", "z"))
	require.Equal(t, []result{{"x", "added", "", "2"}}, do("add", "--bucket", "list", "x=2"), "over the marker of what was removed")
	_, err := bucket.Get(t.Context(), "x")
	require.NoError(t, err)

	got := f.cli(t, "partitions", "add", "--bucket", "list", "new", "x=3")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stdout, "new")
	require.Contains(t, got.stderr, "x: it exists already, with weight 2; to change the weight, use parti partitions weigh (1 of 2 partitions are done)")
	got = f.cli(t, "partitions", "weigh", "--bucket", "list", "nope=3")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stderr, "nope: it does not exist; to add it, use parti partitions add")

	require.Equal(t, []result{{"in", "added", "", ""}}, do("add", "--bucket", "list", "--under", "deep", "in"))
	_, err = bucket.Get(t.Context(), "deep.in")
	require.NoError(t, err)
	require.Contains(t, f.cli(t, "partitions", "add", "--bucket", "other", "x").stderr, `bucket "other"`)
}

func TestABadEditStoresNothing(t *testing.T) {
	f, bucket := listed(t)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"add", "fine", "x=0"}, `the weight of "x" is "0", allowed`},
		{[]string{"add", "fine", "x=many"}, `"many"`},
		{[]string{"add", "fine", "a..b"}, "invalid partition key"},
		{[]string{"add", "fine", "ä"}, `"ä", allowed in a bucket`},
		{[]string{"add", "fine", "fine"}, "duplicate"},
		{[]string{"weigh", "fine"}, `"fine" has no weight`},
		{[]string{"add", "fine", "--under", "a..b"}, "--under"},
	} {
		got := f.cli(t, append(append([]string{"partitions"}, c.args...), "--bucket", "list")...)
		require.Equal(t, exitUsage, got.code, c.args)
		require.Contains(t, got.stderr, c.says)
	}
	for _, of := range []string{"parti-assignment", "parti-orders-heartbeat"} {
		got := f.cli(t, "partitions", "remove", "--bucket", of, "plan")
		require.Equal(t, exitUsage, got.code)
		require.Contains(t, got.stderr, "workers coordinate")
	}
	_, err := bucket.Keys(t.Context())
	require.ErrorIs(t, err, jetstream.ErrNoKeysFound)
}

// bridged runs two servers with a bucket of partitions each, one of them a leaf node of the other.
func bridged(t *testing.T) (leaf *fleet, hubs, leafs jetstream.KeyValue) {
	t.Helper()
	start := func(domain string, change func(*server.Options)) (*fleet, jetstream.KeyValue) {
		s, err := embedded.Start(embedded.WithPort(embedded.RandomPort), embedded.WithDomain(domain), func(o *server.Options) {
			o.ServerName = domain
			change(o)
		})
		require.NoError(t, err)
		f := &fleet{server: s, url: s.URL()}
		t.Cleanup(f.close)
		f.js, err = f.connect()
		require.NoError(t, err)
		bucket, err := f.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "list", Storage: jetstream.MemoryStorage})
		require.NoError(t, err)
		return f, bucket
	}
	hub, hubs := start("hub", func(o *server.Options) { o.LeafNode.Host, o.LeafNode.Port = "127.0.0.1", server.RANDOM_PORT })
	v, err := hub.server.NATS().Varz(nil)
	require.NoError(t, err)
	leaf, leafs = start("leaf", func(o *server.Options) {
		o.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: []*url.URL{{Scheme: "nats-leaf", Host: fmt.Sprintf("127.0.0.1:%d", v.LeafNode.Port)}}}}
	})
	beyond, err := jetstream.NewWithDomain(leaf.js.Conn(), "hub")
	require.NoError(t, err)
	require.Eventually(t, func() bool { // the leaf learns what the hub listens to some time after the two are connected
		_, err := beyond.AccountInfo(t.Context())
		return err == nil && hub.server.NATS().NumLeafNodes() == 1 && leaf.server.NATS().NumLeafNodes() == 1
	}, 10*time.Second, 5*time.Millisecond)
	return leaf, hubs, leafs
}

func TestAnEditReachesTheDomainThatItHasRead(t *testing.T) {
	leaf, hubs, leafs := bridged(t)
	for i, where := range [][]string{{"--js-domain", "hub"}, {"--js-api-prefix", "$JS.hub.API"}} {
		edit := func(args ...string) {
			t.Helper()
			leaf.ok(t, slices.Concat(where, []string{"--timeout", "10s", "partitions"}, args, []string{"--bucket", "list"})...)
		}
		id := fmt.Sprintf("p%d", i)
		edit("add", id)
		edit("weigh", id+"=5")
		entry, err := hubs.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "5", string(entry.Value()))
		edit("remove", id)
		_, err = hubs.Get(t.Context(), id)
		require.ErrorIs(t, err, jetstream.ErrKeyNotFound)
	}
	status, err := leafs.Status(t.Context())
	require.NoError(t, err)
	require.Zero(t, status.Values(), "the bucket of that name in the other domain")
}

func TestABucketOfAGroupIsRefusedUnderAnyName(t *testing.T) {
	f, _ := listed(t)
	named := []string{"--stableid-bucket", "a", "--election-bucket", "b", "--heartbeat-bucket", "c", "--assignment-bucket", "d"}
	f.ok(t, append(named, "init", "--storage", "memory")...)
	for _, bucket := range []string{"a", "b", "c", "d"} {
		got := f.cli(t, append(named, "partitions", "add", "x", "--bucket", bucket)...)
		require.Equal(t, exitUsage, got.code, bucket)
		require.Contains(t, got.stderr, "workers coordinate")
	}
	for bucket, key := range map[string]string{"a": "worker-3", "b": "leader", "d": "term"} { // without the names
		buckets, err := f.js.KeyValue(t.Context(), bucket)
		require.NoError(t, err)
		_, err = buckets.PutString(t.Context(), key, "{}")
		require.NoError(t, err)
		got := f.cli(t, "partitions", "add", "x", "--bucket", bucket)
		require.Equal(t, exitUsage, got.code, bucket)
		require.Contains(t, got.stderr, "workers coordinate")
	}
	_, err := f.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{
		Bucket: "fading", Storage: jetstream.MemoryStorage, LimitMarkerTTL: time.Minute,
	})
	require.NoError(t, err)
	f.ok(t, "partitions", "add", "orders-1", "--bucket", "fading")
	f.ok(t, "partitions", "add", "orders-2", "--bucket", "fading")
	f.ok(t, "partitions", "add", "worker-3", "leader", "--bucket", "list") // nothing expires there
	f.ok(t, "partitions", "remove", "worker-3", "--bucket", "list")
}

// Many editors at once: each key is added by one of them, and whoever comes later sees that.
func TestEditorsAtOnceDoNotUndoEachOther(t *testing.T) {
	f, _ := listed(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	counts := map[string]int{}
	for range 8 {
		ed := editor{js: f.js, bucket: "list"}
		all.Go(func() {
			for k := range 20 {
				r, err := ed.apply(t.Context(), edit{id: fmt.Sprintf("k%d", k)}, adding)
				assert.NoError(t, err)
				mu.Lock()
				counts[r.Result]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	require.Equal(t, map[string]int{"added": 20, "unchanged": 140}, counts)
}

// lossy loses the answer of the first write, after it was stored.
type lossy struct {
	jetstream.JetStream
	lost bool
}

func (l *lossy) PublishMsg(ctx context.Context, m *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	ack, err := l.JetStream.PublishMsg(ctx, m, opts...)
	if !l.lost && err == nil {
		l.lost = true
		return nil, errors.New("timeout")
	}
	return ack, err
}

func TestAWriteWhoseAnswerIsLostIsFoundOutAbout(t *testing.T) {
	f, bucket := listed(t)
	ed := editor{js: &lossy{JetStream: f.js}, bucket: "list"}
	r, err := ed.apply(t.Context(), edit{"x", "5"}, adding)
	require.NoError(t, err)
	require.Equal(t, "added", r.Result)
	entry, err := bucket.Get(t.Context(), "x")
	require.NoError(t, err)
	status, err := bucket.Status(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, status.Values(), "it was written once")
	require.Equal(t, "5", string(entry.Value()))
}

// overtaken has another editor write just before the first write.
type overtaken struct {
	jetstream.JetStream
	before func()
}

func (o *overtaken) PublishMsg(ctx context.Context, m *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if before := o.before; before != nil {
		o.before = nil
		before()
	}
	return o.JetStream.PublishMsg(ctx, m, opts...)
}

func TestAnEditThatIsOvertakenDecidesAnew(t *testing.T) {
	f, bucket := listed(t)
	_, err := bucket.PutString(t.Context(), "x", "5")
	require.NoError(t, err)
	ed := editor{bucket: "list", js: &overtaken{JetStream: f.js, before: func() { require.NoError(t, bucket.Delete(t.Context(), "x")) }}}
	_, err = ed.apply(t.Context(), edit{"x", "6"}, weighing)
	require.ErrorContains(t, err, "it does not exist", "what was removed meanwhile does not come back")
}
