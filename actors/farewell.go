// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"fmt"
	"slices"

	"github.com/parti-go/parti/internal/control"
	"github.com/parti-go/parti/kv"
)

// This file is how a worker answers requests from outside: while it lives, and last of all the requests for a drain.

// say sends the last answer to an errand. err is nil if the errand is done.
func (d *desk) say(e errand, err error) {
	d.send(e, control.Outcome(e.action, d.progress(d.session), err))
}

// report sends a client the state of the worker.
func (d *desk) report(e errand, p control.Progress) {
	d.send(e, control.Answer{Action: e.action, Worker: p.Worker, Session: p.Session, Progress: p})
}

func (d *desk) send(e errand, a control.Answer) {
	s, buckets := d.session, d.store
	d.run(func(context.Context) any {
		d.answer(s, buckets, e.reply, a)
		return nil
	})
}

// answer sends an answer, unless the session may no longer speak. If the answer does not arrive, the client asks again.
func (d *desk) answer(s session, buckets *kv.Store, reply string, a control.Answer) {
	if s.speaks() {
		_ = buckets.AnswerControl(reply, a.Encode())
	}
}

// await notes a client that waits for the end of a drain.
func (l *life) await(who asker) {
	for {
		before := l.askers.Load()
		next := []asker{who}
		if before != nil {
			next = append(append([]asker(nil), *before...), who)
		}
		if l.askers.CompareAndSwap(before, &next) {
			return
		}
	}
}

// disregard removes what await has noted.
func (l *life) disregard(reply string, session uint64) {
	for {
		before := l.askers.Load()
		if before == nil {
			return
		}
		next := slices.DeleteFunc(slices.Clone(*before), func(a asker) bool { return a.reply == reply && a.session.number == session })
		after := &next
		if len(next) == 0 {
			after = nil
		}
		if l.askers.CompareAndSwap(before, after) {
			return
		}
	}
}

// farewell tells the clients that asked for a drain how it has ended. It does so before the end of the tree is announced,
// because the user may close the connection then.
func (l *life) farewell() {
	askers := l.askers.Swap(nil)
	if askers == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewellTime)
	defer cancel()
	told := make(chan struct{})
	go func() {
		defer close(told)
		err := l.drained()
		for _, a := range *askers {
			if t := a.session.trust; t.forgotten.Load() || !t.silent.Load() && !t.valid() {
				continue // the worker has given it up, or it is fenced and has not noticed
			}
			p := control.Progress{Worker: a.session.id, Session: a.session.number, Draining: true, Leaving: true}
			_ = a.store.AnswerControl(a.reply, control.Outcome(control.Drain, p, err).Encode())
		}
		_ = (*askers)[0].store.FlushControl(ctx)
	}()
	wait(ctx, told)
}

// drained returns the result of a drain.
func (l *life) drained() error {
	left, cause := l.view.undrained.Load(), l.view.Err()
	switch {
	case left != nil && len(*left) > 0:
		return endedBy(cause, "%w: the worker stopped with %d partitions left: %s", control.ErrIncomplete, len(*left), firstOf(*left))
	case left == nil && !l.view.Drained():
		return endedBy(cause, "%w: the worker ended before everything was handed over", control.ErrIncomplete)
	}
	return cause
}

// endedBy returns an error with the reason why the worker ended after it, if there is one.
func endedBy(cause error, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if cause != nil {
		err = fmt.Errorf("%w; then: %w", err, cause)
	}
	return err
}
