// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

var (
	// ErrFormat says that a file is no trace, or one of a format that this release does not read.
	ErrFormat = errors.New("not a trace that this release can read")
	// ErrIncomplete says that a file ends before its trace does.
	ErrIncomplete = errors.New("the trace is not complete")
)

// Trace is what a file holds.
type Trace struct {
	Version string    // of the library that recorded it
	Written time.Time // by the clock of the worker
	Dropped int       // segments that were not kept

	segments []*part
}

// part is a segment as it was read.
type part struct {
	begin line
	epoch time.Time
	lines []line
}

// line is any line but the first and the last.
type line struct {
	Life uint64 `json:"life"`
	// The beginning of a segment, with one of Config and State.
	Begins Kind            `json:"begins"`
	Epoch  string          `json:"epoch"`
	Config json.RawMessage `json:"config"`
	State  json.RawMessage `json:"state"`
	// A fact.
	T        int64           `json:"t"`
	Fact     string          `json:"fact"`
	Is       json.RawMessage `json:"is"`
	Did      []string        `json:"did"`
	Sum      string          `json:"sum"`
	Panicked bool            `json:"panicked"`
	// A list of partitions.
	List       string          `json:"list"`
	Edition    uint64          `json:"edition"`
	Partitions json.RawMessage `json:"partitions"`
	// The end of what is recorded.
	Cut string `json:"cut"`
	End bool   `json:"end"`
}

// Read reads a trace. Of one that is not complete it returns what is there, and [ErrIncomplete], which says where it ends.
func Read(r io.Reader) (*Trace, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	first, err := in.ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read a trace: %w", err)
	}
	var h header
	if json.Unmarshal(first, &h) != nil || h.Trace == 0 {
		return nil, fmt.Errorf("%w: line 1 is not the beginning of a trace, allowed: a file that a Recorder has written", ErrFormat)
	}
	if h.Trace != Format {
		return nil, fmt.Errorf("%w: it has format %d, allowed: %d; version %s recorded it, and the parti command of that version can read it", ErrFormat, h.Trace, Format, h.Version)
	}
	t := &Trace{Version: h.Version, Written: h.Written, Dropped: h.Dropped}
	for n := 2; ; n++ {
		text, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read line %d of a trace: %w", n, err)
		}
		if len(text) == 0 {
			return t, fmt.Errorf("%w: it ends after line %d%s, and its last line is missing", ErrIncomplete, n-1, t.where())
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return t, fmt.Errorf("%w: it ends within line %d%s", ErrIncomplete, n, t.where())
		}
		if l.End {
			return t, nil
		}
		if err := t.add(l); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrFormat, n, err)
		}
	}
}

func (t *Trace) add(l line) error {
	if l.Begins != "" {
		epoch, err := time.Parse(time.RFC3339Nano, l.Epoch)
		if err != nil {
			return err
		}
		t.segments = append(t.segments, &part{begin: l, epoch: epoch})
		return nil
	}
	if len(t.segments) == 0 || t.segments[len(t.segments)-1].begin.Life != l.Life {
		if l.Cut == "" {
			return fmt.Errorf("life %d has no beginning", l.Life)
		}
		t.segments = append(t.segments, &part{begin: line{Life: l.Life}})
	}
	last := t.segments[len(t.segments)-1]
	last.lines = append(last.lines, l)
	return nil
}

// where is the time of the last line.
func (t *Trace) where() string {
	if len(t.segments) == 0 {
		return ""
	}
	p := t.segments[len(t.segments)-1]
	l := p.begin
	if len(p.lines) > 0 {
		l = p.lines[len(p.lines)-1]
	}
	return ", at " + p.at(l).Format("15:04:05.000")
}

func (p *part) at(l line) time.Time { return p.epoch.Add(time.Duration(l.T)) }
