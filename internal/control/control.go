// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package control defines the requests to one worker from outside, and has the client that sends them. A request asks the
// worker to drain, to take nothing new, or to have the source listed again.
//
// A request is a core NATS message on the subject of one worker ID. The worker that holds the ID at that moment does what is
// asked. It answers on the reply subject, with any number of messages about its progress, and with one last message that says
// that it is done, or why not. Nothing of the protocol depends on these messages. Each may be lost, so the client repeats a
// request without an answer, and a worker treats requests with the same reply subject as one.
//
// An ID outlives its holder. So a request names the session that it is for, and another session of the ID refuses it.
package control

import (
	"strings"
	"time"
)

// Action is what a worker is asked for.
type Action string

// The actions.
const (
	// Hello asks who holds the ID. It is done at once, and changes nothing.
	Hello Action = "hello"
	// Drain asks the worker to hand everything over and to leave for good. It is done when the worker has left.
	Drain Action = "drain"
	// Cordon asks it to take nothing new, Uncordon takes that back. They are done when the heartbeat that says so is stored.
	Cordon   Action = "cordon"
	Uncordon Action = "uncordon"
	// Refresh asks it to have the leader of its group list the source again. It is done when the leader has planned for that.
	Refresh Action = "refresh"
)

// actions are all of them, in the order in which an error lists them.
var actions = []Action{Hello, Drain, Cordon, Uncordon, Refresh}

// Request is what is asked for.
type Request struct {
	Action Action
	// Session is the one that is meant; 0 for whoever holds the ID when it is heard.
	Session uint64
	// Within bounds a drain, counted from when the worker hears of it: a drain that has not ended by then becomes a stop. 0 is
	// for no bound: it goes on until somebody takes over. Other actions are done soon or not at all.
	Within time.Duration
	// Made is when the stream of the assignment bucket was created. A worker of another bucket of that name, in another
	// JetStream domain, does not hear the request. The zero time is for any.
	Made time.Time
	// By says who asks, for the worker's log.
	By string
}

// Answer is what a worker says.
type Answer struct {
	Action  Action // the one that it answers; "" where that could not be read
	Worker  string
	Session uint64
	// Done says that this is the last answer: what was asked for is done or, with a Code, it is not.
	Done bool
	Code Code
	// Error says in words what is wrong.
	Error string
	// Progress is how the worker stands.
	Progress Progress
}

// Progress is how far a worker is.
type Progress struct {
	Worker   string
	Session  uint64
	Left     int  // partitions that the worker has not let go of
	Draining bool // it hands everything over
	Leaving  bool // it has handed everything over, or has given that up, and ends
	Cordoned bool
}

// Subject is where the holder of a worker ID listens.
func Subject(bucket, worker string) string { return "parti.control." + bucket + "." + worker }

// Answerable reports whether a worker answers on a subject: on one that clients use for their answers. The subjects with a $
// are the server's and those of JetStream and its buckets, and parti.> is for requests. Whoever names one of them as its
// reply subject would have the worker write for it what it may not write itself. A $ counts anywhere: behind a JetStream API
// prefix a bucket is written on subjects like JS.acme.API.$KV.bucket.key. The API itself package kv knows, and refuses.
func Answerable(reply string) bool {
	return reply != "" && !strings.HasPrefix(reply, "parti.") && !strings.ContainsAny(reply, "$*> \t\r\n")
}
