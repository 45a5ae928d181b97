// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"time"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/strategy"
)

// The messages that the root of the tree, the manager, takes from outside.
type (
	// GetStatus asks the manager for a Status; it responds with a *Status.
	GetStatus struct{}
	// Leave asks the manager for a clean leave: it gives everything up, deletes the worker's entries from the store, and stops
	// the tree. A tree that is stopped without a Leave does not delete its entries; they expire.
	Leave struct{ late }
	// Drain asks the manager to leave for good without a pause in the work. The leader hands everything over while the worker
	// goes on working. When the worker has nothing left, it leaves as on Leave. If no other worker can take over, the drain goes
	// on until a Leave comes.
	Drain struct{ late }
	// Cordon asks the manager to take nothing new from now on.
	Cordon struct{ late }
	// Uncordon asks the manager to take new partitions again.
	Uncordon struct{ late }
	// Refresh asks the group's leader, in whatever process it is, to list its source again. The manager responds with a
	// *Refreshed when that is done or OperationTimeout is over.
	Refresh struct{}
	// Refreshed is the outcome of a Refresh.
	Refreshed struct{ Err error }
)

// Events that a tree publishes on its actor system's event stream.
type (
	// StateChanged is one step of the worker's state machine.
	StateChanged struct {
		WorkerID string
		From, To fsm.State
	}
	// AssignmentChanged is published just before Hooks.OnAssignmentChanged is called.
	AssignmentChanged struct {
		WorkerID       string
		Assignment     Assignment
		Added, Removed []strategy.Partition
	}
	// LeadershipChanged says that this worker began or ceased to lead.
	LeadershipChanged struct {
		WorkerID string
		Leader   bool
		Term     uint64
	}
)

// The reports of children to the manager. A report carries the child's tag, so that the manager drops the report of an earlier
// child.
type report struct {
	kind    string
	tag     uint64
	message reported
}

// reported is sealed: the messages below.
type reported interface{ reported() }

type (
	// claimed: an ID is ours. claimRenewed: its trust goes on.
	claimed struct {
		lease  store.Lease
		number uint64 // of the session
	}
	claimRenewed struct{ lease store.Lease }
	// unclaimed: no ID was claimed, and why. It is tried again.
	unclaimed struct{ err error }

	// beat: a heartbeat was acknowledged. asked is the fence of the beatNow it answers, if any.
	beat struct {
		lease store.Lease
		asked *store.Fence
	}
	beatMissed struct{ err error }

	// sessionLost: the store, or this worker's own clock, says that this session is over.
	sessionLost struct{ err error }

	leaderSeen struct{}
	elected    struct {
		fence store.Fence
		heir  bool // somebody has led the group before
	}
	deposed struct{ err error }

	// seen: the follower met this position in the store.
	seen struct{ position record.Position }
	// phaseSeen: the leader's phase, as written in the plan.
	phaseSeen struct {
		phase record.Phase
		reads int // the newest format that everybody reads, as far as the leader knows
	}
	// showing: the user is being shown the worker's record of this version.
	showing struct{ version int64 }
	// applied: the worker's record of this position is in force. acknowledge is true if somebody waits for it, asks if it only asks what
	// this worker holds.
	applied struct {
		position    record.Position
		acknowledge bool
		asks        bool
	}

	// formatMet: the store holds records of an unknown format (or no longer does).
	formatMet struct{ err error }
	// fenceLost: the calculator may not write under this fence any more.
	fenceLost struct {
		fence store.Fence
		err   error
	}
	// sightLost: the calculator does not see the heartbeats any more.
	sightLost struct{ err error }
	// held: the leader gives this worker nothing until a time.
	held struct{ until time.Time }
	// foreignMet: the leader gives this worker, which has just started, the partitions of another application.
	foreignMet struct{ err error }
	// problem is an error that the worker survives and reports.
	problem struct{ err error }
)

func (*claimed) reported()      {}
func (*claimRenewed) reported() {}
func (*unclaimed) reported()    {}
func (*beat) reported()         {}
func (*beatMissed) reported()   {}
func (*sessionLost) reported()  {}
func (*leaderSeen) reported()   {}
func (*elected) reported()      {}
func (*deposed) reported()      {}
func (*seen) reported()         {}
func (*phaseSeen) reported()    {}
func (*showing) reported()      {}
func (*applied) reported()      {}
func (*formatMet) reported()    {}
func (*fenceLost) reported()    {}
func (*sightLost) reported()    {}
func (*held) reported()         {}
func (*foreignMet) reported()   {}
func (*problem) reported()      {}

// The requests of the manager to its children.
type (
	// beatNow (heartbeat): the next heartbeat is sent after this, and says which fence it serves.
	beatNow struct {
		late
		fence store.Fence
	}
	// announce (heartbeat): the user is being shown this version.
	announce struct{ version int64 }
	// position (heartbeat): carry this acknowledgement; at once if somebody waits for it.
	position struct {
		late
		record.Position
		now bool
	}

	// heldChanged (heartbeat): handlers have returned since, or begun to wait.
	heldChanged struct{ late }

	// groupReads (heartbeat): this is the newest format that everybody in the group reads.
	groupReads struct {
		late
		format int
	}

	// stuck (heartbeat): report these waits past their deadlines from now on.
	stuck struct {
		late
		lines []string
	}

	// termSeen (elector): this term is in the store.
	termSeen struct {
		late
		term uint64
	}
	// refence (elector): begin a new term; the fence may not be used any more.
	refence struct {
		late
		fence store.Fence
	}
	// abstain (elector): do not campaign before this time.
	abstain struct {
		late
		until time.Time
	}
)

// What the manager tells itself.
type (
	// gaveUp: everything that was asked for under this number is given up.
	gaveUp       struct{ generation uint64 }
	hookReported struct{ err error }
)
