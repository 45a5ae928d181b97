// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

// beginTerm stores the next term.
func (c *client) beginTerm(r record.Term, floor uint64, by time.Time, valid func() bool, done func(store.Fence, error)) {
	chain := c.chain()
	var try func()
	var begin func(at, last uint64)
	try = func() {
		c.get(store.Assignments, store.TermKey, by, func(e store.Entry, err error) {
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				done(store.Fence{}, err)
				return
			}
			if e.Kind == store.Put && err == nil {
				stored, err := store.Decode(e, record.DecodeTerm)
				switch {
				case errors.Is(err, record.ErrCorrupt):
				case err != nil:
					done(store.Fence{}, err)
					return
				case e.Token.Of(chain):
					done(store.Fence{Term: stored.Number, Revision: e.Revision}, nil)
					return
				default:
					begin(e.Revision, stored.Number)
					return
				}
			}
			c.planTerm(by, func(last uint64, err error) {
				if err != nil {
					done(store.Fence{}, err)
					return
				}
				begin(e.Revision, last)
			})
		})
	}
	begin = func(at, last uint64) {
		if !valid() {
			done(store.Fence{}, store.ErrLate)
			return
		}
		r.Number = max(last, floor) + 1
		m := c.message(store.TermKey, c.next(chain), r, 0)
		c.put(store.Assignments, m, model.Condition{Revision: at}, by, func(revision uint64, err error) {
			switch {
			case err == nil:
				done(store.Fence{Term: r.Number, Revision: revision}, nil)
			case errors.Is(err, errRefused):
				try()
			default:
				done(store.Fence{}, err)
			}
		})
	}
	try()
}

// planTerm is the term that the plan names, for where nobody can read the stored one.
func (c *client) planTerm(by time.Time, done func(uint64, error)) {
	c.get(store.Assignments, store.PlanKey, by, func(e store.Entry, err error) {
		if errors.Is(err, store.ErrNotFound) || err == nil && e.Kind != store.Put {
			done(0, nil)
			return
		}
		if err != nil {
			done(0, err)
			return
		}
		plan, err := store.Decode(e, record.DecodePlan)
		if errors.Is(err, record.ErrCorrupt) {
			err = nil
		}
		done(plan.Term, err)
	})
}

// writePlan stores one version of a plan under a fence.
func (c *client) writePlan(f store.Fence, w store.PlanWrite, by time.Time, done func(error)) {
	chain := c.chain()
	var messages []model.Message
	for _, a := range w.Assignments {
		if has := len(a.Owned) + len(a.Releasing); c.Narrow > 0 && has > c.Narrow {
			err := fmt.Errorf("%w: the record of %s names %d partitions, %d fit", store.ErrTooLarge, a.Worker, has, c.Narrow)
			c.After(0, func() { done(err) }) // nothing is sent
			return
		}
		m := c.message(a.Worker, c.next(chain), a, 0)
		m.Format = c.packed(len(a.Owned)+len(a.Releasing), w.Format)
		messages = append(messages, m)
	}
	for _, worker := range w.Remove {
		messages = append(messages, model.Message{Key: worker, Kind: store.Deleted, TTL: time.Hour})
	}
	messages = append(messages, c.message(store.PlanKey, c.next(chain), w.Plan, 0))
	when := model.Condition{Key: store.TermKey, Revision: f.Revision}
	answer := func(revision uint64, err error) {
		if errors.Is(err, errRefused) {
			err = fmt.Errorf("%w: %w", store.ErrDeposed, err)
		}
		if err == nil {
			c.planSeen = max(c.planSeen, revision)
		}
		done(err)
	}
	if len(messages) == 1 {
		c.put(store.Assignments, messages[0], when, by, answer)
		return
	}
	c.await(c.Store.Batch(c.now, c.id, store.Assignments, messages, when, by.Sub(c.now)), hears(func(e *model.Event) {
		answer(e.Revision, outcome(e.Outcome))
	}))
}
