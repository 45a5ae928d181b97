// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package inject lets a test make any actor of the library panic at any message. Nothing in the library uses it.
package inject

import "sync/atomic"

// Receive, when set, is called before an actor handles a message, on that actor's own turn. Kinds are "manager",
// "claimer", "heartbeat", "elector", "calculator" and "follower"; workerID is "" before a claim. What it panics with
// counts as a panic of the actor.
var Receive atomic.Pointer[func(kind, workerID string, message any)]

// Format, when set, says which is the newest record format that the worker on a connection of that name knows: it reads
// and writes nothing newer, as an earlier release would.
var Format atomic.Pointer[func(client string) int]

// Encode, when set, may change a record before it is stored, as a later release would that knows more fields.
var Encode atomic.Pointer[func(value []byte) []byte]
