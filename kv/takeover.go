// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// This file is about claims of other processes: when their sessions are over, and how their IDs are taken over.

// Holder returns the prefix of all tokens that this store writes, also after [Store.Reopen]. Once the process is dead, the
// prefix identifies its entries.
func (s *Store) Holder() record.Token { return record.Token(s.holder.name + "/") }

// Incarnation names the buckets and says which incarnation of them is opened.
func (s *Store) Incarnation() string {
	name := ""
	for b := range store.Buckets {
		name += fmt.Sprintf("%s@%s ", s.cfg.bucket(b), s.created[b].UTC().Format(time.RFC3339Nano))
	}
	return name[:len(name)-1]
}

// OfRange reports whether an ID is one that workers of this group claim.
func (s *Store) OfRange(id string) bool {
	_, ok := s.cfg.ParseID(id)
	return ok
}

// EndLeadership deletes the lease on leadership where it is that of a dead process, so that nobody waits for its expiry.
func (s *Store) EndLeadership(ctx context.Context, dead []record.Token) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	for {
		entry, err := s.Get(ctx, store.Election, store.LeaderKey)
		switch {
		case errors.Is(err, ErrNotFound):
			return nil
		case err != nil:
			return fmt.Errorf("end the leadership of a dead process: %w", err)
		case entry.Kind != store.Put || !isDead(entry, dead):
			return nil
		}
		until, err := s.awaitEnd(ctx, entry)
		switch {
		case err != nil:
			return err
		case until.IsZero():
			continue // it has expired, or a renewal of the dead process was still on its way
		}
		if err = s.end(ctx, entry); !errors.Is(err, errConflict) {
			return err
		}
	}
}

// end writes the marker of a deletion over an entry, or over a marker, if it is still as it was read.
func (s *Store) end(ctx context.Context, e store.Entry) error {
	_, err := s.write(ctx, s.marker(e.Bucket, e.Key), markerTTL, jetstream.WithExpectLastSequencePerSubject(e.Revision))
	if err != nil {
		return fmt.Errorf("end %s %q: %w", e.Bucket, e.Key, err)
	}
	return nil
}

func isDead(e store.Entry, dead []record.Token) bool { return slices.ContainsFunc(dead, e.Token.Of) }

// claimPreferred claims the preferred ID where that may have to be taken over from another process. done is false where
// any other ID will do as well.
func (s *Store) claimPreferred(ctx context.Context, rec record.Claim, opts store.ClaimOptions) (lease store.Lease, done bool, err error) {
	id := ""
	switch {
	case len(opts.Prefer) > 0:
		id = opts.Prefer[0]
	case len(opts.Dead) > 0:
		// The process died before it could write down which ID it has.
		snapshot, err := s.Snapshot(ctx, store.StableIDs, nil, 0)
		if err != nil {
			return store.Lease{}, false, fmt.Errorf("claim an ID: %w", err)
		}
		if n := slices.IndexFunc(snapshot.Entries, func(e store.Entry) bool { return isDead(e, opts.Dead) }); n >= 0 {
			id = snapshot.Entries[n].Key
		}
	}
	if !s.OfRange(id) || !opts.Only && len(opts.Dead) == 0 {
		return store.Lease{}, false, nil
	}
	lease, err = s.claimOne(ctx, id, rec, opts)
	if !opts.Only && errors.Is(err, ErrTaken) {
		return store.Lease{}, false, nil
	}
	return lease, true, err
}

func (s *Store) claimOne(ctx context.Context, id string, rec record.Claim, opts store.ClaimOptions) (store.Lease, error) {
	lease, err := s.acquireID(ctx, id, rec, opts)
	for last := uint64(0); ; {
		var taken *store.TakenError
		if !errors.As(err, &taken) || taken.Entry.Revision == last {
			return lease, err
		}
		last = taken.Entry.Revision
		if awaits(taken.Entry, opts) {
			return store.Lease{}, notExpired(taken.Entry)
		}
		if lease, err = s.takeOver(ctx, taken, rec, opts); !isDead(taken.Entry, opts.Dead) {
			return lease, err
		} // otherwise a renewal of the dead process may still have been on its way
	}
}

// takeOver takes over a claim whose session is over. It is a [*store.TakenError] where it is not, and where the claim is another by
// now.
func (s *Store) takeOver(ctx context.Context, taken *store.TakenError, rec record.Claim, opts store.ClaimOptions) (store.Lease, error) {
	id := taken.Entry.Key
	until, err := s.sessionOver(ctx, taken.Entry, opts)
	if err != nil {
		return store.Lease{}, fmt.Errorf("claim %q: %w", id, err)
	}
	if !time.Now().Before(until) {
		return store.Lease{}, taken
	}
	if isDead(taken.Entry, opts.Dead) {
		err = s.awaitHeartbeat(ctx, id, opts.Dead)
		if err == nil {
			_, err = s.awaitEnd(ctx, taken.Entry) // it may be so young that the marker of the claim before it is still under way
		}
		if err != nil {
			return store.Lease{}, fmt.Errorf("claim %q: %w", id, err)
		}
	}
	lease, err := s.Acquire(ctx, store.StableIDs, id, rec, func(e store.Entry) bool {
		return e.Revision == taken.Entry.Revision && time.Now().Before(until)
	})
	if err == nil && !time.Now().Before(until) {
		return store.Lease{}, fmt.Errorf("claim %q: %w", id, ErrLate)
	}
	return lease, err
}

