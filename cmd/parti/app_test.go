package main

import (
	"bytes"
	"os"
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

func TestHelpGoesToTheOutput(t *testing.T) {
	got := command(t, "--help")
	require.Equal(t, exitFine, got.code)
	require.Contains(t, got.stdout, "usage: parti")
	require.Empty(t, got.stderr)
}
