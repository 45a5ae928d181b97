// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"slices"
	"testing"

	"github.com/parti-go/parti/observe"
)

// moved returns a group in which one partition has another epoch. All other lists are the same in memory.
func moved(g observe.Group, i int) observe.Group {
	g.Workers = slices.Clone(g.Workers)
	w := &g.Workers[i%len(g.Workers)]
	w.Partitions = slices.Clone(w.Partitions)
	w.Partitions[0].Epoch++
	return g
}

// BenchmarkOneChange is what a change of one partition costs for all readers together: 100 workers, 10,000 partitions.
func BenchmarkOneChange(b *testing.B) {
	for _, readers := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			g := sized(100, 10_000)
			v := newFakeView(g)
			f := newFeed(v, quiet())
			f.run = &run{journal: make(chan struct{}, 1)} // the benchmark itself looks at the group
			f.newest()
			for range readers {
				f.readers[&reader{events: make(chan []byte, backlog)}] = struct{}{}
			}
			size := 0
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				g = moved(g, i)
				v.set(g)
				b.StartTimer()
				f.newest()
				for r := range f.readers {
					size = len(<-r.events)
				}
			}
			b.ReportMetric(float64(size), "bytes/reader")
		})
	}
}

// BenchmarkWholeGroup is what a reader that joins after a change costs.
func BenchmarkWholeGroup(b *testing.B) {
	g := sized(100, 10_000)
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		size = len(encodeGroup(g, 1, 1))
	}
	b.ReportMetric(float64(size), "bytes")
}

// BenchmarkManyMoves is a takeover: 1,000 of 10,000 partitions have moved.
func BenchmarkManyMoves(b *testing.B) {
	before := sized(100, 10_000)
	now := sized(100, 10_000)
	now.Workers = now.Workers[10:]
	for i, w := range before.Workers[:10] {
		into := &now.Workers[i]
		into.Partitions = append(slices.Clone(into.Partitions), w.Partitions...)
		slices.SortFunc(into.Partitions, func(a, b observe.Partition) int {
			if a.ID < b.ID {
				return -1
			}
			return 1
		})
	}
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		d := difference(before, now)
		size = len(d.encode(2, 1))
	}
	b.ReportMetric(float64(size), "bytes")
}
