package actors

import (
	"context"
	"fmt"

	"github.com/parti-go/parti/internal/leader"
)

// list asks the source, and explains what is wrong with the answer. A panic of the source is an error. The version is asked
// for first: a list that is newer than its version says is taken for what it was before, and listed again by whoever
// changed it; the reverse would pass an old list off as new.
func list(ctx context.Context, set Settings) (*leader.Listing, error) {
	type answer struct {
		list *leader.Listing
		err  error
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
		version := uint64(0)
		if set.SourceVersion != nil {
			version = set.SourceVersion()
		}
		partitions, err := set.Source(ctx)
		if err == nil {
			a.list, err = leader.NewListing(partitions, version)
		}
		a.err = err
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSourceFailed, a.err)
		}
		return a.list, nil
	case <-ctx.Done(): // a source that ignores its context holds nobody up
		return nil, fmt.Errorf("%w: %w", ErrSourceFailed, ctx.Err())
	}
}
