package actors

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/strategy"
)

// strategist calls the strategy, which may be the user's: a panic, an impossible answer and one that is too long in
// coming are errors. Nothing can stop a call that does not return, but a worker never begins a second one beside it.
type strategist struct {
	strategy strategy.Strategy
	limit    time.Duration
	calling  chan struct{} // holds a value while a call is under way
}

func newStrategist(s strategy.Strategy, limit time.Duration) *strategist {
	return &strategist{s, limit, make(chan struct{}, 1)}
}

// question is what a strategy is asked. See [strategy.Homing] for home.
type question struct {
	*listing
	workers        []strategy.Worker
	described      string // how the members describe themselves, see calculator.descriptions
	previous, home []int
}

// ask returns a plan that [strategy.Check] accepts.
func (s *strategist) ask(ctx context.Context, q question) ([]int, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.limit, fmt.Errorf("no answer within OperationTimeout %s", s.limit))
	defer cancel()
	select {
	case s.calling <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: an earlier call has not returned: %w", ErrStrategyFailed, context.Cause(ctx))
	}
	type answer struct {
		next []int
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		defer func() { <-s.calling }()
		next, err := assign(s.strategy, q)
		answered <- answer{next, err}
	}()
	select {
	case a := <-answered:
		return a.next, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrStrategyFailed, context.Cause(ctx))
	}
}

// target asks, and says by name what was answered.
func (s *strategist) target(ctx context.Context, d topology.Decision, q question) *targetMade {
	next, err := s.ask(ctx, q)
	if err != nil {
		return &targetMade{decision: d, err: err}
	}
	target := make(map[string]string, len(next))
	for i, w := range next {
		target[q.ids[i]] = q.workers[w].ID
	}
	return &targetMade{d, q.listing, q.described, target, strategy.Certify(q.workers, q.partitions, q.previous, next), nil}
}

func assign(s strategy.Strategy, q question) (next []int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = asPanicError("strategy", r).(*PanicError)
		}
		if err != nil {
			next, err = nil, fmt.Errorf("%w: %w", ErrStrategyFailed, err)
		}
	}()
	// What it is given it may sort and scribble on: the answer is judged by what it was asked.
	workers, partitions, previous := slices.Clone(q.workers), slices.Clone(q.partitions), slices.Clone(q.previous)
	for i := range workers {
		workers[i].Labels = maps.Clone(workers[i].Labels)
	}
	if h, ok := s.(strategy.Homing); ok {
		next, err = h.AssignHome(workers, partitions, previous, slices.Clone(q.home))
	} else {
		next, err = s.Assign(workers, partitions, previous)
	}
	if err != nil {
		return nil, err
	}
	return next, strategy.Check(q.workers, q.partitions, next)
}
