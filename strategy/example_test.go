// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy_test

import (
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/parti-go/parti/strategy"
)

// exampleGroup is three workers and nine partitions that nobody owns yet.
func exampleGroup() ([]strategy.Worker, []strategy.Partition, []int) {
	var partitions []strategy.Partition
	var previous []int
	for i := range 9 {
		partitions = append(partitions, strategy.Partition{Keys: []string{"orders", fmt.Sprint(i)}})
		previous = append(previous, strategy.None)
	}
	return []strategy.Worker{{ID: "worker-0"}, {ID: "worker-1"}, {ID: "worker-2"}}, partitions, previous
}

// shares is how many partitions each worker has.
func shares(workers []strategy.Worker, next []int) []int {
	n := make([]int, len(workers))
	for _, w := range next {
		n[w]++
	}
	return n
}

// The default: at most 10 % above what is fair, and at least as much below; here three ninths each, give or take one.
func ExampleNewConsistentHash() {
	workers, partitions, previous := exampleGroup()
	s := strategy.NewConsistentHash(strategy.WithLoadBound(1.1))
	before, err := s.Assign(workers, partitions, previous)
	if err != nil {
		log.Fatal(err)
	}
	workers = append(workers, strategy.Worker{ID: "worker-3"})
	after, err := s.Assign(workers, partitions, before)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(shares(workers, before), "then", shares(workers, after), "by", strategy.Moves(before, after), "moves")
	// Output:
	// [3 3 3 0] then [2 3 2 2] by 2 moves
}

// As even as can be, with the fewest moves that lead there, whatever the owners were before.
func ExampleNewSticky() {
	workers, partitions, _ := exampleGroup()
	before := []int{0, 0, 0, 0, 0, 0, 1, 1, 2}
	after, err := strategy.NewSticky().Assign(workers, partitions, before)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(shares(workers, after))
	fmt.Println(strategy.Certify(workers, partitions, before, after))
	// Output:
	// [3 3 3]
	// 3 moves (at least 3), highest load 1.000 × fair (at least 1.000)
}

// What it does is easily foreseen: the order of the IDs.
func ExampleNewRoundRobin() {
	workers, partitions, previous := exampleGroup()
	next, err := strategy.NewRoundRobin().Assign(workers, partitions, previous)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(next)
	// Output:
	// [0 1 2 0 1 2 0 1 2]
}

// Anyone who knows the workers can work out who owns what, without asking; the price is an uneven load.
func ExampleNewRendezvous() {
	workers, partitions, previous := exampleGroup()
	next, err := strategy.NewRendezvous().Assign(workers, partitions, previous)
	if err != nil {
		log.Fatal(err)
	}
	workers[0], workers[2] = workers[2], workers[0] // in whatever order
	again, err := strategy.NewRendezvous().Assign(workers, partitions, previous)
	if err != nil {
		log.Fatal(err)
	}
	for i := range again {
		again[i] = 2 - again[i]
	}
	fmt.Println(fmt.Sprint(next) == fmt.Sprint(again))
	// Output:
	// true
}

// Two zones of unequal size: each gets its share, then each worker its share of that.
func ExampleNewZoned() {
	workers, partitions, previous := exampleGroup()
	for i, zone := range []string{"north", "north", "south"} {
		workers[i].Labels = map[string]string{"zone": zone}
	}
	next, err := strategy.NewZoned(strategy.NewSticky(), "zone").Assign(workers, partitions, previous)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(shares(workers, next))
	// Output:
	// [3 3 3]
}

// One partition is to run where its data is; the others are divided as if it were not there.
func ExampleNewPinned() {
	workers, partitions, previous := exampleGroup()
	s := strategy.NewPinned(strategy.NewSticky(), map[string]string{"orders.4": "worker-2"})
	next, err := s.Assign(workers, partitions, previous)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(workers[next[4]].ID, shares(workers, next))
	// Output:
	// worker-2 [3 3 3]
}

