// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package browsertest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the page promises on a machine that is otherwise idle: the first picture of a group of 100 workers with 10,000
// partitions within a second, and a change of 1,000 partitions within 50 ms. Machines that run tests are seldom idle and have
// no graphics card, so that the tests allow five times as much. The benchmarks print what is measured.
const (
	paintLimit  = 1000.0 // ms
	updateLimit = 50.0   // ms
	allowance   = 5
)

func TestTheFirstPaintIsQuick(t *testing.T) {
	var paints, drawings []float64
	for range 3 {
		paint, drawn := firstPaint(t)
		paints, drawings = append(paints, paint), append(drawings, drawn)
	}
	t.Logf("first paint %.0f ms, the whole group %.0f ms after navigation (medians of 3)", median(paints), median(drawings))
	require.Less(t, median(paints), paintLimit*allowance)
	require.Less(t, median(drawings), paintLimit*allowance)
}

func TestALargeUpdateIsQuick(t *testing.T) {
	f := NewFake(100, 10_000)
	tab, _ := open(t, desk, f)
	times := updates(t, tab, f, 9)
	t.Logf("1,000 of 10,000 partitions have changed: %.1f ms (median of %d)", median(times), len(times))
	require.Less(t, median(times), updateLimit*allowance)
}

// firstPaint returns when a large group was first painted, and when all of it was, in ms.
func firstPaint(t testing.TB) (paint, drawn float64) {
	tab, _ := open(t, desk, NewFake(100, 10_000))
	until(t, tab, `performance.getEntriesByName("first-contentful-paint").length`)
	return ask[float64](t, tab, `performance.getEntriesByName("first-contentful-paint")[0].startTime`),
		ask[float64](t, tab, `performance.getEntriesByName("parti:first-drawing")[0].startTime`)
}

// updates moves 1,000 partitions at a time, and returns what each took the page from the message to the last stroke.
func updates(t testing.TB, tab *Tab, f *Fake, n int) []float64 {
	for i := range n {
		f.Change(func(d *Draft) { moveThousand(d, i) })
		seen(t, tab, f)
	}
	times := ask[[]float64](t, tab, `performance.getEntriesByName("parti:update").filter((e) => e.detail.partitions === 2000).map((e) => e.duration)`)
	require.Len(t, times, n, "updates were drawn together or not at all")
	return times
}

// moveThousand moves ten partitions of every worker to the next one.
func moveThousand(d *Draft, round int) {
	d.Version()
	type move struct{ partition, from, to string }
	var moves []move
	for w := range 100 {
		for i, p := range d.Held(Worker(w)) {
			if i%10 == round%10 && i < 100 {
				moves = append(moves, move{p, Worker(w), Worker((w + 1) % 100)})
			}
		}
	}
	for _, m := range moves {
		d.Release(m.partition, m.from)
		d.Grant(m.partition, m.to)
	}
}

func median(times []float64) float64 {
	slices.Sort(times)
	return times[len(times)/2]
}

// BenchmarkUpdate measures a change of 1,000 partitions in the browser: from the message to the last stroke, the wait for
// the next frame included.
func BenchmarkUpdate(b *testing.B) {
	f := NewFake(100, 10_000)
	tab, _ := open(b, desk, f)
	b.ReportMetric(median(updates(b, tab, f, 25)), "ms/update")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkFirstPaint(b *testing.B) {
	paint, drawn := firstPaint(b)
	b.ReportMetric(paint, "ms/first-paint")
	b.ReportMetric(drawn, "ms/whole-group")
	b.ReportMetric(0, "ns/op")
}
