// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/observe"
	"github.com/parti-go/parti/source"
)

// decode reads what a command has written as JSON.
func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	return v
}

func TestLsListsTheGroupsOnTheServer(t *testing.T) {
	f := orders(t)
	text := f.ok(t, "ls")
	require.Regexp(t, `(?m)^GROUP +WORKERS +PARTITIONS`, text)
	require.Regexp(t, `(?m)^orders +3 +12 +0 +worker-\d +\d+ +idle +parti-orders-assignment$`, text)
	groups := decode[[]groupView](t, f.ok(t, "ls", "--json"))
	require.Len(t, groups, 1)
	require.Equal(t, "orders", groups[0].Group)
}

func TestAServerWithoutJetStreamIsNamedAsSuch(t *testing.T) {
	f := orders(t)
	for _, args := range [][]string{{"ls"}, {"info"}, {"verify"}} {
		got := f.cli(t, append(args, "-g", "orders", "--js-domain", "nowhere")...)
		require.Equal(t, exitFailed, got.code)
		require.Contains(t, got.stderr, "the server has no JetStream, or not in this JetStream domain")
	}
}

func TestAGroupWithOtherNamesIsFoundByThePlanInItsBucket(t *testing.T) {
	f := own(t)
	cfg := quick("", 1)
	b := &cfg.KVBuckets
	b.StableID, b.Election, b.Heartbeat, b.Assignment = "my-ids", "my-vote", "my-beats", "my-shares"
	_, err := f.start(cfg, 1, source.Numbered("p", 4))
	require.NoError(t, err)
	got := f.cli(t, "ls")
	require.Equal(t, exitFine, got.code)
	require.Regexp(t, `(?m)^\? +4 +\d+ +\w+ +my-shares$`, got.stdout)
	require.Equal(t, 2, strings.Count(got.stdout, "\n"), "the heading and one group")
	require.Contains(t, got.stderr, "--assignment-bucket")
	require.True(t, decode[[]groupView](t, f.ok(t, "ls", "--json"))[0].OtherNames)
}

func TestAGroupIsFoundByTheNameOfItsBucket(t *testing.T) {
	for bucket, want := range map[string]string{"parti-assignment": "", "parti-orders-assignment": "orders", "parti-a-b-assignment": "a-b"} {
		group, is := groupOf(bucket)
		require.True(t, is, bucket)
		require.Equal(t, want, group)
	}
	for _, bucket := range []string{"orders-assignment", "parti-orders-heartbeat", "parti-orders-assignments", "parti-xassignment"} {
		_, is := groupOf(bucket)
		require.False(t, is, bucket)
	}
}

func TestInfoSumsTheGroupUp(t *testing.T) {
	f := orders(t)
	text := f.ok(t, "info", "--group", "orders")
	for _, want := range []string{`Group: +orders`, `Leader: +worker-\d`, `Workers: +3 live, 3 in the plan`, `Partitions: +12, all owned`, `Plan: +version \d+, term 1, idle`} {
		require.Regexp(t, want, text)
	}
	info := decode[map[string]any](t, f.ok(t, "info", "--group", "orders", "--json"))
	require.Equal(t, 12.0, info["partitions"])
	require.Len(t, info["fleet"], 3)
}

func TestWorkersListsEachWorker(t *testing.T) {
	f := orders(t)
	workers := decode[[]workerView](t, f.ok(t, "workers", "--group", "orders", "--json"))
	require.Len(t, workers, 3)
	partitions, leaders := 0, 0
	for i, w := range workers {
		require.Equal(t, fmt.Sprintf("worker-%d", i), w.Worker)
		require.True(t, w.Live)
		require.NotZero(t, w.Session)
		require.NotEmpty(t, w.Host)
		partitions += w.Partitions
		if w.Leader {
			leaders++
		}
	}
	require.Equal(t, 12, partitions)
	require.Equal(t, 1, leaders)
	require.Contains(t, f.ok(t, "workers", "--group", "orders"), "leader")
}

type listing struct {
	Partitions []partitionView
	Unnamed    int
}

