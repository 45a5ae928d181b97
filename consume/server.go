// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What the server refuses a conditional write with. Busy proves nothing: another write of that subject is under way.
const (
	codeConflict   jetstream.ErrorCode = 10071
	codeBusy       jetstream.ErrorCode = 10164
	codeNoMessage  jetstream.ErrorCode = 10037
	codeNotUnique  jetstream.ErrorCode = 10100
	codeConsumers  jetstream.ErrorCode = 10026
	codeIncomplete jetstream.ErrorCode = 10176
	codeInflight   jetstream.ErrorCode = 10210
)

const (
	// operation limits one request.
	operation = 10 * time.Second
	// patience limits the attempts to do something. After that, Run fails with the reason, so that it is reported.
	patience = 20 * time.Second
	// the pauses between attempts.
	pauseFirst = 20 * time.Millisecond
	pauseMost  = time.Second
)

// client is the connection to the server, with the prefixes of its subjects.
type client struct {
	js     jetstream.JetStream
	nc     *nats.Conn
	prefix string // of JetStream API subjects, with its final dot
	kv     string // in front of the subject of a key that is written
}

func newClient(js jetstream.JetStream) *client {
	c := &client{js: js, nc: js.Conn(), prefix: jetstream.DefaultAPIPrefix}
	switch o := js.Options(); {
	case o.APIPrefix != "":
		c.prefix = strings.TrimSuffix(o.APIPrefix, ".") + "."
	case o.Domain != "":
		c.prefix = "$JS." + o.Domain + ".API."
	}
	if c.prefix != jetstream.DefaultAPIPrefix {
		c.kv = c.prefix
	}
	return c
}

// bounded returns when ctx ends even if f does not. The client writes to the socket while it holds its mutex. On a stalled
// link, a publish can hang there, whatever its context says. The goroutine then ends as well.
//
// It also returns when the client reconnects, because an answer that was under way on the old connection does not arrive any
// more. The outcome of the request is then unknown, as after a timeout.
func bounded[T any](ctx context.Context, nc *nats.Conn, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, operation)
	type result struct {
		value T
		err   error
	}
	done, watching := make(chan result, 1), make(chan chan nats.Status, 1)
	go func() {
		defer cancel()
		status := nc.StatusChanged(nats.CONNECTED) // which waits for the mutex as well
		defer nc.RemoveStatusListener(status)
		watching <- status
		value, err := f(ctx)
		done <- result{value, err}
	}()
	var status <-chan nats.Status
	var why error
	for why == nil {
		select {
		case r := <-done:
			return r.value, r.err
		case status = <-watching:
		case _, anew := <-status:
			if status = nil; anew {
				cancel()
				why = errUnanswered
			}
		case <-ctx.Done():
			why = ctx.Err()
		}
	}
	select {
	case r := <-done: // which came first
		return r.value, r.err
	default:
		var none T
		return none, why
	}
}

// outcome translates the error of a write: it wraps errConflict, errNotDone or errUnknown.
func outcome(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &api) && api.ErrorCode == codeConflict:
		return fmt.Errorf("%w: %w", errConflict, err)
	case errors.As(err, &api),
		errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrMaxPayload),
		errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%w: %w", errNotDone, err)
	}
	return fmt.Errorf("%w: %w", errUnknown, err)
}

// passing reports whether a write that was not done may succeed a moment later without a change.
func passing(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return true
	}
	return api.ErrorCode == codeBusy || api.ErrorCode == codeIncomplete || api.ErrorCode == codeInflight || api.Code >= 500
}

// publish writes a message on the condition that expect is the sequence of the last message of its subject.
func (c *client) publish(ctx context.Context, m *nats.Msg, expect uint64) (uint64, error) {
	ack, err := bounded(ctx, c.nc, func(ctx context.Context) (*jetstream.PubAck, error) {
		return c.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(expect), jetstream.WithRetryAttempts(0))
	})
	if err != nil {
		return 0, outcome(err)
	}
	return ack.Sequence, nil
}

// stored is the last message of a subject; its sequence is 0 where there is none.
type stored struct {
	sequence uint64
	header   nats.Header
	data     []byte
}

// last asks the leader of a stream for the last message of a subject. A direct get, which any replica answers, could be older.
func (c *client) last(ctx context.Context, stream, subject string) (stored, error) {
	request, err := json.Marshal(map[string]string{"last_by_subj": subject})
	if err != nil {
		return stored{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	answer, err := bounded(ctx, c.nc, func(ctx context.Context) (*nats.Msg, error) {
		return c.nc.RequestWithContext(ctx, c.prefix+"STREAM.MSG.GET."+stream, request)
	})
	if err != nil {
		return stored{}, err
	}
	var response struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Sequence uint64 `json:"seq"`
			Header   []byte `json:"hdrs"`
			Data     []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(answer.Data, &response); err != nil {
		return stored{}, fmt.Errorf("read the last message of %s: %w", subject, err)
	}
	if e := response.Error; e != nil && e.ErrorCode == codeNoMessage {
		return stored{}, nil
	} else if e != nil {
		return stored{}, fmt.Errorf("read the last message of %s: %w", subject, e)
	}
	return stored{response.Message.Sequence, header(response.Message.Header), response.Message.Data}, nil
}

// header reads the headers of a stored message, and leaves out what it cannot read.
func header(raw []byte) nats.Header {
	h := nats.Header{}
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if key, value, ok := strings.Cut(line, ":"); ok {
			h[key] = append(h[key], textproto.TrimString(value))
		}
	}
	return h
}

// pauses are the waits between attempts; each is twice the one before, up to a bound.
type pauses struct{ next, most time.Duration }

// wait waits. It reports false if ctx ended before.
func (p *pauses) wait(ctx context.Context) bool {
	d := p.next
	p.next = min(2*d, p.most)
	return sleep(ctx, d)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
