// Package inject is the seam through which a test reaches into the actors: it can make any of them panic at any
// message. Nothing in the library sets it.
package inject

import "sync/atomic"

// Receive, when set, is called before an actor handles a message, on that actor's own turn. Kinds are "manager",
// "claimer", "heartbeat", "elector", "calculator" and "follower"; workerID is "" before a claim. What it panics with
// counts as a panic of the actor.
var Receive atomic.Pointer[func(kind, workerID string, message any)]