func TestPartitionsShowsEveryPartitionWithItsOwner(t *testing.T) {
	f := orders(t)
	list := decode[listing](t, f.ok(t, "partitions", "--group", "orders", "--json"))
	require.Len(t, list.Partitions, 12)
	require.Zero(t, list.Unnamed)
	of := map[string]int{}
	for i, p := range list.Partitions {
		require.Equal(t, fmt.Sprintf("orders.%02d", i), p.Partition)
		require.NotEmpty(t, p.Owner)
		require.Positive(t, p.Epoch)
		require.WithinDuration(t, time.Now(), parse(t, p.Since), time.Minute, "the journal says since when, though the observer has just begun")
		of[p.Owner]++
	}
	require.Len(t, of, 3)
	for owner, n := range of {
		require.Len(t, decode[listing](t, f.ok(t, "partitions", "ls", "--worker", owner, "-g", "orders", "--json")).Partitions, n)
	}
	require.Len(t, decode[listing](t, f.ok(t, "partitions", "orders.0*", "-g", "orders", "--json")).Partitions, 10)
	require.Empty(t, decode[listing](t, f.ok(t, "partitions", "--unowned", "-g", "orders", "--json")).Partitions)
	require.Empty(t, decode[listing](t, f.ok(t, "partitions", "--releasing", "-g", "orders", "--json")).Partitions)
	require.Equal(t, exitUsage, f.cli(t, "partitions", "orders.[", "-g", "orders").code)
}

// TestPartitionsLeavesOutWhatTheListHasDropped: a departed worker's record names one partition that is listed and one that is not.
func TestPartitionsLeavesOutWhatTheListHasDropped(t *testing.T) {
	f := own(t)
	workers, err := f.start(quick("dropped", 1), 1, source.Numbered("orders", 4))
	require.NoError(t, err)
	require.NoError(t, workers[0].Stop(t.Context()))
	bucket, err := f.js.KeyValue(t.Context(), "parti-dropped-assignment")
	require.NoError(t, err)
	_, err = bucket.Put(t.Context(), "worker-0", []byte(`{"format":1,"token":"h/1/2","worker":"worker-0","session":5,"term":1,"version":6,`+
		`"owned":[{"partition":"orders.0","epoch":3}],"releasing":[{"partition":"orders.9","epoch":3,"since":6,"unlisted":true}]}`))
	require.NoError(t, err)
	list := decode[listing](t, f.ok(t, "partitions", "--group", "dropped", "--json"))
	require.Len(t, list.Partitions, 1)
	require.Equal(t, "orders.0", list.Partitions[0].Partition)
	require.Empty(t, list.Partitions[0].Owner)
	require.Equal(t, 3, list.Unnamed, "of the four that are listed")

	beats, err := f.js.KeyValue(t.Context(), "parti-dropped-heartbeat")
	require.NoError(t, err)
	_, err = beats.Put(t.Context(), "worker-0", []byte(`{"format":1,"token":"h/1/3","session":5,"applied":{"term":1,"version":5}}`))
	require.NoError(t, err)
	list = decode[listing](t, f.ok(t, "partitions", "--group", "dropped", "--json"))
	require.Len(t, list.Partitions, 2, "its worker lives, and still has to let go of the other one")
	require.Equal(t, "worker-0", list.Partitions[1].Owner)
	require.True(t, list.Partitions[1].Releasing)
	require.Equal(t, 3, list.Unnamed)
}

// UnmarshalText reads what a moment writes.
func (m *moment) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339, string(text))
	*m = at(t)
	return err
}

func parse(t *testing.T, m moment) time.Time {
	t.Helper()
	require.False(t, m.IsZero())
	return time.Time(m)
}

