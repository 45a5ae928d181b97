// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/parti-go/parti"
)

// order is what the parent asks of a process, one JSON value for each.
type order struct {
	Setup  *setup `json:"setup,omitempty"` // first of all
	Start  *start `json:"start,omitempty"` // the workers of a crew
	Crash  []int  `json:"crash,omitempty"` // these workers of a crew
	Sample bool   `json:"sample,omitempty"`
}

// start spreads the starts of a crew's workers evenly over a time.
type start struct {
	Ramp time.Duration `json:"ramp"`
}

// setup is what a process has to know from the beginning.
type setup struct {
	Dir string `json:"dir,omitempty"` // of a server's files

	// A crew has the workers from First on.
	URL        string       `json:"url,omitempty"`
	First      int          `json:"first,omitempty"`
	Workers    int          `json:"workers,omitempty"`
	Partitions int          `json:"partitions,omitempty"`
	Config     parti.Config `json:"config"`
	Verbose    bool         `json:"verbose,omitempty"`
}

// readSetup reads the first order.
func readSetup(orders *json.Decoder) (setup, error) {
	var first order
	if err := orders.Decode(&first); err != nil {
		return setup{}, fmt.Errorf("read the first order: %w", err)
	}
	if first.Setup == nil {
		return setup{}, errors.New("read the first order: it has no setup")
	}
	return *first.Setup, nil
}

// notice is what a process tells the parent, one JSON value for each.
type notice struct {
	Ready   *ready  `json:"ready,omitempty"`
	Change  *change `json:"change,omitempty"`
	Lost    *lost   `json:"lost,omitempty"`
	Problem string  `json:"problem,omitempty"` // what OnError was told
	Sample  *sample `json:"sample,omitempty"`
	Ended   string  `json:"ended,omitempty"` // a worker ended though nobody asked it to; why
}

// ready says that a server listens, or that the workers of a crew are connected.
type ready struct {
	URL string `json:"url,omitempty"`
}

// change is what a hook was told. Partitions are named by their numbers, to keep the parent's work small.
type change struct {
	Worker  int   `json:"worker"`
	At      int64 `json:"at"` // nanoseconds by the clock of the machine
	Added   []int `json:"added,omitempty"`
	Removed []int `json:"removed,omitempty"`
}

// lost says that a worker's session ended without having been asked to.
type lost struct {
	Worker int `json:"worker"`
}

// sample is what a process has used so far.
type sample struct {
	CPU     float64 `json:"cpu"`    // seconds, user and system
	Memory  float64 `json:"memory"` // resident megabytes
	Leaders []int   `json:"leaders,omitempty"`

	Seen int `json:"seen,omitempty"` // partitions with a live owner, as an observer sees it

	// Of a server.
	Traffic traffic  `json:"traffic"`
	Streams []stored `json:"streams,omitempty"`
}

// traffic is what clients and server have sent each other.
type traffic struct {
	MessagesIn  int64 `json:"messagesIn"` // to the server
	MessagesOut int64 `json:"messagesOut"`
	BytesIn     int64 `json:"bytesIn"`
	BytesOut    int64 `json:"bytesOut"`
}

func (t traffic) less(u traffic) traffic {
	return traffic{t.MessagesIn - u.MessagesIn, t.MessagesOut - u.MessagesOut, t.BytesIn - u.BytesIn, t.BytesOut - u.BytesOut}
}

// stored is what a stream holds, and how often it was written to.
type stored struct {
	Name     string `json:"name"`
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
	Written  uint64 `json:"written"`
}

// speaker writes notices of many goroutines.
type speaker struct {
	mu  sync.Mutex
	out *json.Encoder
}

func newSpeaker(w io.Writer) *speaker { return &speaker{out: json.NewEncoder(w)} }

// say tells the parent. Where that fails the parent is gone, and so, soon, is this process: its standard input has ended.
func (s *speaker) say(n notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.out.Encode(n)
}
