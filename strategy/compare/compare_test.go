// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package compare sets the strategies beside others, in the same run: a module of its own, so that theirs are not
// dependencies of the library.
package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

func workers(from, to int, capacity func(i int) int64) (w []strategy.Worker) {
	for i := from; i < to; i++ {
		w = append(w, strategy.Worker{ID: fmt.Sprintf("worker-%04d", i), Capacity: capacity(i)})
	}
	return w
}

func partitions(n int, weight func(i int) int64) []strategy.Partition {
	p := make([]strategy.Partition, n)
	for i := range p {
		p[i] = strategy.Partition{Keys: []string{"topic", fmt.Sprintf("%07d", i)}, Weight: weight(i)}
	}
	return p
}

func ids(w []strategy.Worker) (ids []string) {
	for _, worker := range w {
		ids = append(ids, worker.ID)
	}
	return ids
}

// group is where a history begins.
type group struct {
	workers    []strategy.Worker
	partitions []strategy.Partition
	capacity   func(i int) int64
	steps      int // of the long histories
}

func equal(int) int64 { return 100 }

func mixed(i int) int64 { return []int64{50, 100, 200}[i%3] }

func zipf(i int) int64 { return 1 + int64(10_000/math.Pow(float64(1+i*7919%10_007), 1.1)) }

func giant(n int) func(int) int64 {
	return func(i int) int64 {
		if i == n/2 {
			return int64(n) * 20
		}
		return 100
	}
}

// histories are what can happen to a group.
func (g group) histories() map[string]whatif.History {
	n := len(g.workers)
	begin := func() whatif.History { return whatif.Begin("cold start", g.workers, g.partitions) }
	more := func(k int) []strategy.Worker { return workers(n, n+k, g.capacity) }
	all := map[string]whatif.History{
		"cold start": begin(),
		"one more":   begin().Join("+1", more(1)...),
		"one less":   begin().Leave("-1", g.workers[n/2].ID),
		"half more":  begin().Join("+50%", more(n/2)...),
		"third less": begin().Leave("-33%", ids(g.workers[:n/3])...),
	}
	roll, back, churn := begin(), begin(), begin()
	for i := range min(n, g.steps) {
		roll = roll.Leave("leave", g.workers[i].ID).Join("replacement", workers(n+i, n+i+1, g.capacity)...)
		back = back.Leave("crash", g.workers[i].ID).Join("return", g.workers[i])
	}
	rng, next := rand.New(rand.NewPCG(1, 2)), n
	for range g.steps {
		now := churn[len(churn)-1].Workers
		if rng.IntN(2) == 0 && len(now) > n/2 {
			churn = churn.Leave("leave", now[rng.IntN(len(now))].ID)
		} else {
			churn = churn.Join("join", workers(next, next+1, g.capacity)...)
			next++
		}
	}
	all["roll"], all["crash and return"], all["churn"] = roll, back, churn
	return all
}

// row is what becomes of all histories under one strategy.
func row(b *testing.B, c contestant, g group) string {
	total := &recorder{contestant: c, lowest: math.Inf(1)}
	var got, returned, rolled int
	var before, after runtime.MemStats
	for name, h := range g.histories() {
		r, err := whatif.Simulate(h, total)
		require.NoError(b, err)
		for _, o := range r {
			if name == "crash and return" {
				got, returned = got+o.Got, returned+o.Returned
			}
			if name == "roll" {
				rolled += o.Moves
			}
		}
	}
	h := g.histories()["one more"]
	previous := make([]int, len(g.partitions))
	for i := range previous {
		previous[i] = strategy.None
	}
	previous, err := c.s.Assign(h[0].Workers, h[0].Partitions, previous)
	require.NoError(b, err)
	runtime.ReadMemStats(&before)
	_, err = c.s.Assign(h[1].Workers, h[1].Partitions, previous)
	require.NoError(b, err)
	runtime.ReadMemStats(&after)
	roll := float64(rolled) / float64(len(g.partitions)) / float64(min(g.steps, len(g.workers))) * float64(len(g.workers))
	return fmt.Sprintf("| %s | %.3f | %.3f | %s | %s | %.1f %% | %.1f %% | %.2f | %.2f | %.2f | %d |\n", c.name, total.highest, total.lowest,
		ratio(float64(total.moves), float64(total.least)), ratio(total.movedWeight, total.leastWeight), 100*float64(total.kept)/float64(total.possible),
		100*float64(returned)/float64(max(1, got)), roll, float64(total.took.Microseconds())/1000/float64(total.plans),
		float64(after.TotalAlloc-before.TotalAlloc)/1e6, after.Mallocs-before.Mallocs)
}

