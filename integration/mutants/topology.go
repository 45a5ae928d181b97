// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// timed are the bugs of internal/topology.
var timed = []mutant{
	// What a worker takes up, and when it says that it has let go.
	{
		name: "urgent-with-optional", breaks: "Partitions without an owner are given away in a plan that also moves other partitions.",
		file: "internal/topology/decide.go",
		old:  `if !d.orphans && t.optionalDue(now) {`,
		new:  `if t.optionalDue(now) {`,
	},
	{
		name: "returned-while-asking-forgotten", breaks: "A member that comes back while the strategy plans without it is never planned for again.",
		file: "internal/topology/topology.go",
		old:  `if _, known := t.newcomers[w]; !known && !t.members[w] && !t.leaving[w] {`,
		new:  `if _, known := t.newcomers[w]; known {`,
	},

	// What kind of change it is, and when its window ends.
	{
		name: "restart-not-recognised", breaks: "A new leader that finds most members gone declares an emergency instead of a restart.",
		file: "internal/topology/topology.go",
		old:  `	case !wentOn && float64(t.living()-t.replaced-expiring) < t.cfg.RestartDetectionRatio*float64(len(t.members)):`,
		new:  `	case t.living() < 0:`,
	},
	{
		name: "mass-loss-is-a-restart", breaks: "A leader that saw most members go treats that as a restart.",
		file: "internal/topology/topology.go",
		old:  `	case !wentOn && float64(`,
		new:  `	case float64(`,
	},
	{
		name: "about-to-expire-is-alive", breaks: "A new leader accepts a heartbeat older than HeartbeatTTL as a sign of life.",
		file: "internal/topology/topology.go",
		old:  `now.Sub(at) >= t.cfg.HeartbeatTTL {`,
		new:  `now.Sub(at) < 0 {`,
	},
	{
		name: "grace-zero", breaks: "A lost member's partitions are given away at once, without its grace period.",
		file: "internal/topology/topology.go",
		old:  `a := absence{since: now, due: now.Add(t.cfg.EmergencyGracePeriod)}`,
		new:  `a := absence{since: now, due: now}`,
	},
	{
		name: "mass-loss-not-held", breaks: "When many members expire together, their partitions are given away at once.",
		file: "internal/topology/decide.go",
		old:  `if float64(suspects) > t.massLoss() {`,
		new:  `if suspects < 0 {`,
	},
	{
		name: "cooldown-ignored", breaks: "A planned change does not wait for the cooldown of the last one.",
		file: "internal/topology/decide.go",
		old:  `return later(later(at, t.cooldown), t.postponed)`,
		new:  `return later(at, t.postponed)`,
	},
	{
		name: "return-not-noticed", breaks: "A member that returns in time has lost its place.",
		file: "internal/topology/topology.go",
		old: `	t.changed = true
	delete(t.absent, worker)
`,
		new: `	t.changed = true
`,
	},
	{
		name: "window-not-adaptive", breaks: "A restart waits for its whole window although every worker is back.",
		file: "internal/topology/decide.go",
		old:  `t.living()-t.expiring(now) != len(t.members) {`,
		new:  `t.living()-t.expiring(now) <= len(t.members) {`,
	},
	{
		name: "expected-workers-ignored", breaks: "A cold start waits for its whole window although everyone expected is there.",
		file: "internal/topology/decide.go",
		old:  `if t.cfg.ExpectedWorkers == 0 || len(t.heard)-len(t.leaving) != t.cfg.ExpectedWorkers {`,
		new:  `if t.cfg.ExpectedWorkers >= 0 {`,
	},
	{
		name: "joiner-lost-and-forgotten", breaks: "A new worker that dies while a plan is made for it stays a member.",
		file: "internal/topology/topology.go",
		old: `		if _, alive := t.heard[m]; !alive {
			t.Lost(now, m)
		}
	}
	for _, w := range`,
		new: `		_ = m
	}
	for _, w := range`,
	},

	// The leader: urgent before optional, never wedged.
	{
		name: "leaver-hurried", breaks: "An emergency gives away the partitions of a worker that may still come back.",
		file: "internal/topology/decide.go",
		old:  `keeps := away && now.Before(a.due) && (!a.clean || !complete)`,
		new:  `keeps := away && now.Before(a.due) && !a.clean`,
	},
	{
		name: "newcomer-in-emergency", breaks: "An emergency admits newcomers before the end of their window.",
		file: "internal/topology/decide.go",
		old:  `(t.mature(now, w, n) || complete ||`,
		new:  `(t.mature(now, w, n) || d.Act || complete ||`,
	},
	{
		name: "silent-newcomer-admitted", breaks: "A newcomer that has been silent since before its window closed is admitted.",
		file: "internal/topology/decide.go",
		old:  ` && now.Sub(t.heard[worker]) <= 2*t.cfg.HeartbeatInterval`,
		new:  ``,
	},
	{
		name: "flapping-forgotten", breaks: "A worker that fails again and again is admitted like any other.",
		file: "internal/topology/flap.go",
		old:  `	for range len(t.flaps.recent(now, worker)) - 1 {`,
		new:  `	for range min(len(t.flaps.recent(now, worker)), 1) - 1 {`,
	},
	{
		name: "no-successor", breaks: "A worker that returns under another ID loses its record of failures.",
		file: "internal/topology/flap.go",
		old: `	t.flaps.inherit(heir, worker)
`,
		new: ``,
	},

	// Draining and cordoning.
	{
		name: "leaver-awaited", breaks: "A worker that announced a drain is awaited as if it might come back.",
		file: "internal/topology/topology.go",
		old: `	if t.leaving[worker] {
		due = now
	}
`,
		new: ``,
	},
	{
		name: "leaver-expected", breaks: "A worker that leaves counts as one of those that are expected.",
		file: "internal/topology/decide.go",
		old:  `len(t.heard)-len(t.leaving) != t.cfg.ExpectedWorkers`,
		new:  `len(t.heard) != t.cfg.ExpectedWorkers`,
	},

	// What is told of a wait.
	{
		name: "why-without-names", breaks: "The reason of a plan does not name its workers.",
		file:   "internal/topology/decide.go",
		old:    `	if len(workers) == 0 {`,
		new:    `	if len(workers) < 100 {`,
		likely: "TheLog",
	},
}