func TestOwnerSaysWhoSinceWhenAndWhy(t *testing.T) {
	f := orders(t)
	text := f.ok(t, "owner", "orders.07", "--group", "orders")
	for _, want := range []string{`Owner: +worker-\d`, `Host: +\S`, `Session: +\d+`, `Epoch: +\d+`, `Since: +2\d{3}-`, `Why: +window over`} {
		require.Regexp(t, want, text)
	}
	v := decode[partitionView](t, f.ok(t, "owner", "orders.07", "--group", "orders", "--json"))
	require.Contains(t, v.Why, "window over")

	got := f.cli(t, "owner", "orders.99", "--group", "orders")
	require.Equal(t, exitFailed, got.code)
	require.Empty(t, got.stdout)
	require.Contains(t, got.stderr, "orders.99: partition has no owner")
}

func TestHistoryReadsTheJournal(t *testing.T) {
	f := orders(t)
	changes := decode[[]changeView](t, f.ok(t, "history", "--group", "orders", "--json"))
	require.Len(t, changes, 12)
	one := decode[[]changeView](t, f.ok(t, "history", "orders.03", "--group", "orders", "--json"))
	require.Len(t, one, 1)
	require.Equal(t, "orders.03", one[0].Partition)
	require.Empty(t, one[0].From)
	require.NotEmpty(t, one[0].To)
	require.NotEmpty(t, one[0].Why)
	require.Positive(t, one[0].Epoch)
	for _, c := range decode[[]changeView](t, f.ok(t, "history", "--worker", "worker-1", "-g", "orders", "--json")) {
		require.Equal(t, "worker-1", c.To)
	}
	require.Len(t, decode[[]changeView](t, f.ok(t, "history", "--limit", "2", "-g", "orders", "--json")), 2)
	require.Len(t, decode[[]changeView](t, f.ok(t, "history", "--since", "1h", "-g", "orders", "--json")), 12)
	require.Equal(t, exitUsage, f.cli(t, "history", "--since=-1h", "-g", "orders").code)
	require.Contains(t, f.ok(t, "history", "-g", "orders"), "WHY")
}

func TestWhereThereIsNoGroupTheErrorSaysHowToFindOne(t *testing.T) {
	f := orders(t)
	got := f.cli(t, "info", "--group", "nobody")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stderr, "parti-nobody-")
	require.Contains(t, got.stderr, "parti ls")
}

func TestWhereThereIsNoServerTheErrorNamesIt(t *testing.T) {
	got := command(t, "--server", "nats://127.0.0.1:1", "info")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stderr, "nats://127.0.0.1:1")
}

func TestAnInvalidGroupIsNamed(t *testing.T) {
	got := command(t, "info", "--group", "a b")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stderr, "Group")
	require.Contains(t, got.stderr, "allowed")
}

func TestFiltersMatchAsSubjectsDo(t *testing.T) {
	for _, c := range []struct {
		filter, id string
		want       bool
	}{
		{"", "a.b", true},
		{"a.b", "a.b", true},
		{"a.*", "a.b", true},
		{"a.*", "a.b.c", false},
		{"a.>", "a.b.c", true},
		{"a.>", "a", false},
		{">", "a", true},
		{"orders.1*", "orders.17", true},
		{"orders.1*", "orders.27", false},
		{"*", "a.b", false},
	} {
		require.Equal(t, c.want, matches(c.filter, c.id), "%q %q", c.filter, c.id)
	}
}

func TestATableIsAsWideAsItsCellsWithOrWithoutColours(t *testing.T) {
	a := &app{colours: true}
	table := newTable("A", "B")
	table.add(a.colour(red, "none"), "x")
	table.add("longer", "y")
	plain := strings.NewReplacer(escape+red+"m", "", escape+"0m", "").Replace(table.String())
	require.Equal(t, "A       B\nnone    x\nlonger  y\n", plain)
	require.Equal(t, "none", (&app{}).colour(red, "none"))
}

func TestWhatComesFromOutsideDoesNotSteerTheTerminal(t *testing.T) {
	a := &app{colours: true}
	table := newTable("HOST")
	table.add("evil" + escape + "2J" + "\r\a" + a.colour(red, "x"))
	require.Equal(t, "HOST\nevil\ufffd[2J\ufffd\ufffd"+escape+"31mx"+escape+"0m\n", table.String())
	require.Equal(t, "two\nlines\ufffd", printable(errors.New("two\nlines\x1b")))

	now := time.Now()
	line := judge("g", healthy(now, func(g *observe.Group) { g.Workers[0].Stuck = []string{"a\x1b]0;b|\n"} }), now, usual).line(usual)
	require.NotContains(t, line, "\x1b")
}