func ratio(x, y float64) string {
	if y == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", x/y)
}

// BenchmarkTable prints the quality of all strategies over all histories, for several groups. COMPARE_OUT names a file
// to write it to as well.
func BenchmarkTable(b *testing.B) {
	out := os.Stdout
	if name := os.Getenv("COMPARE_OUT"); name != "" {
		f, err := os.Create(name)
		require.NoError(b, err)
		defer f.Close()
		out = f
	}
	for _, t := range []struct {
		title    string
		n, p     int
		capacity func(int) int64
		weight   func(int) int64
		steps    int
	}{
		{"10 workers, 100 partitions, all equal", 10, 100, equal, equal, 200},
		{"50 workers, 5,000 partitions, all equal", 50, 5000, equal, equal, 200},
		{"50 workers of capacity 50, 100 and 200, 5,000 equal partitions", 50, 5000, mixed, equal, 50},
		{"50 equal workers, 5,000 partitions weighing as Zipf's law has it (1.1)", 50, 5000, equal, zipf, 50},
		{"50 equal workers, 5,000 partitions, one of them a giant of 10 times a fair share", 50, 5000, equal, giant(5000), 50},
		{"1,000 workers, 100,000 partitions, all equal", 1000, 100_000, equal, equal, 10},
	} {
		g := group{workers(0, t.n, t.capacity), partitions(t.p, t.weight), t.capacity, t.steps}
		fmt.Fprintf(out, "\n**%s**\n\n", t.title)
		fmt.Fprintln(out, "| strategy | max÷best | min÷fair | moves÷least | weight÷least | kept of possible | returned | moves per partition in a full roll | ms per plan | MB | allocations |")
		fmt.Fprintln(out, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
		for _, c := range contestants() {
			if !c.slow || t.p < 100_000 {
				fmt.Fprint(out, row(b, c, g))
			}
		}
	}
}

// BenchmarkPlan is the time of one plan, all contestants in one run.
func BenchmarkPlan(b *testing.B) {
	for _, size := range [][2]int{{64, 10_000}, {200, 10_000}, {1000, 100_000}, {2000, 1_000_000}} {
		w, p := workers(0, size[0], equal), partitions(size[1], equal)
		for _, c := range contestants() {
			if c.homes || c.slow && size[1] > 10_000 || size[1] > 100_000 && (c.name == "parti Rendezvous" || c.name == "go-rendezvous") {
				continue // seconds
			}
			for _, change := range []string{"cold", "leave", "join"} {
				b.Run(fmt.Sprintf("%s/%s/W=%d/P=%d", c.name, change, size[0], size[1]), func(b *testing.B) {
					plan(b, c.s, w, p, change)
				})
			}
		}
	}
}

func plan(b *testing.B, s strategy.Strategy, w []strategy.Worker, p []strategy.Partition, change string) {
	previous := make([]int, len(p))
	for i := range previous {
		previous[i] = strategy.None
	}
	var err error
	switch change {
	case "leave":
		previous, err = s.Assign(w, p, previous)
		w = w[:len(w)-1]
		for i, o := range previous {
			if o == len(w) {
				previous[i] = strategy.None
			}
		}
	case "join":
		previous, err = s.Assign(w[:len(w)-1], p, previous)
	}
	require.NoError(b, err)
	b.ReportAllocs()
	used := time.Duration(0)
	runs := 0
	for b.Loop() {
		start := clock()
		if _, err := s.Assign(w, p, previous); err != nil {
			b.Fatal(err)
		}
		if t, ok := s.(interface{ own() time.Duration }); ok {
			used += t.own()
		} else {
			used += clock() - start
		}
		runs++
	}
	b.ReportMetric(float64(used.Nanoseconds())/float64(runs), "cpu-ns/plan")
}

func TestEveryContestantAnswersWell(t *testing.T) {
	w, p := workers(0, 20, equal), partitions(500, equal)
	for _, c := range contestants() {
		h := whatif.Begin("start", w, p).Leave("leave", "worker-0003").Join("return", w[3])
		r, err := whatif.Simulate(h, c.s)
		require.NoError(t, err, c.name)
		require.Len(t, r, 3)
	}
}
