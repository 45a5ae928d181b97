// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package strategy

import (
	"slices"
	"time"
)

// with is the question with other workers and only a part of the list, whose places in it are at. Owners are renamed:
// names says what a worker is called in workers, or None; nil leaves them.
func (q Question) with(workers []Worker, list *Prepared, at, names []int) Question {
	part := Question{Workers: workers, List: list, Previous: through(q.Previous, at, names), Waited: q.Waited}
	if q.Home != nil {
		part.Home = through(q.Home, at, names)
	}
	return part
}

// through picks owners and renames them.
func through(owners, at, names []int) []int {
	out := make([]int, len(at))
	for i, q := range at {
		if out[i] = owners[q]; names != nil && out[i] != None {
			out[i] = names[out[i]]
		}
	}
	return out
}

// indices are 0 to n-1.
func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// membersOf picks workers. members says who each of them is in all, and names what each of all is called among them.
func membersOf(all []Worker, is func(w int) bool) (workers []Worker, members, names []int) {
	names = make([]int, len(all))
	for w := range all {
		if names[w] = None; is(w) {
			names[w] = len(workers)
			workers, members = append(workers, all[w]), append(members, w)
		}
	}
	return workers, members, names
}

// question is the input as a question to another strategy.
func (in *input) question(waited map[string]time.Duration) Question {
	return Question{in.workers, in.Prepared, in.previous, in.home, waited}
}

// add enters the plan of a part of the list, whose places are at. members says who its workers are; nil leaves them.
func (p *Plan) add(part Plan, at, members []int) {
	for i, w := range part.Owners {
		if members != nil && w != None {
			w = members[w]
		}
		p.Owners[at[i]] = w
	}
	for _, wait := range part.Waits {
		wait.Partitions = slices.Clone(wait.Partitions)
		for i, q := range wait.Partitions {
			wait.Partitions[i] = at[q]
		}
		p.Waits = append(p.Waits, wait)
	}
}
