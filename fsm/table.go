// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fsm

// State is a state of a worker. Its text is its name.
type State string

// The states, in the order of a worker's life.
const (
	Init              State = "Init"              // the store is not open yet
	ClaimingID        State = "ClaimingID"        // the worker looks for a free ID
	Election          State = "Election"          // the worker has an ID and knows no leader yet
	WaitingAssignment State = "WaitingAssignment" // a leader is known; the first assignment is to come
	Stable            State = "Stable"            // the worker has its assignment, and the leader plans nothing
	Scaling           State = "Scaling"           // workers came or went, and the leader waits for a window to end
	Rebalancing       State = "Rebalancing"       // partitions move as planned
	Emergency         State = "Emergency"         // the leader hands out what crashed workers had
	Shutdown          State = "Shutdown"          // the worker leaves or has ended; there is no exit
)

// String returns the state's name.
func (s State) String() string { return string(s) }

// Event is what happened to a worker. Its text is its name.
type Event string

// The events.
const (
	EventStart             Event = "Start"             // the store is open
	EventClaimed           Event = "Claimed"           // an ID is claimed, and a session begins
	EventLeaderKnown       Event = "LeaderKnown"       // there is a leader, this worker or another
	EventAssigned          Event = "Assigned"          // the session's first assignment is applied
	EventWindowOpened      Event = "WindowOpened"      // the leader waits for more changes before it plans
	EventWindowUndone      Event = "WindowUndone"      // what opened the window has undone itself
	EventRebalanceStarted  Event = "RebalanceStarted"  // the window is over, and a plan is being carried out
	EventRebalanceDone     Event = "RebalanceDone"     // everything that had to move has moved
	EventEmergencyDeclared Event = "EmergencyDeclared" // a worker is lost
	EventEmergencyOver     Event = "EmergencyOver"     // every partition of the lost worker has an owner
	EventIdentityLost      Event = "IdentityLost"      // the session is over, and a new one begins
	EventStop              Event = "Stop"              // the worker leaves
)

// String returns the event's name.
func (e Event) String() string { return string(e) }

// Transition is one row of the table: on Event, from any of From, to To.
type Transition struct {
	Event Event
	From  []State
	To    State
	Why   string
}

// states and table are the only place where the machine is written down.
var states = []State{Init, ClaimingID, Election, WaitingAssignment, Stable, Scaling, Rebalancing, Emergency, Shutdown}

var table = []Transition{
	{EventStart, []State{Init}, ClaimingID, "The store is open: look for a free ID."},
	{EventClaimed, []State{ClaimingID}, Election, "The ID is claimed; a session begins."},
	{EventLeaderKnown, []State{Election}, WaitingAssignment, "A leader is known, this worker or another."},
	{EventAssigned, []State{WaitingAssignment}, Stable, "The session's first assignment is applied."},
	{EventWindowOpened, []State{Stable, WaitingAssignment, Rebalancing, Emergency}, Scaling, "The leader waits for more changes before it plans."},
	{EventWindowUndone, []State{Scaling}, Stable, "What opened the window has undone itself, nothing moves."},
	{EventRebalanceStarted, []State{Scaling}, Rebalancing, "The window is over, a plan is being carried out."},
	{EventRebalanceDone, []State{Rebalancing}, Stable, "Everything that had to move has moved."},
	{EventEmergencyDeclared, []State{Stable, WaitingAssignment, Scaling, Rebalancing}, Emergency, "A worker is lost, its partitions are given to others at once."},
	{EventEmergencyOver, []State{Emergency}, Stable, "Every partition of the lost worker has an owner."},
	{EventIdentityLost, []State{Election, WaitingAssignment, Stable, Scaling, Rebalancing, Emergency}, ClaimingID, "The session is over; everything is given up and a new one begins."},
	{EventStop, []State{Init, ClaimingID, Election, WaitingAssignment, Stable, Scaling, Rebalancing, Emergency}, Shutdown, "The worker leaves for good."},
}
