// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// strategic are the bugs of strategy.
var strategic = []mutant{
	// Who should own what.
	{
		name: "scarce-forgotten", breaks: "A worker that lacks something gets nothing of the last partitions to give away.",
		file:   "strategy/weigh.go",
		old:    "\t\tleft -= weight\n",
		new:    "",
		likely: "WeighedWorkerLeaves",
	},
	{
		name: "band-filled-to-the-edge", breaks: "A fresh plan fills workers to the bound.",
		file:   "strategy/balance.go",
		old:    `in.band(math.Sqrt(bound))`,
		new:    `in.band(bound)`,
		likely: "HardlyMore",
	},
	{
		name: "stranger-given-the-owners", breaks: "A strategy from elsewhere is given the owners themselves, not copies.",
		file:   "strategy/prepared.go",
		old:    `slices.Clone(q.Previous), slices.Clone(q.Home)`,
		new:    `q.Previous, q.Home`,
		likely: "AskGivesCopies",
	},
	{
		name: "keys-shared", breaks: "Lists share the keys of their partitions with whoever asks for them.",
		file:   "strategy/prepared.go",
		old:    `out[i].Keys = keys[from:len(keys):len(keys)]`,
		new:    `_ = from`,
		likely: "StaysAsItWas",
	},
	{
		name: "small-capacities-rounded", breaks: "Of a capacity of 1 nothing is taken for what is pinned.",
		file:   "strategy/pinned.go",
		old:    `return max(1, min((defaultCapacity+least-1)/least, MaxWeight/most))`,
		new:    `return min(1, least, most)`,
		likely: "CapacitiesAreSmall",
	},
	{
		name: "grace-over-at-once", breaks: "A pool without workers spills over at once.",
		file:   "strategy/pools.go",
		old:    `d.Waited[cause] >= d.grace`,
		new:    `d.Waited[cause] >= 0`,
		likely: "SpillsOver",
	},
	{
		name: "grace-never-over", breaks: "A pool without workers never spills over.",
		file:   "strategy/pools.go",
		old:    `over := d.grace > 0 && d.Waited[cause] >= d.grace`,
		new:    `over := false`,
		likely: "SpillsOver",
	},
	{
		name: "ring-with-gaps", breaks: "A search on the ring goes on where no points were made.",
		file:   "strategy/ring.go",
		old:    `r.points[at]-h > reach*r.spacing {`,
		new:    `r.points[at]-h > 1<<62 {`,
		likely: "MadeInParts",
	},
	{
		name: "nobody-waits-for", breaks: "A plan may leave out partitions without saying that they wait.",
		file:   "strategy/prepared.go",
		old:    "\t\t\towners[at] = 0\n",
		new:    "\t\t\tclear(owners)\n",
		likely: "OrWaits",
	},

	// The state machine.
	{
		name: "answer-unchecked", breaks: "A plan of a faulty strategy is taken as it comes.",
		file:   "strategy/prepared.go",
		old:    `	return p, q.check(p)`,
		new:    `	return p, nil`,
		likely: "FaultyStrategy",
	},
}
