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

// Incarnation returns a text with the names of the buckets and with their incarnation, which changes when they are created
// again.
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

// EndLeadership deletes the lease on leadership if a dead process holds it, so that nobody has to wait for its expiry.
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

// end writes a deletion marker over an entry, or over a marker, if that is unchanged since it was read.
func (s *Store) end(ctx context.Context, e store.Entry) error {
	_, err := s.write(ctx, s.marker(e.Bucket, e.Key), markerTTL, jetstream.WithExpectLastSequencePerSubject(e.Revision))
	if err != nil {
		return fmt.Errorf("end %s %q: %w", e.Bucket, e.Key, err)
	}
	return nil
}

func isDead(e store.Entry, dead []record.Token) bool { return slices.ContainsFunc(dead, e.Token.Of) }

// claimPreferred claims the preferred ID, which may have to be taken over from another process. done is false if any other ID
// will do as well.
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

// sessionOver returns the time until which a claim may be taken over, or the zero time if it may not.
//
// The session of a claim is over if its process is dead. It is also over if both of these are true:
//
//   - It has no heartbeat. A worker acts only while its heartbeat is trusted, and the entry outlives that trust. An entry that
//     is gone never comes back in the same session, because a renewal asks for the revision before it.
//   - The claim is older than HeartbeatTTL. A session that has just begun has no heartbeat yet, but its first one must be
//     acknowledged within three quarters of HeartbeatTTL after the claim was sent.
//
// A claim that is about to expire must not be taken over: its expiry marker could follow the write that takes it over. Then the
// ID would be free again, and its new holder would not know. So a claim is not taken over in the last quarter of its life, in
// which a lease is not renewed either. The server that would expire the claim says how old it is.
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

// old reports whether a claim is older than HeartbeatTTL. The claim has not changed for so long by this process's clock. The
// clocks of the server that wrote it and of the server that reports its age may differ, so their word counts only from twice
// HeartbeatTTL on.
func (s *Store) old(claim store.Entry, age time.Duration, watched store.Watched) bool {
	ttl := s.TTL(store.Heartbeats)
	return age >= 2*ttl || claim.Revision == watched.Revision && time.Since(watched.Since) >= ttl
}

// silent proves that an ID has no heartbeat. A read that finds none proves nothing: it may have been answered by a server that
// has lost its lead without knowing. So silent writes over the marker, or the absence, that it has read, on the condition that
// this is still the last message. The server stores that write only if there was no heartbeat at that moment.
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

// awaitHeartbeat waits until the heartbeat of a dead process can be overwritten, so that the next session does not have to wait
// for that.
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

// ripe returns the age up to which an entry may be overwritten or deleted. It ends with the last eighth of the entry's life.
func ripe(ttl time.Duration) time.Duration { return ttl * 7 / 8 }

// settled is the age from which an entry may be overwritten or deleted. Before that, the expiry marker of the entry before it
// may still arrive: a single server stores it up to 350 ms after the expiry, and a cluster up to a second.
func settled(info *jetstream.StreamInfo) time.Duration {
	if info.Config.Replicas > 1 {
		return 1100 * time.Millisecond
	}
	return 400 * time.Millisecond
}

// awaitEnd returns the time until which an entry may be overwritten or deleted. Neither is allowed in the first moments of its
// life and in the last eighth. Otherwise an expiry marker could follow the write, even an acknowledged one, and end it. The
// leader would then give away the partitions of a session that its worker still trusts. In the last eighth this happens so:
//
//  1. the entry expires, and the server decides to mark it;
//  2. the write arrives, finds the entry still in its place, and is stored;
//  3. the marker is stored.
//
// In the first moments there can be one more write in between: a renewal by the former session, sent long ago, is stored after
// step 1, and the entry looks young.
//
// An entry without a lifetime, which no worker writes, has no last eighth: nothing would ever end the wait. What counts is the
// lifetime of the entry: its writer may be configured otherwise, or be none of the workers.
//
// At such times awaitEnd waits. If the entry changes meanwhile, it returns the zero time, and the next write finds what is
// there by then. The server that would expire the entry says how old it is.
func (s *Store) awaitEnd(ctx context.Context, e store.Entry) (until time.Time, err error) {
	for {
		asked := time.Now()
		info, err := s.info(ctx, e.Bucket)
		if err != nil {
			return time.Time{}, err
		}
		age := max(info.TimeStamp.Sub(e.Created), 0)
		if until = asked.Add(ripe(e.Lifetime) - age); e.Endless {
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
