// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
)

// Stream returns a handler that reads the messages of a partition in order, continues where the previous owner stopped, and
// calls handle for each message. It handles each message at least once. If you store [Message.Position] together with the
// effect, you handle it exactly once.
//
// handle is called for one message of a partition at a time, and for many partitions at the same time. Its context outlives
// the handler's context: when the partition must be let go, handle may finish the message in hand, and the position is
// stored; the next owner waits for that. The context ends when the trust is over; write nothing then. An error or a panic
// is a failure of the message, see [Retry].
//
// Stream refuses a bad configuration with [parti.ErrInvalidConfig] or [parti.ErrNilArgument]. The handler checks the stream
// when the first partition is granted, see [ErrStream].
func Stream(js jetstream.JetStream, cfg Config, handle func(ctx context.Context, o *parti.Ownership, m Message) error) (parti.Handler, error) {
	if err := checkJS(js); err != nil {
		return nil, err
	}
	if err := cfg.complete(false); err != nil {
		return nil, err
	}
	if handle == nil {
		return nil, fmt.Errorf("%w: handle is nil, allowed: a function", parti.ErrNilArgument)
	}
	h := newHandler(js, cfg)
	run := h.runCheckpoint
	if cfg.Mode == Durable {
		run, h.fit = h.runDurable, fitDurable
	}
	return parti.HandlerFunc(func(ctx context.Context, o *parti.Ownership) error {
		return run(ctx, o, func(ctx context.Context, m Message) error { return handle(ctx, o, m) })
	}), nil
}

// handling is the user's function for one partition.
type handling func(ctx context.Context, m Message) error

// runCheckpoint works on one partition until ctx ends.
func (h *handler) runCheckpoint(ctx context.Context, o owner, call handling) error {
	subject, done, err := h.filter(o.Partition())
	if err != nil {
		return err
	}
	defer done()
	if !h.patient(ctx, o) {
		return nil
	}
	info, err := h.input(ctx, subject)
	if err != nil {
		return ended(ctx, o, err)
	}
	where, err := h.checkpoints(ctx, info, o.Partition().ID())
	if err != nil {
		return ended(ctx, o, err)
	}
	at, err := claim(ctx, where, h.record(o, info, subject))
	if err != nil {
		return ended(ctx, o, err)
	}
	w := &checkpointed{
		work: work{
			handler: h, ctx: ctx, owner: o, call: call, handled: at.Position,
			every: min(h.cfg.Interval, signOfLife), open: h.ordered(checkpointPull, subject, info.Created),
		},
		at: at, saved: make(chan wrote, 1), since: time.Now(),
	}
	return ended(ctx, o, w.run())
}

// record returns the record of a claim by this owner.
func (h *handler) record(o owner, info *jetstream.StreamInfo, subject string) record {
	return record{Epoch: o.Epoch(), Worker: o.WorkerID(), Stream: h.cfg.Stream, Created: info.Created, Subject: subject}
}

// ended returns the result of Run. It is nil if the partition has to be let go, whatever went wrong meanwhile. If the ownership
// is over and ctx has not ended yet, ended waits for that a little, because nil would mean that nothing is left to do.
func ended(ctx context.Context, o owner, err error) error {
	if ctx.Err() == nil && o.Valid() != nil {
		sleep(ctx, operation)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// checkpointed is a partition whose position is in a bucket. Positions are stored beside the work, one at a time. The last one
// is stored at the end.
type checkpointed struct {
	work
	at     *mark
	saved  chan wrote // what became of the write under way
	saving bool
	undone int       // messages that no write under way covers
	since  time.Time // when the last write began
}

func (w *checkpointed) run() error {
	err := w.follow(w)
	if failed := w.finish(err); err == nil {
		err = failed
	}
	return err
}

func (w *checkpointed) turn() chan<- struct{} { return nil }
func (w *checkpointed) granted() error        { return nil }
func (w *checkpointed) wrote() <-chan wrote   { return w.saved }

// take handles one message.
func (w *checkpointed) take(m Message) error {
	if _, err := w.try(w.ctx, w.owner, &m, w.call); err != nil {
		return err
	}
	w.handled = m.sequence
	if w.undone++; w.undone >= w.cfg.Every {
		return w.save()
	}
	return nil
}

func (w *checkpointed) drained() error { return nil }

// It is repeated: a replica that lags may begin too early.
func (w *checkpointed) repeated(Message) error { return nil }

// tick stores the position when it is due.
func (w *checkpointed) tick() error {
	if w.undone > 0 && time.Since(w.since) >= w.cfg.Interval {
		return w.save()
	}
	return nil
}

// save starts to store the position, unless a write is under way. The next write covers more.
func (w *checkpointed) save() error {
	if w.saving {
		return nil
	}
	position, expect := w.handled, w.at.sequence
	msg, err := w.at.message(position)
	if err != nil {
		return err
	}
	w.saving, w.undone, w.since = true, 0, time.Now()
	held := w.owner.Held()
	go func() {
		sequence, err := w.client.publish(held, msg, expect)
		w.saved <- wrote{position, sequence, err}
	}()
	return nil
}

// settled notes the outcome of a write.
func (w *checkpointed) settled(r wrote) error {
	w.saving = false
	if r.err == nil {
		w.at.moved(r.position, r.sequence)
		return nil
	}
	if w.owner.Valid() != nil {
		return errEnding
	}
	w.undone++ // it is stored again
	return w.at.settle(w.ctx)
}

// finish stores the last position, while this owner may.
func (w *checkpointed) finish(cause error) error {
	if w.saving { // bounded, see publish
		r := <-w.saved
		if w.saving = false; r.err == nil {
			w.at.moved(r.position, r.sequence)
		}
	}
	if errors.Is(cause, ErrStale) || w.owner.Valid() != nil || w.at.Position >= w.handled {
		return nil
	}
	return w.at.move(w.owner.Held(), w.handled)
}
