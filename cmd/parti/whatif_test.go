// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy/whatif"
)

func TestWhatIfShowsWhatAChangeWouldCost(t *testing.T) {
	f := orders(t)
	text := f.ok(t, "-g", "orders", "whatif", "--lose", "worker-1")
	require.Regexp(t, `^What if worker-1 crashes\? The strategy is hash\.\n`, text)
	require.Regexp(t, `(?m)^WORKER +CAPACITY +PARTITIONS +LOAD +SHARE$`, text)
	require.Regexp(t, `(?m)^worker-1 +100 +4 -> 0 +400 -> 0 +1\.00 -> - +crashes$`, text)
	require.Regexp(t, `(?m)^worker-0 +100 +4 -> 6 +400 -> 600 +1\.00$`, text)
	require.Regexp(t, `(?m)^all +12 +1\.00 +at best 1\.00$`, text)
	require.Len(t, regexp.MustCompile(`(?m)^orders\.\d\d +worker-1 +worker-[02] +first +worker-1 crashes$`).FindAllString(text, -1), 4)
	require.Contains(t, text, "Crash of 4 partitions: the heartbeat expires HeartbeatTTL after it was last sent")
	require.Contains(t, text, "\n4 of 12 partitions move, the fewest possible; 4 have no owner for about 5s (4s to 6.4s); "+
		"the fullest worker stays at 1.000 times its fair share (the best possible: 1.000).\n")

	text = f.ok(t, "-g", "orders", "--worker-id-max", "9", "whatif", "--workers", "+1")
	require.Regexp(t, `(?m)^worker-3 +100 +0 -> 3 +0 -> 300 +- -> 1\.00 +joins$`, text)
	require.Contains(t, f.ok(t, "-g", "orders", "whatif"), "What if nothing changes? ")
}

func TestWhatIfAnswersInJSON(t *testing.T) {
	f := orders(t)
	var a whatif.Answer
	require.NoError(t, json.Unmarshal([]byte(f.ok(t, "-g", "orders", "--worker-id-max", "9", "whatif", "--json", "--workers", "+1", "--capacity", "300", "--label", "zone=a")), &a))
	require.Equal(t, "a worker joins", a.Change)
	require.Len(t, a.Moves, 6)
	require.Equal(t, a.LeastMoves, len(a.Moves))
	require.Equal(t, whatif.Load{ID: "worker-3", Capacity: 300, Partitions: 6, Load: 600, Share: 1, State: "joins"}, a.After.Workers[3])
}

func TestWhatIfSaysWhichConfigurationItsTimesComeFrom(t *testing.T) {
	f := orders(t)
	const note = "Times by the default configuration (HeartbeatTTL 6s); --config gives another."
	require.Contains(t, f.ok(t, "-g", "orders", "whatif", "--lose", "worker-1"), "\n"+note+"\n")
	var a whatif.Answer
	require.NoError(t, json.Unmarshal([]byte(f.ok(t, "-g", "orders", "whatif", "--json", "--lose", "worker-1")), &a))
	require.Contains(t, a.Notes, note)
	file := filepath.Join(t.TempDir(), "parti.yaml")
	require.NoError(t, os.WriteFile(file, []byte("group: orders\n"), 0o600))
	require.NotContains(t, f.ok(t, "--config", file, "whatif", "--lose", "worker-1"), "default configuration")
}

