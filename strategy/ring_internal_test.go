// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A ring of which only parts are made answers like one that is complete.
func TestARingMadeInPartsAnswersLikeAWholeOne(t *testing.T) {
	inParts := 0
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 5))
		workers := make([]Worker, 1+rng.IntN(300))
		for i := range workers {
			workers[i] = Worker{ID: fmt.Sprint("worker-", i), Capacity: 50 + rng.Int64N(100)}
		}
		parts := newRing(workers, 1+rng.IntN(150))
		for range 3 {
			aimed, full := make([]bool, len(workers)), make([]bool, len(workers))
			for n := []int{1, 2, len(workers)}[rng.IntN(3)]; n > 0; n-- {
				aimed[rng.IntN(len(aimed))] = true
			}
			mostly := rng.IntN(2) == 0
			for w := range full {
				full[w] = rng.IntN(50) == 0 != mostly
			}
			whole := &ring{
				ids: parts.ids, count: parts.count, mask: parts.mask, spacing: parts.spacing, shift: parts.shift,
				start: make([]uint32, len(parts.start)),
			}
			whole.complete()
			parts.aim(aimed)
			whole.aim(aimed)
			hashes := make([]uint64, 20)
			for i := range hashes {
				hashes[i] = rng.Uint64()
			}
			hashes[0], hashes[1] = 0, ^uint64(0)
			for _, h := range hashes[:20*rng.IntN(2)] {
				from := rng.IntN(len(workers))
				require.Equal(t, whole.pull(h, from), parts.pull(h, from), "seed %d", seed)
			}
			if rng.IntN(4) > 0 {
				hashes = hashes[:5]
				parts.expect(hashes, []int32{0, 1, 2, 3, 4})
			}
			for _, h := range hashes {
				ok := func(w int) bool { return !full[w] }
				got := parts.best(h, ok)
				if want := whole.next(h, aimed, full); len(whole.points) <= 8*len(workers) || whole.steps(h, want) < 8*len(workers) {
					require.Equal(t, want, got, "seed %d", seed)
				}
				if parts.made != nil {
					inParts++
				}
			}
		}
	}
	require.Greater(t, inParts, 500, "most of the time it was not complete")
}

// next is the first worker at or after a hash that is aimed at and not full, or None.
func (r *ring) next(h uint64, aimed, full []bool) int {
	for i := range r.points {
		if w := r.worker((r.at(h) + i) % len(r.points)); aimed[w] && !full[w] {
			return w
		}
	}
	return None
}

// steps is how many points after a hash the first of a worker is.
func (r *ring) steps(h uint64, worker int) int {
	order := slices.Concat(r.points[r.at(h):], r.points[:r.at(h)])
	return slices.IndexFunc(order, func(p uint64) bool { return int(p&r.mask) == worker })
}
