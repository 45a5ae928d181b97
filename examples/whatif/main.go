// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Command whatif shows what a change of a fleet would cost before anybody touches production: which partitions move, and how
// even the loads become, for a strategy of your choice.
package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

type settings struct {
	workers, scale, partitions, zones int
	strategy, weights                 string
	bound                             float64
}

func main() {
	var s settings
	flag.IntVar(&s.workers, "workers", 30, "workers to begin with")
	flag.IntVar(&s.scale, "scale", 45, "workers to scale to")
	flag.IntVar(&s.partitions, "partitions", 5000, "partitions")
	flag.StringVar(&s.strategy, "strategy", "hash", strings.Join(names(), ", "))
	flag.StringVar(&s.weights, "weights", "equal", "equal, zipf (few heavy, many light), giant (one of ten times a fair share)")
	flag.Float64Var(&s.bound, "bound", 1.1, "load bound of hash")
	flag.IntVar(&s.zones, "zones", 0, "number of zones among which the partitions are divided first; 0: no zones")
	flag.Parse()
	if err := run(os.Stdout, s); err != nil {
		fmt.Fprintln(os.Stderr, "whatif:", err)
		os.Exit(1)
	}
}

func strategies(s settings) map[string]strategy.Strategy {
	return map[string]strategy.Strategy{
		"hash":       strategy.NewConsistentHash(strategy.WithLoadBound(s.bound)),
		"sticky":     strategy.NewSticky(),
		"roundrobin": strategy.NewRoundRobin(),
		"rendezvous": strategy.NewRendezvous(),
	}
}

func names() (list []string) {
	for name := range strategies(settings{bound: 1.1}) {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func run(out io.Writer, s settings) error {
	chosen, ok := strategies(s)[s.strategy]
	if !ok {
		return fmt.Errorf("-strategy is %q, allowed: %s", s.strategy, strings.Join(names(), ", "))
	}
	if s.workers < 2 || s.scale < 1 || s.partitions < 1 || s.zones < 0 {
		return fmt.Errorf("-workers is %d, -scale %d, -partitions %d, -zones %d, allowed: at least 2, 1, 1 and 0", s.workers, s.scale, s.partitions, s.zones)
	}
	if s.zones > 0 {
		chosen = strategy.NewZoned(chosen, "zone")
	}
	p, err := partitions(s)
	if err != nil {
		return err
	}
	now := fleet(0, s.workers, s.zones)
	h := whatif.Begin("start", now, p)
	first := now[0]
	h = h.Leave("a worker crashes", first.ID).Join("and returns", first)
	var scaled []strategy.Worker
	if s.scale >= s.workers {
		more := fleet(s.workers, s.scale, s.zones)
		scaled = append(slices.Clone(now), more...)
		h = h.Join(fmt.Sprintf("scale to %d", s.scale), more...)
	} else {
		var gone []string
		for _, w := range now[s.scale:] {
			gone = append(gone, w.ID)
		}
		scaled = now[:s.scale]
		h = h.Leave(fmt.Sprintf("scale to %d", s.scale), gone...)
	}
	r, err := whatif.Simulate(h, chosen)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\nLoads after the last step: number of workers by their load, relative to the fair load\n\n%s", r, r[len(r)-1].Histogram(scaled))
	return nil
}

func fleet(from, to, zones int) (w []strategy.Worker) {
	for i := from; i < to; i++ {
		worker := strategy.Worker{ID: fmt.Sprintf("worker-%d", i)}
		if zones > 0 {
			worker.Labels = map[string]string{"zone": fmt.Sprintf("zone-%d", i%zones)}
		}
		w = append(w, worker)
	}
	return w
}

func partitions(s settings) ([]strategy.Partition, error) {
	weight := map[string]func(i int) int64{
		"equal": func(int) int64 { return 100 },
		"zipf":  func(i int) int64 { return 10 + int64(10_000/math.Pow(float64(i+10), 1.1)) },
		"giant": func(i int) int64 { return 100 * int64(max(1, (i+1)/s.partitions*10*s.partitions/s.workers)) },
	}[s.weights]
	if weight == nil {
		return nil, fmt.Errorf("-weights is %q, allowed: equal, zipf, giant", s.weights)
	}
	list := make([]strategy.Partition, s.partitions)
	for i := range list {
		list[i] = strategy.Partition{Keys: []string{"orders", fmt.Sprintf("%06d", i)}, Weight: weight(i)}
	}
	return list, nil
}
