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

// Action is what a request asks a worker to do.
type Action string

// The actions.
const (
	// Hello asks which session holds the ID. It is done at once, and changes nothing.
	Hello Action = "hello"
	// Drain asks the worker to hand everything over and to leave for good. It is done when the worker has left.
	Drain Action = "drain"
	// Cordon asks the worker to take nothing new, and Uncordon takes that back. Each is done when the heartbeat that announces
	// it is stored.
	Cordon   Action = "cordon"
	Uncordon Action = "uncordon"
	// Refresh asks the worker to make the leader of its group list the source again. It is done when the leader has planned for
	// the new list.
	Refresh Action = "refresh"
)

// actions are all of them, in the order in which an error lists them.
var actions = []Action{Hello, Drain, Cordon, Uncordon, Refresh}

// Request is a request to one worker.
type Request struct {
	Action Action
	// Session is the session that the request is for; 0 for the one that holds the ID when the request arrives.
	Session uint64
	// Within limits a drain, counted from its arrival at the worker. A drain that has not ended by then becomes a stop. 0 means
	// no limit: the drain goes on until other workers have taken over. Other actions are done soon or not at all.
	Within time.Duration
	// Made is the creation time of the assignment bucket's stream. A worker of a bucket with the same name in another JetStream
	// domain ignores the request. The zero time matches any bucket.
	Made time.Time
	// By names the client, for the worker's log.
	By string
}

// Answer is an answer of a worker.
type Answer struct {
	Action  Action // the one that it answers; "" where that could not be read
	Worker  string
	Session uint64
	// Done is true in the last answer: the request is done or, with a Code, it is not.
	Done bool
	Code Code
	// Error describes the failure in words.
	Error string
	// Progress is the state of the worker.
	Progress Progress
}

// Progress says how far a worker is.
type Progress struct {
	Worker   string
	Session  uint64
	Left     int  // partitions that the worker has not let go of
	Draining bool // it hands everything over
	Leaving  bool // it has handed everything over, or has given that up, and ends
	Cordoned bool
}

// Subject returns the subject on which the holder of a worker ID listens.
func Subject(bucket, worker string) string { return "parti.control." + bucket + "." + worker }

// Answerable reports whether a worker may answer on a subject. It allows subjects that clients use for their answers. Subjects
// with a $ belong to the server, to JetStream and to its buckets, and parti.> is for requests. A client that named one of them
// as its reply subject would make the worker write what the client itself may not write. A $ counts anywhere: behind a
// JetStream API prefix, a bucket is written on subjects like JS.acme.API.$KV.bucket.key. Package kv knows the API itself, and
// refuses it.
func Answerable(reply string) bool {
	return reply != "" && !strings.HasPrefix(reply, "parti.") && !strings.ContainsAny(reply, "$*> \t\r\n")
}
