// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/kv"
	"github.com/parti-go/parti/kv/embedded"
	"github.com/parti-go/parti/source"
)

// states are the states of the buckets, in their order.
func states(views []bucketView) (all []string) {
	for _, v := range views {
		all = append(all, v.State)
	}
	return all
}

func TestInitMakesTheBucketsThatWorkersUse(t *testing.T) {
	f := own(t)
	dry := decode[[]bucketView](t, f.ok(t, "init", "-g", "new", "--dry-run", "--storage", "memory", "--json"))
	require.Equal(t, []string{"would be made", "would be made", "would be made", "would be made"}, states(dry))
	_, err := f.js.KeyValue(t.Context(), "parti-new-assignment")
	require.ErrorIs(t, err, jetstream.ErrBucketNotFound, "a dry run makes nothing")

	made := decode[[]bucketView](t, f.ok(t, "init", "-g", "new", "--storage", "memory", "--json"))
	require.Equal(t, []string{"made", "made", "made", "made"}, states(made))
	require.Equal(t, "memory", made[0].Storage)
	require.NoError(t, f.js.DeleteKeyValue(t.Context(), "parti-new-election"))
	again := decode[[]bucketView](t, f.ok(t, "init", "-g", "new", "--json"))
	require.Equal(t, []string{"fine", "made", "fine", "fine"}, states(again))
	require.Equal(t, "memory", again[1].Storage, "as the others are stored")
	again = decode[[]bucketView](t, f.ok(t, "init", "-g", "new", "--storage", "memory", "--json"))
	require.Equal(t, []string{"fine", "fine", "fine", "fine"}, states(again))

	_, err = f.start(quick("new", 1), 1, source.Numbered("p", 2))
	require.NoError(t, err, "a worker takes the buckets as they are")
	require.Regexp(t, `parti-new-heartbeat +memory +1 +fine`, f.ok(t, "init", "-g", "new", "--storage", "memory"))
}

func TestInitEditsOnlyWhereItIsToldTo(t *testing.T) {
	f := own(t)
	f.ok(t, "init")
	stream, err := f.js.Stream(t.Context(), "KV_parti-assignment")
	require.NoError(t, err)
	spoilt := stream.CachedInfo().Config
	spoilt.AllowAtomicPublish, spoilt.MaxAge = false, time.Hour
	_, err = f.js.UpdateStream(t.Context(), spoilt)
	require.NoError(t, err)

	got := f.cli(t, "init")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stdout, "atomic batches is off, allowed: on")
	require.Contains(t, got.stdout, "bucket-wide TTL is 1h0m0s, allowed: none")
	require.Contains(t, got.stderr, "parti verify")
	config := func() jetstream.StreamConfig {
		stream, err := f.js.Stream(t.Context(), "KV_parti-assignment")
		require.NoError(t, err)
		return stream.CachedInfo().Config
	}
	require.False(t, config().AllowAtomicPublish)
	require.Equal(t, []string{"fine", "fine", "fine", "would be mended"}, states(decode[[]bucketView](t, f.ok(t, "init", "--mend", "--dry-run", "--json"))))
	require.False(t, config().AllowAtomicPublish)
	require.Equal(t, []string{"fine", "fine", "fine", "mended"}, states(decode[[]bucketView](t, f.ok(t, "init", "--mend", "--json"))))
	require.True(t, config().AllowAtomicPublish)
	require.Zero(t, config().MaxAge)

	got = f.cli(t, "init", "--storage", "memory", "--mend")
	require.Equal(t, exitFailed, got.code, "what cannot be edited stays, and is told")
	require.Contains(t, got.stdout, "storage is File, allowed: Memory")
	require.Contains(t, f.cli(t, "init", "--replicas", "3", "-g", "more").stderr, "replicas")
	require.Contains(t, f.cli(t, "init", "--replicas", "2").stderr, "Replicas")
}

