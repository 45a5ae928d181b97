package kv

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Acquire writes rec under a key that nobody holds and returns the lease on it.
//
// A key counts as free when it has no entry, when its last entry is a marker, or when its last entry was written by this
// store (an earlier attempt whose answer was lost). Another's entry is replaced only if over, which may be nil, says so;
// else the error is a [TakenError]. Each of these writes is conditional on exactly the entry that was judged.
//
// Other errors: [ErrUnknown], [ErrNotDone], and [ErrLate] if the acknowledgement took so long that nothing is left of
// the trust in the lease.
func (s *Store) Acquire(ctx context.Context, b Bucket, key string, rec Record, over func(Entry) bool) (Lease, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	lease, err := s.acquire(ctx, b, key, rec, 0, over)
	if err != nil {
		return Lease{}, fmt.Errorf("acquire %s %q: %w", b, key, err)
	}
	return lease, nil
}

func (s *Store) acquire(ctx context.Context, b Bucket, key string, rec Record, expected uint64, over func(Entry) bool) (Lease, error) {
	if err := checkKey(key); err != nil {
		return Lease{}, err
	}
	lease := Lease{Bucket: b, Key: key, TTL: s.cfg.ttl(b), chain: s.holder.chain()}
	for pause := (backoff{first: time.Millisecond, most: 100 * time.Millisecond}); ; {
		err := s.extend(ctx, &lease, rec, expected)
		if !errors.Is(err, errConflict) {
			return lease, err
		}
		e, err := s.get(ctx, b, key)
		switch {
		case errors.Is(err, ErrNotFound):
			expected = 0
		case err != nil:
			return Lease{}, err
		case e.Kind == Put && !s.holder.wrote(e.token) && (over == nil || !over(e)):
			return Lease{}, &TakenError{e}
		default:
			expected = e.Revision
		}
		if !pause.wait(ctx) {
			return Lease{}, fmt.Errorf("%w: %w", ErrNotDone, ctx.Err())
		}
	}
}

// extend writes the record of a lease and takes the acknowledgement over into it, unless that came too late.
func (s *Store) extend(ctx context.Context, lease *Lease, rec Record, expected uint64) error {
	trusted := lease.TrustedUntil()
	revision, sent, err := s.put(ctx, lease.Bucket, lease.Key, s.holder.next(lease.chain), rec, expected)
	if err != nil {
		return err
	}
	if lease.Revision == 0 { // the first write: its own trust is all there is
		trusted = sent.Add(lease.TTL - lease.TTL/4)
	}
	if !time.Now().Before(trusted) {
		return fmt.Errorf("%w: acknowledged after %s", ErrLate, time.Since(sent).Round(time.Millisecond))
	}
	lease.Revision, lease.Sent = revision, sent
	return nil
}

// Renew writes rec over the lease's own last entry and returns the lease that follows; l itself does not change.
//
// It never writes, and never accepts an acknowledgement, once the trust in l has ended ([ErrLate]): the context is cut
// to that moment. An entry that was written by an unanswered renewal of this same lease is recognised and renewed; any
// other means [ErrLost]. After [ErrUnknown] and [ErrNotDone] the lease is trusted as before: renew l again.
func (s *Store) Renew(ctx context.Context, l Lease, rec Record) (Lease, error) {
	trusted := l.TrustedUntil()
	if !time.Now().Before(trusted) {
		return Lease{}, fmt.Errorf("renew %s %q: %w", l.Bucket, l.Key, ErrLate)
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	ctx, cancelLate := context.WithDeadline(ctx, trusted)
	defer cancelLate()
	next, err := s.renew(ctx, l, rec)
	switch {
	case err == nil:
		return next, nil
	case !errors.Is(err, ErrLost) && !errors.Is(err, ErrLate) && !time.Now().Before(trusted):
		err = fmt.Errorf("%w: %w", ErrLate, err)
	}
	return Lease{}, fmt.Errorf("renew %s %q: %w", l.Bucket, l.Key, err)
}

func (s *Store) renew(ctx context.Context, l Lease, rec Record) (Lease, error) {
	expected := l.Revision
	for {
		next := l
		err := s.extend(ctx, &next, rec, expected)
		if !errors.Is(err, errConflict) {
			return next, err
		}
		e, err := s.get(ctx, l.Bucket, l.Key)
		switch {
		case errors.Is(err, ErrNotFound):
			return Lease{}, fmt.Errorf("%w: the entry is gone", ErrLost)
		case err != nil:
			return Lease{}, err
		case e.Kind == Expired:
			return Lease{}, fmt.Errorf("%w: the entry has expired", ErrLost)
		case e.Kind == Deleted:
			return Lease{}, fmt.Errorf("%w: the entry was deleted", ErrLost)
		case !e.token.of(l.chain):
			return Lease{}, fmt.Errorf("%w: revision %d is somebody else's", ErrLost, e.Revision)
		case e.Revision == expected:
			// What refused us is not visible yet. The caller tries again, with the same lease.
			return Lease{}, fmt.Errorf("%w: refused, yet the entry is unchanged", ErrNotDone)
		}
		expected = e.Revision
	}
}

// Release deletes the lease's entry, so that the next holder need not wait for its end. It may be called whether or not
// the lease is still trusted. An entry that is somebody else's, or gone, is left alone: [ErrLost]. Releasing a second
// time after [ErrUnknown] is no error.
func (s *Store) Release(ctx context.Context, l Lease) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	if err := s.release(ctx, l); err != nil {
		return fmt.Errorf("release %s %q: %w", l.Bucket, l.Key, err)
	}
	return nil
}

func (s *Store) release(ctx context.Context, l Lease) error {
	expected := l.Revision
	for pause := (backoff{first: time.Millisecond, most: 100 * time.Millisecond}); ; {
		err := s.attempt(ctx, func(ctx context.Context) error {
			_, err := s.wire.publish(ctx, expect(s.marker(l.Bucket, l.Key, s.holder.next(l.chain)), expected))
			return err
		})
		if !errors.Is(err, errConflict) {
			return err
		}
		e, err := s.get(ctx, l.Bucket, l.Key)
		switch {
		case errors.Is(err, ErrNotFound):
			return fmt.Errorf("%w: the entry is gone", ErrLost)
		case err != nil:
			return err
		case !e.token.of(l.chain):
			return fmt.Errorf("%w: revision %d is not ours", ErrLost, e.Revision)
		case e.Kind == Deleted:
			return nil
		}
		expected = e.Revision
		if !pause.wait(ctx) {
			return fmt.Errorf("%w: %w", ErrNotDone, ctx.Err())
		}
	}
}
