// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/parti-go/parti/internal/control"
	"github.com/parti-go/parti/internal/store"
)

// Requests to one worker travel beside the store, as refreshes do; see package control.

// ServeControl passes each request to the holder of a worker ID to handle, until ctx ends. handle must not block. A request
// whose reply subject belongs to JetStream is dropped. ServeControl returns [ErrPermission] if the connection's user may not
// subscribe to the requests.
func (s *Store) ServeControl(ctx context.Context, worker string, handle func(data []byte, reply string)) error {
	nc, subject := s.js.Conn(), control.Subject(s.cfg.Assignment, worker)
	made := make(chan *nats.Subscription, 1)
	tried, cancel := s.bound(ctx)
	defer cancel()
	var failed error
	denied, unsure := s.tryOut(tried, subject, func() error {
		sub, err := nc.Subscribe(subject, func(m *nats.Msg) {
			if m.Reply != "" && s.answerable(m.Reply) { // without a reply subject somebody tests the permission to ask
				handle(m.Data, m.Reply)
			}
		})
		made <- sub
		return err
	})
	// If the server has not confirmed the subscription, the client sends it again when the connection is back.
	sub := <-made
	if sub == nil {
		failed = fmt.Errorf("subscribe to %q: %w", subject, notDone(unsure))
	} else {
		defer func() { _ = sub.Unsubscribe() }()
	}
	if denied {
		failed = fmt.Errorf("%w: the user of this connection may not subscribe to %q", ErrPermission, subject)
	}
	if failed == nil {
		<-ctx.Done()
	}
	return failed
}

// answerable reports whether an answer may go to a subject. Subjects of the JetStream API are refused: an answer there could
// make this worker purge a bucket, for instance. With a prefix that the user has chosen, these subjects look like any other, so
// the prefix is checked.
func (s *Store) answerable(reply string) bool {
	return control.Answerable(reply) && !strings.HasPrefix(reply, s.prefix)
}

// AnswerControl sends an answer. Nothing confirms that it arrives. It returns [ErrNotDone] if no answer may go to that
// subject.
func (s *Store) AnswerControl(reply string, data []byte) error {
	if !s.answerable(reply) {
		return fmt.Errorf("%w: the reply subject is %.100q, allowed: an inbox, without $ and not below parti. or %s", ErrNotDone, reply, s.prefix)
	}
	return s.js.Conn().Publish(reply, data)
}

// FlushControl waits until the server has the answers that were sent.
func (s *Store) FlushControl(ctx context.Context) error {
	_, err := bounded(ctx, func() (struct{}, error) { return struct{}{}, s.js.Conn().FlushWithContext(ctx) })
	return err
}

// Made returns the time at which the stream of the assignments was created.
func (s *Store) Made() time.Time { return s.created[store.Assignments] }
