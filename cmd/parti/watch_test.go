// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/observe"
	"github.com/parti-go/parti/source"
)

// sink collects what a command writes while it runs.
type sink struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// eventually waits until the text matches a pattern.
func (s *sink) eventually(t *testing.T, pattern string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) { assert.Regexp(c, pattern, s.String()) }, 15*time.Second, 20*time.Millisecond)
}

func TestWatchWritesALineForEachChange(t *testing.T) {
	f := own(t)
	first, err := f.start(quick("", 1), 1, source.Numbered("p", 4))
	require.NoError(t, err)
	var out, errs sink
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"-s", f.url, "watch"}, &out, &errs) }()
	out.eventually(t, `group -: 1 worker, 4 partitions, 0 without an owner, leader worker-0`)

	_, err = f.start(quick("", 2), 1, source.Numbered("p", 4))
	require.NoError(t, err)
	out.eventually(t, `(?m)^\S+Z  worker-1: joined, session \d+ on \S+$`)
	out.eventually(t, `(?m)^\S+Z  p\.\d: (- |worker-0 )-> worker-1, epoch \d+$`)

	require.NoError(t, first[0].Close())
	out.eventually(t, `(?m)^\S+Z  worker-0: gone$`)
	out.eventually(t, `(?m)^\S+Z  leader: \S+ -> worker-1$`)
	cancel()
	require.Equal(t, exitFine, <-done, errs.String())
	require.Empty(t, errs.String())
}

func TestEveryChangeBetweenTwoScenesIsTold(t *testing.T) {
	now := time.Now()
	before := scene{
		groupView{Leader: "a", Version: 1},
		map[string]workerView{"a": {Live: true, Session: 1}, "b": {Live: true, Session: 2}},
		map[string]partitionView{"p": {Owner: "a", Epoch: 1}, "q": {Owner: "b", Epoch: 1}, "r": {Owner: "b", Epoch: 1}},
	}
	after := scene{groupView{Leader: "", Version: 2, Stale: at(now)}, map[string]workerView{
		"a": {Live: true, Session: 3, Cordoned: true, Stuck: []string{"a hook"}}, "b": {Session: 2}, "c": {Live: true, Session: 4, Leaving: true, Damped: at(now)},
	}, map[string]partitionView{"p": {Owner: "a", Epoch: 2}, "q": {Last: "b", Epoch: 1}, "r": {Owner: "b", Epoch: 1, Releasing: true}}}
	var told strings.Builder
	for _, e := range after.since(before, now) {
		told.WriteString(e.Kind + " " + e.Text + "\n")
		require.False(t, e.At.IsZero())
	}
	for _, want := range []string{
		"stale the store has not answered since", "leader leader: a -> -", "plan plan: version 2", "joined a: joined, session 3 on -", "changed a: cordoned",
		"stuck a: stuck: a hook", "gone b: gone", "joined c: joined", "changed c: leaving", "changed c: damped until", "moved p: a -> a, epoch 2",
		"moved q: b -> -, epoch 1", "released r: b has been asked to let go",
	} {
		require.Contains(t, told.String(), want)
	}
	require.Empty(t, after.since(after, now), "what stays is not told")
	told.Reset()
	for _, e := range before.since(after, now) {
		told.WriteString(e.Kind + " " + e.Text + "\n")
	}
	require.Contains(t, told.String(), "fresh the store answers again")
	require.Contains(t, told.String(), "changed a: not cordoned any more")
}

func TestTheScreenIsDrawnOverTheOneBefore(t *testing.T) {
	a := &app{colours: true}
	now := time.Now()
	g := healthy(now, func(g *observe.Group) { g.Unowned = 3 })
	screen := a.screen(&link{}, g, nil, now, size{})
	require.True(t, strings.HasPrefix(screen, escape+"H"), "from the top")
	require.True(t, strings.HasSuffix(screen, escape+"J"), "what was below is cleared")
	require.Contains(t, screen, a.colour(red, "3 without an owner"))
	require.Equal(t, strings.Count(screen, "\n"), strings.Count(screen, escape+"K\n"), "what was to the right is cleared")
	low := a.screen(&link{}, g, nil, now, size{rows: 8})
	require.Equal(t, 7, strings.Count(low, "\n"), "one line is left for the cursor")
	require.Contains(t, low, "more lines")
	for line := range strings.Lines(a.screen(&link{}, g, nil, now, size{columns: 20})) {
		line = strings.TrimSuffix(strings.TrimPrefix(line, escape+"H"), escape+"K\n")
		require.LessOrEqual(t, width(strings.TrimSuffix(line, escape+"J")), 20, line)
	}
}

func TestALineIsCutToTheWidthWithItsColourClosed(t *testing.T) {
	require.Equal(t, "as it is", cut("as it is", 0))
	require.Equal(t, "as it is", cut("as it is", 8))
	require.Equal(t, "as it…", cut("as it is", 6))
	require.Equal(t, "a "+escape+"31mré…"+escape+"0m", cut("a "+escape+"31mrédemption"+escape+"0m", 5))
	require.Equal(t, escape+"31mred"+escape+"0m an…", cut(escape+"31mred"+escape+"0m and more", 7))
}

func TestASilentWorkerLooksSilent(t *testing.T) {
	a, now := &app{}, time.Now()
	cfg := parti.DefaultConfig()
	views := []workerView{
		{Worker: "fresh", Live: true, Heard: at(now.Add(-time.Second)), Applied: 3},
		{Worker: "quiet", Live: true, Heard: at(now.Add(-5 * time.Second))},
		{Worker: "gone", Heard: at(now.Add(-time.Minute))},
		{Worker: "never"},
	}
	text := a.workerTable(cfg, views, now).String()
	require.Regexp(t, `(?m)^fresh +live +1s ago +0 +version 3`, text)
	require.Regexp(t, `(?m)^quiet +live +5s ago, silent +0`, text)
	require.Regexp(t, `(?m)^gone +gone +1m00s ago +0`, text)
	require.Regexp(t, `(?m)^never +gone +0`, text)
}

func TestWatchShowsTheScreenOnATerminal(t *testing.T) {
	f := orders(t)
	var out sink
	ctx, cancel := context.WithCancel(t.Context())
	a := &app{stdout: &out, stderr: &out, terminal: true}
	_, err := a.application().Parse([]string{"-s", f.url, "-g", "orders", "watch"})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- a.work(ctx) }()
	out.eventually(t, `(?s)Leader: +worker-\d.*worker-2.*worker-2`) // drawn more than once
	cancel()
	require.NoError(t, <-done)
}
