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
	try = func() {
		c.get(store.Assignments, store.TermKey, by, func(e store.Entry, err error) {
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				done(store.Fence{}, err)
				return
			}
			last := uint64(0)
			if e.Kind == store.Put && err == nil {
				stored, err := store.Decode(e, record.DecodeTerm)
				if err != nil && !errors.Is(err, record.ErrCorrupt) { // otherwise the floor counts on
					done(store.Fence{}, err)
					return
				}
				last = stored.Number
				if e.Token.Of(chain) {
					done(store.Fence{Term: last, Revision: e.Revision}, nil)
					return
				}
			}
			if !valid() {
				done(store.Fence{}, store.ErrLate)
				return
			}
			r.Number = max(last, floor) + 1
			m := c.message(store.TermKey, c.next(chain), r, 0)
			c.put(store.Assignments, m, model.Condition{Revision: e.Revision}, by, func(revision uint64, err error) {
				switch {
				case err == nil:
					done(store.Fence{Term: r.Number, Revision: revision}, nil)
				case errors.Is(err, errRefused):
					try()
				default:
					done(store.Fence{}, err)
				}
			})
		})
	}
	try()
}

// writePlan stores one version of a plan under a fence.
func (c *client) writePlan(f store.Fence, w store.PlanWrite, by time.Time, done func(error)) {
	chain := c.chain()
	var messages []model.Message
	for _, a := range w.Assignments {
		messages = append(messages, c.message(a.Worker, c.next(chain), a, 0))
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
	c.await(c.Store.Batch(c.now, c.id, store.Assignments, messages, when, by.Sub(c.now)), func(e model.Event) {
		answer(e.Revision, outcome(e.Outcome))
	})
}
