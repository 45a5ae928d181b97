// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/parti-go/parti/observe"
)

const (
	// pace is how long changes are collected before they are sent. The first change after a quiet time is sent at once.
	pace = 100 * time.Millisecond
	// backlog is the number of events that may wait for a reader before the reader is disconnected.
	backlog = 64
	// mostReaders limits the memory for readers.
	mostReaders = 1000
)

var (
	errTooManyReaders = errors.New("too many readers")
	errEnded          = errors.New("the observer is closed")
)

// feed numbers the views of a group, and sends the readers what has changed. It works only while there are readers, or when
// somebody asks for the group.
//
// Order: a reader gets the group at some number, and from then on the difference to each next number, each exactly once. A
// reader that cannot be sent a difference is disconnected.
type feed struct {
	view view
	log  *slog.Logger

	mu      sync.Mutex
	now     *snapshot // nil until somebody has asked
	readers map[*reader]struct{}
	run     *run // nil while nobody reads
}

// snapshot is a group with its number. It is encoded at most once.
type snapshot struct {
	seq   uint64
	at    int64
	group observe.Group

	plain  func() []byte
	packed func() []byte
}

// reader is one stream. events is closed when the reader is disconnected.
type reader struct {
	events chan []byte
	run    *run
}

// run stands for the goroutines that work for the readers. The last reader that leaves ends them, and waits for their end.
type run struct {
	cancel  context.CancelFunc
	work    sync.WaitGroup
	journal chan struct{} // something may be new in the journal
}

func newFeed(v view, log *slog.Logger) *feed {
	return &feed{view: v, log: log, readers: map[*reader]struct{}{}}
}

// newest returns the group as it is now.
func (f *feed) newest() *snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.advance()
}

// advance reads the group, and tells the readers if it has changed. The caller holds the lock.
func (f *feed) advance() *snapshot {
	g, at := f.view.Group(), time.Now().UnixMilli()
	if f.now == nil {
		f.now = newSnapshot(g, 1, at)
		return f.now
	}
	d := difference(f.now.group, g)
	if d.empty() {
		f.now.group = g // the next comparison is of equal lists again
		return f.now
	}
	f.now = newSnapshot(g, f.now.seq+1, at)
	if len(f.readers) > 0 {
		f.tell(event("delta", f.now.seq, d.encode(f.now.seq, at)))
		if d.plan && d.before.Plan.Version != g.Plan.Version {
			select {
			case f.run.journal <- struct{}{}:
			default: // it is looked at anyhow
			}
		}
	}
	return f.now
}

func newSnapshot(g observe.Group, seq uint64, at int64) *snapshot {
	s := &snapshot{seq: seq, at: at, group: g}
	s.plain = sync.OnceValue(func() []byte { return encodeGroup(g, seq, at) })
	s.packed = sync.OnceValue(func() []byte { return pack(s.plain()) })
	return s
}

// tell sends an event to all readers. It waits for none: a reader with a full queue is disconnected. The caller holds the lock.
func (f *feed) tell(event []byte) {
	for r := range f.readers {
		select {
		case r.events <- event:
		default:
			f.log.Warn("web: a reader of /events is too slow and is disconnected", "backlog", backlog)
			f.drop(r)
		}
	}
}

func (f *feed) drop(r *reader) {
	if _, reads := f.readers[r]; reads {
		delete(f.readers, r)
		close(r.events)
	}
}

// join adds a reader, which begins with the returned group.
func (f *feed) join() (*reader, *snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.view.Done():
		return nil, nil, errEnded
	default:
	}
	if len(f.readers) >= mostReaders {
		return nil, nil, errTooManyReaders
	}
	first := f.advance()
	if f.run == nil {
		f.start(first.group)
	}
	r := &reader{events: make(chan []byte, backlog), run: f.run}
	f.readers[r] = struct{}{}
	return r, first, nil
}

// leave removes a reader. The last reader of a run waits until the goroutines of the run have ended.
func (f *feed) leave(r *reader) {
	f.mu.Lock()
	f.drop(r)
	last := len(f.readers) == 0
	if last && f.run == r.run {
		f.run = nil
	}
	f.mu.Unlock()
	if last {
		r.run.cancel()
		r.run.work.Wait()
	}
}

// start begins to work for readers that have a group already. The caller holds the lock.
func (f *feed) start(first observe.Group) {
	ctx, cancel := context.WithCancel(context.Background())
	run := &run{cancel: cancel, journal: make(chan struct{}, 1)}
	f.run = run
	run.work.Go(func() { f.follow(ctx, first) })
	run.work.Go(func() { f.followJournal(ctx, run.journal, first.Plan) })
}

// follow calls advance whenever the group has changed, until ctx ends or the observer is closed.
func (f *feed) follow(ctx context.Context, seen observe.Group) {
	for {
		g, err := f.view.Wait(ctx, seen)
		if err != nil {
			f.end()
			return
		}
		seen = g
		f.newest()
		select {
		case <-time.After(pace):
		case <-ctx.Done():
			return
		}
	}
}

// end disconnects all readers when the observer was closed.
func (f *feed) end() {
	select {
	case <-f.view.Done():
	default:
		return // the last reader has left
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for r := range f.readers {
		f.drop(r)
	}
}
