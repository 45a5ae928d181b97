// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy_test

import (
	"fmt"
	"testing"

	"github.com/parti-go/parti/strategy"
)

// group is n workers and p partitions both in the order of their IDs, as the leader has them.
func group(n, p int) ([]strategy.Worker, []strategy.Partition) {
	w := make([]strategy.Worker, n)
	for i := range w {
		w[i].ID = fmt.Sprintf("worker-%04d", i)
	}
	list := make([]strategy.Partition, p)
	for i := range list {
		list[i].Keys = []string{"topic", fmt.Sprintf("%07d", i)}
	}
	return w, list
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

var sizes = [][2]int{{200, 10_000}, {500, 100_000}, {1000, 100_000}, {1000, 300_000}, {1000, 1_000_000}}

// BenchmarkAssign is the time of one plan from a prepared list: strategy, what changed (half: +50 % workers), workers,
// partitions.
func BenchmarkAssign(b *testing.B) {
	for _, name := range []string{"hash", "sticky", "roundrobin"} {
		for _, size := range sizes {
			for _, change := range []string{"cold", "same", "leave", "join", "half"} {
				b.Run(fmt.Sprintf("%s/%s/W=%d/P=%d", name, change, size[0], size[1]), func(b *testing.B) {
					s := all()[name]
					w, p := group(size[0], size[1])
					w, previous := scenarios[change](b, s, w, p)
					q := strategy.Question{Workers: w, List: prepared(b, p), Previous: previous}
					b.ReportAllocs()
					report := cpuTime(b)
					for b.Loop() {
						if _, err := strategy.Ask(s, q); err != nil {
							b.Fatal(err)
						}
					}
					report()
				})
			}
		}
	}
}

// BenchmarkPrepare is what happens once for each list.
func BenchmarkPrepare(b *testing.B) {
	for _, size := range []int{10_000, 100_000, 1_000_000} {
		_, p := group(1, size)
		b.Run(fmt.Sprintf("P=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			report := cpuTime(b)
			for b.Loop() {
				prepared(b, p)
			}
			report()
		})
	}
}

// BenchmarkCertify is the certificate of a plan after which one worker is gone.
func BenchmarkCertify(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprintf("W=%d/P=%d", size[0], size[1]), func(b *testing.B) {
			s := strategy.NewSticky()
			w, p := group(size[0], size[1])
			w, previous := scenarios["leave"](b, s, w, p)
			q := strategy.Question{Workers: w, List: prepared(b, p), Previous: previous}
			next := must(b, s, w, p, previous)
			report := cpuTime(b)
			for b.Loop() {
				q.Certify(next)
			}
			report()
		})
	}
}

func prepared(tb testing.TB, p []strategy.Partition) *strategy.Prepared {
	tb.Helper()
	list, err := strategy.Prepare(p)
	if err != nil {
		tb.Fatal(err)
	}
	return list
}
