// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"fmt"

	"github.com/parti-go/parti/strategy"
)

// list calls the source for at most OperationTimeout, and explains what is wrong with its answer. A panic of the source is an
// error. The version is read first. So a list that is newer than its version counts as the older list, and is listed again when
// the source reports its change. The reverse order would make an old list look new.
func list(ctx context.Context, set Settings) (partitions []strategy.Partition, version uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, set.Store.OperationTimeout)
	defer cancel()
	type answer struct {
		partitions []strategy.Partition
		version    uint64
		err        error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if r := recover(); r != nil {
				a = answer{err: asPanicError("source", r).(*panicError)}
			}
			answers <- a
		}()
		if set.SourceVersion != nil {
			a.version = set.SourceVersion()
		}
		a.partitions, a.err = set.Source(ctx)
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return nil, 0, fmt.Errorf("%w: %w", ErrSourceFailed, a.err)
		}
		return a.partitions, a.version, nil
	case <-ctx.Done(): // a source that ignores its context holds nobody up
		return nil, 0, fmt.Errorf("%w: %w", ErrSourceFailed, ctx.Err())
	}
}
