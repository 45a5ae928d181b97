// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Command generate writes parti.json into the folder in which it is run.
package main

import (
	"log"
	"os"

	"github.com/parti-go/parti/dashboards"
)

func main() {
	board, err := dashboards.JSON()
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("parti.json", board, 0o644); err != nil { //nolint:gosec // it is a document
		log.Fatal(err)
	}
}
