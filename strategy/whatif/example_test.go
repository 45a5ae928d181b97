// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package whatif_test

import (
	"fmt"
	"log"

	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

// What a restart of one worker would do to a fleet, before anyone touches it.
func ExampleSimulate() {
	workers, partitions := workers(3), partitions(9)
	history := whatif.Begin("start", workers, partitions).Leave("crash", "worker-1").Join("return", workers[1])
	report, err := whatif.Simulate(history, strategy.NewSticky())
	if err != nil {
		log.Fatal(err)
	}
	for _, step := range report {
		fmt.Printf("%s: %d moves, highest load %.2f × fair\n", step.Name, step.Moves, step.Imbalance)
	}
	// Output:
	// start: 0 moves, highest load 1.00 × fair
	// crash: 0 moves, highest load 1.11 × fair
	// return: 3 moves, highest load 1.00 × fair
}

// What the crash of a worker would do to a fleet, asked as a page or a command line does.
func ExampleAsk() {
	change, err := whatif.ParseChange(map[string][]string{"lose": {"worker-1"}})
	if err != nil {
		log.Fatal(err)
	}
	fleet := whatif.Fleet{
		Workers: []whatif.Worker{{Worker: strategy.Worker{ID: "worker-0"}}, {Worker: strategy.Worker{ID: "worker-1"}}},
		Partitions: []whatif.Partition{
			{Partition: strategy.Partition{Keys: []string{"a"}}, Owner: "worker-0"}, {Partition: strategy.Partition{Keys: []string{"b"}}, Owner: "worker-1"},
		},
	}
	answer, err := whatif.Ask(fleet, change, strategy.NewSticky())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Change)
	for _, m := range answer.Moves {
		fmt.Println(m.Partition, "from", m.From, "to", m.To)
	}
	// Output:
	// worker-1 crashes
	// b from worker-1 to worker-0
}
