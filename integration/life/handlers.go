// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package life

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
)

// drawHandlers decides what the handlers of this fleet's partitions are like, until the calm. Its workers have no assignment
// hooks.
func (l *Life) drawHandlers() func(rng *rand.Rand) fleet.With {
	kind := l.rng.IntN(8)
	return func(rng *rand.Rand) fleet.With {
		var mu sync.Mutex
		dice := func(n int64) int64 {
			mu.Lock()
			defer mu.Unlock()
			return rng.Int64N(n)
		}
		return fleet.Runs(func(ctx context.Context, o *parti.Ownership) error {
			if !l.isCalm() && dice(3) == 0 {
				switch kind {
				case 0:
					return errors.New("a failing handler")
				case 1:
					panic("a panicking handler")
				}
			}
			<-ctx.Done()
			if l.isCalm() {
				return nil
			}
			switch kind {
			case 2: // slow to end, while it may
				l.lasts(o.Held(), time.Duration(dice(int64(slowestHook))))
			case 3: // deaf, now and then
				if dice(8) == 0 {
					block := time.Duration(dice(int64(longestBlock)))
					l.blocks(block)
					select {
					case <-time.After(block):
					case <-l.Fleet.Closing():
					}
				}
			case 4, 5: // slower than leases last, while it may
				if dice(4) > 0 {
					l.lasts(o.Held(), time.Duration(dice(int64(longestHook))))
				}
			}
			return nil
		})
	}
}

func (l *Life) isCalm() bool {
	select {
	case <-l.calm:
		return true
	default:
		return false
	}
}