func TestVerifySaysWhatDiffersAndHowToMendIt(t *testing.T) {
	f := own(t)
	got := f.cli(t, "verify")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stdout, "bucket parti-heartbeat is missing: run parti init")
	require.Contains(t, got.stderr, "4 problems")

	f.ok(t, "init")
	require.Contains(t, f.ok(t, "verify"), "The buckets are as workers need them")
	require.Contains(t, f.ok(t, "verify", "--as", "worker"), "the permissions of a worker")

	bucket, err := f.js.KeyValue(t.Context(), "parti-heartbeat")
	require.NoError(t, err)
	_, err = bucket.Put(t.Context(), "worker-7", []byte("by hand"))
	require.NoError(t, err)
	got = f.cli(t, "verify")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stdout, "nats kv del parti-heartbeat worker-7")

	got = f.cli(t, "verify", "--replicas", "3", "--json")
	require.Equal(t, exitFailed, got.code)
	r := decode[report](t, got.stdout)
	require.Equal(t, "replicas", r.Buckets[0].Problems[0].Field)
	require.Equal(t, "run parti init --mend", r.Buckets[0].Problems[0].Mend)
	require.Len(t, r.Leases, 1)
}

func TestVerifyComparesLifetimesWithTheConfigurationThatIsGiven(t *testing.T) {
	f := own(t)
	cfg := quick("filed", 1)
	cfg.HeartbeatTTL = 9 * time.Second
	_, err := f.start(cfg, 1, source.Numbered("p", 2))
	require.NoError(t, err)
	f.ok(t, "verify", "-g", "filed")
	got := f.cli(t, "verify", "--config", "testdata/config.yaml", "--storage", "memory", "--json")
	require.Equal(t, exitFailed, got.code)
	r := decode[report](t, got.stdout)
	require.Len(t, r.Leases, 1)
	require.Equal(t, leaseView{"parti-filed-heartbeat", "worker-0", "9s", "6s", r.Leases[0].Mend}, r.Leases[0])
}

// guarded is a server with a user who may look, and one who may do nothing.
func guarded(t *testing.T) func(user string, args ...string) outcome {
	t.Helper()
	var looks []string
	for _, bucket := range []string{"stableid", "election", "heartbeat", "assignment"} {
		stream := "KV_parti-" + bucket // the list of docs/deployment.md
		looks = append(looks, "$JS.API.STREAM.INFO."+stream, "$JS.API.DIRECT.GET."+stream, "$JS.API.DIRECT.GET."+stream+".>",
			"$JS.API.CONSUMER.CREATE."+stream+".>", "$JS.API.CONSUMER.MSG.NEXT."+stream+".*", "$JS.API.CONSUMER.DELETE."+stream+".*")
	}
	may := func(publish ...string) *server.Permissions {
		return &server.Permissions{Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}}}
	}
	s, err := embedded.Start(embedded.WithPort(embedded.RandomPort), func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "worker", Password: "w"},
			{Username: "observer", Password: "o", Permissions: may(looks...)},
			{Username: "nobody", Password: "n", Permissions: may("nothing")},
			{Username: "deaf", Password: "d", Permissions: &server.Permissions{
				Publish: &server.SubjectPermission{Allow: []string{">"}}, Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_deaf.>"}},
			}},
			{Username: "lister", Password: "l", Permissions: may(append(looks, "$JS.API.STREAM.NAMES")...)},
			{Username: "creator", Password: "c", Permissions: may("$JS.API.STREAM.INFO.*", "$JS.API.STREAM.CREATE.*")},
			{Username: "asker", Password: "a", Permissions: may("parti.control.parti-assignment.*")},
			{Username: "editor", Password: "e", Permissions: may("$JS.API.STREAM.INFO.KV_list", "$JS.API.STREAM.MSG.GET.KV_list", "$KV.list.>")},
		}
	})
	require.NoError(t, err)
	f := &fleet{server: s, url: s.URL(), user: nats.UserInfo("worker", "w")}
	t.Cleanup(f.close)
	f.js, err = f.connect()
	require.NoError(t, err)
	cfg := quick("", 1)
	_, err = f.start(cfg, 1, source.Numbered("p", 2))
	require.NoError(t, err)
	_, err = f.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "list", Storage: jetstream.MemoryStorage})
	require.NoError(t, err)
	return func(user string, args ...string) outcome {
		return command(t, append([]string{"-s", f.url, "--user", user, "--password", user[:1]}, args...)...)
	}
}

