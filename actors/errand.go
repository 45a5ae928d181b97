// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/control"
	"github.com/parti-go/parti/kv"
)

// This file is how a desk gets requests done, and learns that they are done.

// drain asks the manager for a drain. Several requests count as one, and the earliest limit holds.
func (d *desk) drain(within time.Duration) {
	drain := &drainAsked{}
	if within > 0 {
		drain.by = time.Now().Add(within)
	}
	d.ask(drain)
}

// cordon asks the manager for a cordon, or takes it back. Errands for the opposite end with an error.
func (d *desk) cordon(e errand) {
	d.settle(fmt.Errorf("%w: a later request asked for %s", control.ErrSuperseded, e.action), func(other errand, _ *undertaking) bool {
		return isCordon(other.action) && other.action != e.action
	})
	round := d.life.rounds.Add(1)
	d.errands[e].round = round
	d.ask(&cordonAsked{on: e.action == control.Cordon, round: round})
}

// attested answers the errands whose standing is stored by now. The worker's own process may have taken it back before.
func (d *desk) attested(round uint64) {
	stands := control.Uncordon
	if d.life.view.status.Load().Cordoned {
		stands = control.Cordon
	}
	told := func(e errand, a *undertaking) bool { return isCordon(e.action) && a.round <= round }
	d.settle(nil, func(e errand, a *undertaking) bool { return told(e, a) && e.action == stands })
	d.settle(fmt.Errorf("%w: the worker's own process has changed it", control.ErrSuperseded), told)
}

func isCordon(a control.Action) bool { return a == control.Cordon || a == control.Uncordon }

// refresh asks the leader, unless a request is under way. Requests that come meanwhile wait for the next one, because the list
// may have changed after it was read.
func (d *desk) refresh() {
	if d.lists {
		return
	}
	for e, a := range d.errands {
		if e.action == control.Refresh {
			d.lists, a.lists = true, true
		}
	}
	if !d.lists {
		return
	}
	buckets, number := d.store, d.session.number
	d.run(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, d.set.Store.OperationTimeout)
		defer cancel()
		return &refreshOver{number, buckets.RequestRefresh(ctx)}
	})
}

func (d *desk) refreshed(err error) {
	switch {
	case err == nil:
	case errors.Is(err, kv.ErrRefused):
		err = fmt.Errorf("%w: %w", control.ErrRefused, err)
	case errors.Is(err, kv.ErrUnknown):
		err = fmt.Errorf("%w: %w", control.ErrSilent, err)
	default:
		err = fmt.Errorf("%w: %w", control.ErrFailed, err)
	}
	d.lists = false
	d.settle(err, func(_ errand, a *undertaking) bool { return a.lists })
	d.refresh()
}

// drop removes the errands that nobody has asked for since a time. Their clients have gone, or ask again. Nothing is taken
// back.
func (d *desk) drop(since time.Time) {
	for e, a := range d.errands {
		if !a.asked.After(since) {
			delete(d.errands, e)
			d.life.disregard(e.reply, d.session.number)
		}
	}
}

// settle gives the errands that done selects their last answer.
func (d *desk) settle(err error, done func(e errand, a *undertaking) bool) {
	for e, a := range d.errands {
		if done(e, a) {
			delete(d.errands, e)
			d.say(e, err)
		}
	}
}
