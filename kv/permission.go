// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/internal/store"
)

// A server reports a missing permission beside the request, which then just gets no answer. It must not look like a timeout,
// and must not be found out only by the first worker that leads. So every subject is tested beforehand with messages that have
// no effect: they ask for no answer, and a message that a stream would store names a different stream than the one that would
// store it.

// noStream is the name in [jetstream.ExpectedStreamHeader] of a message that no stream may store.
const noStream = "none"

// probes returns messages for the subjects on which a worker publishes. Of the bucket of IDs it has only those that every start
// needs.
func (s *Store) probes() []*nats.Msg {
	probes := []*nats.Msg{nats.NewMsg(s.prefix + "INFO"), nats.NewMsg(s.refreshSubject())}
	for b := range store.Buckets {
		stream, key := s.stream(b), s.allKeys(b)[0]
		create := s.prefix + "CONSUMER.CREATE." + stream + ".probe"
		if b == store.Election { // followed by its one key, which then is part of the subject
			create += "." + s.subject(b, key)
		}
		subjects := []string{s.prefix + "STREAM.INFO." + stream, s.prefix + "DIRECT.GET." + stream, s.writes + s.subject(b, key)}
		if b != store.StableIDs { // where many claim at once, only what each of them needs
			subjects = append(subjects, s.prefix+"STREAM.MSG.GET."+stream, create, s.prefix+"CONSUMER.MSG.NEXT."+stream+".probe")
		}
		for _, subject := range subjects {
			m := nats.NewMsg(subject)
			m.Header.Set(jetstream.ExpectedStreamHeader, noStream)
			probes = append(probes, m)
		}
	}
	return probes
}

// checkPermissions returns [ErrPermission] with what the connection's user may not do.
func (s *Store) checkPermissions(ctx context.Context) error {
	missing, err := s.missing(ctx)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: the user of this connection may not %s", ErrPermission, strings.Join(missing, ", nor "))
	}
	return nil
}

// missing lists what a worker does and the connection's user may not do.
func (s *Store) missing(ctx context.Context) (missing []string, err error) {
	nc := s.js.Conn()
	inbox := nc.NewInbox()
	allowedAs := map[string]string{inbox: inbox[:strings.LastIndexByte(inbox, '.')] + ".>"} // the form in which an operator would allow it
	for _, subject := range []string{inbox, s.refreshSubject()} {
		denied, err := s.tryOut(ctx, subject, func() error {
			sub, err := nc.SubscribeSync(subject)
			if err != nil {
				return err
			}
			return sub.Unsubscribe()
		})
		if err != nil {
			return nil, err
		}
		if denied {
			missing = append(missing, fmt.Sprintf("subscribe to %q", cmp.Or(allowedAs[subject], subject)))
		}
	}
	denied, err := s.mayPublish(ctx, s.probes()...)
	return append(missing, publishTo(denied)...), err
}

// checkSplit returns [ErrTooLarge] if the connection's user may not publish the parts of a record. The first record that needs
// parts tests this, not the start: a user with all permissions that an earlier release needed may start.
func (s *Store) checkSplit(ctx context.Context) error {
	if s.maySplit.Load() {
		return nil
	}
	part := nats.NewMsg(s.writes + s.subject(store.Assignments, partKey(s.cfg.ID(s.cfg.IDMin), 1)))
	part.Header.Set(jetstream.ExpectedStreamHeader, noStream)
	denied, err := s.mayPublish(ctx, part)
	if err != nil {
		return err
	}
	if len(denied) > 0 {
		return fmt.Errorf("%w: the record needs more than one message, and the user of this connection may not publish to %q", ErrTooLarge, denied[0])
	}
	s.maySplit.Store(true)
	return nil
}

// mayPublish returns the subjects of the messages that the server refuses. It sends the messages one by one only if the server
// refuses any of them, because a connection keeps only its last error.
func (s *Store) mayPublish(ctx context.Context, probes ...*nats.Msg) (denied []string, err error) {
	no, err := s.tryOut(ctx, "", func() error {
		for _, m := range probes {
			if err := s.js.Conn().PublishMsg(m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || !no {
		return nil, err
	}
	for _, m := range probes {
		no, err := s.tryOut(ctx, m.Subject, func() error { return s.js.Conn().PublishMsg(m) })
		if err != nil {
			return nil, err
		}
		if no {
			denied = append(denied, m.Subject)
		}
	}
	return denied, nil
}

// tryOut reports whether the server has refused what f did on the subject, or on any subject if it is empty. The server answers
// in order: when the answer to a ping arrives, so has the refusal.
func (s *Store) tryOut(ctx context.Context, subject string, f func() error) (denied bool, err error) {
	nc := s.js.Conn()
	before := nc.LastError()
	_, err = bounded(ctx, func() (struct{}, error) {
		if err := f(); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, nc.FlushWithContext(ctx)
	})
	if err != nil {
		return false, fmt.Errorf("test the permissions: %w", notDone(err))
	}
	after := nc.LastError()
	// Errors are compared by identity: the same refusal twice is two errors.
	return after != before && errors.Is(after, nats.ErrPermissionViolation) && //nolint:errorlint // identity is meant
		strings.Contains(after.Error(), subject), nil
}
