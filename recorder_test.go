// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/strategy"
)

// A worker records what it decides. When it reports an error, the trace goes into a file, for parti replay.
func ExampleWithRecorder() {
	js, end, err := store()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer end()
	dir, err := os.MkdirTemp("", "trace")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	cfg := parti.DefaultConfig()
	cfg.ExpectedWorkers = 1 // nobody else is waited for

	recorder := parti.NewRecorder(0)
	save := func() error {
		var trace bytes.Buffer
		if _, err := recorder.WriteTo(&trace); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "worker.trace"), trace.Bytes(), 0o600)
	}
	hooks := parti.Hooks{OnError: func(context.Context, error) { _ = save() }}
	worker, err := parti.NewManager(cfg, js, parti.StaticSource(parti.Partition{Keys: []string{"orders"}}), strategy.NewSticky(),
		parti.WithRecorder(recorder), parti.WithHooks(hooks), parti.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := worker.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	if err := worker.Close(); err != nil {
		fmt.Println(err)
	}
	if err := save(); err != nil {
		fmt.Println(err)
		return
	}
	trace, err := os.ReadFile(filepath.Join(dir, "worker.trace"))
	fmt.Println(strings.Contains(string(trace), "write version 1"), err)
	// Output:
	// true <nil>
}

func TestARecorderThatIsTooSmallIsRefused(t *testing.T) {
	js, end, err := store()
	require.NoError(t, err)
	defer end()
	for recorder, says := range map[*parti.Recorder]string{
		parti.NewRecorder(1000): "NewRecorder: limit is 1000, allowed: 0 for 16777216, or at least 65536 bytes",
		parti.NewRecorder(-1):   "NewRecorder: limit is -1, allowed: ",
		{}:                      "WithRecorder: the Recorder is empty, allowed: one that NewRecorder returned",
	} {
		_, err = parti.NewManager(parti.DefaultConfig(), js, parti.StaticSource(), strategy.NewSticky(), parti.WithRecorder(recorder))
		require.ErrorIs(t, err, parti.ErrInvalidConfig)
		require.ErrorContains(t, err, says)
	}
	_, err = new(parti.Recorder).WriteTo(&bytes.Buffer{})
	require.ErrorIs(t, err, parti.ErrInvalidConfig)
	_, err = parti.NewManager(parti.DefaultConfig(), js, parti.StaticSource(), strategy.NewSticky(), parti.WithRecorder(nil))
	require.NoError(t, err)
}

// A trace that ends early would be missed only when somebody needs it.
func TestAWorkerSaysOnceThatItsRecorderIsTooSmallForItsState(t *testing.T) {
	js, end, err := store()
	require.NoError(t, err)
	defer end()
	cfg := parti.DefaultConfig()
	cfg.ExpectedWorkers = 1
	var list []parti.Partition
	for i := range 1000 {
		list = append(list, parti.Partition{Keys: []string{"orders", fmt.Sprint(i)}})
	}
	var log bytes.Buffer
	worker, err := parti.NewManager(cfg, js, parti.StaticSource(list...), strategy.NewSticky(),
		parti.WithRecorder(parti.NewRecorder(64<<10)), parti.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	require.NoError(t, err)
	require.NoError(t, worker.Start(t.Context()))
	require.NoError(t, worker.Close())
	require.Equal(t, 1, strings.Count(log.String(), "the trace is cut"), log.String())
	require.Contains(t, log.String(), "nothing more is recorded of this leader: too large for the recorder: more than 16384 bytes, a quarter of its memory; give NewRecorder more")
}