// sessionOver says until when a claim may be taken over; the zero time where it may not.
//
// The session of a claim is over when its process is dead. It is over as well when two things are so:
//
//   - It has no heartbeat. A worker acts only while its heartbeat is trusted, and the entry outlives that trust. One that is
//     gone never comes back in the same session, because a renewal asks for the revision it had.
//   - The claim is older than HeartbeatTTL. A session that has just begun has no heartbeat yet, but its first must be
//     acknowledged within three quarters of HeartbeatTTL after the claim was sent.
//
// The claim must not be about to expire: the marker of its expiry could follow the write that takes it over, and the ID
// would be free again without its new holder knowing. So it is not taken over in the last quarter of its life, as a lease is
// not renewed then. The server that would expire it says how old it is.
func (s *Store) sessionOver(ctx context.Context, claim store.Entry, opts store.ClaimOptions) (until time.Time, err error) {
	asked := time.Now()
	info, err := s.info(ctx, store.StableIDs)
	if err != nil {
		return time.Time{}, err
	}
	if info.TimeStamp.IsZero() {
		return time.Time{}, nil
	}
	age := max(info.TimeStamp.Sub(claim.Created), 0)
	until = store.Lease{Sent: asked.Add(-age), TTL: s.TTL(store.StableIDs)}.TrustedUntil()
	switch {
	case isDead(claim, opts.Dead):
		return until, nil
	case !s.old(claim, age, opts.Watched), !time.Now().Before(until):
		return time.Time{}, nil
	}
	silent, err := s.silent(ctx, claim.Key)
	if err != nil || !silent {
		return time.Time{}, err
	}
	return until, nil
}

// old reports whether a claim is older than HeartbeatTTL: it has not changed for so long by the own clock. The clocks of two
// servers may differ, one that wrote and one that says how late it is, so their word counts from twice that on.
func (s *Store) old(claim store.Entry, age time.Duration, watched store.Watched) bool {
	ttl := s.TTL(store.Heartbeats)
	return age >= 2*ttl || claim.Revision == watched.Revision && time.Since(watched.Since) >= ttl
}

// silent proves that an ID has no heartbeat. That a read finds none proves nothing: a server that lost its lead without
// knowing may have answered. So the marker, or the nothing, that was read is written over on the condition that it is
// still the last: that write is stored only if there was no heartbeat at that moment.
func (s *Store) silent(ctx context.Context, id string) (bool, error) {
	entry, err := s.Get(ctx, store.Heartbeats, id)
	switch {
	case errors.Is(err, ErrNotFound):
		entry = store.Entry{Bucket: store.Heartbeats, Key: id}
	case err != nil:
		return false, err
	case entry.Kind == store.Put:
		return false, nil
	}
	err = s.end(ctx, entry)
	if errors.Is(err, errConflict) {
		return false, nil
	}
	return err == nil, err
}

// awaitHeartbeat waits until the heartbeat of a dead process can be written over, so that the session that is about to begin
// does not have to.
func (s *Store) awaitHeartbeat(ctx context.Context, id string, dead []record.Token) error {
	entry, err := s.Get(ctx, store.Heartbeats, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	case entry.Kind != store.Put || !isDead(entry, dead):
		return nil
	}
	_, err = s.awaitEnd(ctx, entry)
	return err
}

// ripe is up to which age an entry may be written over or deleted: until the last eighth of its life.
func ripe(ttl time.Duration) time.Duration { return ttl * 7 / 8 }

// settled is from which age an entry may be written over or deleted. Until then the marker of the entry before it may still be
// under way: a server stores it up to 350 ms after the expiry, and a cluster up to a second.
func settled(info *jetstream.StreamInfo) time.Duration {
	if info.Config.Replicas > 1 {
		return 1100 * time.Millisecond
	}
	return 400 * time.Millisecond
}

// awaitEnd says until when an entry may be written over, or deleted. It may be neither in the first moments of its life nor in
// the last eighth. The marker of an expiry could follow what is written, even if the write is acknowledged, and would end it. The
// leader would give a session's partitions away while its worker still trusts it. In the last eighth:
//
//  1. the entry expires, and the server decides to mark it;
//  2. the write arrives, finds the entry still in its place, and is stored;
//  3. the marker is stored.
//
// In the first moments there can be one more write in between: a renewal of the former session, sent long ago, is stored after
// step 1, and the entry looks young.
//
// An entry without a lifetime, which no worker writes, has no last eighth: nothing would ever end the wait.
//
// At such times awaitEnd waits. If the entry is no longer what it was, it returns the zero time: then the next write finds what
// there is. The server that would expire the entry says how old it is.
func (s *Store) awaitEnd(ctx context.Context, e store.Entry) (until time.Time, err error) {
	for {
		asked := time.Now()
		info, err := s.info(ctx, e.Bucket)
		if err != nil {
			return time.Time{}, err
		}
		age := max(info.TimeStamp.Sub(e.Created), 0)
		if until = asked.Add(ripe(s.TTL(e.Bucket)) - age); e.Endless {
			until = asked.Add(s.TTL(e.Bucket))
		}
		if age >= settled(info) && time.Now().Before(until) {
			return until, nil
		}
		now, err := s.Get(ctx, e.Bucket, e.Key)
		switch {
		case errors.Is(err, ErrNotFound):
			return time.Time{}, nil
		case err != nil:
			return time.Time{}, err
		case now.Revision != e.Revision:
			return time.Time{}, nil
		}
		if !pause(ctx, 25*time.Millisecond) {
			return time.Time{}, fmt.Errorf("await the end of %s %q: %w: %w", e.Bucket, e.Key, ErrNotDone, ctx.Err())
		}
	}
}
