// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFailureIsToldFromATimeoutAndFromACrash(t *testing.T) {
	for name, c := range map[string]struct {
		output string
		want   failed
	}{
		"a failure": {"=== RUN   TestA\n--- FAIL: TestA (0.1s)\nFAIL\n", failed{test: "TestA"}},
		"a subtest": {"=== RUN   TestA\n=== RUN   TestA/b\n--- FAIL: TestA (0.1s)\n    --- FAIL: TestA/b (0.1s)\n", failed{test: "TestA/b"}},
		"a crash":   {"=== RUN   TestA\n--- PASS: TestA (0.1s)\n=== RUN   TestB\npanic: boom\n", failed{test: "TestB"}},
		"a timeout": {"=== RUN   TestA\n--- PASS: TestA (0.1s)\n=== RUN   TestB\npanic: test timed out after 4m0s\n\trunning tests:\n\t\tTestB (3m59s)\n", failed{test: "TestB", timedOut: true}},
		"a life":    {"=== RUN   TestA\n    sim_test.go:131: seed 7: 00:01:02.345: I1: a runs\n--- FAIL: TestA (0.1s)\n", failed{test: "TestA", life: "life 7, I1"}},
		"an end":    {"    sim_test.go:131: seed 7: 00:01:02.345: a panic\n--- FAIL: TestA (0.1s)\n", failed{test: "TestA", life: "life 7"}},
		"nothing":   {"FAIL\n", failed{}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, firstFailure(c.output)) })
	}
}

// TestARealTimeoutIsRecognised: the text of a timeout is Go's, and may change.
func TestARealTimeoutIsRecognised(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module hangs\n\ngo 1.24\n"), 0o600))
	code := "package hangs\n\nimport \"testing\"\n\nfunc TestThatEnds(*testing.T) {}\n\nfunc TestThatHangs(t *testing.T) { t.Run(\"inside\", func(*testing.T) { for { } }) }\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "hangs_test.go"), []byte(code), 0o600))
	c := exec.CommandContext(t.Context(), "go", "test", "-v", "-timeout", "100ms", ".")
	c.Dir = dir
	output, err := c.CombinedOutput()
	require.Error(t, err)
	require.True(t, firstFailure(string(output)).timedOut, string(output))
}

func TestATimeoutCatchesOnlyAMutantThatSpins(t *testing.T) {
	require.False(t, result{timeout: "TestA"}.caught())
	require.True(t, result{timeout: "TestA", mutant: mutant{spins: true}}.caught())
	require.Equal(t, "timed out in TestA", result{timeout: "TestA"}.verdict())
	require.True(t, result{test: "TestA", timeout: "TestB"}.caught())
	require.Equal(t, "TestA", result{test: "TestA", timeout: "TestB"}.verdict())
}

func TestNoMutantIsStale(t *testing.T) {
	t.Chdir("../..")
	names := map[string]bool{}
	for _, m := range all() {
		_, err := m.apply()
		require.NoError(t, err)
		require.False(t, names[m.name], "two mutants have the name %q", m.name)
		names[m.name] = true
	}
}

func TestOnlyTheDecidersMutantsMeetLivesOnTheStoreInMemory(t *testing.T) {
	chosen, err := choose("", true)
	require.NoError(t, err)
	for _, m := range chosen {
		require.Contains(t, simulated, filepath.ToSlash(filepath.Dir(m.file)), m.name)
	}
	every, err := choose("", false)
	require.NoError(t, err)
	require.Less(t, len(chosen), len(every))

	folders := func(o options, m mutant) (those []string) {
		l, err := newLaboratory(o)
		require.NoError(t, err)
		defer l.close()
		for _, s := range l.stages(m) {
			those = append(those, filepath.ToSlash(s.folder))
		}
		return those
	}
	ledger := mutant{file: "internal/ledger/propose.go"}
	require.Equal(t, []string{"internal/ledger", "internal/leader", "internal/sim", "internal/sim"}, folders(options{sim: 200}, ledger), "no room that acts")
	require.Subset(t, folders(options{}, ledger), []string{"internal/ledger", "internal/sim", "actors", "integration"})
	require.NotContains(t, folders(options{}, mutant{file: "kv/lease.go"}), "internal/sim")
}
