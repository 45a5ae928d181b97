// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package consume

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// work is shared by the loops of all modes: one partition, its messages in order, on one goroutine.
type work struct {
	*handler
	ctx     context.Context // of Run
	owner   owner
	call    handling
	every   time.Duration // between two ticks
	open    func(ctx context.Context, position uint64) (*reader, error)
	handled uint64 // the position of the last message that is done with
}

// loop is the part of a mode: it gets what follow brings. Any error ends the loop.
type loop interface {
	take(m Message) error     // the next message; the loop notes in handled what it has taken
	repeated(m Message) error // one that was taken already
	drained() error           // nothing more is there for now
	turn() chan<- struct{}    // where the loop asks for a turn to write; nil for none
	granted() error           // the turn has come
	wrote() <-chan wrote      // what became of the write under way
	settled(r wrote) error    // the same
	tick() error              // some time has passed
}

// wrote is the outcome of a write.
type wrote struct {
	position, sequence uint64
	err                error
}

// follow passes each message to the loop, in order, from behind handled, until ctx ends. If a reader is lost, follow opens one
// that begins after the last message that was taken, and drops what the lost reader had fetched beyond it.
func (w *work) follow(l loop) error {
	status := w.client.nc.StatusChanged(nats.CONNECTED)
	defer w.client.nc.RemoveStatusListener(status)
	timer := time.NewTimer(w.every)
	defer timer.Stop()
	for {
		r, err := w.open(w.ctx, w.handled)
		if err != nil {
			return err
		}
		err = w.read(l, r, status, timer)
		r.close()
		if !lost(err) {
			return err
		}
	}
}

func (w *work) read(l loop, r *reader, status <-chan nats.Status, timer *time.Timer) error {
	for {
		if len(r.messages) == 0 {
			if err := l.drained(); err != nil {
				return err
			}
		}
		select {
		case m := <-r.messages:
			if err := w.receive(l, r, m); err != nil {
				return err
			}
		case l.turn() <- struct{}{}:
			if err := l.granted(); err != nil {
				return err
			}
		case result := <-l.wrote():
			if err := l.settled(result); err != nil {
				return err
			}
		case now := <-timer.C:
			timer.Reset(w.every)
			if err := l.tick(); err != nil {
				return err
			}
			if err := r.silent(now); err != nil && len(r.messages) == 0 {
				return err
			}
		case <-status:
			return errReconnected
		case <-w.ctx.Done():
			return errEnding
		}
	}
}

func (w *work) receive(l loop, r *reader, m *nats.Msg) error {
	d, ok, err := r.take(m)
	if err != nil || !ok {
		return err
	}
	if w.ctx.Err() != nil || w.owner.Valid() != nil {
		return errEnding
	}
	if d.sequence <= w.handled {
		return l.repeated(d)
	}
	return l.take(d)
}
