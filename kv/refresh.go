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

// Refreshes travel beside the store, as core NATS requests: nothing of the protocol depends on them.
//
// Leaf nodes carry them between JetStream domains and accounts, in which other groups may have buckets of the same names. So
// each request says which bucket it means, by the time at which its stream was created, and a leader of another one does
// not hear it. Those of earlier releases do not say it, and are heard by every leader. The subject is the same everywhere,
// and so are the permissions.
func (s *Store) refreshSubject() string { return "parti.refresh." + s.cfg.Assignment }

const (
	replyError = "Parti-Error"
	replyRetry = "Parti-Retry"
	askBucket  = "Parti-Bucket"
)

// RequestRefresh asks the group's leader to list its source again, and waits until it has planned for the answer. Where
// there is no leader, or it is just beginning, or it is silent, it asks again until ctx ends; what was asked for first may
// be answered then. [ErrRefused] carries the leader's reason. [ErrNotDone] says that no question has reached anybody, and
// [ErrUnknown] that one may have: the leader may have listed, or may do so yet.
func (s *Store) RequestRefresh(ctx context.Context) error {
	nc := s.js.Conn()
	inbox := nc.NewInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		return notDone(err)
	}
	defer func() { _ = answers.Unsubscribe() }()
	reached := false // a question may have reached a leader, or may do so yet
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
		// What is asked at the very end nobody waits for: it would only make the outcome unknown.
		if until, ok := ctx.Deadline(); !pause(ctx, 50*time.Millisecond) || ok && !time.Now().Before(until) {
			return unanswered(reached, cmp.Or(ctx.Err(), context.DeadlineExceeded))
		}
	}
}

// unanswered says what a refresh without an answer has come to. An answer that asks to try again settles nothing: where one
// leader follows another, both may have the question.
func unanswered(reached bool, err error) error {
	if reached {
		return fmt.Errorf("%w: no leader answered in time; a leader may have done the refresh, or may still do it: %w", ErrUnknown, err)
	}
	return fmt.Errorf("%w: no leader listens: %w", ErrNotDone, err)
}

// incarnation tells the bucket of the assignments from every other one of its name.
func (s *Store) incarnation() string {
	return s.created[store.Assignments].UTC().Format(time.RFC3339Nano)
}

// nextAnswer waits for the next answer to what was asked so far, for as long as one question is worth.
func (s *Store) nextAnswer(ctx context.Context, answers *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience())
	defer cancel()
	return answers.NextMsgWithContext(ctx)
}

// ServeRefresh calls handle for each request until stop is called. handle must not block; reply may be called later,
// once. Replying ErrNotDone or ErrDeposed makes the asker ask again.
func (s *Store) ServeRefresh(handle func(reply func(error))) (stop func(), err error) {
	sub, err := s.js.Conn().Subscribe(s.refreshSubject(), func(m *nats.Msg) {
		if m.Reply == "" || !s.answerable(m.Reply) {
			return // a worker tries out whether it may ask, or the answer would be a request to JetStream with this worker's rights
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
