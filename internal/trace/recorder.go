// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package trace records what the deciders of a worker were told and what they decided, and replays it.
//
// A decider is a value: facts with their times go in, effects come out, see packages leader and member. So the facts are enough
// to repeat its decisions. A [Tape] records one value from its creation on, one line for each fact. A [Recorder] keeps the
// tapes of a worker in a bounded memory.
//
// A tape consists of segments. Each begins with what is needed to rebuild its value: the arguments of its creation, or all of
// its state. So the oldest segments can be dropped, and the others can still be replayed.
//
// The times of a recorded value count from its creation, by the monotonic clock. The decider sees exactly the recorded times,
// to the nanosecond, and a change of the wall clock affects neither.
package trace

import (
	"bytes"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Format is the number of the format. A reader refuses any other.
const Format = 1

// Smallest is the smallest memory that a recorder can do with, Usual is what it has if nobody says otherwise.
const (
	Smallest = 64 << 10
	Usual    = 16 << 20
)

// Recorder keeps the newest of what is recorded. Each tape is written by one goroutine, which never waits: the segments are
// published with atomic operations, so that [Recorder.WriteTo] may be called at any time.
type Recorder struct {
	limit int64
	ring  atomic.Pointer[ring]
	size  atomic.Int64
	lives atomic.Uint64
	open  atomic.Int64 // segments that are not closed
}

// ring is what is kept, the oldest first. It is replaced, never changed.
type ring struct {
	segments []*segment
	dropped  int // segments that are not kept any more
}

// segment is a part of a tape. Lines are only added, by the goroutine of the tape, which packs them in the end.
type segment struct {
	content atomic.Pointer[content]
	size    atomic.Int64
	closed  atomic.Bool
}

// content is what a segment holds. It is replaced, never changed.
type content struct {
	lines  [][]byte
	packed []byte // zstd, in place of the lines
}

// lineCost is what a line costs beside its bytes.
const lineCost = 24

// NewRecorder returns a recorder that keeps about limit bytes.
func NewRecorder(limit int) *Recorder {
	r := &Recorder{limit: int64(limit)}
	r.ring.Store(&ring{})
	return r
}

// Limit returns the memory that the recorder may take.
func (r *Recorder) Limit() int { return int(r.limit) }

// begin opens a segment.
func (r *Recorder) begin() *segment {
	s := &segment{}
	s.content.Store(&content{})
	r.open.Add(1)
	r.replace(func(was *ring) *ring { return &ring{append(slices.Clone(was.segments), s), was.dropped} })
	return s
}

func (r *Recorder) replace(change func(*ring) *ring) {
	for {
		was := r.ring.Load()
		if r.ring.CompareAndSwap(was, change(was)) {
			return
		}
	}
}

// add appends a line to a segment, and drops the oldest closed ones if there is too much.
func (r *Recorder) add(s *segment, line []byte) {
	s.content.Store(&content{lines: append(s.content.Load().lines, line)}) // readers see no more than the length that they have loaded
	s.size.Add(int64(len(line)) + lineCost)
	if r.size.Add(int64(len(line))+lineCost) > r.limit {
		r.trim()
	}
}

// close packs a segment to which nothing is added any more: facts are much alike, so that ten times as many fit.
func (r *Recorder) close(s *segment) {
	if s.closed.Load() {
		return
	}
	if packed, err := pack(s.content.Load().lines); err == nil {
		s.content.Store(&content{packed: packed})
		r.size.Add(int64(len(packed)) - s.size.Swap(int64(len(packed))))
	}
	s.closed.Store(true)
	r.open.Add(-1)
	r.trim()
}

// share is how long a segment may become. Open ones are never dropped, so all of them together take about half of the memory.
func (r *Recorder) share() int64 { return r.limit / max(8, 2*r.open.Load()) }

func pack(lines [][]byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	for _, line := range lines {
		if _, err := w.Write(line); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return bytes.Clone(b.Bytes()), err
}

// writeTo writes the lines.
func (c *content) writeTo(w io.Writer) error {
	if c.packed == nil {
		for _, line := range c.lines {
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
		return nil
	}
	r, err := zstd.NewReader(bytes.NewReader(c.packed), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}

// counter counts what goes through it.
type counter struct {
	w     io.Writer
	bytes int64
	lines int
}

// Write implements io.Writer.
func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.bytes += int64(n)
	c.lines += bytes.Count(b[:n], []byte("\n"))
	return n, err
}

func (r *Recorder) trim() {
	for r.size.Load() > r.limit {
		was := r.ring.Load()
		at := slices.IndexFunc(was.segments, func(s *segment) bool { return s.closed.Load() })
		if at < 0 {
			return
		}
		next := &ring{slices.Delete(slices.Clone(was.segments), at, at+1), was.dropped + 1}
		if r.ring.CompareAndSwap(was, next) {
			r.size.Add(-was.segments[at].size.Load())
		}
	}
}

// header is the first line of a trace, footer the last one.
type (
	header struct {
		Trace   int       `json:"trace"` // the format
		Version string    `json:"version"`
		Written time.Time `json:"written"`
		Dropped int       `json:"dropped,omitempty"`
	}
	footer struct {
		End   bool `json:"end"`
		Lines int  `json:"lines"`
	}
)

// WriteTo writes everything that is kept, a JSON object on each line.
func (r *Recorder) WriteTo(w io.Writer) (n int64, err error) {
	kept, out := r.ring.Load(), &counter{w: w}
	_, err = out.Write(jsonLine(header{Format, Version(), time.Now(), kept.dropped}))
	for _, s := range kept.segments {
		if err == nil {
			err = s.content.Load().writeTo(out)
		}
	}
	if err == nil {
		_, err = out.Write(jsonLine(footer{true, out.lines}))
	}
	if err != nil {
		err = fmt.Errorf("write a trace: %w", err)
	}
	return out.bytes, err
}

// Version is the version of this library in the program that runs.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	const path = "github.com/parti-go/parti"
	module := info.Main
	for _, dep := range info.Deps {
		if dep.Path == path {
			module = *dep
		}
	}
	if module.Path != path {
		return "unknown"
	}
	if module.Version != "" && module.Version != "(devel)" {
		return module.Version
	}
	version := "(devel)"
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			version = s.Value
		}
	}
	return version
}

// life names a life in a line.
func life(n uint64) string { return `{"life":` + strconv.FormatUint(n, 10) }
