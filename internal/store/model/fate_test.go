// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// drive advances a model to a time and returns its events in one line each, without their times.
func drive(m *model.Store, to time.Time) (lines []string) {
	for _, e := range m.Advance(to, nil) {
		_, line, _ := strings.Cut(e.String(), ": ")
		lines = append(lines, line)
	}
	return lines
}

func TestEachFateOfAWriteCanBeDrawn(t *testing.T) {
	for _, c := range []struct {
		fate                 int
		outcome, soon, at20s string
		after                time.Duration // until the outcome is known
	}{
		{model.Answered, "written heartbeat revision 1893456000000", "value", "value", 0},
		{model.Unsent, "written heartbeat not sent", "nothing", "nothing", 0},
		{model.RequestLost, "written heartbeat unknown", "nothing", "nothing", time.Second},
		{model.AnswerLost, "written heartbeat unknown", "value", "value", time.Second},
		{model.Ghostly, "written heartbeat unknown", "nothing", "value", time.Second},
	} {
		m := model.New(model.Config{Start: start}, model.Script{model.Fate: {c.fate}, model.Way: {16}})
		m.Write(start, 0, store.Heartbeats, model.Message{Key: "a"}, model.Condition{}, time.Second)
		if c.after > 0 {
			require.Empty(t, m.Advance(start.Add(c.after-1), nil), "fate %d", c.fate)
		}
		require.Equal(t, []string{c.outcome}, drive(m, start.Add(c.after)), "fate %d", c.fate)
		is := func(at time.Duration) string {
			require.Empty(t, m.Advance(start.Add(at), nil), "fate %d: answered twice", c.fate)
			m.Get(start.Add(at), 0, store.Heartbeats, "a", 0)
			if strings.Contains(drive(m, start.Add(at))[0], "nothing") {
				return "nothing"
			}
			return "value"
		}
		require.Equal(t, c.soon, is(2*time.Second), "fate %d", c.fate)
		require.Equal(t, c.at20s, is(20*time.Second), "fate %d", c.fate)
	}
}

// TestAWriteThatIsUnderWayWhenTheStoreStopsIsLost: also one that would come late, and one that is sent before the client notices.
func TestAWriteThatIsUnderWayWhenTheStoreStopsIsLost(t *testing.T) {
	write := func(m *model.Store, at time.Time) {
		m.Write(at, 0, store.Heartbeats, model.Message{Key: "a"}, model.Condition{}, time.Second)
	}
	stall := func(m *model.Store, at time.Time) { m.Stall(at, 0, true, false) }
	heal := func(m *model.Store, at time.Time) { m.Heal(at, 0) }
	late := model.Script{model.Fate: {model.Ghostly}, model.Way: {16}, model.Remains: {1}}
	for name, c := range map[string]struct {
		script model.Script
		happen []func(*model.Store, time.Time) // a second apart
	}{
		"late":      {late, []func(*model.Store, time.Time){write, (*model.Store).Stop, (*model.Store).Start}},
		"stalled":   {model.Script{model.Remains: {1}}, []func(*model.Store, time.Time){stall, write, (*model.Store).Stop, (*model.Store).Start, heal}},
		"unnoticed": {model.Script{model.Remains: {1}}, []func(*model.Store, time.Time){stall, (*model.Store).Stop, write, (*model.Store).Start, heal}},
	} {
		m, at := model.New(model.Config{Start: start}, c.script), start
		var lines []string
		for _, happen := range c.happen {
			happen(m, at)
			at = at.Add(time.Second)
			lines = append(lines, drive(m, at)...)
		}
		require.Equal(t, []string{"written heartbeat unknown"}, append(lines, drive(m, start.Add(20*time.Second))...), name)
		require.Equal(t, "got heartbeat nothing", holds(m, "a", 20*time.Second), name)
	}
}

func TestAWriteThatDependsOnOneUnderWayIsBusyWithReplicasOnly(t *testing.T) {
	for replicas, want := range map[int]string{1: "refused", 3: "busy"} {
		m := model.New(model.Config{Start: start, Replicas: replicas, Commit: time.Millisecond}, model.Script{model.Commit: {16, 16}})
		for range 2 {
			m.Write(start, 0, store.Heartbeats, model.Message{Key: "a"}, model.Condition{}, 0)
		}
		require.Contains(t, drive(m, start.Add(time.Second)), "written heartbeat "+want, "%d replicas", replicas)
	}
}

// TestAFeedMayLeaveOutWhatIsOverwrittenAndMayEnd: each sight of a message that a feed should tell.
func TestAFeedMayLeaveOutWhatIsOverwrittenAndMayEnd(t *testing.T) {
	for sight, want := range [][]string{
		{`delivered heartbeat a@1893456000000=""`, `delivered heartbeat a@1893456000001=""`},
		{`delivered heartbeat a@1893456000001=""`},
		{"lost heartbeat"},
	} {
		require.Equal(t, want, without(replay(t, sight, 2*time.Second), "written", "followed"), "sight %d", sight)
	}
}

