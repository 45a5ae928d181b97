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
