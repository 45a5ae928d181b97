// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// outcome is what a run of the command has written.
type outcome struct {
	code           int
	stdout, stderr string
}

// command runs a command line in this process.
func command(t *testing.T, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

func TestMain(m *testing.M) {
	// The contexts and variables of whoever runs the tests are none of theirs.
	dir, err := os.MkdirTemp("", "parti-cli-")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"CONTEXT", "URL", "USER", "PASSWORD", "CREDS", "NKEY", "CERT", "KEY", "CA", "TIMEOUT", "JS_DOMAIN", "JS_API_PREFIX"} {
		_ = os.Unsetenv("NATS_" + name)
	}
	_ = os.Setenv("XDG_CONFIG_HOME", dir)
	code := m.Run()
	_ = os.RemoveAll(built.dir)
	if shared.fleet != nil {
		shared.close()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func TestAWrongCommandLineIsNamed(t *testing.T) {
	got := command(t, "whatever")
	require.Equal(t, exitUsage, got.code)
	require.Empty(t, got.stdout)
	require.Contains(t, got.stderr, "whatever")
	require.Contains(t, got.stderr, "--help")

	got = command(t, "fsm", "--format", "png")
	require.Equal(t, exitUsage, got.code)
	require.Contains(t, got.stderr, "png")
	require.Contains(t, got.stderr, "mermaid")
}

func TestAWrongValueIsNamedWithItsFlag(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"history", "--since", "banana"}, `--since is "banana", allowed: a duration like 90m;`},
		{[]string{"history", "--limit", "few"}, `--limit is "few", allowed: a whole number;`},
		{[]string{"check", "--settle", "long"}, `--settle is "long", allowed: a duration`},
		{[]string{"check", "--stale", "5"}, `--stale is "5", allowed: a duration`},
		{[]string{"check", "--stuck-warning", "1.5"}, `--stuck-warning is "1.5", allowed: a whole number`},
		{[]string{"drain", "worker-0", "--session=-1"}, `--session is "-1", allowed: a whole number`},
		{[]string{"drain", "worker-0", "--within", "x"}, `--within is "x", allowed: a duration`},
		{[]string{"info", "--timeout", "x"}, `--timeout is "x", allowed: a duration`},
		{[]string{"info", "--worker-id-max", "x"}, `--worker-id-max is "x", allowed: a whole number`},
	} {
		got := command(t, c.args...)
		require.Equal(t, usage(c.args), got.code)
		require.Contains(t, got.stderr, "parti: "+c.says)
	}
}

func TestHelpNamesTheDefaults(t *testing.T) {
	text := strings.Join(strings.Fields(command(t, "check", "--help").stdout), " ")
	for _, says := range []string{
		"owner; 0: never (default 1)", "Warn if fewer workers are live (default 0)", "not answered for this long (default 5s)", "moment (default 2s)",
		"for workers (default 5s; 5m for drain)",
	} {
		require.Contains(t, text, says)
	}
}

func TestHelpGoesToTheOutput(t *testing.T) {
	got := command(t, "--help")
	require.Equal(t, exitFine, got.code)
	require.Contains(t, got.stdout, "usage: parti")
	require.Empty(t, got.stderr)
}
