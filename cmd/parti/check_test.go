// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/observe"
	"github.com/parti-go/parti/source"
)

var usual = limits{unowned: limit{0, 1}, stuck: limit{1, 0}, damped: limit{1, 0}, workers: limit{0, 1}, stale: 5 * time.Second}

// healthy is a group in which all is well, changed by f.
func healthy(now time.Time, f func(*observe.Group)) observe.Group {
	g := observe.Group{
		Leader:  "worker-0",
		Workers: []observe.Worker{{ID: "worker-0", Live: true}, {ID: "worker-1", Live: true}},
		Plan:    observe.Plan{Partitions: 12, Stored: now.Add(-time.Hour)},
	}
	f(&g)
	return g
}

// leave has workers leave that have a partition each.
func leave(at ...int) func(*observe.Group) {
	return func(g *observe.Group) {
		for _, i := range at {
			g.Workers[i].Leaving, g.Workers[i].Partitions = true, []observe.Partition{{ID: "orders.0"}}
		}
	}
}

func TestAGroupIsJudgedByWhatIsWrongWithIt(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name   string
		change func(*observe.Group)
		limits func(*limits)
		want   level
		says   string
	}{
		{"fine", func(*observe.Group) {}, nil, fine, "2 workers, 12 partitions, leader worker-0"},
		{"one without an owner", func(g *observe.Group) { g.Unowned = 1 }, nil, critical, "1 partition without an owner"},
		{"few without an owner", func(g *observe.Group) { g.Unowned = 2 }, func(l *limits) { l.unowned = limit{2, 3} }, warning, "2 partitions without an owner"},
		{"few are allowed", func(g *observe.Group) { g.Unowned = 1 }, func(l *limits) { l.unowned = limit{2, 3} }, fine, "2 workers"},
		{"no leader", func(g *observe.Group) { g.Leader = "" }, nil, critical, "no leader"},
		{"no plan", func(g *observe.Group) { g.Plan = observe.Plan{} }, nil, critical, "no plan yet"},
		{"nobody lives", func(g *observe.Group) { g.Workers[0].Live, g.Workers[1].Live = false, false }, nil, critical, "0 live workers, fewer than 1"},
		{"too few live", func(g *observe.Group) { g.Workers[1].Live = false }, func(l *limits) { l.workers.warning = 2 }, warning, "1 live worker, fewer than 2"},
		{"stuck", func(g *observe.Group) { g.Workers[1].Stuck = []string{"hook for 31s"} }, nil, warning, "worker-1 (hook for 31s)"},
		{"stuck, critical", func(g *observe.Group) { g.Workers[1].Stuck = []string{"hook"} }, func(l *limits) { l.stuck.critical = 1 }, critical, "stuck: worker-1"},
		{"stuck and gone", func(g *observe.Group) { g.Workers[1].Stuck, g.Workers[1].Live = []string{"hook"}, false }, nil, fine, "1 worker"},
		{"damped", func(g *observe.Group) { g.Workers[1].Damped = now.Add(time.Minute) }, nil, warning, "damped: worker-1"},
		{"damped before", func(g *observe.Group) { g.Workers[1].Damped = now.Add(-time.Minute) }, nil, fine, "2 workers"},
		{"one leaves", leave(0), nil, fine, "2 workers"},
		{"all leave", leave(0, 1), nil, warning, "no worker can take over from leaving workers: worker-0, worker-1"},
		{"the last one leaves", func(g *observe.Group) { leave(0)(g); g.Workers[1].Live = false }, nil, warning, "leaving workers: worker-0"},
		{"the last one leaves empty", func(g *observe.Group) { g.Workers[0].Leaving, g.Workers[1].Live = true, false }, nil, fine, "1 worker"},
		{"stale", func(g *observe.Group) { g.Stale = now.Add(-time.Minute) }, nil, unknown, "the store has not answered for 1m00s"},
		{"stale for a moment", func(g *observe.Group) { g.Stale = now.Add(-time.Second) }, nil, fine, "2 workers"},
		{"stale, and critical before", func(g *observe.Group) { g.Stale, g.Unowned = now.Add(-time.Minute), 3 }, nil, critical, "3 partitions"},
	} {
		l := usual
		if c.limits != nil {
			c.limits(&l)
		}
		v := judge("orders", healthy(now, c.change), now, l)
		require.Equal(t, c.want, v.Code, c.name)
		line := v.line(l)
		require.Contains(t, line, c.says, c.name)
		require.True(t, strings.HasPrefix(line, c.want.String()+": orders: "), line)
		require.Equal(t, 1, strings.Count(line, "|"), "figures follow the only bar")
		require.NotContains(t, line, "\n")
	}
}

