// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/parti-go/parti/internal/member"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv"
)

// This file removes a worker's entries from the store. The store's own book lists every entry that may be there, including
// writes without an answer. So it does not matter which actor wrote an entry, or whether that actor got the answer.

const (
	removalAttempt = 2 * time.Second // bounds one attempt to delete an entry
	removalFirst   = 50 * time.Millisecond
	removalMost    = 500 * time.Millisecond // between two attempts
)

// remove deletes what the worker has in a bucket, and tries until nothing of that is left. It never touches what the next
// session stores there.
func (m *manager) remove(e *member.Delete) {
	deleted := &member.Deleted{ID: e.ID, Bucket: e.Bucket}
	var own []store.Lease
	buckets := m.life.view.Store()
	if buckets != nil {
		own = buckets.Left(e.Bucket)
	}
	if len(own) == 0 {
		m.step(deleted)
		return
	}
	m.run(func(ctx context.Context) any {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			removeAll(ctx, buckets, own)
		}()
		select {
		case <-ended:
			return deleted
		case <-ctx.Done(): // on a stalled link the client may hang for a while, whatever its context says
			return nil
		}
	})
}

// removeAll deletes what is left of own, again and again. It ends when nothing is left, or when the connection is closed for
// good, so that another attempt is in vain.
func removeAll(ctx context.Context, buckets *kv.Store, own []store.Lease) {
	for pause := removalFirst; ctx.Err() == nil; pause = min(2*pause, removalMost) {
		var closed bool
		for _, hold := range own {
			closed = errors.Is(release(ctx, buckets, hold), nats.ErrConnectionClosed)
		}
		own = remaining(own, buckets.Left(own[0].Bucket))
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
func remaining(own, left []store.Lease) []store.Lease {
	return slices.DeleteFunc(left, func(l store.Lease) bool {
		return !slices.ContainsFunc(own, func(o store.Lease) bool { return o.Chain == l.Chain })
	})
}

func release(ctx context.Context, buckets *kv.Store, hold store.Lease) error {
	ctx, cancel := context.WithTimeout(ctx, removalAttempt)
	defer cancel()
	return buckets.Release(ctx, hold)
}

// kindOf returns the kind of a child from its name.
func kindOf(name string) member.Kind {
	kind, _, _ := strings.Cut(name[strings.LastIndexByte(name, '/')+1:], "-")
	return member.Kind(kind)
}

// some names the first few of many partitions.
func some(names []string) string {
	const most = 5
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more partitions", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

// leftovers returns an error that names what an ended worker has left; nil for nothing.
func (l *life) leftovers(timeout time.Duration) error {
	var left []string
	if buckets := l.view.Store(); buckets != nil {
		for _, hold := range buckets.Left(store.Heartbeats) {
			left = append(left, "heartbeat of "+hold.Key)
		}
		for _, hold := range buckets.Left(store.StableIDs) {
			left = append(left, "claim of "+hold.Key)
		}
		if len(buckets.Left(store.Election)) > 0 {
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
