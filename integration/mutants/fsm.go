// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package main

// stated are the bugs of fsm.
var stated = []mutant{
	// The state machine.
	{
		name: "edge-missing", breaks: "The table has no way from Rebalancing back to a window.",
		file: "fsm/table.go",
		old:  `[]State{Stable, WaitingAssignment, Rebalancing, Emergency}, Scaling`,
		new:  `[]State{Stable, WaitingAssignment, Emergency}, Scaling`,
	},
	{
		name: "edge-added", breaks: "The table lets a worker without an ID become Stable.",
		file: "fsm/table.go",
		old:  `[]State{WaitingAssignment}, Stable`,
		new:  `[]State{WaitingAssignment, ClaimingID}, Stable`,
	},
	{
		name: "event-not-allowed-ignored", breaks: "An event that the table does not allow is no error.",
		file: "fsm/machine.go",
		old:  `return from, from, fmt.Errorf("%w: event %s in state %s", ErrNotAllowed, event, from)`,
		new:  `_ = fmt.Errorf("%w", ErrNotAllowed)`,
	},

	// The command.
	{
		name: "picture-without-a-row", breaks: "The drawing of the state machine has only the first arrow of each row.",
		file: "fsm/svg.go",
		old:  `			for _, from := range t.From {`,
		new:  `			for _, from := range t.From[:1] {`,
	},
}
