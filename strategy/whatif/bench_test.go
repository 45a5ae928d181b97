// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package whatif_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

// BenchmarkAsk: 1,000 workers with 100,000 partitions, of which ten crash while ten join.
func BenchmarkAsk(b *testing.B) {
	w, p := workers(1000), partitions(100_000)
	f := whatif.Fleet{IDs: whatif.IDs{Prefix: "worker", Max: 2000}, Timing: timing()}
	for i := range w {
		f.Workers = append(f.Workers, whatif.Worker{Worker: w[i]})
	}
	for i := range p {
		f.Partitions = append(f.Partitions, whatif.Partition{Partition: p[i], Owner: w[i%len(w)].ID})
	}
	c := whatif.Change{Join: 10}
	for i := range 10 {
		c.Lose = append(c.Lose, w[i].ID)
	}
	for b.Loop() {
		a, err := whatif.Ask(f, c, strategy.NewSticky())
		require.NoError(b, err)
		require.NotEmpty(b, a.Moves)
	}
}
