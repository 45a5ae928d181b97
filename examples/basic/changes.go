// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net"
)

// restartOne stops a worker and starts one that asks for its ID.
func (f *fleet) restartOne(ctx context.Context) error {
	w := f.follower()
	if w == nil {
		return nil // whoever watches the page has drained all others
	}
	if err := f.stop(ctx, w); err != nil {
		return err
	}
	return f.start(ctx, 1, w.id)
}

func (f *fleet) crashLeader(context.Context) error {
	if w := f.leader(); w != nil {
		return f.crash(w)
	}
	return nil
}

func (f *fleet) stopOne(ctx context.Context) error {
	if w := f.follower(); w != nil {
		return f.stop(ctx, w)
	}
	return nil
}

func (f *fleet) size() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.workers)
}

// serve shows the fleet on a page until the fleet ends.
func (f *fleet) serve(page net.Listener) {
	f.work.Go(func() {
		if err := servePage(f.ctx, page, f.connect, f.cfg); err != nil && f.ctx.Err() == nil {
			f.screen.event("the page has ended: "+err.Error(), "")
		}
	})
}

// strike forgets workers that have ended by themselves: they were drained on the page.
func (f *fleet) strike() {
	var ended []*worker
	f.mu.Lock()
	for _, w := range f.workers {
		select {
		case <-w.manager.Done():
			ended = append(ended, w)
		default:
		}
	}
	for _, w := range ended {
		f.forget(w)
	}
	f.mu.Unlock()
	for _, w := range ended {
		w.conn.Close()
	}
}