// replay writes twice in one moment beside a feed and returns all that is heard until a while later.
func replay(t *testing.T, sight int, while time.Duration) (lines []string) {
	t.Helper()
	m := model.New(model.Config{Start: start}, model.Script{model.Sight: {sight}, model.Notice: {16}})
	m.Follow(start, 1, store.Heartbeats, nil, 0, while, 0)
	lines = drive(m, start)
	for _, over := range []uint64{0, uint64(start.UnixMilli())} {
		m.Write(start, 0, store.Heartbeats, model.Message{Key: "a"}, model.Condition{Revision: over}, 0)
		lines = append(lines, drive(m, start)...)
	}
	early := drive(m, start.Add(while-1))
	if sight == 2 {
		require.Empty(t, early, "its follower cannot know yet")
	}
	return append(append(lines, early...), drive(m, start.Add(while))...)
}

func without(lines []string, words ...string) (left []string) {
	for _, line := range lines {
		keep := true
		for _, word := range words {
			keep = keep && !strings.HasPrefix(line, word)
		}
		if keep {
			left = append(left, line)
		}
	}
	return left
}

func TestWhatIsAskedForAtAWrongTimeIsRefused(t *testing.T) {
	m := model.New(model.Config{Start: start}, model.Benign{})
	require.ErrorIs(t, m.Create(start, store.Heartbeats), model.ErrExists)
	require.ErrorIs(t, m.Restore(start, m.Copy()), model.ErrRunning)
	m.Write(start, 0, store.Heartbeats, model.Message{Key: "a"}, model.Condition{}, 0)
	require.Panics(t, func() { m.Info(start.Add(time.Second), 0, store.Heartbeats, 0) }, "something was due before")
}

// scribbler draws what it must not.
type scribbler struct{ n int }

func (s *scribbler) Draw(model.Choice, int) int {
	s.n++
	return []int{-5, 1 << 40, 3}[s.n%3]
}

func TestASourceThatDrawsBeyondItsChoiceIsTakenByItsWord(t *testing.T) {
	m := model.New(model.Config{Start: start, Replicas: 3, Jitter: time.Second, Commit: time.Second}, &scribbler{})
	answers := 0
	for i := range 100 {
		now := start.Add(time.Duration(i) * 100 * time.Millisecond)
		answers += len(m.Advance(now, nil))
		m.Write(now, 0, store.Heartbeats, model.Message{Key: "a", TTL: time.Second}, model.Condition{}, 0)
	}
	answers += len(m.Advance(start.Add(time.Hour), nil))
	require.Equal(t, 100, answers)
}

// TestALeaseThatIsRenewedOutlivesAnElection: the alarm of its first lifetime rings while there is no leader.
func TestALeaseThatIsRenewedOutlivesAnElection(t *testing.T) {
	m := model.New(model.Config{Start: start, Replicas: 3}, model.Benign{})
	at := func(d time.Duration) time.Time { return start.Add(d) }
	m.Write(start, 0, store.Heartbeats, model.Message{Key: "a", TTL: 6 * time.Second}, model.Condition{}, 0)
	drive(m, at(4*time.Second))
	m.Write(at(4*time.Second), 0, store.Heartbeats, model.Message{Key: "a", TTL: 6 * time.Second}, model.Condition{Revision: uint64(start.UnixMilli())}, 0)
	drive(m, at(5*time.Second))
	m.Elect(at(5*time.Second), store.Heartbeats, at(7*time.Second))
	is := func(d time.Duration) string {
		drive(m, at(d))
		m.Get(at(d), 0, store.Heartbeats, "a", 0)
		return drive(m, at(d))[0]
	}
	require.Equal(t, `got heartbeat a@1893456000001=""`, is(9*time.Second))
	require.Equal(t, `got heartbeat a@1893456000002 expired""`, is(10*time.Second))
}

// TestAFeedThatIsBehindTellsAllThatIsThereInTheEnd, and in order, whatever is stored meanwhile.
func TestAFeedThatIsBehindTellsAllThatIsThereInTheEnd(t *testing.T) {
	m := model.New(model.Config{Start: start}, model.Script{model.Sight: {1}})
	m.Follow(start, 1, store.Heartbeats, nil, 0, time.Second, 0)
	drive(m, start)
	for _, key := range []string{"a", "b"} {
		m.Write(start, 0, store.Heartbeats, model.Message{Key: key}, model.Condition{}, 0)
		require.Len(t, drive(m, start), 1, "only the outcome of the write")
	}
	require.Equal(t, []string{`delivered heartbeat a@1893456000000=""`, `delivered heartbeat b@1893456000001=""`}, drive(m, start.Add(time.Second)))
}