// Two partitions need a worker with a graphics card; the others go to everybody.
func ExampleNewPools() {
	workers, partitions, previous := exampleGroup()
	workers[2].Labels = map[string]string{"pool": "gpu"}
	gpu := map[string]string{"orders.0": "gpu", "orders.1": "gpu"}
	s := strategy.NewPools(strategy.NewSticky(), "pool", func(p strategy.Partition) string { return gpu[p.ID()] })
	list, err := strategy.Prepare(partitions)
	if err != nil {
		log.Fatal(err)
	}
	plan, err := strategy.Ask(s, strategy.Question{Workers: workers, List: list, Previous: previous})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(workers[plan.Owners[0]].ID, workers[plan.Owners[1]].ID, shares(workers, plan.Owners))
	plan, err = strategy.Ask(s, strategy.Question{Workers: workers[:2], List: list, Previous: previous})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(plan.Waits[0].Partitions), "wait:", plan.Waits[0].Cause)
	// Output:
	// worker-2 worker-2 [3 3 3]
	// 2 wait: pool "gpu" has no worker: none has label pool="gpu" and is not cordoned
}

// A list that is prepared once is planned from again and again.
func ExampleAsk() {
	workers, partitions, previous := exampleGroup()
	list, err := strategy.Prepare(partitions)
	if err != nil {
		log.Fatal(err)
	}
	for n := 1; n <= len(workers); n++ {
		q := strategy.Question{Workers: workers[:n], List: list, Previous: previous}
		plan, err := strategy.Ask(strategy.NewSticky(), q)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(shares(workers, plan.Owners), q.Certify(plan.Owners).Moves, "moves")
		previous = plan.Owners
	}
	// Output:
	// [9 0 0] 0 moves
	// [5 4 0] 4 moves
	// [3 3 3] 3 moves
}

// What is wrong with an answer that is no plan.
func ExampleCheck() {
	workers, partitions, _ := exampleGroup()
	fmt.Println(strategy.Check(workers, partitions, []int{0, 1, 2, 0, 1, 2, 0, 1, 3}))
	// Output:
	// invalid owner: next[8] is 3, allowed: 0 to 2
}

// A strategy by its description, as the command line and the plans have it.
func ExampleNamed() {
	s, err := strategy.Named("hash(bound=1.05,nodes=200)")
	fmt.Println(strategy.Describe(s), err)
	fmt.Println(strategy.Describe(strategy.NewConsistentHash(strategy.WithLoadBound(1.05), strategy.WithVirtualNodes(200))))
	_, err = strategy.Named("fair")
	fmt.Println(errors.Is(err, strategy.ErrUnknownStrategy))
	// Output:
	// hash(bound=1.05,nodes=200) <nil>
	// hash(bound=1.05,nodes=200)
	// true
}

// What a plan costs, beside the least that any plan would cost.
func ExampleMinimalMoves() {
	workers, partitions, _ := exampleGroup()
	before := []int{0, 0, 0, 0, 0, 0, 1, 1, 2}
	after, err := strategy.NewRoundRobin().Assign(workers, partitions, before)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d moves for %.2f × fair\n", strategy.Moves(before, after), strategy.Imbalance(workers, partitions, after))
	fmt.Println("at least", strategy.MinimalMoves(workers, partitions, before), "for the most even plan")
	fmt.Println("at least", strategy.MinimalMovesWithin(workers, partitions, before, 1.5), "for 1.5 × fair")
	// Output:
	// 3 moves for 1.00 × fair
	// at least 3 for the most even plan
	// at least 2 for 1.5 × fair
}

// A list is checked before it is divided.
func ExampleValidatePartitions() {
	fmt.Println(strategy.ValidatePartitions([]strategy.Partition{{Keys: []string{"orders", "eu.west"}}}))
	// Output:
	// invalid partition key: partitions[0].Keys[1] is "eu.west", allowed: not empty, without '.', '*', '>', white space and control characters
}

// Partitions wait a minute for a worker of their pool, and then go to any. Workers of a pool take nothing else.
func ExampleWithPoolGrace() {
	pool := func(p strategy.Partition) string { return p.Keys[0] }
	s := strategy.NewPools(strategy.NewSticky(), "pool", pool, strategy.WithPoolGrace(time.Minute), strategy.WithReservedPools())
	fmt.Println(strategy.Describe(s))
	// Output: pools(sticky,"pool")
}
