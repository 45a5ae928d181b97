package whatif

import (
	"fmt"
	"math"
	"strings"

	"github.com/parti-go/parti/strategy"
)

// Outcome is what a strategy makes of one step.
type Outcome struct {
	Name                string
	Workers, Partitions int
	strategy.Certificate
	// Orphans is how many partitions had no owner left: they begin anew without being moved from anybody.
	Orphans int
	// Kept is the part of the partitions that had an owner and still have the same.
	Kept float64
	// Got is how many partitions went to workers that were there before, left, and returned in this step; Returned is how
	// many of those they had had when they left.
	Got, Returned int
	// Loads are the loads of the workers, in their order.
	Loads []int64
}

// Report is what a strategy makes of a history.
type Report []Outcome

// String is a table.
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

// Histogram draws how many workers have which load, relative to the fair one.
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