func TestNoColourIsHeeded(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	require.True(t, wantsColours())
	t.Setenv("NO_COLOR", "1")
	require.False(t, wantsColours())
}

func TestDurationsAreShownInTwoUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1500 * time.Millisecond: "1s", 61 * time.Second: "1m01s", 3 * time.Hour: "3h00m", 50 * time.Hour: "2d02h",
	} {
		require.Equal(t, want, brief(d))
	}
}

func TestTheFlagsOfTheGroupGoBeforeTheFile(t *testing.T) {
	g := group{name: "other", prefix: "w", assignment: "mine"}
	cfg, err := g.config()
	require.NoError(t, err)
	require.Equal(t, "parti-other-heartbeat", cfg.KVBuckets.Heartbeat)
	require.Equal(t, "mine", cfg.KVBuckets.Assignment)
	require.Equal(t, "w", cfg.WorkerIDPrefix)

	g = group{file: "testdata/config.yaml"}
	cfg, err = g.config()
	require.NoError(t, err)
	require.Equal(t, "parti-filed-heartbeat", cfg.KVBuckets.Heartbeat)
	g.name = "other"
	cfg, err = g.config()
	require.NoError(t, err)
	require.Equal(t, "parti-other-heartbeat", cfg.KVBuckets.Heartbeat)
	require.Equal(t, 9, cfg.WorkerIDMax)

	t.Setenv("PARTI_KV_BUCKETS_ASSIGNMENT", "theirs")
	t.Setenv("PARTI_GROUP", "orders")
	cfg, err = (&group{}).config()
	require.NoError(t, err)
	require.Equal(t, []string{"parti-orders-stableid", "theirs"}, []string{cfg.KVBuckets.StableID, cfg.KVBuckets.Assignment}, "the workers' environment")
	cfg, err = (&group{name: "invoices"}).config()
	require.NoError(t, err)
	require.Equal(t, "parti-invoices-assignment", cfg.KVBuckets.Assignment, "a flag overrides it")
	t.Setenv("PARTI_GROUPE", "orders")
	_, err = (&group{}).config()
	require.ErrorContains(t, err, "environment: invalid configuration: there is no setting for the environment variable PARTI_GROUPE")

	_, err = (&group{file: "testdata/missing.yaml"}).config()
	require.ErrorContains(t, err, "missing.yaml")
}

func TestTheOptionsOfTheConnectionAreThoseOfTheFlags(t *testing.T) {
	for _, c := range []struct {
		connection connection
		check      func(o *nats.Options)
	}{
		{connection{user: "u", password: "p"}, func(o *nats.Options) { require.Equal(t, "u p", o.User+" "+o.Password) }},
		{connection{user: "secret"}, func(o *nats.Options) { require.Equal(t, "secret", o.Token) }},
		{connection{}, func(o *nats.Options) { require.Equal(t, []string{nats.DefaultURL}, o.Servers) }},
		{connection{server: "a:1, b:2"}, func(o *nats.Options) { require.Equal(t, []string{"a:1", "b:2"}, o.Servers) }},
		{connection{inbox: "_INBOX_ops"}, func(o *nats.Options) { require.Equal(t, "_INBOX_ops", o.InboxPrefix) }},
	} {
		opts, err := c.connection.options()
		require.NoError(t, err)
		o := nats.GetDefaultOptions()
		for _, set := range opts {
			require.NoError(t, set(&o))
		}
		c.check(&o)
	}
	_, err := (&connection{tlsCert: "x"}).options()
	require.ErrorContains(t, err, "--tlskey")
	_, err = (&connection{nkey: "testdata/missing"}).options()
	require.ErrorContains(t, err, "--nkey testdata/missing")
}
