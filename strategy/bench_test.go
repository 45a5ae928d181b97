package strategy_test

import (
	"fmt"
	"testing"

	"github.com/parti-go/parti/strategy"
)

// group is n workers and p partitions.
func group(n, p int) ([]strategy.Worker, []strategy.Partition) {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = i
	}
	return workers(ids...), partitions(p)
}

// scenario prepares what a benchmark asks for: the workers after the change, and who owned what before it.
type scenario func(b *testing.B, s strategy.Strategy, w []strategy.Worker, p []strategy.Partition) ([]strategy.Worker, []int)

var scenarios = map[string]scenario{
	"cold": func(_ *testing.B, _ strategy.Strategy, w []strategy.Worker, p []strategy.Partition) ([]strategy.Worker, []int) {
		return w, nobody(len(p))
	},
	"same": func(b *testing.B, s strategy.Strategy, w []strategy.Worker, p []strategy.Partition) ([]strategy.Worker, []int) {
		return w, must(b, s, w, p, nobody(len(p)))
	},
	"leave": func(b *testing.B, s strategy.Strategy, w []strategy.Worker, p []strategy.Partition) ([]strategy.Worker, []int) {
		previous := must(b, s, w, p, nobody(len(p)))
		for i, o := range previous {
			if o == len(w)-1 {
				previous[i] = strategy.None
			}
		}
		return w[:len(w)-1], previous
	},
	"join": func(b *testing.B, s strategy.Strategy, w []strategy.Worker, p []strategy.Partition) ([]strategy.Worker, []int) {
		return w, must(b, s, w[:len(w)-1], p, nobody(len(p)))
	},
	"half": func(b *testing.B, s strategy.Strategy, w []strategy.Worker, p []strategy.Partition) ([]strategy.Worker, []int) {
		return w, must(b, s, w[:len(w)*2/3], p, nobody(len(p)))
	},
}

func must(b *testing.B, s strategy.Strategy, w []strategy.Worker, p []strategy.Partition, previous []int) []int {
	b.Helper()
	next, err := s.Assign(w, p, previous)
	if err != nil {
		b.Fatal(err)
	}
	return next
}

// BenchmarkAssign is the time of one plan: strategy, what changed (half: +50 % workers), workers, partitions.
func BenchmarkAssign(b *testing.B) {
	for _, name := range []string{"hash", "sticky", "roundrobin"} {
		for _, size := range [][2]int{{200, 10_000}, {500, 100_000}, {1000, 100_000}, {1000, 300_000}, {1000, 1_000_000}} {
			for _, change := range []string{"cold", "same", "leave", "join", "half"} {
				b.Run(fmt.Sprintf("%s/%s/W=%d/P=%d", name, change, size[0], size[1]), func(b *testing.B) {
					s := all()[name]
					w, p := group(size[0], size[1])
					w, previous := scenarios[change](b, s, w, p)
					b.ReportAllocs()
					for b.Loop() {
						must(b, s, w, p, previous)
					}
				})
			}
		}
	}
}
