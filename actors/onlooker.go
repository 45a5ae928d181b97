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

// onlooker calls the Watch of the user's source. It outlives terms: nothing can stop a Watch that does not return, but a
// worker never begins a second one beside it.
type onlooker struct {
	watch   func(ctx context.Context, changed func()) error
	grace   time.Duration // that a Watch has to return after its term, before that is reported
	running chan struct{} // holds a value while a Watch runs
}

const (
	// A Watch that ended is begun again after a pause that grows from the first to the last of these. One that lasted for
	// longer than the last has worked.
	rewatchFirst = time.Second
	rewatchMost  = 30 * time.Second
)

// watchFailed says that the source is not watched for the moment. It is news.
type watchFailed struct{ err error }

// newOnlooker is nil for a source that cannot be watched.
func newOnlooker(watch func(context.Context, func()) error, grace time.Duration) *onlooker {
	if watch == nil {
		return nil
	}
	return &onlooker{watch: watch, grace: grace, running: make(chan struct{}, 1)}
}

// keep has the source watched until ctx ends. It tells what failed once, until a Watch has worked or fails differently.
// What changes between two Watches nobody has told, so that a list is asked for when the next one begins.
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

// once calls Watch, and returns when it has ended or ctx has. A Watch that then runs on is reported if it has not returned
// within the grace.
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

// watchSource has the source watched for as long as the term lasts. However often the source says that it has changed, one
// message is under way at a time.
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
