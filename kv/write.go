// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package kv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti/internal/store"
)

// The error codes of a refused conditional write. Busy proves nothing: another write to that key is under way.
const (
	codeConflict jetstream.ErrorCode = 10071
	codeBusy     jetstream.ErrorCode = 10164
)

// The error codes of a server that has no room: in memory, on disk, for the account, in the stream.
const (
	codeAccountFull jetstream.ErrorCode = 10002
	codeNoMemory    jetstream.ErrorCode = 10028
	codeNoStorage   jetstream.ErrorCode = 10047
	codeStreamFull  jetstream.ErrorCode = 10077
)

func full(code jetstream.ErrorCode) bool {
	return code == codeStreamFull || code == codeNoStorage || code == codeNoMemory || code == codeAccountFull
}

// errNotConnected replaces the error of nats.go for a reconnect buffer that is full or switched off.
var errNotConnected = errors.New("not connected to the server")

// plain replaces an error of the client by one in words that a reader of the log knows.
func plain(err error) error {
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		return errNotConnected
	}
	return err
}

// errConflict says that the condition does not hold. The write is definitely not done, unless an earlier attempt of ours did
// it.
var errConflict = errors.New("condition of the write does not hold")

// errBusy says that another write of the key is under way. The write is tried again, and is not done if that goes on.
var errBusy = fmt.Errorf("%w: another write of this key is under way", ErrNotDone)

// outcome translates the error of a request to the store. Nothing else in this package looks at error codes.
func outcome(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errClosed):
		return err
	case errors.As(err, &api) && api.ErrorCode == codeConflict:
		return fmt.Errorf("%w: %w", errConflict, err)
	case errors.As(err, &api) && api.ErrorCode == codeBusy:
		return fmt.Errorf("%w: %w", errBusy, err)
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		return notDone(err)
	case errors.As(err, &api) && full(api.ErrorCode):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.As(err, &api),
		errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %w", ErrNotDone, err)
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}

// errClosed says that nothing was sent, and nothing will be.
var errClosed = fmt.Errorf("%w: %w", ErrNotDone, nats.ErrConnectionClosed)

// busyRetries limits how often a write is repeated while another write of the same key is under way.
const busyRetries = 5

// write publishes a message under a condition and returns its sequence. Its error wraps errConflict, ErrNotDone or
// ErrUnknown.
func (s *Store) write(ctx context.Context, msg *nats.Msg, ttl time.Duration, condition jetstream.PublishOpt) (uint64, error) {
	opts := []jetstream.PublishOpt{condition, jetstream.WithRetryAttempts(0)}
	if ttl > 0 {
		opts = append(opts, jetstream.WithMsgTTL(ttl))
	}
	for attempt := 0; ; attempt++ {
		m := &nats.Msg{Subject: s.writes + msg.Subject, Data: msg.Data, Header: nats.Header{}}
		for name, values := range msg.Header {
			m.Header[name] = values
		}
		ack, err := bounded(ctx, func() (*jetstream.PubAck, error) {
			if s.js.Conn().IsClosed() {
				return nil, errClosed
			}
			return s.js.PublishMsg(ctx, m, opts...)
		})
		if err == nil {
			return ack.Sequence, nil
		}
		err = outcome(err)
		if !errors.Is(err, errBusy) || attempt >= busyRetries || !pause(ctx, 5*time.Millisecond<<attempt) {
			return 0, err
		}
	}
}

// put writes a value on the condition that expect is the last revision of its key.
func (s *Store) put(ctx context.Context, b store.Bucket, key string, value []byte, expect uint64, ttl time.Duration) (uint64, error) {
	return s.write(ctx, &nats.Msg{Subject: s.subject(b, key), Data: value}, ttl, jetstream.WithExpectLastSequencePerSubject(expect))
}

// marker returns the message that deletes a key. It uses PURGE: a DEL marker that expires is followed by an expiry marker, and
// the key would seem to end a second time.
func (s *Store) marker(b store.Bucket, key string) *nats.Msg {
	return &nats.Msg{Subject: s.subject(b, key), Header: nats.Header{"KV-Operation": {"PURGE"}}}
}

// pause waits for d. It reports false if ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// bound gives a call a deadline if its caller has set none.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.cfg.OperationTimeout)
}

// bounded returns when ctx ends even if f does not. The client writes to the socket while it holds its mutex. On a stalled
// link, a publish can hang there until the connection's FlusherTimeout, whatever its context says. The goroutine then ends as
// well.
func bounded[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
