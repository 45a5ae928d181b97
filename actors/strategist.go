// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/strategy"
)

// strategist calls the strategy, which may be the user's: a panic, an impossible answer and one that is too long in
// coming are errors. Nothing can stop a call that does not return, but a worker never begins a second one beside it.
type strategist struct {
	strategy strategy.Strategy
	limit    time.Duration
	watch    watch
	calling  chan struct{} // holds a value while a call is under way
}

func newStrategist(s strategy.Strategy, limit time.Duration) *strategist {
	return &strategist{strategy: s, limit: limit, calling: make(chan struct{}, 1)}
}

// target answers a leader's question. The built-in strategy needs no supervision.
func (s *strategist) target(ctx context.Context, a *leader.Ask) *leader.TargetMade {
	if a.BuiltIn {
		p, err := strategy.Ask(strategy.NewSticky(), a.Question)
		return leader.Answered(a, p, err)
	}
	p, err := s.ask(ctx, a.Question)
	return leader.Answered(a, p, err)
}

// ask returns a plan that [strategy.Ask] has checked.
func (s *strategist) ask(ctx context.Context, q strategy.Question) (strategy.Plan, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.limit, fmt.Errorf("no answer within OperationTimeout %s", s.limit))
	defer cancel()
	select {
	case s.calling <- struct{}{}:
	default:
		return strategy.Plan{}, fmt.Errorf("%w: an earlier call has not returned within OperationTimeout %s", ErrStrategyFailed, s.limit)
	}
	type answer struct {
		plan strategy.Plan
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		defer func() { <-s.calling }()
		s.watch.during(call{name: "the strategy", limit: s.limit}, func() {
			plan, err := assign(s.strategy, q)
			answered <- answer{plan, err}
		})
	}()
	select {
	case a := <-answered:
		return a.plan, a.err
	case <-ctx.Done():
		return strategy.Plan{}, fmt.Errorf("%w: %w", ErrStrategyFailed, context.Cause(ctx))
	}
}

func assign(s strategy.Strategy, q strategy.Question) (plan strategy.Plan, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = asPanicError("strategy", r).(*panicError)
		}
		if err != nil {
			plan, err = strategy.Plan{}, fmt.Errorf("%w: %w", ErrStrategyFailed, err)
		}
	}()
	return strategy.Ask(s, q)
}