// The permissions of docs/cli.md.
func TestEachCommandWorksWithThePermissionsThatTheDocumentNames(t *testing.T) {
	as := guarded(t)
	for user, commands := range map[string][][]string{
		"lister":  {{"ls"}},
		"creator": {{"init", "-g", "more", "--storage", "memory"}, {"init", "-g", "more"}},
		"asker":   {{"cordon", "worker-0"}, {"uncordon", "worker-0"}, {"refresh", "--worker", "worker-0"}},
		"editor": {
			{"partitions", "add", "x", "--bucket", "list"},
			{"partitions", "weigh", "x=1", "--bucket", "list"},
			{"partitions", "remove", "x", "--bucket", "list"},
		},
	} {
		for _, args := range commands {
			got := as(user, args...)
			require.Equal(t, exitFine, got.code, "%s %v: %s%s", user, args, got.stdout, got.stderr)
		}
	}
	for user, args := range map[string][]string{
		"observer": {"cordon", "worker-0"},
		"creator":  {"partitions", "add", "x", "--bucket", "list"},
	} {
		got := as(user, args...)
		require.Equal(t, exitFailed, got.code, "%s %v: %s%s", user, args, got.stdout, got.stderr)
		require.Contains(t, strings.ToLower(got.stderr), "permission", "%s %v", user, args)
	}
}

func TestWhoMayOnlyLookCanLook(t *testing.T) {
	as := guarded(t)
	for _, args := range [][]string{{"info"}, {"workers"}, {"partitions"}, {"owner", "p.0"}, {"history"}, {"check"}, {"verify"}} {
		got := as("observer", args...)
		require.Equal(t, exitFine, got.code, "%v: %s%s", args, got.stdout, got.stderr)
	}
	got := as("observer", "verify", "--as", "worker", "--storage", "memory")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stdout, `may not publish to "$KV.parti-heartbeat.worker-0", and a worker needs that`)

	got = as("observer", "ls")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stderr, "$JS.API.STREAM.NAMES")
	require.Contains(t, got.stderr, "--group")

	begun := time.Now()
	got = as("deaf", "info", "--timeout", "1m")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stderr, `permission missing: the user of this connection may not subscribe to "_INBOX.>"`)
	require.Less(t, time.Since(begun), time.Minute, "it waits for no answer")
	require.Equal(t, exitFine, as("deaf", "info", "--inbox-prefix", "_INBOX_deaf").code)

	path := filepath.Join(t.TempDir(), "report.tar.gz")
	got = as("observer", "report", "--output", path)
	require.Equal(t, exitFine, got.code, got.stderr)
	require.Regexp(t, `(?m)^server +server\.json +\d+ +.*JS\.API\.INFO`, got.stdout)
	require.Contains(t, unpacked(t, path)["records-assignments.jsonl"], `"key":"plan"`)
	got = as("nobody", "report", "--output", filepath.Join(t.TempDir(), "nothing.tar.gz"))
	require.Equal(t, exitFine, got.code, got.stderr)
	require.Regexp(t, `(?m)^streams +- +.*permission`, strings.ToLower(got.stdout))

	got = as("nobody", "info")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stderr, kv.ErrPermission.Error())
	got = as("nobody", "verify")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stdout, `may not publish to "$JS.API.STREAM.INFO.KV_parti-stableid", and an observer needs that`)
}
