// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Gen writes the drawings and tables of the state machine between markers in docs/*.md.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/parti-go/parti/fsm/internal/gen/docs"
)

func main() {
	root := "."
	if _, err := os.Stat("README.md"); err != nil {
		root = ".." // run by go generate, in the package's folder
	}
	if err := run(root); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	files, err := docs.Files(root)
	if err != nil {
		return err
	}
	for _, file := range files {
		before, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		after := docs.Refresh(string(before))
		if after == string(before) {
			continue
		}
		if err := os.WriteFile(filepath.Clean(file), []byte(after), 0o644); err != nil { //nolint:gosec // a document for everyone to read
			return err
		}
		fmt.Println("refreshed", file)
	}
	return nil
}
