// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestATableGoesBetweenItsMarkers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tuning.md")
	require.NoError(t, os.WriteFile(file, []byte("a\n<!-- tune:x:begin -->\nold\n<!-- tune:x:end -->\nb\n"), 0o600))
	require.NoError(t, document(file, "TestSweepX", "| new |\n"))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "a\n<!-- tune:x:begin -->\n| new |\n<!-- tune:x:end -->\nb\n", string(text))
	require.ErrorContains(t, document(file, "TestSweepY", ""), "has no section tune:y")
}

// TestTheDocumentationHasASectionForEachSweep: what is measured for minutes has a place to go to.
func TestTheDocumentationHasASectionForEachSweep(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	text, err := os.ReadFile("../../docs/tuning.md")
	require.NoError(t, err)
	sweeps := 0
	for _, file := range files {
		code, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`(?m)^func (`+prefix+`\w+)\(`).FindAllStringSubmatch(string(code), -1) {
			sweeps++
			require.Contains(t, string(text), "<!-- "+section(m[1])+":begin -->\n", m[1])
			require.Contains(t, string(text), "<!-- "+section(m[1])+":end -->\n", m[1])
		}
	}
	require.Equal(t, sweeps, strings.Count(string(text), "<!-- tune:")/2, "no section without a sweep")
}
