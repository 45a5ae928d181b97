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
// The newest is kept. A Recorder may be given to several Managers of a process; it costs nothing where none is given. What it
// writes holds worker IDs, hosts, labels, the partitions with their weights, what the source, the strategy and the store
// answered, and the texts of errors; no messages and no credentials, except where the text of an error has some.
type Recorder struct{ recorder *trace.Recorder }

// NewRecorder returns a recorder that keeps about limit bytes. 0 is 16 MiB, which hold hours of the leader of a hundred workers.
// NewManager refuses one with less than 64 KiB.
func NewRecorder(limit int) *Recorder {
	if limit == 0 {
		limit = trace.Usual
	}
	return &Recorder{trace.NewRecorder(limit)}
}

// WriteTo writes a trace: everything that is kept now. It may be called at any time from any goroutine, also in OnError and
// when the Manager has ended, and holds nobody up.
func (r *Recorder) WriteTo(w io.Writer) (int64, error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	return r.settings().WriteTo(w)
}

// WithRecorder has the worker record its decisions. Without this option, and with nil, nothing is recorded.
func WithRecorder(r *Recorder) Option { return func(o *options) { o.recorder = r } }

// check reports a recorder that is too small to hold what a value begins with.
func (r *Recorder) check() error {
	if r == nil {
		return nil // nothing is recorded
	}
	if r.recorder == nil {
		return fmt.Errorf("%w: WithRecorder: the Recorder is empty, allowed: one that NewRecorder has made", ErrInvalidConfig)
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
