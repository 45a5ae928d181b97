// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package control

import "errors"

// What a caller can do next is in the error; all are tested with errors.Is.
var (
	// ErrRequest: the request cannot be understood, or asks for what there is not.
	ErrRequest = errors.New("invalid control request")
	// ErrSession: the session that the request means is over. Look again who holds the ID.
	ErrSession = errors.New("the session is over")
	// ErrLeaving: the worker is about to end. There is nothing left to ask for.
	ErrLeaving = errors.New("the worker leaves")
	// ErrSuperseded: somebody else has asked for the opposite meanwhile.
	ErrSuperseded = errors.New("request superseded")
	// ErrIncomplete: a drain became a stop before everything was handed over. The worker has left.
	ErrIncomplete = errors.New("drain incomplete")
	// ErrRefused: the leader of the group could not list its source again.
	ErrRefused = errors.New("refused by the leader")
	// ErrBusy: the worker has too many requests to answer already. Ask again later.
	ErrBusy = errors.New("too many requests")
	// ErrFailed: what was asked for is not done, for the reason that the text gives.
	ErrFailed = errors.New("not done")

	// ErrNobody: nobody listens as that worker. It is not there, it is between two sessions, it takes no requests from outside,
	// or the name is wrong. After it was heard: it has ended without an answer.
	ErrNobody = errors.New("no such worker answers")
	// ErrSilent: no last answer came in time, or the worker itself had none from the leader of the group. What was asked for may be
	// done, or may still be under way.
	ErrSilent = errors.New("no answer in time")
	// ErrDenied: the connection may not publish on the worker's subject, or not subscribe to its own inbox.
	ErrDenied = errors.New("permission missing")
)

// Code is an error on the wire.
type Code string

// OK is no error. The others are in the table.
const (
	OK     Code = ""
	failed Code = "failed"
)

var codes = []struct {
	code Code
	err  error
}{
	{"request", ErrRequest},
	{"session", ErrSession},
	{"leaving", ErrLeaving},
	{"superseded", ErrSuperseded},
	{"incomplete", ErrIncomplete},
	{"refused", ErrRefused},
	{"busy", ErrBusy},
	{"silent", ErrSilent},
	{failed, ErrFailed},
}

// codeOf is the code of an error: of the first sentinel that it wraps.
func codeOf(err error) Code {
	if err == nil {
		return OK
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return failed
}

// Err is the error that a last answer carries; nil where everything is done. A code of a later release is an ErrFailed.
func (a Answer) Err() error {
	if a.Code == OK {
		return nil
	}
	for _, c := range codes {
		if c.code == a.Code {
			return &answered{c.err, a.Error}
		}
	}
	return &answered{ErrFailed, a.Error}
}

// answered is an error as a worker has put it, with the sentinel of its code.
type answered struct {
	sentinel error
	text     string
}

func (e *answered) Error() string {
	if e.text == "" {
		return e.sentinel.Error()
	}
	return e.text
}

func (e *answered) Unwrap() error { return e.sentinel }

// Outcome is the last answer of a request that has come to err; nil for done.
func Outcome(a Action, p Progress, err error) Answer {
	answer := Answer{Action: a, Worker: p.Worker, Session: p.Session, Done: true, Code: codeOf(err), Progress: p}
	if err != nil {
		answer.Error = cut(err.Error(), mostError)
	}
	return answer
}
