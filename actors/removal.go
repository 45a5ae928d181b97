package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/parti-go/parti/kv"
)

// This file is how a worker's entries leave the store. The store's own book says what may be there, unanswered writes
// included, so it does not matter which actor wrote an entry, or whether that actor lived to hear the answer.

// removed: nothing of the worker is left in the bucket, or nothing more can be done about it.
type removed struct {
	generation uint64
	bucket     kv.Bucket
}

const (
	removalAttempt = 2 * time.Second // bounds one attempt to delete an entry
	removalFirst   = 50 * time.Millisecond
	removalMost    = 500 * time.Millisecond // between two attempts
)

// perBucket says something of each bucket in which a worker holds entries. Assignments, the last one, is the leader's.
type perBucket [kv.Assignments]bool

// writers are the actors that write the worker's entries.
var writers = map[kv.Bucket]string{kv.Heartbeats: kindHeartbeat, kv.StableIDs: kindClaimer, kv.Election: kindElector}

// remove deletes what the worker has in a bucket, once the actor that writes there has ended, and tries until nothing of
// that is left. The wind-down asks as often as it likes. Before a rejoin the store lets go by itself of what is not
// trusted any more; what the next session stores there is never touched.
func (m *manager) remove(b kv.Bucket) {
	w := m.winding
	if w.removing[b] || m.runs(writers[b]) || w.rejoin && w.fenced {
		return
	}
	w.removing[b] = true
	var own []kv.Lease
	store := m.life.view.Store()
	if store != nil {
		own = store.Left(b)
	}
	if len(own) == 0 {
		w.gone[b] = true
		return
	}
	generation := w.generation
	m.run(func(ctx context.Context) any {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			removeAll(ctx, store, own)
		}()
		select {
		case <-ended:
			return &removed{generation, b}
		case <-ctx.Done(): // on a stalled link the client may hang for a while, whatever its context says
			return nil
		}
	})
}

// removeAll deletes what is left of own, again and again. It ends when nothing of that is left, and where trying again is
// in vain: the connection is closed for good.
func removeAll(ctx context.Context, store *kv.Store, own []kv.Lease) {
	for pause := removalFirst; ctx.Err() == nil; pause = min(2*pause, removalMost) {
		var closed bool
		for _, lease := range own {
			closed = errors.Is(release(ctx, store, lease), nats.ErrConnectionClosed)
		}
		own = remaining(own, store.Left(own[0].Bucket))
		if len(own) == 0 || closed {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(jitter(pause)):
		}
	}
}

// remaining returns the holds of own that are still left.
func remaining(own, left []kv.Lease) []kv.Lease {
	return slices.DeleteFunc(left, func(l kv.Lease) bool {
		return !slices.ContainsFunc(own, func(o kv.Lease) bool { return o.Chain == l.Chain })
	})
}

func release(ctx context.Context, store *kv.Store, lease kv.Lease) error {
	ctx, cancel := context.WithTimeout(ctx, removalAttempt)
	defer cancel()
	return store.Release(ctx, lease)
}

// runs says that an actor of a kind has not terminated. One that is stopped may still write.
func (m *manager) runs(kind string) bool {
	for name := range m.running {
		if kindOf(name) == kind {
			return true
		}
	}
	return false
}

// kindOf is the kind of a child by its name.
func kindOf(name string) string {
	kind, _, _ := strings.Cut(name[strings.LastIndexByte(name, '/')+1:], "-")
	return kind
}

// some names the first of many.
func some(names []string) string {
	const most = 5
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more partitions", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

// leftovers says what of a worker that has ended is still there, nil for nothing.
func (l *life) leftovers(timeout time.Duration) error {
	var left []string
	if store := l.view.Store(); store != nil {
		for _, lease := range store.Left(kv.Heartbeats) {
			left = append(left, "heartbeat of "+lease.Key)
		}
		for _, lease := range store.Left(kv.StableIDs) {
			left = append(left, "claim of "+lease.Key)
		}
		if len(store.Left(kv.Election)) > 0 {
			left = append(left, "lease on leadership")
		}
	}
	var what []string
	if l.runner.calling.Load() {
		what = append(what, "OnAssignmentChanged has not returned")
	}
	if held := l.runner.handlers.Held().Holding; len(held) > 0 {
		what = append(what, "the handlers of "+some(held)+" have not returned")
	}
	if len(left) > 0 {
		verb := " is"
		if len(left) > 1 {
			verb = " are"
		}
		what = append(what, strings.Join(left, ", ")+verb+" left in the store")
	}
	switch cause := l.view.Err(); {
	case len(what) == 0:
		return nil
	case errors.Is(cause, ErrConnectionClosed), !l.leaving: // nobody waited for ShutdownTimeout
		if cause == nil {
			cause = ErrShutdownTimeout
		}
		return fmt.Errorf("%w: %s", cause, strings.Join(what, ", "))
	}
	return fmt.Errorf("%w: %s after ShutdownTimeout %s", ErrShutdownTimeout, strings.Join(what, ", "), timeout)
}
