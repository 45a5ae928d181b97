// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import "slices"

// all are the bugs of the library. Each file has those of one room.
func all() []mutant {
	return slices.Concat(
		rooted, strategic, stated, read, written, valued, held, timed, planned, learnt, joined, followed, kept,
		handled, asked, outside, consuming,
	)
}
