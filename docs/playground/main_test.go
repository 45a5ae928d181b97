// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestThePageHasWhatItImportsAndAsksForNothingElse looks at the folder without the simulation, which takes a while to compile.
func TestThePageHasWhatItImportsAndAsksForNothingElse(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, page(dir))
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	shared, err := filepath.Glob(filepath.Join(dir, "page", "*"))
	require.NoError(t, err)
	imported, seen := regexp.MustCompile(`(?m)^import [^"]*"(\./[^"]+)"|(?:src|href)="([^"#]+)"`), 0
	for _, file := range append(files, shared...) {
		text, err := os.ReadFile(file)
		if filepath.Base(file) == "page" {
			continue
		}
		require.NoError(t, err)
		require.NotRegexp(t, `https?://[^w]`, string(text), file) // what names a namespace of SVG begins with www
		for _, found := range imported.FindAllStringSubmatch(string(text), -1) {
			name := found[1] + found[2]
			if name == "./wasm_exec.js" { // it comes with the simulation
				continue
			}
			seen++
			require.FileExists(t, filepath.Join(filepath.Dir(file), name), "%s needs it", file)
		}
	}
	require.Greater(t, seen, 30)
}

func TestTheSimulationMayRunAndNothingFromElsewhere(t *testing.T) {
	text, err := own.ReadFile("index.html")
	require.NoError(t, err)
	policy := `content="default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'"`
	require.Contains(t, string(text), `<meta http-equiv="Content-Security-Policy" `+policy)
	require.NotRegexp(t, `<script(?: type="module")?>|style=|onclick=`, string(text))
}
