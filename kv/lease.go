// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// Acquire creates the entry of a key for a new hold. It overwrites the marker of an earlier entry, and what this very call
// wrote before its answer was lost. It overwrites a live entry of another hold only if over returns true for it; over may be
// nil. In all other cases it returns a [*TakenError]. Acquire does not overwrite a heartbeat that is about to expire: it waits
// until the heartbeat has expired, see awaitEnd. It waits in the same way for what an earlier call wrote without an answer, but in
// the election bucket. If it may have replaced a heartbeat and nobody knows, it also returns [ErrLost] and [ErrLate]: a session with
// another number has to begin.
func (s *Store) Acquire(ctx context.Context, b store.Bucket, key string, r record.Record, over func(store.Entry) bool) (store.Lease, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	lease, err := s.acquire(ctx, b, key, r, over)
	if err != nil {
		return store.Lease{}, fmt.Errorf("acquire %s %q: %w", b, key, err)
	}
	return lease, nil
}

func (s *Store) acquire(ctx context.Context, b store.Bucket, key string, r record.Record, over func(store.Entry) bool) (store.Lease, error) {
	if err := checkKey(key); err != nil {
		return store.Lease{}, err
	}
	chain := s.holder.chain()
	expect, replaced, stored := uint64(0), store.Entry{}, false
	var until time.Time // when the entry that is overwritten becomes too old for that; zero for none
	// A heartbeat that may be stored in the place of another one may be ended by the marker of that one. The leader would see this
	// session end, so it must not begin again under the same number. Nobody took anything from it: it was not acknowledged in time.
	doubtful := func(err error) error {
		if b == store.Heartbeats && !until.IsZero() {
			return fmt.Errorf("%w: %w: %w", ErrLost, ErrLate, err)
		}
		return err
	}
	for {
		value, err := encode(s.holder.next(chain), s.described(r))
		if err != nil {
			return store.Lease{}, err
		}
		lease := store.Lease{Bucket: b, Key: key, Sent: time.Now(), TTL: s.TTL(b), Chain: chain, Over: replaced.Revision, OverToken: replaced.Token}
		if err := s.beginWrite(ctx, lease); err != nil {
			return store.Lease{}, err
		}
		lease.Revision, err = s.put(ctx, b, key, value, expect, lease.TTL)
		if err == nil {
			lease.Over, lease.OverToken = 0, ""
			s.holder.book.wrote(lease)
		}
		switch {
		case err == nil && time.Now().Before(lease.TrustedUntil()) && (until.IsZero() || time.Now().Before(until)):
			return lease, nil
		case err == nil:
			s.holder.book.doubted(chain) // the expiry marker of the entry that it replaced may follow
			return store.Lease{}, doubtful(ErrLate)
		case !errors.Is(err, errConflict):
			if errors.Is(err, ErrUnknown) {
				s.holder.noAnswer(chain, lease.TrustedUntil())
				err = doubtful(err)
			} else if !stored {
				s.holder.book.gone(chain)
			}
			return store.Lease{}, err
		}
		entry, err := s.Get(ctx, b, key)
		if stored = err == nil && entry.Token.Of(chain); stored {
			expect, replaced = entry.Revision, store.Entry{}
			continue // what it replaced has become no younger
		}
		until, replaced = time.Time{}, store.Entry{}
		orphaned := s.holder.orphaned(entry.Token)
		switch {
		case errors.Is(err, ErrNotFound):
			expect = 0
		case err != nil:
			return store.Lease{}, err
		case entry.Kind != store.Put:
			expect = entry.Revision
		case orphaned, over != nil && over(entry):
			expect, replaced = entry.Revision, entry
			if b == store.Election || b == store.StableIDs && !orphaned {
				continue // terms make it harmless if a marker follows; or over knows how old the entry is
			}
			if until, err = s.awaitEnd(ctx, entry); err != nil {
				return store.Lease{}, err
			}
			if until.IsZero() {
				until = time.Now() // it is another entry by now: the write is refused, or too late
			}
		default:
			s.holder.book.gone(chain)
			return store.Lease{}, &store.TakenError{Entry: entry}
		}
	}
}

// Renew writes the record again, which extends the lease. It never renews late: it sends nothing once the trust is over. If the
// answer arrives after the trust was over, Renew returns [ErrLate] although the write is stored, because the expiry marker may
// follow that write. If an earlier write of this hold, whose answer was lost, causes a conflict, Renew resolves it.
//
// After [ErrUnknown] and [ErrNotDone] you may renew the same lease again while it is trusted. After [ErrLost] and [ErrLate] the
// lease is over.
func (s *Store) Renew(ctx context.Context, l store.Lease, r record.Record) (store.Lease, error) {
	ctx, cancel := context.WithDeadline(ctx, l.TrustedUntil())
	defer cancel()
	next, err := s.renew(ctx, l, r)
	if !time.Now().Before(l.TrustedUntil()) {
		err = ErrLate
	}
	if err != nil {
		return store.Lease{}, fmt.Errorf("renew %s %q: %w", l.Bucket, l.Key, err)
	}
	return next, nil
}

