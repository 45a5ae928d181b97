// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parti-go/parti"
)

// Pipeline returns a handler that turns the messages of one stream into messages of another, exactly once. The results of
// several inputs, and the position after them, are one atomic batch in the output stream. The server stores a batch whole
// or not at all, and refuses it if this owner is stale. So the output holds the result of each message once, in the order
// of the input within a partition, whatever crashes, hangs or is cut off. This does not cover other effects of transform:
// it can be called again for a message whose result was not stored.
//
// transform may return from 0 to 999 messages. While one batch is on its way to the server, the next one collects messages,
// up to [Config.Every] inputs, 1,000 messages with the position, and 8 MB. Each returned message needs a subject of the
// output stream; Reply is not used. A header whose name begins with "Nats-" is [ErrOutput], except Nats-TTL, because the
// server's own headers would change what storing the message means. Do not change a message after transform has returned
// it.
//
// Pipeline refuses bad arguments as [Stream] does. The handler checks the streams when the first partition is granted.
func Pipeline(js jetstream.JetStream, cfg Config, out Output, transform func(ctx context.Context, o *parti.Ownership, m Message) ([]*nats.Msg, error)) (parti.Handler, error) {
	if err := checkJS(js); err != nil {
		return nil, err
	}
	if err := errors.Join(cfg.complete(true), out.complete()); err != nil {
		return nil, err
	}
	if transform == nil {
		return nil, fmt.Errorf("%w: transform is nil, allowed: a function", parti.ErrNilArgument)
	}
	p := newPipeline(js, cfg, out)
	return parti.HandlerFunc(func(ctx context.Context, o *parti.Ownership) error {
		return p.run(ctx, o, func(ctx context.Context, m Message) ([]*nats.Msg, error) { return transform(ctx, o, m) })
	}), nil
}

// inFlight limits the batches of one worker that are on their way to the server. The server takes at most 50 for a stream, and
// stores one after the other. While a partition waits for its turn, its next batch grows.
const inFlight = 4

// transforming is the user's function for one partition.
type transforming func(ctx context.Context, m Message) ([]*nats.Msg, error)

// pipeline is shared by the partitions of one [Pipeline].
type pipeline struct {
	*handler
	out     Output
	flights chan struct{} // one for each batch under way
}

func newPipeline(js jetstream.JetStream, cfg Config, out Output) *pipeline {
	return &pipeline{handler: newHandler(js, cfg), out: out, flights: make(chan struct{}, inFlight)}
}

// run works on one partition until ctx ends.
func (p *pipeline) run(ctx context.Context, o owner, transform transforming) error {
	subject, done, err := p.filter(o.Partition())
	if err != nil {
		return err
	}
	defer done()
	if !p.patient(ctx, o) {
		return nil
	}
	info, err := p.input(ctx, subject)
	if err != nil {
		return ended(ctx, o, err)
	}
	exit, err := p.exit(ctx, o.Partition(), subject)
	if err != nil {
		return ended(ctx, o, err)
	}
	at, err := claim(ctx, place{
		client: p.client, stream: p.out.Stream, subject: exit.position, publish: exit.position, never: exit.config.AllowMsgTTL,
	}, p.record(o, info, subject))
	if err != nil {
		return ended(ctx, o, err)
	}
	fetch := checkpointPull
	fetch.most = max(fetch.most, p.cfg.Every)
	w := &pipelined{
		work: work{
			handler: p.handler, ctx: ctx, owner: o, handled: at.Position,
			every: min(p.cfg.Interval, signOfLife), open: p.ordered(fetch, subject, info.Created),
		},
		pipe: p, exit: exit, transform: transform, at: at, stored: make(chan wrote, 1), next: &batch{},
	}
	return ended(ctx, o, w.run())
}

// batch becomes one atomic batch: results, and the position after their inputs.
type batch struct {
	messages []*nats.Msg
	bytes    int
	inputs   int
	position uint64
	began    time.Time // when its first input was taken
}

// batchBytes is the size at which a batch is sent.
const batchBytes = 8 << 20

// holds reports whether more messages fit into the batch, beside the position.
func (b *batch) holds(more int) bool { return len(b.messages)+more < batchMost && b.bytes < batchBytes }

// pipelined is a partition of a pipeline. While one batch is on its way, the next one is filled.
//
// Invariants: at.Position <= flying.position <= next.position = handled. A batch is sent only when the one before it is known
// to be stored, with the sequence of that batch's position as its condition.
type pipelined struct {
	work
	pipe      *pipeline
	exit      *exit
	transform transforming
	at        *mark
	stored    chan wrote // what became of the batch under way
	flying    *batch     // nil where all that was sent is stored
	airborne  bool       // what became of it will come through stored
	outcome   wrote      // what became of its last attempt
	eager     bool       // a turn is asked for
	broken    bool       // it could not be stored: nothing else is sent
	next      *batch
}

func (w *pipelined) run() error {
	err := w.follow(w)
	return errors.Join(err, w.finish(err))
}

func (w *pipelined) wrote() <-chan wrote { return w.stored }

