// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
)

// fleet is workers that come and go, and what each partition's owner is.
type fleet struct {
	workers []strategy.Worker
	list    *strategy.Prepared
	owners  []int
	made    int
}

func (f *fleet) join() {
	f.workers = append(slices.Clone(f.workers), strategy.Worker{ID: fmt.Sprintf("worker-%04d", f.made)})
	f.made++
}

func (f *fleet) lose(i int) {
	f.workers = slices.Delete(slices.Clone(f.workers), i, i+1)
	f.owners = slices.Clone(f.owners)
	for q, o := range f.owners {
		if o == i {
			f.owners[q] = strategy.None
		} else if o > i {
			f.owners[q]--
		}
	}
}

// plan plans, and counts the partitions that get an owner or another one.
func (f *fleet) plan(t *testing.T, s strategy.Strategy) (given int) {
	t.Helper()
	plan, err := strategy.Ask(s, strategy.Question{Workers: f.workers, List: f.list, Previous: f.owners})
	require.NoError(t, err)
	for q, w := range plan.Owners {
		if w != f.owners[q] {
			given++
		}
	}
	f.owners = plan.Owners
	return given
}

func TestConsistentHashGivesAwayHardlyMoreThanAnEvenShare(t *testing.T) {
	const n, size = 1000, 100_000
	s := strategy.NewConsistentHash()
	w, p := group(n, size)
	begin := fleet{workers: w, list: prepared(t, p), owners: nobody(size), made: n}
	begin.plan(t, s)
	for name, joins := range map[string]func(step int) bool{
		"joins":  func(int) bool { return true },
		"losses": func(int) bool { return false },
		"roll":   func(step int) bool { return step%2 == 1 },
	} {
		f, rng, given, share := begin, rand.New(rand.NewPCG(1, 2)), 0, 0.0
		for step := range 40 {
			most := len(f.workers)
			if joins(step) {
				f.join()
				most++
			} else {
				f.lose(rng.IntN(len(f.workers)))
			}
			now := f.plan(t, s)
			given, share = given+now, share+size/float64(most)
			require.LessOrEqual(t, float64(now), 1.2*size/float64(most), "%s, step %d", name, step)
			fair := size / float64(len(f.workers))
			lowest, highest := counts(len(f.workers), f.owners)
			require.LessOrEqual(t, float64(highest), fair*1.1)
			require.GreaterOrEqual(t, float64(lowest), math.Floor(fair/1.1))
		}
		t.Logf("%s: %.3f of what an even share needs", name, float64(given)/share)
	}
}
