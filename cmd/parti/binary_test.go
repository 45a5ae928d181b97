// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/choria-io/fisk"
	"github.com/stretchr/testify/require"
)

// built is the command as users have it.
var built struct {
	once sync.Once
	dir  string
	err  error
}

func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "parti-bin-"); built.err != nil {
			return
		}
		if out, err := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(built.dir, "parti"), ".").CombinedOutput(); err != nil {
			built.err = errors.New(string(out))
		}
	})
	require.NoError(t, built.err)
	return filepath.Join(built.dir, "parti")
}

// execute runs the binary.
func execute(t *testing.T, args ...string) outcome {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(t), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var failed *exec.ExitError
	if err != nil {
		require.ErrorAs(t, err, &failed)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func TestTheBinaryDoesNotLinkTheServer(t *testing.T) {
	info, err := buildinfo.ReadFile(binary(t))
	require.NoError(t, err)
	linked := map[string]bool{}
	for _, m := range info.Deps {
		linked[m.Path] = true
	}
	require.True(t, linked["github.com/choria-io/fisk"])
	require.True(t, linked["github.com/nats-io/nats.go"])
	require.False(t, linked["github.com/nats-io/nats-server/v2"])
}

func TestTheLibraryDoesNotLinkWhatTheCommandIsMadeOf(t *testing.T) {
	deps, err := exec.Command("go", "list", "-deps", "github.com/parti-go/parti").Output()
	require.NoError(t, err)
	require.Contains(t, string(deps), "github.com/nats-io/nats.go")
	require.NotContains(t, string(deps), "github.com/choria-io/fisk")
	require.NotContains(t, string(deps), "natscontext")
}

func TestTheBinaryAnswersWithItsOutputAndItsExitCode(t *testing.T) {
	f := orders(t)
	got := execute(t, "-s", f.url, "-g", "orders", "info")
	require.Equal(t, exitFine, got.code, got.stderr)
	require.Contains(t, got.stdout, "12, all owned")
	require.NotContains(t, got.stdout, escape, "there is no terminal")
	require.Equal(t, int(warning), execute(t, "-s", f.url, "-g", "orders", "check", "--workers-warning", "4", "--settle", "0s").code)
	got = execute(t, "-s", f.url, "-g", "orders", "owner", "nope")
	require.Equal(t, exitFailed, got.code)
	require.Empty(t, got.stdout)
	require.NotEmpty(t, got.stderr)
	require.Equal(t, exitUsage, execute(t, "nope").code)
	require.Equal(t, exitFine, execute(t, "--version").code)
}

func TestWatchEndsWithCtrlC(t *testing.T) {
	f := orders(t)
	var out sink
	cmd := exec.CommandContext(t.Context(), binary(t), "-s", f.url, "-g", "orders", "watch", "--json")
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	out.eventually(t, `"kind":"group".*3 workers`)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.NoError(t, cmd.Wait(), out.String())
}

func TestTheShellCompletesCommandsAndNames(t *testing.T) {
	f := orders(t)
	require.Contains(t, execute(t, "--completion-bash", "").stdout, "partitions")
	require.Contains(t, execute(t, "--completion-script-bash").stdout, "complete")
	require.Contains(t, execute(t, "--completion-script-zsh").stdout, "compdef")
	t.Setenv("NATS_URL", f.url)
	t.Setenv("PARTI_GROUP", "orders")
	require.Contains(t, execute(t, "--completion-bash", "drain", "").stdout, "worker-2")
	require.Contains(t, execute(t, "--completion-bash", "owner", "").stdout, "orders.11")
}

// host is the nats command as far as plugins see it: its flags that hold for all commands, and the commands of the plugin.
func host(t *testing.T, model []byte) *fisk.Application {
	t.Helper()
	nats := fisk.New("nats", "NATS Utility")
	nats.Flag("server", "").Short('s').String()
	for _, name := range []string{
		"user", "password", "connection-name", "creds", "nkey", "tlscert", "tlskey", "tlsca", "socks-proxy", "js-api-prefix",
		"js-event-prefix", "js-domain", "inbox-prefix", "domain", "context", "colors",
	} {
		nats.Flag(name, "").String()
	}
	nats.Flag("timeout", "").Default("5s").Duration()
	for _, name := range []string{"tlsfirst", "trace", "no-context"} {
		nats.Flag(name, "").UnNegatableBool()
	}
	_, err := nats.ExternalPluginCommand(binary(t), model, "", "")
	require.NoError(t, err)
	return nats
}

// captured runs f and returns what it writes to the output of this process.
func captured(t *testing.T, f func()) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	before := os.Stdout
	os.Stdout = file
	defer func() { os.Stdout = before }()
	f()
	require.NoError(t, file.Close())
	text, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	return string(text)
}

func TestTheCommandIsAPluginOfNats(t *testing.T) {
	f, bucket := listed(t)
	f.ok(t, "init")
	got := execute(t, "--fisk-introspect")
	require.Equal(t, exitFine, got.code)
	model := decode[fisk.ApplicationModel](t, got.stdout)
	require.Equal(t, "parti", model.Name)
	require.NotEmpty(t, model.Help)
	var names []string
	for _, c := range model.Commands {
		names = append(names, c.Name)
	}
	require.Subset(t, names, []string{"ls", "info", "workers", "partitions", "owner", "history", "watch", "check", "refresh", "cordon", "uncordon", "drain", "init", "verify", "fsm"})
	require.True(t, json.Valid([]byte(got.stdout)))

	run := func(args ...string) string {
		return captured(t, func() {
			_, err := host(t, []byte(got.stdout)).Parse(args)
			require.NoError(t, err)
		})
	}
	require.Contains(t, run("--server", f.url, "--timeout", "3s", "parti", "verify"), "as workers need them")
	require.Contains(t, run("parti", "fsm", "--format", "dot"), "digraph")
	require.Contains(t, run("-s", f.url, "parti", "partitions", "add", "a.1=7", "a.2", "--bucket", "list"), "added")
	entry, err := bucket.Get(t.Context(), "a.1")
	require.NoError(t, err)
	require.Equal(t, "7", string(entry.Value()))
	require.Contains(t, run("-s", f.url, "parti", "partitions"), "PARTITION", "the command that is meant where none is named")
}

func TestAContextOfTheNatsCommandIsUsed(t *testing.T) {
	f := orders(t)
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	contexts := filepath.Join(dir, "nats", "context")
	require.NoError(t, os.MkdirAll(contexts, 0o700))
	text, err := json.Marshal(map[string]string{"url": f.url})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(contexts, "here.json"), text, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(contexts, "away.json"), []byte(`{"url":"nats://127.0.0.1:1"}`), 0o600))

	require.Equal(t, exitFine, command(t, "--context", "here", "-g", "orders", "info").code)
	got := command(t, "--context", "away", "-g", "orders", "info")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.stderr, "context away")
	require.Equal(t, exitFine, command(t, "--context", "away", "-s", f.url, "-g", "orders", "info").code, "a flag goes before the context")
	require.Contains(t, command(t, "--context", "unknown", "info").stderr, `"unknown"`)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "nats", "context.txt"), []byte("here\n"), 0o600))
	require.Equal(t, exitFine, command(t, "-g", "orders", "info").code, "the context that is selected")
}

func TestEveryCommandSaysWhatItIsFor(t *testing.T) {
	a := &app{stdout: &sink{}, stderr: &sink{}}
	var look func(path string, commands []*fisk.CmdModel)
	look = func(path string, commands []*fisk.CmdModel) {
		for _, c := range commands {
			require.NotEmpty(t, c.Help, path+c.Name)
			require.False(t, strings.HasSuffix(c.Help, "."), path+c.Name)
			for _, f := range c.Flags {
				require.NotEmpty(t, f.Help, "%s%s --%s", path, c.Name, f.Name)
			}
			look(path+c.Name+" ", c.Commands)
		}
	}
	look("", a.application().Model().Commands)
}
