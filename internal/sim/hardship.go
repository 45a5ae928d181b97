// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
	"github.com/parti-go/parti/strategy"
)

// This file is what befalls a fleet and takes a while: processes that freeze, links that flap, strategies that fail, and records that
// another release wrote.

// freezes freezes a process, for moments or for longer than every lease, and thaws it.
func (f *Fleet) freezes(w *Worker) {
	if w.client.frozen() {
		return
	}
	lasts := []time.Duration{4 * time.Second, longest, 50 * time.Second}
	w.client.freeze()
	f.After(f.Spread(lasts[f.Draw(len(lasts))]), func() { f.thaws(w) })
}

// thaws lets a frozen process go on. What it still runs although another session does by now, a fence refuses; and it lets go at once.
func (f *Fleet) thaws(w *Worker) {
	if w.dead || !w.client.frozen() {
		return
	}
	if w.client.ice.froze.Before(f.excuses.restored) {
		f.excuses.thawed = f.now
	}
	late := map[string]int64{}
	for p, epoch := range w.Owned { // in any order: each is judged by itself
		last := f.epochs[p]
		if last.worker == w || f.upheld(w) || w.user.overstays(p) {
			continue
		}
		late[p] = epoch
		f.Seen["overslept"]++
		if epoch >= last.epoch {
			f.breaks("I2: %s wakes up with epoch %d of %s, and no fence refuses it: %d was handed out", w.Name, epoch, p, last.epoch)
		}
	}
	if !f.now.Before(w.trust.Until) {
		w.client.ice.dazed = f.now.Add(daze)
	}
	w.client.thaw()
	f.After(daze, func() { f.awoken(w, late) })
}

// daze is how long a process that overslept may take to let go: what its user takes to heed the end of its context, and as much again.
const daze = 2 * heeds

// awoken judges a process that overslept: it has let go.
func (f *Fleet) awoken(w *Worker, late map[string]int64) {
	if w.client.frozen() {
		return
	}
	for p, epoch := range late {
		if w.Owned[p] == epoch && !w.user.overstays(p) {
			f.breaks("I1: %s woke up %s ago and still runs %s with epoch %d", w.Name, daze, p, epoch)
			return
		}
	}
}

// flaps cuts and heals a link again and again.
func (f *Fleet) flaps(w *Worker) {
	periods := []time.Duration{400 * time.Millisecond, 1500 * time.Millisecond, 6 * time.Second}
	period, end := periods[f.Draw(len(periods))], f.now.Add(f.Spread(2*longest))
	var cut func()
	cut = func() {
		if f.calm || w.dead {
			return
		}
		f.Store.Cut(f.now, w.client.id)
		f.After(period/2+f.Spread(period), func() {
			f.Store.Heal(f.now, w.client.id)
			if f.now.Before(end) {
				f.After(period/2+f.Spread(period), cut)
			}
		})
	}
	cut()
}

// deafens has a link lose what goes one way, until the connection is found broken and made anew.
func (f *Fleet) deafens(w *Worker) {
	up := f.Draw(2) == 0
	f.Store.Stall(f.now, w.client.id, up, !up)
	f.later(longest, func() {
		f.Store.Cut(f.now, w.client.id)
		f.later(time.Second, func() { f.Store.Heal(f.now, w.client.id) })
	})
}

// wits are those of the user's strategy.
type wits int

const (
	sound  wits = iota
	fails       // with an error; a panic is one, too
	short       // its answer is of another length
	beyond      // its answer names workers that do not exist
	crowds      // it gives everything to one worker, which is allowed
	madness
)

var errStrategy = errors.New("the strategy fails")

// maddens has the strategy fail, or answer nonsense.
func (f *Fleet) maddens(*Worker) {
	f.wits = fails + wits(f.Draw(int(madness-fails)))
	f.changes(f.source.list())
	f.later(2*longest, func() { f.wits = sound })
}

// mad is a strategy without its wits.
type mad struct{ *Fleet }

func (m mad) Assign(workers []strategy.Worker, partitions []strategy.Partition, _ []int) ([]int, error) {
	m.Seen[fmt.Sprintf("strategy %d", m.wits)]++
	owners := make([]int, len(partitions))
	switch m.wits {
	case fails:
		return nil, errStrategy
	case short:
		return owners[min(1, len(owners)):], nil
	case beyond:
		if len(owners) > 0 {
			owners[len(owners)-1] = len(workers)
		}
	case sound, crowds, madness:
	}
	return owners, nil
}

// cures takes back what another release wrote into the assignments, unless somebody has written over it.
func (f *Fleet) cures() {
	for _, key := range slices.Sorted(maps.Keys(f.outdated)) {
		before, c, by := f.outdated[key], f.stranger, f.now.Add(2*time.Second)
		c.get(store.Assignments, key, by, func(e store.Entry, err error) {
			if err == nil && e.Token == foreigner {
				m := model.Message{Key: key, Value: before.Value, Token: before.Token, Format: before.Format, Record: before.Record}
				c.put(store.Assignments, m, model.Condition{Revision: e.Revision}, by, func(uint64, error) {})
			}
		})
	}
	if f.calm {
		f.After(5*time.Second, f.cures) // a copy of the store may have held it, and a write may have been late
	}
}

// foreigner is the token of what another release wrote.
const foreigner record.Token = "later/1"

// outdate writes over an entry what a later release would, and tells what was there.
func (c *client) outdate(b store.Bucket, key string, by time.Time, done func(before store.Entry)) {
	c.get(b, key, by, func(e store.Entry, err error) {
		if err != nil || e.Kind != store.Put || e.Format > record.Newest {
			return
		}
		const format = record.Newest + 1
		m := model.Message{Key: key, Token: foreigner, Format: format, TTL: c.ttl[b]} // a heartbeat, say, ends by itself
		m.Value = fmt.Appendf(nil, `{"format":%d,"token":%q}`, format, foreigner)
		if b == store.Assignments {
			done(e)
		}
		c.put(b, m, model.Condition{Revision: e.Revision}, by, func(uint64, error) {})
	})
}
