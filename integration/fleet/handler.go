// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"sync"

	"github.com/parti-go/parti"
)

// Runs has the process work with a handler for each partition in place of the assignment hook. It is called between the
// checker's notes; nil waits until its context ends.
func Runs(h func(ctx context.Context, o *parti.Ownership) error) With {
	return func(s *Spec) {
		if s.Run = h; h == nil {
			s.Run = func(ctx context.Context, _ *parti.Ownership) error { <-ctx.Done(); return nil }
		}
	}
}

// handled is which ownerships a process has been called for, and how to take back what shall happen when one ends between
// two calls.
type handled struct {
	mu   sync.Mutex
	seen map[*parti.Ownership]func() bool
}

// again notes a call, and says whether there was one before.
func (h *handled) again(o *parti.Ownership) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	takeBack, before := h.seen[o]
	if before {
		takeBack()
	}
	return before
}

func (h *handled) between(o *parti.Ownership, takeBack func() bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen == nil {
		h.seen = map[*parti.Ownership]func() bool{}
	}
	h.seen[o] = takeBack
}

// run is the handler: the user's between the checker's notes.
func (p *Process) run(ctx context.Context, o *parti.Ownership) error {
	again := p.handled.again(o) // it runs from here on, also while it is frozen
	p.LastIDKept()
	p.pass()
	id, epoch := o.Partition().ID(), o.Epoch()
	if again {
		p.fleet.Checker.Again(p.Name, id, epoch)
	} else {
		p.fleet.Checker.Runs(p.Name, o.WorkerID(), id, epoch)
		context.AfterFunc(ctx, func() { p.fleet.Checker.Ends(p.Name, id, epoch, context.Cause(ctx)) })
		p.fleet.happened(Event{Kind: Told, Process: p})
	}
	p.works(func(jobs map[string]int64) { jobs[id] = epoch })
	let := func() {
		p.pass()
		p.works(func(jobs map[string]int64) { delete(jobs, id) })
		p.fleet.Checker.Ran(p.Name, id, epoch)
		p.fleet.happened(Event{Kind: Returned, Process: p})
	}
	ended := false
	defer func() {
		// One that fails is called again; meanwhile it can be told to end.
		if ended || ctx.Err() != nil {
			let()
		} else {
			p.handled.between(o, context.AfterFunc(ctx, let))
		}
	}()
	if !p.isDead() {
		if err := p.spec.Run(ctx, o); err != nil && ctx.Err() == nil {
			return err
		}
	}
	<-ctx.Done()
	ended = true
	return nil
}
