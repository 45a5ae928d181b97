// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
)

func TestWhatAWorkerHoldsIsCountedAsItIsListed(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // by a seed
	for range 200 {
		v := newView()
		owned, removing, holding := []strategy.Partition{}, []strategy.Partition{}, []string{}
		for n := range 12 {
			p := named(fmt.Sprintf("p%02d", n), 1)
			if rng.IntN(2) == 0 {
				owned = append(owned, p)
			}
			if rng.IntN(3) == 0 {
				removing = append(removing, p)
			}
			if rng.IntN(3) == 0 {
				holding = append(holding, p.ID())
			}
		}
		v.assignment.Store(&Assignment{Partitions: owned})
		if rng.IntN(2) == 0 {
			v.removing.Store(&removing)
		}
		require.Equal(t, len(v.held(holding)), v.holds(holding))
	}
}