func TestWhatIfReadsWeightsAndLists(t *testing.T) {
	f := orders(t)
	dir := t.TempDir()
	file := func(text string) string {
		name := filepath.Join(dir, "list")
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	require.Contains(t, f.ok(t, "-g", "orders", "whatif", "--weights", file("orders.00 5000 # heavy\norders.01 300\n")), "the weights of 2 partitions change?")
	text := f.ok(t, "-g", "orders", "whatif", "--list", file("orders.00\norders.01 300\nnew.1\n"))
	require.Contains(t, text, "a partition is added, 10 partitions are removed, the weight of a partition changes?")
	require.Regexp(t, `(?m)^new\.1 +- +worker-\d +first +it is new in the list$`, text)
	require.Contains(t, f.ok(t, "-g", "orders", "whatif", "--weight", "orders.03=400", "--add", "x.1=20", "--remove", "orders.04"),
		"a partition is added, a partition is removed, the weight of a partition changes?")
}

func TestWhatIfNamesWhatIsWrong(t *testing.T) {
	f := orders(t)
	for _, c := range []struct{ args, says string }{
		{"--workers 5", `--workers: invalid change: workers is "5", allowed: + and a number`},
		{"--workers +5", "allowed: at most +0, because no more IDs from worker-0 to worker-2 are free"},
		{"--lose worker-7", `"worker-7" is no worker of the group, allowed: worker-0, worker-1, worker-2`},
		{"--strategy best", `--strategy: strategy: unknown strategy: "best", allowed: sticky`},
		{"--weights /does/not/exist", "--weights: "},
		{"--list /does/not/exist", "--list: "},
		{"--remove nothing", `"nothing" is no partition of the group`},
	} {
		got := f.cli(t, append([]string{"-g", "orders", "--worker-id-max", "2", "whatif"}, strings.Fields(c.args)...)...)
		require.Equal(t, exitFailed, got.code, c.args)
		require.Contains(t, got.stderr, c.says)
		require.Empty(t, got.stdout)
	}
}

func TestALongAnswerIsCutUnlessAllIsAskedFor(t *testing.T) {
	var a whatif.Answer
	a.Change, a.Verdict = "x", "y"
	for i := range 30 {
		id := "worker-" + strings.Repeat("1", i+1)
		a.Before.Workers = append(a.Before.Workers, whatif.Load{ID: id})
		a.Moves = append(a.Moves, whatif.Move{Partition: "p", From: id, To: "b", When: whatif.Later, Why: "z"})
	}
	cut, whole := answerText(a, false), answerText(a, true)
	require.Equal(t, 2, strings.Count(cut, "… 10 more"))
	require.NotContains(t, whole, "more")
	require.Greater(t, strings.Count(whole, "\n"), strings.Count(cut, "\n")+15)
}

func TestAnAnswerDoesNotSteerTheTerminal(t *testing.T) {
	evil := "x\x1b[2Jy"
	a := whatif.Answer{Change: evil, Strategy: evil, Verdict: evil, Notes: []string{evil}, Moves: []whatif.Move{{Partition: evil, Why: evil}}}
	a.Before.Workers = []whatif.Load{{ID: evil}}
	require.NotContains(t, answerText(a, true), "\x1b")
}

func TestExplainSaysWhyAPartitionIsWhereItIs(t *testing.T) {
	f := orders(t)
	text := f.ok(t, "-g", "orders", "explain", "orders.03")
	require.Regexp(t, `^orders\.03:\nworker-\d has it since \S+Z, in epoch \d+\.\nworker-\d got it at \S+Z, in version \d+ of leader worker-\d, because of: window over: 3 live`, text)
	require.Regexp(t, `(?m)^If the leader planned anew now, it would stay\.$`, text)
	require.Regexp(t, `(?m)^If worker-\d crashed, it would go to worker-\d\.$`, text)
	require.Regexp(t, `(?m)^The group (is stable|has just started)`, text)
	require.Contains(t, f.ok(t, "-g", "orders", "explain", "orders.99"), "the source does not list it")
	require.Contains(t, f.ok(t, "-g", "orders", "explain", "orders.03", "--strategy", "roundrobin"), "If the leader planned anew now, it would")
	e := decode[explanationView](t, f.ok(t, "-g", "orders", "explain", "orders.03", "--json"))
	require.Equal(t, "owned", e.Standing)
	require.WithinDuration(t, time.Now(), parse(t, e.At), time.Minute)
	require.WithinDuration(t, parse(t, e.Since), parse(t, e.Granted.At), time.Second, "the record and the journal are two messages of one batch")
	require.NotEmpty(t, e.Heir)
	require.Contains(t, e.Granted.Why, "window over")
	got := f.cli(t, "-g", "orders", "explain", "orders.03", "--strategy", "best")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stderr, `unknown strategy: "best"`)
}
