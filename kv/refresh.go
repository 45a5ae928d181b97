// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/parti-go/parti/internal/store"
)

// Refreshes travel beside the store, as core NATS requests. Nothing of the protocol depends on them.
//
// Leaf nodes carry them between JetStream domains and accounts, where other groups may have buckets of the same names. So each
// request names its bucket by the creation time of the stream, and a leader with another bucket ignores it. Requests of earlier
// releases do not name a bucket, and every leader takes them. The subject and the permissions are the same in all releases.
func (s *Store) refreshSubject() string { return "parti.refresh." + s.cfg.Assignment }

const (
	replyError = "Parti-Error"
	replyRetry = "Parti-Retry"
	askBucket  = "Parti-Bucket"
)

// RequestRefresh asks the group's leader to list its source again, and returns when the leader has planned for the new list. It
// repeats the request until ctx ends while there is no leader, or the leader has just begun or does not answer. The answer may
// then be that to an earlier request. [ErrRefused] carries the leader's reason. [ErrNotDone] says that no request has reached a
// leader. [ErrUnknown] says that one may have: the leader may have listed its source, or may still do it.
func (s *Store) RequestRefresh(ctx context.Context) error {
	nc := s.js.Conn()
	inbox := nc.NewInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		return notDone(err)
	}
	defer func() { _ = answers.Unsubscribe() }()
	reached := false // a request may have reached a leader, or may still reach one
	for {
		var answer *nats.Msg
		question := nats.NewMsg(s.refreshSubject())
		question.Reply = inbox
		question.Header.Set(askBucket, s.incarnation())
		err := nc.PublishMsg(question)
		if err == nil {
			answer, err = s.nextAnswer(ctx, answers)
			reached = reached || !errors.Is(err, nats.ErrNoResponders)
		}
		switch {
		case errors.Is(err, nats.ErrConnectionClosed):
			return unanswered(reached, err)
		case err != nil, answer.Header.Get(replyRetry) != "":
		case answer.Header.Get(replyError) != "":
			return fmt.Errorf("%w: %s", ErrRefused, answer.Header.Get(replyError))
		default:
			return nil
		}
		// A request at the very end would get no answer in time, and would only make the outcome unknown.
		if until, ok := ctx.Deadline(); !pause(ctx, 50*time.Millisecond) || ok && !time.Now().Before(until) {
			return unanswered(reached, cmp.Or(ctx.Err(), context.DeadlineExceeded))
		}
	}
}

// unanswered returns the error of a refresh without an answer. An answer that asks to try again settles nothing: while one
// leader follows another, both may have the request.
func unanswered(reached bool, err error) error {
	if reached {
		return fmt.Errorf("%w: no leader answered in time; a leader may have done the refresh, or may still do it: %w", ErrUnknown, err)
	}
	return fmt.Errorf("%w: no leader listens: %w", ErrNotDone, err)
}

// incarnation identifies the assignment bucket among all buckets of that name.
func (s *Store) incarnation() string {
	return s.created[store.Assignments].UTC().Format(time.RFC3339Nano)
}

// nextAnswer waits for the next answer to any request so far. It waits as long as one request may take.
func (s *Store) nextAnswer(ctx context.Context, answers *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience())
	defer cancel()
	return answers.NextMsgWithContext(ctx)
}

// ServeRefresh calls handle for each request until stop is called. handle must not block. reply may be called later, once. If
// the reply is ErrNotDone or ErrDeposed, the asker asks again.
func (s *Store) ServeRefresh(handle func(reply func(error))) (stop func(), err error) {
	sub, err := s.js.Conn().Subscribe(s.refreshSubject(), func(m *nats.Msg) {
		if m.Reply == "" || !s.answerable(m.Reply) {
			return // a worker tests its permission, or the reply subject would make the answer a request to JetStream with this worker's rights
		}
		if of := m.Header.Get(askBucket); of != "" && of != s.incarnation() {
			return // it is for a bucket of the same name in another domain
		}
		handle(func(err error) {
			r := nats.NewMsg(m.Reply)
			switch {
			case errors.Is(err, ErrNotDone), errors.Is(err, ErrDeposed):
				r.Header.Set(replyRetry, "1")
			case err != nil:
				r.Header.Set(replyError, err.Error())
			}
			_ = m.RespondMsg(r) // the asker asks again
		})
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe to refreshes: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil
}
