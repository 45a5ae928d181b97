// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package whatif

import (
	"fmt"
	"math"
	"strings"

	"github.com/parti-go/parti/strategy"
)

// Outcome is the result of a strategy for one step.
type Outcome struct {
	Name                string
	Workers, Partitions int
	strategy.Certificate
	// Orphans is the number of partitions that had lost their owner. They get a new owner, and this does not count as a
	// move.
	Orphans int
	// Kept is the share of partitions that kept their owner, among those that had one.
	Kept float64
	// Got is the number of partitions that went to workers that had left before and returned in this step. Returned is the
	// number of those that the same worker had when it left.
	Got, Returned int
	// Loads are the loads of the workers, in their order.
	Loads []int64
}

// Report is the result of a strategy for a history.
type Report []Outcome

// String returns the report as a table.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-24s %8s %10s %8s %8s %8s %7s %9s %9s %9s\n",
		"step", "workers", "partitions", "orphans", "moves", "at least", "kept", "max÷fair", "at least", "returned")
	for _, o := range r {
		returned := "-"
		if o.Got > 0 {
			returned = fmt.Sprintf("%.1f%%", 100*float64(o.Returned)/float64(o.Got))
		}
		fmt.Fprintf(&b, "%-24s %8d %10d %8d %8d %8d %6.1f%% %9.3f %9.3f %9s\n", o.Name, o.Workers, o.Partitions, o.Orphans,
			o.Moves, o.LeastMoves, 100*o.Kept, o.Imbalance, o.LeastImbalance, returned)
	}
	return b.String()
}

// Histogram draws how many workers have which load, relative to the fair load.
func (o Outcome) Histogram(workers []strategy.Worker) string {
	var total, room int64
	for i, load := range o.Loads {
		total += load
		room += workers[i].Room()
	}
	counts := map[int]int{}
	lowest, highest, widest := math.MaxInt, 0, 1
	for i, load := range o.Loads {
		at := 0
		if total > 0 {
			at = int(math.Round(100 * float64(load) * float64(room) / float64(total) / float64(workers[i].Room()) / bin))
		}
		counts[at]++
		lowest, highest, widest = min(lowest, at), max(highest, at), max(widest, counts[at])
	}
	var b strings.Builder
	for at := lowest; at <= highest; at++ {
		if counts[at] > 0 {
			fmt.Fprintf(&b, "%5d%% of fair  %s %d\n", at*bin, strings.Repeat("█", max(1, counts[at]*50/widest)), counts[at])
		}
	}
	return b.String()
}

// bin is how many percent one bar of a histogram stands for.
const bin = 2