func TestCheckSaysInOneLineThatAllIsWell(t *testing.T) {
	f := orders(t)
	got := f.cli(t, "check", "--group", "orders")
	require.Equal(t, int(fine), got.code, got)
	require.Regexp(t, `^OK: orders: 3 workers, 12 partitions, leader worker-\d \| workers=3 partitions=12 unowned=0;;0 stuck=0;0; damped=0;0;\n$`, got.stdout)
	v := decode[verdict](t, f.ok(t, "check", "-g", "orders", "--json"))
	require.Equal(t, "OK", v.Status)
	require.Equal(t, 3, v.Workers)
}

func TestTheExitCodesOfCheckAreThoseOfMonitoringSystems(t *testing.T) {
	f := orders(t)
	for _, c := range []struct {
		args []string
		want level
		says string
	}{
		{[]string{"check", "-g", "orders", "--workers-warning", "4", "--settle", "0s"}, warning, "WARNING: orders: 3 live workers, fewer than 4"},
		{[]string{"check", "-g", "orders", "--workers-critical", "4", "--settle", "0s"}, critical, "CRITICAL: orders: 3 live workers, fewer than 4"},
		{[]string{"check", "-g", "nobody"}, critical, "CRITICAL: nobody: no such group (bucket \"parti-nobody-stableid\" does not exist); `parti ls` lists the groups"},
		{[]string{"check", "-g", "orders", "--unowned-critical=-1"}, unknown, "UNKNOWN: --unowned-critical is -1, allowed: 0 or more"},
		{[]string{"check", "-g", "a b"}, unknown, "UNKNOWN: "},
		{[]string{"check", "--bogus"}, unknown, ""},
	} {
		got := f.cli(t, c.args...)
		require.Equal(t, int(c.want), got.code, "%v: %s%s", c.args, got.stdout, got.stderr)
		require.Contains(t, got.stdout, c.says, "%v", c.args)
		require.LessOrEqual(t, strings.Count(got.stdout, "\n"), 1)
	}
	got := command(t, "-s", "nats://127.0.0.1:1", "check")
	require.Equal(t, int(unknown), got.code)
	require.Contains(t, got.stdout, "UNKNOWN: connect to nats://127.0.0.1:1")
}

func TestAProblemHasToLast(t *testing.T) {
	f := own(t)
	f.ok(t, "init", "--storage", "memory")
	got := f.cli(t, "check", "--settle", "10ms")
	require.Equal(t, int(critical), got.code)
	require.Contains(t, got.stdout, "no leader; no plan yet; 0 live workers")

	done := make(chan outcome, 1)
	go func() { done <- f.cli(t, "check", "--settle", "20s") }()
	require.EventuallyWithT(t, func(c *assert.CollectT) { // it looks, and all that it sees is a group without workers
		stream, err := f.js.Stream(t.Context(), "KV_parti-heartbeat")
		if assert.NoError(c, err) {
			assert.Positive(c, stream.CachedInfo().State.Consumers)
		}
	}, 15*time.Second, 10*time.Millisecond)
	_, err := f.start(quick("", 1), 1, source.Numbered("p", 2))
	require.NoError(t, err)
	got = <-done
	require.Equal(t, int(fine), got.code, got.stdout)
}
