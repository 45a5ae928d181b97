// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// strategic are the bugs of strategy.
var strategic = []mutant{
	// Who should own what.
	{
		name: "scarce-forgotten", breaks: "A worker below its fair share gets none of the last partitions.",
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
		name: "stranger-given-the-owners", breaks: "A foreign strategy gets the owners themselves instead of copies.",
		file:   "strategy/prepared.go",
		old:    `slices.Clone(q.Previous), slices.Clone(q.Home)`,
		new:    `q.Previous, q.Home`,
		likely: "AskGivesCopies",
	},
	{
		name: "keys-shared", breaks: "A list shares the keys of its partitions with its callers.",
		file:   "strategy/prepared.go",
		old:    `out[i].Keys = keys[from:len(keys):len(keys)]`,
		new:    `_ = from`,
		likely: "StaysAsItWas",
	},
	{
		name: "small-capacities-rounded", breaks: "Pinned partitions take nothing from a capacity of 1.",
		file:   "strategy/pinned.go",
		old:    `return max(1, min((defaultCapacity+least-1)/least, MaxWeight/most))`,
		new:    `return min(1, least, most)`,
		likely: "CapacitiesAreSmall",
	},
	{
		name: "grace-over-at-once", breaks: "The partitions of a pool without workers go elsewhere at once.",
		file:   "strategy/pools.go",
		old:    `d.Waited[cause] >= d.grace`,
		new:    `d.Waited[cause] >= 0`,
		likely: "SpillsOver",
	},
	{
		name: "grace-never-over", breaks: "The partitions of a pool without workers never go elsewhere.",
		file:   "strategy/pools.go",
		old:    `over := d.grace > 0 && d.Waited[cause] >= d.grace`,
		new:    `over := false`,
		likely: "SpillsOver",
	},
	{
		name: "ring-with-gaps", breaks: "A search on the ring continues into a part that was not built.",
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
		name: "answer-unchecked", breaks: "A plan of a faulty strategy is used without a check.",
		file:   "strategy/prepared.go",
		old:    `	return p, q.check(p)`,
		new:    `	return p, nil`,
		likely: "FaultyStrategy",
	},
}
