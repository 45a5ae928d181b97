// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package whatif

import (
	"fmt"

	"github.com/parti-go/parti/strategy"
)

// Simulate plans each step of a history with a strategy, from the plan before. Like the leader of a group it remembers the
// home of each partition, and passes the homes to strategies that implement [strategy.Homing]. The home is the partition's
// last owner. A lost worker stays the home until it is back and the partition has another owner. Simulate has no time: each
// step begins when the step before is complete.
func Simulate(history []Step, s strategy.Strategy) (Report, error) {
	owner, home, left := map[string]string{}, map[string]string{}, map[string]map[string]bool{}
	var report Report
	var before map[string]int
	for i, step := range history {
		index := make(map[string]int, len(step.Workers))
		for w, worker := range step.Workers {
			index[worker.ID] = w
		}
		previous, homes := make([]int, len(step.Partitions)), make([]int, len(step.Partitions))
		ids := make([]string, len(step.Partitions))
		for q := range step.Partitions {
			ids[q] = step.Partitions[q].ID()
			previous[q], homes[q] = find(index, owner[ids[q]]), find(index, home[ids[q]])
		}
		for id := range before {
			if _, there := index[id]; !there {
				left[id] = map[string]bool{}
			}
		}
		for _, id := range ids {
			if had, ok := left[owner[id]]; ok {
				had[id] = true
			}
		}
		next, err := simulated(s, step, previous, homes)
		if err != nil {
			return report, fmt.Errorf("step %d (%s): %w", i, step.Name, err)
		}
		out := outcome(step, previous, next)
		for q, w := range next {
			if w == strategy.None { // it waits
				delete(owner, ids[q])
				continue
			}
			id := step.Workers[w].ID
			if had, was := left[id]; was && previous[q] != w {
				out.Got++
				if had[ids[q]] {
					out.Returned++
				}
			}
			owner[ids[q]] = id
			if homes[q] != strategy.None || home[ids[q]] == "" {
				home[ids[q]] = id
			}
		}
		for id := range index {
			delete(left, id)
		}
		before = index
		report = append(report, out)
	}
	return report, nil
}

// simulated asks for a plan. What waits does so for ever: there is no time here.
func simulated(s strategy.Strategy, step Step, previous, homes []int) ([]int, error) {
	list, err := strategy.Prepare(step.Partitions)
	if err != nil {
		return nil, err
	}
	p, err := strategy.Ask(s, strategy.Question{Workers: step.Workers, List: list, Previous: previous, Home: homes})
	return p.Owners, err
}

func find(index map[string]int, id string) int {
	if w, ok := index[id]; ok {
		return w
	}
	return strategy.None
}

func outcome(step Step, previous, next []int) Outcome {
	out := Outcome{
		Name: step.Name, Workers: len(step.Workers), Partitions: len(step.Partitions),
		Certificate: strategy.Certify(step.Workers, step.Partitions, previous, next), Kept: 1, Loads: make([]int64, len(step.Workers)),
	}
	for q, w := range next {
		if w == strategy.None {
			continue // it waits
		}
		out.Loads[w] += step.Partitions[q].Load()
		if previous[q] == strategy.None {
			out.Orphans++
		}
	}
	if owned := len(next) - out.Orphans; owned > 0 {
		out.Kept = 1 - float64(out.Moves)/float64(owned)
	}
	return out
}
