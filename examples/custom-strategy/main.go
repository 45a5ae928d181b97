// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Command custom-strategy shows a strategy of your own: it is written, checked, and compared with the default on a simulated
// history.
package main

import (
	"fmt"
	"io"
	"log"
	"os"

	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

func main() {
	if err := run(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(out io.Writer) error {
	h := history()
	for _, s := range []struct {
		name string
		s    strategy.Strategy
	}{{"Tenants", Tenants{}}, {"ConsistentHash", strategy.NewConsistentHash()}} {
		watched := &watched{Strategy: s.s}
		r, err := whatif.Simulate(h, watched)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n%s\na tenant is with %.2f workers on average\n\n", s.name, r, watched.spread())
	}
	fmt.Fprintln(out, "What the leader says of a faulty one:")
	_, err := whatif.Simulate(h, forgetful{})
	fmt.Fprintln(out, " ", err)
	return nil
}

// history is a week of a fleet of eight with 60 tenants of different sizes.
func history() whatif.History {
	var workers []strategy.Worker
	for i := range 10 {
		workers = append(workers, strategy.Worker{ID: fmt.Sprintf("worker-%d", i)})
	}
	var partitions []strategy.Partition
	for tenant := range 60 {
		for shard := range 2 + tenant*7%19 {
			partitions = append(partitions, strategy.Partition{Keys: []string{fmt.Sprintf("tenant-%02d", tenant), fmt.Sprint(shard)}})
		}
	}
	return whatif.Begin("start", workers[:8], partitions).
		Leave("a worker crashes", "worker-3").Join("and returns", workers[3]).
		Join("two more", workers[8:]...).Leave("one leaves", "worker-0")
}

// watched notes over how many workers the last plan spreads each tenant.
type watched struct {
	strategy.Strategy
	where map[string]map[int]bool
}

func (w *watched) Assign(workers []strategy.Worker, partitions []strategy.Partition, previous []int) ([]int, error) {
	next, err := w.Strategy.Assign(workers, partitions, previous)
	w.where = map[string]map[int]bool{}
	for i, owner := range next {
		tenant := partitions[i].Keys[0]
		if w.where[tenant] == nil {
			w.where[tenant] = map[int]bool{}
		}
		w.where[tenant][owner] = true
	}
	return next, err
}

func (w *watched) spread() float64 {
	n := 0
	for _, workers := range w.where {
		n += len(workers)
	}
	return float64(n) / float64(len(w.where))
}

// forgetful is what can go wrong: it leaves out the last partition.
type forgetful struct{}

func (forgetful) Assign(_ []strategy.Worker, partitions []strategy.Partition, _ []int) ([]int, error) {
	next := make([]int, len(partitions))
	next[len(next)-1] = strategy.None
	return next, nil
}
