// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"github.com/choria-io/fisk"

	"github.com/parti-go/parti/observe"
	"github.com/parti-go/parti/strategy"
)

// explain adds the command that says why a partition is where it is.
func (a *app) explain(parent *fisk.Application) {
	var partition, named string
	cmd := parent.Command("explain", "Say why a partition is where it is, what it waits for, and where it would go")
	cmd.Arg("partition", "ID of the partition").Required().HintAction(a.hintPartitions).StringVar(&partition)
	cmd.Flag("strategy", "Ask this strategy instead of the one that the plan names").PlaceHolder("STRATEGY").StringVar(&named)
	a.do(cmd, func(ctx context.Context) error {
		var s strategy.Strategy
		if named != "" {
			var err error
			if s, err = strategy.Named(named); err != nil {
				return fmt.Errorf("--strategy: %w", err)
			}
		}
		return a.observed(ctx, func(ctx context.Context, _ *link, o *observe.Observer) error {
			ctx, cancel := a.bounded(ctx)
			defer cancel()
			e, err := o.Explain(ctx, partition, s)
			if a.json {
				if failed := a.write(viewExplanation(e)); failed != nil {
					return failed
				}
				return err
			}
			for _, line := range append([]string{partition + ":"}, e.Sentences...) {
				if _, failed := fmt.Fprintln(a.stdout, clean(line)); failed != nil {
					return failed
				}
			}
			return err
		})
	})
}