// take transforms one message, and adds the results to the next batch.
func (w *pipelined) take(m Message) error {
	var results []*nats.Msg
	buried, err := w.try(w.ctx, w.owner, &m, func(ctx context.Context, m Message) (err error) {
		results, err = w.transform(ctx, m)
		if err == nil {
			err = w.exit.check(results)
		}
		if err != nil && m.attempt == 1 {
			// What is done already need not wait for this message.
			if failed := w.flush(w.ctx); failed != nil {
				return &abort{failed}
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if buried {
		results = nil
	}
	if !w.next.holds(len(results)) {
		if err := w.depart(w.ctx); err != nil {
			return err
		}
	}
	w.add(m, results)
	if w.next.inputs >= w.cfg.Every || !w.next.holds(1) {
		return w.depart(w.ctx)
	}
	return nil
}

func (w *pipelined) add(m Message, results []*nats.Msg) {
	w.eager = false
	b := w.next
	if b.inputs == 0 {
		b.began = time.Now()
	}
	b.inputs++
	b.position, w.handled = m.sequence, m.sequence
	b.messages = append(b.messages, results...)
	for _, r := range results {
		b.bytes += len(r.Data)
	}
}

func (w *pipelined) repeated(Message) error { return nil }

// drained asks for a turn if no more messages are there for now. A position without results can wait.
func (w *pipelined) drained() error {
	w.eager = w.flying == nil && len(w.next.messages) > 0
	return nil
}

// turn is the channel on which the loop asks for a turn; nil while it wants none.
func (w *pipelined) turn() chan<- struct{} {
	if w.eager {
		return w.pipe.flights
	}
	return nil
}

// granted sends the next batch, because its turn has come.
func (w *pipelined) granted() error {
	w.launch(true)
	return nil
}

// tick sends a batch that has waited long enough.
func (w *pipelined) tick() error {
	if w.flying == nil && w.next.inputs > 0 && time.Since(w.next.began) >= w.cfg.Interval {
		return w.depart(w.ctx)
	}
	return nil
}

// launch sends the next batch while no other is under way. taken says that a turn has to be returned.
func (w *pipelined) launch(taken bool) {
	w.flying, w.next, w.airborne, w.eager = w.next, &batch{}, true, false
	flying, at, held := w.flying, *w.at, w.owner.Held()
	go func() {
		r := w.send(held, flying, &at)
		if taken {
			<-w.pipe.flights
		}
		w.stored <- r
	}()
}

// depart waits until the last batch is stored, and for a turn, and sends the next batch.
func (w *pipelined) depart(ctx context.Context) error {
	if err := w.arrive(ctx); err != nil {
		return err
	}
	taken := len(w.next.messages) > 0
	if taken {
		select {
		case w.pipe.flights <- struct{}{}:
		case <-ctx.Done():
			return errEnding
		}
	}
	w.launch(taken)
	return nil
}

// arrive waits until the present batch is stored.
func (w *pipelined) arrive(ctx context.Context) error {
	if w.flying == nil {
		return nil
	}
	return w.landed(ctx, <-w.stored) // bounded, see send
}

// flush stores everything that is ready.
func (w *pipelined) flush(ctx context.Context) error {
	if err := w.arrive(ctx); err != nil || w.next.inputs == 0 {
		return err
	}
	if err := w.depart(ctx); err != nil {
		return err
	}
	return w.arrive(ctx)
}

func (w *pipelined) settled(r wrote) error { return w.landed(w.ctx, r) }

func (w *pipelined) landed(ctx context.Context, r wrote) error {
	w.airborne = false
	return w.resolve(ctx, r)
}

// resolve finds out what became of the present batch, and sends it again until it is stored. A batch that was refused, or has
// an unknown outcome, may have been stored by an attempt whose answer was lost. The position shows it.
func (w *pipelined) resolve(ctx context.Context, r wrote) error {
	deadline := time.Now().Add(patience)
	again := pauses{pauseFirst, pauseMost}
	for {
		w.outcome = r
		if r.err == nil {
			w.at.moved(r.position, r.sequence)
			w.flying = nil
			return nil
		}
		if w.owner.Valid() != nil {
			return errEnding
		}
		if errors.Is(r.err, errNotDone) && !passing(r.err) {
			return w.failed(r.err)
		}
		if !errors.Is(r.err, errNotDone) {
			if err := w.at.settle(ctx); err != nil {
				return err
			}
			if w.at.Position == w.flying.position {
				w.flying = nil
				return nil
			}
		}
		if time.Now().After(deadline) || !again.wait(ctx) {
			return w.failed(r.err)
		}
		select {
		case w.pipe.flights <- struct{}{}:
			r = w.send(ctx, w.flying, w.at)
			<-w.pipe.flights
		case <-ctx.Done():
			return errEnding
		}
	}
}

func (w *pipelined) failed(err error) error {
	w.broken = true
	return fmt.Errorf("store a batch of %d messages behind position %d of partition %s in stream %q: %w",
		len(w.flying.messages)+1, w.at.Position, w.owner.Partition().ID(), w.pipe.out.Stream, err)
}

// finish stores the results that are ready, while this owner may.
func (w *pipelined) finish(cause error) error {
	if w.airborne {
		w.outcome = <-w.stored // bounded, see send
		w.airborne = false
	}
	if w.broken || errors.Is(cause, ErrStale) || w.owner.Valid() != nil {
		return nil
	}
	held := w.owner.Held()
	if w.flying != nil {
		if err := w.resolve(held, w.outcome); err != nil {
			return err
		}
	}
	return w.flush(held)
}
