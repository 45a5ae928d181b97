// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv/embedded"
)

// log is what a worker printed so far.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

const shortWindows = `
coldStartWindow: 300ms
plannedScaleWindow: 200ms
rebalanceCooldown: 100ms
kvBuckets: {storage: memory}
`

func TestTwoWorkersShareTheWorkAndLeaveCleanlyAtASignal(t *testing.T) {
	server, err := embedded.Start(embedded.WithPort(embedded.RandomPort))
	require.NoError(t, err)
	defer server.Shutdown()
	dir := t.TempDir()
	config, list := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "partitions")
	require.NoError(t, os.WriteFile(config, []byte(shortWindows), 0o600))
	require.NoError(t, os.WriteFile(list, []byte("a.1\na.2\nb.1\nb.2\n"), 0o600))
	args := []string{"-nats", server.URL(), "-config", config, "-list", list, "-v"}

	var logs [2]log
	ends := make(chan error, 2)
	refresh := make(chan os.Signal)
	var stops [2]context.CancelFunc
	for i := range logs {
		var ctx context.Context
		ctx, stops[i] = context.WithCancel(t.Context())
		defer stops[i]()
		mine := args
		if i == 0 {
			mine = append(slices.Clone(args), "-drain", "10s", "-http", "127.0.0.1:0")
		}
		go func() { ends <- run(ctx, mine, &logs[i], refresh) }()
	}
	both := func(what string) int { return logs[0].count(what) + logs[1].count(what) }
	soon := func(what string, condition func() bool) {
		t.Helper()
		require.Eventually(t, condition, 10*time.Second, 5*time.Millisecond, what)
	}
	soon("both are ready", func() bool { return both("msg=ready") == 2 && both("msg=begun") == 4 })
	assert.Equal(t, 2, logs[0].count("msg=begun"))
	assert.Equal(t, http.StatusOK, status(logs[0].address()+"/livez"))

	require.NoError(t, os.WriteFile(list, []byte("a.1\na.2\nb.1\nb.2\nc.1\n"), 0o600))
	refresh <- os.Interrupt // any signal: the channel is what counts
	soon("the new partition is begun", func() bool { return both("partition=c.1") == 1 })

	stops[0]()
	require.NoError(t, <-ends)
	soon("the one that stays has everything", func() bool {
		return logs[1].count("msg=begun")-logs[1].count("msg=ended") == 5
	})
	stops[1]()
	require.NoError(t, <-ends)
	assert.Equal(t, both("msg=begun"), both("msg=ended"), "what was begun is ended")
}

func TestACommandLineThatIsWrongIsExplained(t *testing.T) {
	for _, c := range []struct {
		args  []string
		names string
	}{
		{[]string{"-config", "no-such-file"}, "no-such-file"},
		{[]string{"-id", "worker-100"}, "PreferredID"},
		{[]string{"-partitions", "many"}, "partitions"},
		{[]string{"now"}, `"now"`},
		{[]string{"-nats", "nats://127.0.0.1:1"}, "127.0.0.1:1"},
		{[]string{"-creds", "no-such-file"}, "no-such-file"},
		{[]string{"-http", "nowhere"}, `probes at "nowhere"`},
	} {
		args := append([]string{}, c.args...)
		if slices.Contains([]string{"-id", "-http"}, c.args[0]) {
			server, err := embedded.Start(embedded.WithPort(embedded.RandomPort))
			require.NoError(t, err)
			defer server.Shutdown()
			args = append(args, "-nats", server.URL())
		}
		assert.ErrorContains(t, run(t.Context(), args, new(bytes.Buffer), nil), c.names, "%v", c.args)
	}
}

func TestNoPasswordIsInTheErrorOfAConnection(t *testing.T) {
	for url, shown := range map[string]string{
		"nats://127.0.0.1:1":                                "nats://127.0.0.1:1",
		"nats://orders:p@ss@127.0.0.1:1":                    "nats://127.0.0.1:1",
		"tls://token@127.0.0.1:1,orders:secret@127.0.0.1:2": "tls://127.0.0.1:1,nats://127.0.0.1:2",
	} {
		assert.Equal(t, shown, withoutPasswords(url))
	}
	err := run(t.Context(), []string{"-nats", "nats://orders:secret@127.0.0.1:1"}, new(bytes.Buffer), nil)
	require.ErrorContains(t, err, "connect to nats://127.0.0.1:1")
	assert.NotContains(t, err.Error(), "secret")
}

// TestAStandbyIsAliveAndNotReadyUntilAnIDIsFree: deploy/surge asks /livez whether a pod is ready, because /readyz would keep a
// rollout waiting for a pod that waits for the end of another one.
func TestAStandbyIsAliveAndNotReadyUntilAnIDIsFree(t *testing.T) {
	server, err := embedded.Start(embedded.WithPort(embedded.RandomPort))
	require.NoError(t, err)
	defer server.Shutdown()
	config := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(config, []byte(shortWindows+"workerIDMin: 1\nworkerIDMax: 1\n"), 0o600))
	var logs [2]log
	ends := make(chan error, 2)
	var stops [2]context.CancelFunc
	var urls [2]string
	begin := func(i int) {
		var ctx context.Context
		ctx, stops[i] = context.WithCancel(t.Context())
		args := []string{"-nats", server.URL(), "-config", config, "-standby", "-http", "127.0.0.1:0"}
		go func() { ends <- run(ctx, args, &logs[i], nil) }()
		require.Eventually(t, func() bool { urls[i] = logs[i].address(); return urls[i] != "" }, 10*time.Second, 5*time.Millisecond)
	}
	answers := func(i int, path string, code int) {
		t.Helper()
		require.Eventually(t, func() bool { return status(urls[i]+path) == code }, 10*time.Second, 10*time.Millisecond, path)
	}
	begin(0)
	defer func() { stops[0]() }()
	answers(0, "/readyz", http.StatusOK)
	begin(1)
	defer func() { stops[1]() }()
	require.Eventually(t, func() bool { return logs[1].count("to=ClaimingID") == 1 }, 10*time.Second, 5*time.Millisecond)
	assert.Equal(t, http.StatusOK, status(urls[1]+"/livez"))
	assert.Equal(t, http.StatusServiceUnavailable, status(urls[1]+"/readyz"))
	stops[0]()
	require.NoError(t, <-ends)
	answers(1, "/readyz", http.StatusOK)
	assert.Equal(t, 24, logs[1].count("msg=begun"))
	stops[1]()
	require.NoError(t, <-ends)
}

// address is where the worker serves its probes, "" before it says so.
func (l *log) address() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := regexp.MustCompile(`msg=probes address=(\S+)`).FindStringSubmatch(l.text.String())
	if found == nil {
		return ""
	}
	return "http://" + found[1]
}

func status(url string) int {
	answer, err := http.Get(url)
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

func TestTheConfigurationOfTheReadmeIsValid(t *testing.T) {
	f, err := os.Open("quick.yaml")
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	_, err = parti.LoadConfig(f)
	require.NoError(t, err)
}

func TestTheEnvironmentConfiguresTheWorkerWithAndWithoutAFile(t *testing.T) {
	t.Setenv("PARTI_GROUP", "orders")
	for _, args := range [][]string{nil, {"-config", "quick.yaml"}} {
		set, err := parse(args)
		require.NoError(t, err)
		assert.Equal(t, "parti-orders-election", set.config.KVBuckets.Election)
	}
}