func (s *Store) renew(ctx context.Context, l store.Lease, r record.Record) (store.Lease, error) {
	next := l
	for {
		value, err := encode(s.holder.next(l.Chain), s.described(r))
		if err != nil {
			return store.Lease{}, err
		}
		next.Sent = time.Now()
		if !next.Sent.Before(l.TrustedUntil()) {
			return store.Lease{}, ErrLate
		}
		if err := s.beginWrite(ctx, next); err != nil {
			return store.Lease{}, err
		}
		revision, err := s.put(ctx, l.Bucket, l.Key, value, next.Revision, l.TTL)
		if err == nil {
			next.Revision = revision
			s.holder.book.wrote(next)
			return next, nil
		}
		if !errors.Is(err, errConflict) {
			return store.Lease{}, err
		}
		if next.Revision, err = s.newer(ctx, next); err != nil {
			return store.Lease{}, err
		}
	}
}

// described adds to a heartbeat what only the store knows about its worker: the newest record format that this release reads.
func (s *Store) described(r record.Record) record.Record {
	if h, ok := r.(record.Heartbeat); ok && s.format > record.Oldest {
		h.Reads = s.format
		return h
	}
	return r
}

// newer finds the revision of a later write of the same hold, and returns ErrLost if there is none. If the entry is older than
// the hold, the store was restored from an older copy: the leader of the stream has answered, and revisions of a stream only
// grow.
func (s *Store) newer(ctx context.Context, l store.Lease) (uint64, error) {
	entry, err := s.Get(ctx, l.Bucket, l.Key)
	switch {
	case errors.Is(err, ErrNotFound):
		return 0, fmt.Errorf("%w: the entry is gone", ErrLost)
	case err != nil:
		return 0, err
	case entry.Kind != store.Put:
		return 0, fmt.Errorf("%w: the entry has ended", ErrLost)
	case entry.Revision < l.Revision:
		return 0, fmt.Errorf("%w: %w: it is at revision %d, ours was %d", ErrLost, ErrRolledBack, entry.Revision, l.Revision)
	case !entry.Token.Of(l.Chain) || entry.Revision == l.Revision:
		return 0, fmt.Errorf("%w: somebody else wrote revision %d, ours was %d", ErrLost, entry.Revision, l.Revision)
	}
	return entry.Revision, nil
}

// Release deletes the entry if it still belongs to this hold, and returns [ErrLost] if it does not. After nil and after
// [ErrLost] nothing of the hold is in the store any more. A lease with Revision 0 is one whose first write got no answer:
// Release stores a marker in the place of that write, so that the write cannot be stored later. It does so even where that write
// would replace a live entry. Release does not delete an entry that is about to expire: it waits until the entry has expired.
func (s *Store) Release(ctx context.Context, l store.Lease) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	err := s.release(ctx, l)
	if err == nil || errors.Is(err, ErrLost) {
		s.holder.book.gone(l.Chain)
	}
	if err != nil {
		return fmt.Errorf("release %s %q: %w", l.Bucket, l.Key, err)
	}
	return nil
}

func (s *Store) release(ctx context.Context, l store.Lease) error {
	expect, young := l.Revision, time.Now().Before(s.holder.book.acked(l.Chain).Add(ripe(l.TTL)))
	for ; ; young = false {
		if !young {
			var err error
			if expect, err = s.endable(ctx, l); err != nil {
				return err
			}
		}
		_, err := s.write(ctx, s.marker(l.Bucket, l.Key), markerTTL, jetstream.WithExpectLastSequencePerSubject(expect))
		if !errors.Is(err, errConflict) {
			return err
		}
	}
}

// endable returns the revision at which the entry of a hold can be deleted. It waits for the end of an entry that is about to
// expire: otherwise the expiry marker could follow the deletion, and end what the next holder has stored by then.
func (s *Store) endable(ctx context.Context, l store.Lease) (expect uint64, err error) {
	for {
		entry, err := s.Get(ctx, l.Bucket, l.Key)
		absent := errors.Is(err, ErrNotFound)
		switch {
		case err != nil && !absent:
			return 0, err
		case l.Revision == 0 && (absent || entry.Kind != store.Put || l.Replaces(entry) && entry.Token == ""):
			return entry.Revision, nil
		case absent || entry.Kind != store.Put || !entry.Token.Of(l.Chain) && !l.Replaces(entry):
			return 0, fmt.Errorf("%w: the entry has ended, or belongs to somebody else", ErrLost)
		}
		until, err := s.awaitEnd(ctx, entry)
		if err != nil || !until.IsZero() {
			return entry.Revision, err
		}
	}
}
