// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/leader"
)

// onlooker calls the Watch of the user's source. It outlives terms: nothing can stop a Watch that does not return, but a worker
// never begins a second one beside it.
type onlooker struct {
	watch   func(ctx context.Context, changed func()) error
	grace   time.Duration // that a Watch has to return after its term, before that is reported
	running chan struct{} // holds a value while a Watch runs
}

const (
	// The pause before a Watch is called again grows from the first to the last of these. A Watch that lasted longer than the
	// last counts as one that worked.
	rewatchFirst = time.Second
	rewatchMost  = 30 * time.Second
)

// watchFailed says that the source is not watched at this moment.
type watchFailed struct{ err error }

// newOnlooker returns nil for a source that cannot be watched.
func newOnlooker(watch func(context.Context, func()) error, grace time.Duration) *onlooker {
	if watch == nil {
		return nil
	}
	return &onlooker{watch: watch, grace: grace, running: make(chan struct{}, 1)}
}

// keep makes sure that the source is watched until ctx ends. It reports a failure once, until a Watch has worked or fails
// differently. Nobody reports the changes between two calls of Watch, so keep asks for a listing when the next call begins.
func (o *onlooker) keep(ctx context.Context, changed func(), tell, late func(message any)) {
	told := ""
	for pause := rewatchFirst; ; pause = min(2*pause, rewatchMost) {
		if !o.begin(ctx, tell) {
			return
		}
		began := time.Now()
		err := o.once(ctx, changed, late)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > rewatchMost {
			pause, told = rewatchFirst, ""
		}
		if err.Error() != told {
			told = err.Error()
			tell(&watchFailed{fmt.Errorf("%w: Watch failed and is called again: %w", ErrSourceFailed, err)})
		}
		select {
		case <-time.After(pause):
			changed()
		case <-ctx.Done():
			return
		}
	}
}

// begin waits for a Watch of an earlier term to return, and reports one that does not within the grace.
func (o *onlooker) begin(ctx context.Context, tell func(message any)) bool {
	select {
	case o.running <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	case <-time.After(o.grace):
	}
	tell(&watchFailed{fmt.Errorf("%w: Watch of an earlier term has not returned although its context has ended; the source is not watched "+
		"until it returns", ErrSourceFailed)})
	select {
	case o.running <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// once calls Watch, and returns when Watch has returned or ctx has ended. It reports a Watch that has not returned within the
// grace after that.
func (o *onlooker) once(ctx context.Context, changed func(), late func(message any)) error {
	ended := make(chan error, 1)
	go func() {
		err := errors.New("it ended its goroutine")
		defer func() {
			if r := recover(); r != nil {
				err = asPanicError("source", r).(*panicError)
			}
			<-o.running
			ended <- err
		}()
		if err = o.watch(ctx, changed); err == nil {
			err = errors.New("it returned before its context ended")
		}
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	time.AfterFunc(o.grace, func() {
		if len(ended) == 0 {
			late(&hookReported{fmt.Errorf("%w: Watch has not returned %s after its context ended", ErrSourceFailed, o.grace)})
		}
	})
	return ctx.Err()
}

// watchSource watches the source as long as the term lasts. However often the source reports a change, only one message is
// under way at a time.
func (c *calculator) watchSource() {
	if c.set.onlooker == nil {
		return
	}
	changed := func() {
		if c.changed.CompareAndSwap(false, true) {
			c.tell(&leader.SourceChanged{})
		}
	}
	c.run(func(ctx context.Context) any {
		c.set.onlooker.keep(ctx, changed, c.tell, c.strategist.watch.say)
		return nil
	})
}
