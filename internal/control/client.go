// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// askAgain is how long the client waits for any answer before it repeats the request.
	askAgain = 3 * time.Second
	// askAnyway is how long the client goes on without a request while it gets answers. It must not be longer, because a server
	// forgets after a while which worker may answer.
	askAnyway = 20 * time.Second
	// askSoon is the pause before the next request if nobody listens.
	askSoon = 200 * time.Millisecond
	// nobodyFor is how long nobody must listen before that is the answer, because a subscription may be about to return.
	// nobodyAfter is longer and holds for a worker that was heard: its last answer comes some time after it has ceased to
	// listen.
	nobodyFor   = 2 * time.Second
	nobodyAfter = 15 * time.Second
	// triedIn limits the first exchange with the server, which would report missing permissions.
	triedIn = 2 * time.Second
)

// Ask makes the holder of a worker ID do what r says. It returns when that is done, or with the reason why it is not: one of
// the sentinels of this package. It waits as long as ctx allows. Progress, if it is not nil, is called on this goroutine with
// each sign of life.
//
// A request without a session goes to the holder of the ID at the first contact, and from then on only to that session. If ctx
// ends, the request is not taken back.
func Ask(ctx context.Context, nc *nats.Conn, bucket, worker string, r Request, progress func(Progress)) error {
	if err := check(bucket, worker, r); err != nil {
		return err
	}
	c := &call{nc: nc, subject: Subject(bucket, worker), worker: worker, request: r, progress: progress}
	inbox := nc.NewInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		return fmt.Errorf("ask %s to %s: %w: %w", worker, r.Action, ErrFailed, err)
	}
	defer func() { _ = answers.Unsubscribe() }()
	c.answers, c.inbox = answers, inbox
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("ask %s to %s: %w", worker, r.Action, err)
	}
	return nil
}

// check refuses a request that cannot be sent.
func check(bucket, worker string, r Request) error {
	for _, name := range []struct{ what, value string }{{"bucket", bucket}, {"worker", worker}} {
		if name.value == "" || strings.ContainsAny(name.value, ".*> \t\r\n") {
			return fmt.Errorf("%w: %s is %q, allowed: one token of a subject", ErrRequest, name.what, name.value)
		}
	}
	if !slices.Contains(actions, r.Action) {
		return fmt.Errorf("%w: action is %q, allowed: %s", ErrRequest, r.Action, listed())
	}
	if r.Within < 0 {
		return fmt.Errorf("%w: within is %s, allowed: 0 for no bound, or more", ErrRequest, r.Within)
	}
	return nil
}

// call is one Ask under way.
type call struct {
	nc       *nats.Conn
	answers  *nats.Subscription
	inbox    string
	subject  string
	worker   string
	request  Request
	progress func(Progress)

	heard  bool // the worker has answered what is asked for
	last   Progress
	nobody time.Time // since when nobody listens; zero for not so
}

// run finds out which session holds the ID, and then sends the request.
func (c *call) run(ctx context.Context) error {
	if err := c.permitted(ctx); err != nil {
		return err
	}
	if c.request.Session == 0 {
		hello := c.request
		hello.Action, hello.Within = Hello, 0
		first, err := c.exchange(ctx, hello)
		if err != nil {
			return err
		}
		c.request.Session = first.Session
		if c.request.Action == Hello {
			c.say(first.Progress)
			return nil
		}
	}
	last, err := c.exchange(ctx, c.request)
	if err == nil {
		c.say(last.Progress)
	}
	return err
}

// permitted tests the permissions with a message that asks for no answer, which has no effect.
func (c *call) permitted(ctx context.Context) error {
	before := c.nc.LastError()
	if err := c.nc.Publish(c.subject, nil); err != nil {
		return nil //nolint:nilerr // it is asked again, and says itself what is wrong
	}
	ctx, cancel := context.WithTimeout(ctx, triedIn)
	defer cancel()
	if c.nc.FlushWithContext(ctx) != nil {
		return nil
	}
	// Errors are compared by identity: the same refusal twice is two errors.
	err := c.nc.LastError()
	if err == nil || err == before || !errors.Is(err, nats.ErrPermissionViolation) { //nolint:errorlint // identity is meant
		return nil
	}
	if text := err.Error(); strings.Contains(text, c.subject) || strings.Contains(text, c.inbox) {
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return nil
}

// exchange repeats the request until there is a last answer.
func (c *call) exchange(ctx context.Context, r Request) (Answer, error) {
	c.heard = false
	for {
		wait := askAgain
		if err := c.publish(r); err != nil {
			if errors.Is(err, nats.ErrConnectionClosed) {
				return Answer{}, fmt.Errorf("%w: %w", ErrFailed, err)
			}
			wait = askSoon // not connected
		}
		last, err := c.listen(ctx, r, wait)
		switch {
		case last != nil:
			return *last, last.Err()
		case err != nil:
			return Answer{}, err
		}
	}
}

func (c *call) publish(r Request) error {
	return c.nc.PublishMsg(&nats.Msg{Subject: c.subject, Reply: c.inbox, Data: r.Encode()})
}

// listen returns the last answer, an error, or nothing when it is time to ask again.
func (c *call) listen(ctx context.Context, r Request, wait time.Duration) (*Answer, error) {
	until := time.Now().Add(wait)
	latest := time.Now().Add(askAnyway)
	for {
		m, err := c.next(ctx, until)
		switch {
		case errors.Is(err, nats.ErrNoResponders):
			if err := c.unheard(); err != nil {
				return nil, err
			}
			until = time.Now().Add(askSoon)
			continue
		case err != nil && ctx.Err() != nil:
			return nil, c.silent(ctx)
		case errors.Is(err, context.DeadlineExceeded):
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrFailed, err)
		}
		a, err := DecodeAnswer(m.Data)
		if err != nil {
			return nil, err
		}
		if a.Action != "" && a.Action != r.Action {
			continue // a late answer to what was asked before
		}
		if c.nobody = (time.Time{}); a.Done {
			return &a, nil
		}
		c.heard = true
		c.say(a.Progress)
		if until = time.Now().Add(wait); until.After(latest) {
			until = latest
		}
	}
}

func (c *call) next(ctx context.Context, until time.Time) (*nats.Msg, error) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return c.answers.NextMsgWithContext(ctx)
}

// unheard decides what it means if nobody listens.
func (c *call) unheard() error {
	now := time.Now()
	if c.nobody.IsZero() {
		c.nobody = now
	}
	switch gone := now.Sub(c.nobody); {
	case !c.heard && gone >= nobodyFor:
		return fmt.Errorf("%w: nobody listens on %q: the worker is not there, is between two sessions, or has remote requests switched off", ErrNobody, c.subject)
	case gone >= nobodyAfter:
		return fmt.Errorf("%w: session %d has ended without an answer; it had %d partitions when it was last heard", ErrNobody, c.last.Session, c.last.Left)
	}
	return nil
}

// silent returns the error of a call whose ctx has ended first, with what is known.
func (c *call) silent(ctx context.Context) error {
	if c.heard {
		return fmt.Errorf("%w: session %d goes on, with %d partitions left when it was last heard: %w", ErrSilent, c.last.Session, c.last.Left, context.Cause(ctx))
	}
	return fmt.Errorf("%w: no answer came on %q; the worker may have done what was asked, or may still do it: %w", ErrSilent, c.subject, context.Cause(ctx))
}

func (c *call) say(p Progress) {
	c.last = p
	if c.progress != nil {
		c.progress(p)
	}
}
