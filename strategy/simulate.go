package strategy

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Step is the group after something happened to it.
type Step struct {
	// Name says what happened.
	Name       string
	Workers    []Worker
	Partitions []Partition
}

// History is what happens to a group, step by step. It is built from a Begin by what follows.
type History []Step

// Begin is a group that starts from nothing.
func Begin(name string, workers []Worker, partitions []Partition) History {
	return History{{name, workers, partitions}}
}

// Join adds workers.
func (h History) Join(name string, workers ...Worker) History {
	last := h[len(h)-1]
	return append(h, Step{name, slices.Concat(last.Workers, workers), last.Partitions})
}

// Leave takes workers away.
func (h History) Leave(name string, ids ...string) History {
	last := h[len(h)-1]
	gone := make(map[string]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	stay := slices.DeleteFunc(slices.Clone(last.Workers), func(w Worker) bool { return gone[w.ID] })
	return append(h, Step{name, stay, last.Partitions})
}

// Reweigh goes on with other partitions, or other weights.
func (h History) Reweigh(name string, partitions []Partition) History {
	return append(h, Step{name, h[len(h)-1].Workers, partitions})
}

// Outcome is what a strategy makes of one step.
type Outcome struct {
	Name                string
	Workers, Partitions int
	Certificate
	// Orphans is how many partitions had no owner left: they begin anew without being moved from anybody.
	Orphans int
	// Kept is the part of the partitions that had an owner and still have the same.
	Kept float64
	// Got is how many partitions went to workers that were there before, left, and returned in this step; Returned is how
	// many of those they had had when they left.
	Got, Returned int
	// Loads are the loads of the workers, in their order.
	Loads []int64
}

// Report is what a strategy makes of a history.
type Report []Outcome

// Simulate has a strategy plan each step of a history from the plan before. Like the leader of a group it remembers where
// each partition is at home (its last owner, as long as that is there; who is lost stays home until the partition has
// been elsewhere while it is there) and tells strategies that implement Homing. Nothing moves in time here: each step
// finds the one before done.
func Simulate(history []Step, s Strategy) (Report, error) {
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
			if w == None { // it waits
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
			if homes[q] != None || home[ids[q]] == "" {
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
func simulated(s Strategy, step Step, previous, homes []int) ([]int, error) {
	list, err := inspect(step.Partitions)
	if err != nil {
		return nil, err
	}
	p, err := Ask(s, Question{Workers: step.Workers, List: list, Previous: previous, Home: homes})
	return p.Owners, err
}

func find(index map[string]int, id string) int {
	if w, ok := index[id]; ok {
		return w
	}
	return None
}

func outcome(step Step, previous, next []int) Outcome {
	out := Outcome{
		Name: step.Name, Workers: len(step.Workers), Partitions: len(step.Partitions),
		Certificate: Certify(step.Workers, step.Partitions, previous, next), Kept: 1, Loads: make([]int64, len(step.Workers)),
	}
	for q, w := range next {
		if w == None {
			continue // it waits
		}
		out.Loads[w] += step.Partitions[q].Load()
		if previous[q] == None {
			out.Orphans++
		}
	}
	if owned := len(next) - out.Orphans; owned > 0 {
		out.Kept = 1 - float64(out.Moves)/float64(owned)
	}
	return out
}

// String is a table.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-24s %8s %10s %8s %8s %8s %7s %9s %9s %9s\n",
		"step", "workers", "partitions", "orphans", "moves", "at least", "kept", "max÷fair", "at least", "returned")
	for _, o := range r {
		returned := "-"
		if o.Got > 0 {
			returned = fmt.Sprintf("%.1f%%", 100*float64(o.Returned)/float64(o.Got))
		}
		fmt.Fprintf(&b, "%-24s %8d %10d %8d %8d %8d %6.1f%% %9.3f %9.3f %9s\n", o.Name, o.Workers, o.Partitions, o.Orphans,
			o.Moves, o.LeastMoves, 100*o.Kept, o.Imbalance, o.LeastImbalance, returned)
	}
	return b.String()
}

// Histogram draws how many workers have which load, relative to the fair one.
func (o Outcome) Histogram(workers []Worker) string {
	var total, room int64
	for i, load := range o.Loads {
		total += load
		room += workers[i].Room()
	}
	counts := map[int]int{}
	lowest, highest, widest := math.MaxInt, 0, 1
	for i, load := range o.Loads {
		at := 0
		if total > 0 {
			at = int(math.Round(100 * float64(load) * float64(room) / float64(total) / float64(workers[i].Room()) / bin))
		}
		counts[at]++
		lowest, highest, widest = min(lowest, at), max(highest, at), max(widest, counts[at])
	}
	var b strings.Builder
	for at := lowest; at <= highest; at++ {
		if counts[at] > 0 {
			fmt.Fprintf(&b, "%5d%% of fair  %s %d\n", at*bin, strings.Repeat("█", max(1, counts[at]*50/widest)), counts[at])
		}
	}
	return b.String()
}

// bin is how many percent one bar of a histogram stands for.
const bin = 2
