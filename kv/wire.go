package kv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// wire is what the store asks of NATS, so that a test can answer in its place.
type wire interface {
	// publish stores one message and returns its sequence. It never retries by itself.
	publish(ctx context.Context, msg *nats.Msg) (uint64, error)
	// publishBatch stores all messages or none.
	publishBatch(ctx context.Context, msgs []*nats.Msg) error
	// request asks once.
	request(ctx context.Context, subject string, data []byte) (*nats.Msg, error)
	// requestMany asks once and collects the answers up to and including the first that carries a status.
	requestMany(ctx context.Context, subject string, data []byte) ([]*nats.Msg, error)
}

// How a write can end besides well, before it is translated for the caller.
var (
	errConflict = errors.New("refused by its condition")
	errBusy     = errors.New("busy")
)

// The server's error codes that decide what a write has come to.
const (
	codeWrongLastSequence jetstream.ErrorCode = 10071 // definite, but perhaps one's own earlier write
	codeBusy              jetstream.ErrorCode = 10164 // another write on that subject is in flight: proves nothing
	codeNotAvailable      jetstream.ErrorCode = 10008 // no leader just now
	codeStoreFailed       jetstream.ErrorCode = 10077 // on the replica that answered, perhaps not on the others
)

// writeError sorts what came back from a publish into the outcomes; nil stays nil.
func writeError(err error) error {
	if err == nil {
		return nil
	}
	var refusal *jetstream.APIError
	switch {
	case errors.As(err, &refusal):
		switch refusal.ErrorCode {
		case codeWrongLastSequence:
			return fmt.Errorf("%w: %w", errConflict, err)
		case codeBusy, codeNotAvailable:
			return fmt.Errorf("%w: %w", errBusy, err)
		case codeStoreFailed:
			return fmt.Errorf("%w: %w", ErrUnknown, err)
		}
		return fmt.Errorf("%w: %w", ErrNotDone, err)
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse),
		errors.Is(err, nats.ErrReconnectBufExceeded):
		return fmt.Errorf("%w: %w", errBusy, err) // not sent, or sent to nobody
	case errors.Is(err, nats.ErrMaxPayload), errors.Is(err, nats.ErrBadSubject), errors.Is(err, nats.ErrHeadersNotSupported),
		errors.Is(err, nats.ErrConnectionDraining):
		return fmt.Errorf("%w: %w", ErrNotDone, err) // refused by the client itself
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}

// attempt runs write until it is neither busy nor unsent, or the context ends.
func (s *Store) attempt(ctx context.Context, write func(context.Context) error) error {
	for pause := (backoff{first: 2 * time.Millisecond, most: 100 * time.Millisecond}); ; {
		if err := s.connected(ctx); err != nil {
			return fmt.Errorf("%w: %w", ErrNotDone, err)
		}
		err := writeError(write(ctx))
		if !errors.Is(err, errBusy) {
			return err
		}
		if !pause.wait(ctx) {
			return fmt.Errorf("%w: %w", ErrNotDone, err)
		}
	}
}

// ask runs read until it succeeds or says what will not change, each time with more patience: a request that fell on a
// change of leader is never answered. A read that failed is ErrNotDone.
func (s *Store) ask(ctx context.Context, read func(context.Context) error) error {
	pause := backoff{first: 10 * time.Millisecond, most: 250 * time.Millisecond}
	for patience := time.Second; ; patience *= 2 {
		if err := s.connected(ctx); err != nil {
			return fmt.Errorf("%w: %w", ErrNotDone, err)
		}
		tryCtx, cancel := context.WithTimeout(ctx, patience)
		err := read(tryCtx)
		cancel()
		var refusal *jetstream.APIError
		switch {
		case err == nil, errors.Is(err, ErrNotFound), errors.Is(err, errTooMany):
			return err
		case errors.As(err, &refusal) && refusal.Code < 500:
			return fmt.Errorf("%w: %w", ErrNotDone, err)
		}
		if !pause.wait(ctx) {
			return fmt.Errorf("%w: %w", ErrNotDone, err)
		}
	}
}

// connected waits for a connection: a publish without one could be buffered, and be delivered long after it was given
// up.
func (s *Store) connected(ctx context.Context) error {
	nc := s.js.Conn()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case nc.IsConnected():
		return nil
	}
	changed := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(changed)
	for {
		switch {
		case nc.IsClosed():
			return nats.ErrConnectionClosed
		case nc.IsConnected():
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// bound gives a context the end that the configuration gives every call.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := s.cfg.OperationTimeout
	if limit <= 0 {
		limit = defaultOperationTimeout
	}
	return context.WithTimeout(ctx, limit)
}

const defaultOperationTimeout = 10 * time.Second

// bounded returns when the context ends even if f does not. nats.go writes to the socket while it holds its mutex: on a
// stalled link a publish can hang there for as long as the connection's FlusherTimeout, a minute by default, whatever
// its context says. The goroutine ends with that.
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

// backoff doubles from first to most, each pause spread over its second half.
type backoff struct {
	first, most time.Duration
	next        time.Duration
}

// wait pauses, and reports whether the context still lasts.
func (b *backoff) wait(ctx context.Context) bool {
	b.next = min(max(2*b.next, b.first), b.most)
	timer := time.NewTimer(b.next/2 + rand.N(b.next/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// natsWire is the real wire.
type natsWire struct {
	js jetstream.JetStream
}

func (w natsWire) publish(ctx context.Context, msg *nats.Msg) (uint64, error) {
	return bounded(ctx, func() (uint64, error) {
		ack, err := w.js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0))
		if err != nil {
			return 0, err
		}
		return ack.Sequence, nil
	})
}

func (w natsWire) publishBatch(ctx context.Context, msgs []*nats.Msg) error {
	_, err := bounded(ctx, func() (struct{}, error) {
		// Nothing is awaited but the commit: that is one round trip, and the only wait that heeds the context.
		_, err := jetstreamext.PublishMsgBatch(ctx, w.js, msgs, jetstreamext.BatchFlowControl{})
		return struct{}{}, err
	})
	return err
}

func (w natsWire) request(ctx context.Context, subject string, data []byte) (*nats.Msg, error) {
	return bounded(ctx, func() (*nats.Msg, error) { return w.js.Conn().RequestWithContext(ctx, subject, data) })
}

func (w natsWire) requestMany(ctx context.Context, subject string, data []byte) ([]*nats.Msg, error) {
	return bounded(ctx, func() ([]*nats.Msg, error) {
		nc := w.js.Conn()
		inbox := nc.NewInbox()
		sub, err := nc.SubscribeSync(inbox)
		if err != nil {
			return nil, err
		}
		defer func() { _ = sub.Unsubscribe() }()
		if err := sub.SetPendingLimits(-1, -1); err != nil {
			return nil, err
		}
		if err := nc.PublishRequest(subject, inbox, data); err != nil {
			return nil, err
		}
		var msgs []*nats.Msg
		for {
			msg, err := sub.NextMsgWithContext(ctx)
			if err != nil {
				return nil, err
			}
			msgs = append(msgs, msg)
			if msg.Header.Get(headerStatus) != "" {
				return msgs, nil
			}
		}
	})
}
