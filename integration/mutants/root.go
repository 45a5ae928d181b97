// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// rooted are the bugs of the root package.
var rooted = []mutant{
	// What a worker takes up, and when it says that it has let go.
	{
		name: "group-names-nothing", breaks: "The name of a group does not reach its buckets.",
		file:   "defaults.go",
		old:    `kind = c.Group + "-" + kind`,
		new:    `kind = c.Group[:0] + kind`,
		likely: "AGroupNames",
	},
	{
		name: "group-set-too-late", breaks: "A group set in a Config from DefaultConfig does not reach its buckets.",
		file:   "defaults.go",
		old:    `if *name == bucketPrefix+kind {`,
		new:    `if *name == kind {`,
		likely: "AGroupNames",
	},

	// What leaves the store when a worker leaves.
	{
		name: "over-context-stops-nothing", breaks: "A stop whose context is over already does not wait.",
		file: "parti.go",
		old: `	if ctx.Err() != nil {
		return m.Close()`,
		new: `	if m == nil {
		return m.Close()`,
		likely: "OverAlready",
	},

	// Draining and cordoning.
	{
		name: "cordon-before-start-lost", breaks: "A cordon before the start is forgotten.",
		file:   "drain.go",
		old:    `		m.view.Begin(cordoned)`,
		new:    `		_ = cordoned`,
		likely: "ACordonBeforeTheStart",
	},
	{
		name: "bad-group-five-times", breaks: "An invalid group name is also reported for each of its buckets.",
		file: "validate.go",
		old:  `isName(f.name) || derived`,
		new:  `isName(f.name) || derived && c.Group == ""`,
	},
}
