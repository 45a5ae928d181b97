// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package parti

import (
	"fmt"
	"io"

	"github.com/parti-go/parti/internal/trace"
)

// Recorder keeps what a worker was told and what it decided, in a bounded memory: why did it do that? The command parti replay
// takes the decisions again from what the recorder has written, one by one, and says where this release decides differently.
// See docs/replay.md.
//
// When the memory is full, the Recorder drops the oldest entries. Several Managers of a process may share a Recorder. A
// Manager without one pays nothing. A trace contains worker IDs, hosts, labels, the partitions with their weights, the
// answers of the source, the strategy and the store, and the texts of errors. It contains no messages, and no credentials
// unless the text of an error contains some.
type Recorder struct{ recorder *trace.Recorder }

// NewRecorder returns a recorder that keeps about limit bytes. 0 means 16 MiB, which is enough for hours of a leader of a
// hundred workers. A leader needs about 2.5 kB for each partition: where that does not fit, the worker logs that its trace is
// cut. NewManager refuses a recorder with less than 64 KiB.
func NewRecorder(limit int) *Recorder {
	if limit == 0 {
		limit = trace.Usual
	}
	return &Recorder{trace.NewRecorder(limit)}
}

// WriteTo writes a trace with everything that the recorder keeps now. You may call it at any time from any goroutine, also
// in OnError and after the Manager has ended. It does not delay the worker.
func (r *Recorder) WriteTo(w io.Writer) (int64, error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	return r.settings().WriteTo(w)
}

// WithRecorder makes the worker record its decisions. Without this option, and with nil, it records nothing.
func WithRecorder(r *Recorder) Option { return func(o *options) { o.recorder = r } }

// check reports a recorder that is too small to hold what a value begins with.
func (r *Recorder) check() error {
	if r == nil {
		return nil // nothing is recorded
	}
	if r.recorder == nil {
		return fmt.Errorf("%w: WithRecorder: the Recorder is empty, allowed: one that NewRecorder returned", ErrInvalidConfig)
	}
	if limit := r.recorder.Limit(); limit < trace.Smallest {
		return fmt.Errorf("%w: NewRecorder: limit is %d, allowed: 0 for %d, or at least %d bytes", ErrInvalidConfig, limit, trace.Usual, trace.Smallest)
	}
	return nil
}

// settings is what the actors record with; nil for nothing.
func (r *Recorder) settings() *trace.Recorder {
	if r == nil {
		return nil
	}
	return r.recorder
}
