package actors

import (
	"context"
	"fmt"

	"github.com/parti-go/parti/strategy"
)

// list asks the source and explains what is wrong with the answer. A panic of the source is an error.
func list(ctx context.Context, source func(context.Context) ([]strategy.Partition, error)) ([]strategy.Partition, error) {
	type answer struct {
		partitions []strategy.Partition
		err        error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if r := recover(); r != nil {
				a = answer{err: asPanicError("source", r).(*PanicError)}
			}
			answers <- a
		}()
		a.partitions, a.err = source(ctx)
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSourceFailed, a.err)
		}
		return a.partitions, nil
	case <-ctx.Done(): // a source that ignores its context holds nobody up
		return nil, fmt.Errorf("%w: %w", ErrSourceFailed, ctx.Err())
	}
}
