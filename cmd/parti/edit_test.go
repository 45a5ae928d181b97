package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	require.Contains(t, got.stderr, "x: it is there already, with weight 2; parti partitions weigh changes that (1 of 2 partitions are done)")
	got = f.cli(t, "partitions", "weigh", "--bucket", "list", "nope=3")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stderr, "nope: it is not there; parti partitions add adds it")

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
	require.ErrorContains(t, err, "it is not there", "what was removed meanwhile does not come back")
}
