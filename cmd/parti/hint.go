// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"github.com/parti-go/parti/observe"
)

// hintWithin bounds how long the shell waits when it completes a name.
const hintWithin = 2 * time.Second

// hintWorkers lists the workers for the completion of a shell. What goes wrong is no hint.
func (a *app) hintWorkers() (names []string) {
	a.hint(func(o *observe.Observer) {
		for _, w := range o.Group().Workers {
			names = append(names, w.ID)
		}
	})
	return names
}

// hintPartitions lists the partitions for the completion of a shell.
func (a *app) hintPartitions() (names []string) {
	a.hint(func(o *observe.Observer) {
		for _, v := range viewPartitions(o) {
			names = append(names, v.Partition)
		}
	})
	return names
}

func (a *app) hint(f func(*observe.Observer)) {
	ctx, cancel := context.WithTimeout(context.Background(), hintWithin)
	defer cancel()
	_ = a.observed(ctx, func(_ context.Context, _ *link, o *observe.Observer) error {
		f(o)
		return nil
	})
}
