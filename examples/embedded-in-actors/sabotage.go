// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sync/atomic"

	"github.com/parti-go/parti/internal/inject"
)

// This file is no part of the pattern: it breaks the tree on purpose, by a seam that is for the library's own tests.

// failuresToGiveUp is one more than a tree survives within a minute.
const failuresToGiveUp = 6

// sabotage makes the next n messages to the actor that leads a panic.
func sabotage(n int64) {
	if n == 0 {
		inject.Receive.Store(nil)
		return
	}
	var left atomic.Int64
	left.Store(n)
	broken := func(kind, _ string, _ any) {
		if kind == "calculator" && left.Add(-1) >= 0 {
			panic("sabotage")
		}
	}
	inject.Receive.Store(&broken)
}
