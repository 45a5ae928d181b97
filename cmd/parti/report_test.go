// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unpacked reads an archive: the files by their names, and their common folder.
func unpacked(t *testing.T, path string) map[string]string {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	packed, err := gzip.NewReader(file)
	require.NoError(t, err)
	files := map[string]string{}
	for r := tar.NewReader(packed); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		name, is := strings.CutPrefix(h.Name, "parti-report/")
		require.True(t, is, h.Name)
		files[name] = string(text)
	}
}

func TestAReportHasWhatABugReportNeeds(t *testing.T) {
	f := orders(t)
	config := filepath.Join(t.TempDir(), "worker.yaml")
	require.NoError(t, os.WriteFile(config, []byte("group: orders # of hunter1\nlabels: {zone: a, apiToken: hunter2}\nworkerIDMax: 2\nkvBuckets: {storage: memory}\n"), 0o600))
	path := filepath.Join(t.TempDir(), "report.tar.gz")
	says := f.ok(t, "report", "--config", config, "--output", path)
	require.Contains(t, says, "Look through it before you send it")
	require.NotRegexp(t, `(?m)problem`, says)
	files := unpacked(t, path)
	require.Equal(t, []string{
		"CONTENTS.txt", "command.json", "config.yaml", "configuration.yaml", "group.json", "journal.jsonl", "records-assignments.jsonl",
		"records-election.jsonl", "records-heartbeats.jsonl", "records-stable-IDs.jsonl", "server.json", "streams.json", "verify.json",
	}, slices.Sorted(maps.Keys(files)))
	for name, want := range map[string]string{
		"command.json": `"go": "go1\.`, "config.yaml": `zone: a`, "configuration.yaml": `heartbeatTTL: 6s`, "server.json": `"max_storage"`,
		"streams.json": `"parti-orders-assignment"`, "verify.json": `"state": "fine"`, "group.json": `"checkLine": "OK: orders`,
		"journal.jsonl": `window over: 3 live workers`, "records-assignments.jsonl": `(?m)^\{"key":"plan",.*"value":\{`,
		"records-heartbeats.jsonl": `(?m)^\{"key":"worker-2","revision":\d+,"at":"\S+Z","headers":\{"Nats-Expected[^}]*"Nats-TTL":\["6s"\]\}`, "records-election.jsonl": `"leader"`,
		"records-stable-IDs.jsonl": `"host"`, "CONTENTS.txt": `streams +streams\.json`,
	} {
		require.Regexp(t, want, files[name], name)
	}
	require.NotContains(t, files["records-assignments.jsonl"], journalKeys)
	for name, text := range files {
		require.NotContains(t, text, "hunter", name)
	}

	got := f.cli(t, "report", "-g", "orders", "--output", path)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stderr, "exists, allowed: a path where nothing is yet")
}

func TestAReportHidesCredentialsAndOnRequestHosts(t *testing.T) {
	f := orders(t)
	host, err := os.Hostname()
	require.NoError(t, err)
	config := filepath.Join(t.TempDir(), "worker.yaml")
	require.NoError(t, os.WriteFile(config, []byte("group: orders\npassword: hunter3\n"), 0o600))
	dir := filepath.Join(t.TempDir(), "report")
	url := strings.Replace(f.url, "://", "://someone:hunter4@", 1)
	got := command(t, "-s", url, "--user", "somebody", "--password", "hunter5", "-g", "orders", "report", "--config", config, "--anonymous", "--output", dir, "--json")
	require.Equal(t, exitFine, got.code, got.stderr)
	require.Contains(t, got.stdout, `unknown field \"password\"`, "the configuration is wrong, and the rest is there")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	texts := got.stdout + got.stderr
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		texts += string(text)
	}
	require.False(t, strings.Contains(texts, "hunter"), "a password is in it")
	require.Contains(t, texts, removed)
	require.NotRegexp(t, `"host": ?"`+host+`"`, texts)
	require.NotContains(t, texts, "127.0.0.1")
	require.Regexp(t, `"host": ?"host-\d+"`, texts)
	require.Contains(t, texts, "worker-1")
}

func TestAReportIsWrittenWhateverIsBroken(t *testing.T) {
	f := own(t)
	f.ok(t, "init", "--storage", "memory")
	_, err := f.js.Publish(t.Context(), "$KV.parti-assignment.worker-7", []byte("no record"))
	require.NoError(t, err)
	require.NoError(t, f.js.DeleteStream(t.Context(), "KV_parti-election"))
	path := filepath.Join(t.TempDir(), "report.tgz")
	says := f.ok(t, "report", "--output", path, "--timeout", "2s")
	require.Regexp(t, `(?m)^election +- +.*parti-election`, says)
	require.Regexp(t, `(?m)^group +- +no such group`, says)
	files := unpacked(t, path)
	require.Contains(t, files["records-assignments.jsonl"], `"key":"worker-7"`)
	require.Contains(t, files["records-assignments.jsonl"], `"raw":"bm8gcmVjb3Jk"`)
	require.Contains(t, files["CONTENTS.txt"], "problem: ")
	require.Contains(t, files["verify.json"], `"missing"`)

	path = filepath.Join(t.TempDir(), "none.tar.gz")
	got := command(t, "-s", "nats://127.0.0.1:1", "--timeout", "1s", "report", "--output", path)
	require.Equal(t, exitFine, got.code, got.stderr)
	require.Contains(t, got.stdout, "connect to nats://127.0.0.1:1")
	require.Contains(t, unpacked(t, path), "command.json")
}
