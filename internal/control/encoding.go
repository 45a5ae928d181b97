// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Format is the format number that each message carries. A reader refuses any other number.
const Format = 1

// The longest request, name of a client, and text of an error.
const (
	mostBytes = 4096
	mostBy    = 200
	mostError = 2048
)

// cut shortens a text without splitting a character.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len("…")], "") + "…"
}

// request and answer are the messages on the wire: short JSON that a person can write and read.
type request struct {
	Format  int       `json:"format"`
	Action  Action    `json:"action"`
	Session uint64    `json:"session,omitempty"`
	Within  string    `json:"within,omitempty"`
	Made    time.Time `json:"made,omitzero"`
	By      string    `json:"by,omitempty"`
}

type answer struct {
	Format   int      `json:"format"`
	Action   Action   `json:"action,omitempty"`
	Worker   string   `json:"worker,omitempty"`
	Session  uint64   `json:"session,omitempty"`
	Done     bool     `json:"done"`
	Code     Code     `json:"code,omitempty"`
	Error    string   `json:"error,omitempty"`
	Progress progress `json:"progress"`
}

type progress struct {
	Left     int  `json:"left"`
	Draining bool `json:"draining,omitempty"`
	Leaving  bool `json:"leaving,omitempty"`
	Cordoned bool `json:"cordoned,omitempty"`
}

// Encode returns the message of a request.
func (r Request) Encode() []byte {
	wire := request{Format: Format, Action: r.Action, Session: r.Session, Made: r.Made, By: cut(r.By, mostBy)}
	if r.Within != 0 {
		wire.Within = r.Within.String()
	}
	data, _ := json.Marshal(wire) // nothing in it can fail
	return data
}

// DecodeRequest reads a request. Its errors wrap ErrRequest, and the request has the action where that could be read.
func DecodeRequest(data []byte) (Request, error) {
	var wire request
	if len(data) > mostBytes {
		return Request{}, fmt.Errorf("%w: it has %d bytes, allowed: up to %d", ErrRequest, len(data), mostBytes)
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return Request{}, fmt.Errorf(`%w: it is not JSON like {"format":%d,"action":%q}: %w`, ErrRequest, Format, Hello, err)
	}
	r := Request{Session: wire.Session, Made: wire.Made, By: cut(wire.By, mostBy)}
	if wire.Format != Format {
		return r, fmt.Errorf("%w: format is %d, allowed: %d", ErrRequest, wire.Format, Format)
	}
	if !slices.Contains(actions, wire.Action) {
		return r, fmt.Errorf("%w: action is %.40q, allowed: %s", ErrRequest, wire.Action, listed())
	}
	r.Action = wire.Action
	if wire.Within != "" {
		d, err := time.ParseDuration(wire.Within)
		if err != nil || d <= 0 {
			return r, fmt.Errorf("%w: within is %.40q, allowed: a positive duration like 5m, or none", ErrRequest, wire.Within)
		}
		r.Within = d
	}
	return r, nil
}

func listed() string {
	names := make([]string, 0, len(actions))
	for _, a := range actions {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}

// Encode returns the message of an answer.
func (a Answer) Encode() []byte {
	p := a.Progress
	data, _ := json.Marshal(answer{ // nothing in it can fail
		Format: Format, Action: a.Action, Worker: a.Worker, Session: a.Session, Done: a.Done, Code: a.Code, Error: a.Error,
		Progress: progress{Left: p.Left, Draining: p.Draining, Leaving: p.Leaving, Cordoned: p.Cordoned},
	})
	return data
}

// DecodeAnswer reads an answer.
func DecodeAnswer(data []byte) (Answer, error) {
	var wire answer
	if err := json.Unmarshal(data, &wire); err != nil {
		return Answer{}, fmt.Errorf("%w: the answer is not JSON: %w", ErrFailed, err)
	}
	if wire.Format != Format {
		return Answer{}, fmt.Errorf("%w: the answer has format %d, allowed: %d", ErrFailed, wire.Format, Format)
	}
	p := wire.Progress
	return Answer{
		Action: wire.Action, Worker: wire.Worker, Session: wire.Session, Done: wire.Done, Code: wire.Code, Error: wire.Error,
		Progress: Progress{Worker: wire.Worker, Session: wire.Session, Left: p.Left, Draining: p.Draining, Leaving: p.Leaving, Cordoned: p.Cordoned},
	}, nil
}
