package fsm

// State is where a worker stands. Its text is its name.
type State string

// The states, in the order of a worker's life.
const (
	Init              State = "Init"
	ClaimingID        State = "ClaimingID"
	Election          State = "Election"
	WaitingAssignment State = "WaitingAssignment"
	Stable            State = "Stable"
	Scaling           State = "Scaling"
	Rebalancing       State = "Rebalancing"
	Emergency         State = "Emergency"
	Shutdown          State = "Shutdown"
)

// String returns the state's name.
func (s State) String() string { return string(s) }

// Event is what happened to a worker. Its text is its name.
type Event string

// The events.
const (
	EventStart             Event = "Start"
	EventClaimed           Event = "Claimed"
	EventLeaderKnown       Event = "LeaderKnown"
	EventAssigned          Event = "Assigned"
	EventWindowOpened      Event = "WindowOpened"
	EventWindowUndone      Event = "WindowUndone"
	EventRebalanceStarted  Event = "RebalanceStarted"
	EventRebalanceDone     Event = "RebalanceDone"
	EventEmergencyDeclared Event = "EmergencyDeclared"
	EventEmergencyOver     Event = "EmergencyOver"
	EventIdentityLost      Event = "IdentityLost"
	EventStop              Event = "Stop"
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
