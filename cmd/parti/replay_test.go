// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/source"
)

// taped is the trace of a worker that was alone in its group, in a file.
func taped(t *testing.T) (path, text string) {
	t.Helper()
	f := own(t)
	r := parti.NewRecorder(0)
	f.options = append(f.options, parti.WithRecorder(r))
	workers, err := f.start(quick("orders", 1), 1, source.Numbered("orders", 12))
	require.NoError(t, err)
	require.NoError(t, workers[0].Close())
	var b bytes.Buffer
	_, err = r.WriteTo(&b)
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "worker.trace")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	return path, b.String()
}

func TestReplay(t *testing.T) {
	path, text := taped(t)
	rewritten := func(was, is string) string {
		require.Contains(t, text, was)
		other := filepath.Join(t.TempDir(), "other.trace")
		require.NoError(t, os.WriteFile(other, []byte(strings.Replace(text, was, is, 1)), 0o600))
		return other
	}

	got := command(t, "replay", path)
	require.Equal(t, exitFine, got.code, got.stderr)
	require.Contains(t, got.stdout, "-> fire Claimed: ClaimingID -> Election\n")
	require.Regexp(t, `-> write version \d{13}, `, got.stdout)
	require.Contains(t, got.stdout, "of 3 lives, ")
	require.Contains(t, got.stdout, ": this version decides the same.\n")
	require.Greater(t, len(command(t, "replay", "--all", path).stdout), len(got.stdout))

	t.Run("one partition", func(t *testing.T) {
		got := command(t, "replay", "--partition", "orders.07", path)
		require.Equal(t, exitFine, got.code)
		require.Regexp(t, `write version (\d{13}), .*; worker-0/\d+: orders\.07@\d{13}\n +-> because: `, got.stdout)
		require.NotContains(t, got.stdout, "orders.06")
		require.NotContains(t, got.stdout, "fire")
	})
	t.Run("until", func(t *testing.T) {
		require.NotContains(t, command(t, "replay", "--until", "2001-02-03T04:05:06Z", path).stdout, "fire")
		require.Contains(t, command(t, "replay", "--until", "23:59:59", path).stdout, "fire")
		got := command(t, "replay", "--until", "tomorrow", path)
		require.Equal(t, exitFailed, got.code)
		require.Contains(t, got.stderr, `--until "tomorrow": allowed: `)
	})
	t.Run("JSON", func(t *testing.T) {
		lines := strings.Split(strings.TrimSpace(command(t, "replay", "--json", "--all", path).stdout), "\n")
		require.Greater(t, len(lines), 20)
		for _, line := range lines {
			var m momentView
			require.NoError(t, json.Unmarshal([]byte(line), &m), line)
			require.NotEmpty(t, m.Fact)
		}
	})
	t.Run("another decision", func(t *testing.T) {
		got := command(t, "replay", rewritten(`"LeaveAsked"`, `"Interrupted"`))
		require.Equal(t, exitFailed, got.code)
		require.Contains(t, got.stdout, "differs here: ")
		require.Contains(t, got.stderr, "decisions that differ: 1; it was recorded by version ")
	})
	t.Run("another format", func(t *testing.T) {
		got := command(t, "replay", rewritten(`{"trace":1,`, `{"trace":2,`))
		require.Equal(t, exitFailed, got.code)
		require.Contains(t, got.stderr, "it has format 2, allowed: 1")
	})
	t.Run("cut off", func(t *testing.T) {
		got := command(t, "replay", rewritten(`{"end":true`, `{"en`))
		require.Equal(t, exitFailed, got.code)
		require.Contains(t, got.stdout, "fire Claimed")
		require.Contains(t, got.stderr, "the trace is not complete: it ends within line ")
	})
	require.Equal(t, exitFailed, command(t, "replay", "nowhere").code)
}

func TestNamesAPartition(t *testing.T) {
	for text, is := range map[string]bool{
		"w/1: a.1@2 b": true, "w/1: -a.1@2": true, "[a.1 b]": true, "holding=[b a.1]": true, "a.1": true,
		"a.10": false, "aa.1": false, "x-a.1": false, "a.1.2": false, "": false, "a.10 a.1": true,
	} {
		require.Equal(t, is, names(text, "a.1"), text)
	}
}
