// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// book lists the entries that a holder may have in the store. It has every hold from just before its first write until the hold
// is known to be gone, or has surely expired. A write whose outcome is unknown stays in it.
type book struct {
	mu    sync.Mutex
	holds map[record.Token]hold
}

// hold is one chain in the book.
type hold struct {
	lease store.Lease // Revision is that of the last acknowledged write; 0 if there was none
	acked time.Time   // when that was sent; zero for none
	until time.Time   // when its entry has surely expired
}

// writing notes that the hold is about to be written. If nobody answers a renewal, the server may still store it while the
// entry before it exists, which is one TTL at most, and the renewed entry then lasts for another TTL.
func (b *book) writing(l store.Lease) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holds[l.Chain] = hold{l, b.holds[l.Chain].acked, time.Now().Add(2*l.TTL + lateExpiry)}
}

// wrote notes that a write was acknowledged. It replaces whatever else this holder had under that key.
func (b *book) wrote(l store.Lease) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for chain, h := range b.holds {
		if h.lease.Bucket == l.Bucket && h.lease.Key == l.Key {
			delete(b.holds, chain)
		}
	}
	b.holds[l.Chain] = hold{l, l.Sent, time.Now().Add(l.TTL + lateExpiry)}
}

// gone notes that nothing of the hold is in the store, now or later.
func (b *book) gone(chain record.Token) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.holds, chain)
}

// acked returns when the last acknowledged write of a hold was sent. The entry is not older than that. The zero time means
// unknown.
func (b *book) acked(chain record.Token) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.holds[chain].acked
}

// doubted notes that a write of a hold was acknowledged too late to tell how old its entry is.
func (b *book) doubted(chain record.Token) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.holds[chain]
	h.acked = time.Time{}
	b.holds[chain] = h
}

// left lists what may be in a bucket, by key.
func (b *book) left(bucket store.Bucket) []store.Lease {
	b.mu.Lock()
	defer b.mu.Unlock()
	var left []store.Lease
	for chain, h := range b.holds {
		switch {
		case !time.Now().Before(h.until):
			delete(b.holds, chain)
		case h.lease.Bucket == bucket:
			left = append(left, h.lease)
		}
	}
	slices.SortFunc(left, func(x, y store.Lease) int {
		return cmp.Or(cmp.Compare(x.Key, y.Key), cmp.Compare(x.Chain, y.Chain))
	})
	return left
}

// Left lists the holds of this process that may still be in a bucket: the holds that were not released, and those whose write
// has an unknown outcome. Each can be passed to Release. A hold whose entry has surely expired is not listed.
func (s *Store) Left(b store.Bucket) []store.Lease { return s.holder.book.left(b) }

// beginWrite notes a write that is about to be sent. If the context has ended, the write is neither sent nor noted.
func (s *Store) beginWrite(ctx context.Context, l store.Lease) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ErrNotDone, ctx.Err())
	}
	s.holder.book.writing(l)
	return nil
}
