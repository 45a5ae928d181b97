// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
)

// The headers of a dead letter say where its message comes from and why it failed.
const (
	HeaderStream    = "Parti-Stream"    // the stream that was read
	HeaderSequence  = "Parti-Sequence"  // the sequence of the message there
	HeaderSubject   = "Parti-Subject"   // the subject of the message
	HeaderPartition = "Parti-Partition" // the ID of the partition
	HeaderEpoch     = "Parti-Epoch"     // the epoch of the owner that gave up
	HeaderAttempts  = "Parti-Attempts"  // how often the message was tried
	HeaderError     = "Parti-Error"     // the last error
)

// mostError is the largest size of an error in a header, in bytes.
const mostError = 1024

// halt is a message that stops a partition.
type halt struct {
	epoch    int64
	sequence uint64
	attempts int
}

// panicked returns the error of a panic.
func panicked(r any) error {
	if err, ok := r.(error); ok {
		return fmt.Errorf("%w: %w\n%s", ErrPanic, err, debug.Stack())
	}
	return fmt.Errorf("%w: %v\n%s", ErrPanic, r, debug.Stack())
}

// errEnding says that the partition has to be let go before the message is done. It is not a failure of the message.
var errEnding = errors.New("the worker has to let go of the partition")

// abort is an error of this package in the place of one of the user's function. It is not a failure of the message.
type abort struct{ cause error }

func (a *abort) Error() string { return a.cause.Error() }

// try calls the function for a message until it succeeds. It returns errEnding if the partition has to be let go before that.
// If the message has failed too often, it becomes a stored dead letter, or the error wraps ErrHalted.
//
// Each call may use the rest of the ownership, so that it can finish. Pauses end with ctx.
func (h *handler) try(ctx context.Context, o owner, m *Message, call func(context.Context, Message) error) (buried bool, err error) {
	id := o.Partition().ID()
	pause := pauses{h.cfg.Retry.First, h.cfg.Retry.Most}
	m.attempt = 1
	h.mu.Lock()
	if was, ok := h.halted[id]; ok && was.epoch == o.Epoch() && was.sequence == m.sequence {
		m.attempt = was.attempts + 1
	}
	h.mu.Unlock()
	for ; ; m.attempt++ {
		if o.Valid() != nil {
			return false, errEnding
		}
		err = contained(func() error { return call(o.Held(), *m) })
		if err == nil {
			if m.attempt > 1 {
				h.resume(id)
			}
			return false, nil
		}
		var aborted *abort
		switch {
		case errors.As(err, &aborted):
			return false, aborted.cause
		case ctx.Err() != nil || o.Valid() != nil:
			return false, errEnding
		case m.attempt >= h.cfg.Retry.Attempts:
			return true, h.giveUp(o, m, err)
		case !pause.wait(ctx):
			return false, errEnding
		}
	}
}

// patient waits before a halted partition is tried again, however often Run is called.
func (h *handler) patient(ctx context.Context, o owner) bool {
	h.mu.Lock()
	was, ok := h.halted[o.Partition().ID()]
	h.mu.Unlock()
	return !ok || was.epoch != o.Epoch() || sleep(ctx, h.cfg.Retry.Most)
}

func (h *handler) resume(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.halted, id)
}

// giveUp makes a dead letter of a message, or halts its partition.
func (h *handler) giveUp(o owner, m *Message, cause error) error {
	id := o.Partition().ID()
	h.mu.Lock()
	h.halted[id] = halt{o.Epoch(), m.sequence, m.attempt}
	h.mu.Unlock()
	if h.cfg.Retry.DeadLetter == nil {
		return fmt.Errorf("%w: partition %s at message %d of stream %q, which failed %d times; it is tried again after %s: %w",
			ErrHalted, id, m.sequence, h.cfg.Stream, m.attempt, h.cfg.Retry.Most, cause)
	}
	if err := h.bury(o, m, cause); err != nil {
		return fmt.Errorf("%w: message %d of stream %q, partition %s: %w; the message failed with: %w", ErrDeadLetter, m.sequence, h.cfg.Stream, id, err, cause)
	}
	h.resume(id)
	return nil
}

// bury publishes a dead letter and waits for its acknowledgement. If a message becomes a dead letter twice, as after a crash,
// its message ID keeps the second one out, as long as the stream of the dead letters looks for duplicates.
func (h *handler) bury(o owner, m *Message, cause error) error {
	var subject string
	if err := contained(func() error { subject = h.cfg.Retry.DeadLetter(o.Partition()); return nil }); err != nil {
		return err
	}
	if !literal(subject) {
		return &parti.ConfigError{Field: "Retry.DeadLetter of partition " + o.Partition().ID(), Value: subject, Allowed: "a subject without wildcards"}
	}
	letter := &nats.Msg{Subject: subject, Data: m.Data(), Header: nats.Header{}}
	for name, values := range m.Headers() {
		if !reserved(name) {
			letter.Header[name] = values
		}
	}
	text := cause.Error()
	for name, value := range map[string]string{
		HeaderStream: h.cfg.Stream, HeaderSequence: strconv.FormatUint(m.sequence, 10), HeaderSubject: m.Subject(),
		HeaderPartition: o.Partition().ID(), HeaderEpoch: strconv.FormatInt(o.Epoch(), 10), HeaderAttempts: strconv.Itoa(m.attempt),
		HeaderError: oneLine(text[:min(len(text), mostError)]),
	} {
		letter.Header.Set(name, value)
	}
	id := fmt.Sprintf("parti-dead-%s-%s-%d", h.cfg.Stream, o.Partition().ID(), m.sequence)
	_, err := bounded(o.Held(), h.client.nc, func(ctx context.Context) (*jetstream.PubAck, error) {
		return h.client.js.PublishMsg(ctx, letter, jetstream.WithMsgID(id))
	})
	return err
}

// oneLine turns a text into one line, for a header.
func oneLine(text string) string {
	line := []byte(text)
	for i, c := range line {
		if c < ' ' || c == 0x7f {
			line[i] = ' '
		}
	}
	return string(line)
}
