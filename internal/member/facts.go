// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"time"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// Kind names one of the actors that a worker has at most one of.
type Kind string

// The kinds.
const (
	Claimer    Kind = "claimer"    // claims an ID and renews the claim
	Heartbeat  Kind = "heartbeat"  // keeps the heartbeat alive
	Elector    Kind = "elector"    // stands for election and renews the lease on leadership
	Follower   Kind = "follower"   // has this worker's records applied
	Calculator Kind = "calculator" // leads for one term
	Host       Kind = "host"       // the parent of the partition actors
)

// kinds are in the order in which they are stopped.
var kinds = []Kind{Calculator, Follower, Elector, Heartbeat, Claimer, Host}

// Fact is something that happened. It is sealed.
type Fact interface{ fact() }

type (
	// Began says that the tree runs. LeaveAsked says that somebody has asked it to leave before it began.
	Began struct{ LeaveAsked bool }
	// Opened says what became of opening the store. Worker is the ID of the process before, as its state directory has it.
	Opened struct {
		Worker    string
		Err       error
		Transient bool // the store does not answer; otherwise it says no
	}
	// Claimed says that an ID is this worker's.
	Claimed struct {
		Lease  store.Lease
		Number uint64 // of the session
	}
	// Unclaimed says why no ID was claimed. It is tried again.
	Unclaimed struct{ Err error }
	// Renewed says that the claim was renewed.
	Renewed struct{ Lease store.Lease }
	// Heard says that a heartbeat was acknowledged. Asked is the fence of the Beat that it answers, if any.
	Heard struct {
		Lease store.Lease
		Asked *store.Fence
	}
	// Missed says that a heartbeat was not acknowledged. It is tried again.
	Missed struct{ Err error }
	// Lost says that this session is over, by the store or by the clock.
	Lost struct{ Err error }
	// LeaderSeen says that another worker leads.
	LeaderSeen struct{}
	// Elected says that this worker's term is stored.
	Elected struct {
		Fence store.Fence
		Heir  bool // somebody has led the group before
	}
	// Deposed says that this worker's term is over.
	Deposed struct{ Err error }
	// FenceLost says that the calculator may not write under that fence any more.
	FenceLost struct {
		Fence store.Fence
		Err   error
	}
	// SightLost says that the calculator does not see the heartbeats any more.
	SightLost struct{ Err error }
	// PositionMet says where the store stands.
	PositionMet struct{ Position record.Position }
	// PhaseMet says what the leader does, and which record format everybody in the group reads.
	PhaseMet struct {
		Phase record.Phase
		Reads int
	}
	// Vacated says that the leader has nothing recorded for this worker any more; or that this is over.
	Vacated struct{ Is bool }
	// Showing says that the user is being shown this worker's record of that version.
	Showing struct{ Version int64 }
	// Applied says that this worker's record of that position is in force. Awaited says that somebody waits for it; Asks, that it only
	// asks what this worker holds, and is no assignment yet.
	Applied struct {
		Position record.Position
		Awaited  bool
		Asks     bool
	}
	// FormatMet says that an actor has met a record of an unknown format; a nil Err takes it back.
	FormatMet struct {
		By  Kind
		Err error
	}
	// Damped says until when the leader gives this worker nothing.
	Damped struct{ Until time.Time }
	// Survived says what went wrong elsewhere and changes nothing.
	Survived struct{ Err error }
	// HookDone says that everything is given up that GiveUp of that number asked for.
	HookDone struct{ ID uint64 }
	// Deleted says that nothing of this worker is left in a bucket, as far as Delete of that number can see to it.
	Deleted struct {
		ID     uint64
		Bucket store.Bucket
	}
	// Failed says that an actor panicked and is being stopped. Jitter is between -1 and 1, by chance.
	Failed struct {
		Kind   Kind
		Err    error
		Jitter float64
	}
	// Stopped says that an actor has terminated.
	Stopped struct{ Kind Kind }
	// LeaveAsked asks for the end: of the user, with a nil Cause, or because of it.
	LeaveAsked struct{ Cause error }
	// DrainAsked asks to hand everything over and then to leave. A drain that has not ended at By is a stop from then on; the zero
	// time is never. Of several the earliest counts.
	DrainAsked struct{ By time.Time }
	// CordonAsked asks to take nothing new, or takes that back.
	CordonAsked struct{ On bool }
	// Held lists the partitions whose handlers have not returned that were told to.
	Held struct{ Holding []string }
	// CallBegan says that a call of the user's code has begun.
	CallBegan struct {
		Name  string
		What  string // has to happen
		Since time.Time
		Limit time.Duration // 0 for HandoffTimeout: a hook
		Err   error         // what is said of one that lasts too long wraps this; nil for nothing
	}
	// CallEnded says that it is over.
	CallEnded struct{ Name string }
	// Awaits says that an actor waits for something. It ends with Awaited, or with that actor.
	Awaits struct {
		By   Kind
		Wait Wait
	}
	// Awaited says that a wait is over.
	Awaited struct{ Key string }
	// Interrupted says that the tree is stopped from outside, or restarts because one of its parts has failed. State is the
	// one that the state machine is in: who failed may have made fewer steps than were decided.
	Interrupted struct {
		State    fsm.State
		Restarts bool
	}
	// Ticked says that it is time for what Wake was asked for. What happened before that time has been told before.
	Ticked struct{ At time.Time }
)

func (*Began) fact()       {}
func (*Opened) fact()      {}
func (*Claimed) fact()     {}
func (*Unclaimed) fact()   {}
func (*Renewed) fact()     {}
func (*Heard) fact()       {}
func (*Missed) fact()      {}
func (*Lost) fact()        {}
func (*LeaderSeen) fact()  {}
func (*Elected) fact()     {}
func (*Deposed) fact()     {}
func (*FenceLost) fact()   {}
func (*SightLost) fact()   {}
func (*PositionMet) fact() {}
func (*PhaseMet) fact()    {}
func (*Vacated) fact()     {}
func (*Showing) fact()     {}
func (*Applied) fact()     {}
func (*FormatMet) fact()   {}
func (*Damped) fact()      {}
func (*Survived) fact()    {}
func (*HookDone) fact()    {}
func (*Deleted) fact()     {}
func (*Failed) fact()      {}
func (*Stopped) fact()     {}
func (*LeaveAsked) fact()  {}
func (*DrainAsked) fact()  {}
func (*CordonAsked) fact() {}
func (*Held) fact()        {}
func (*CallBegan) fact()   {}
func (*CallEnded) fact()   {}
func (*Awaits) fact()      {}
func (*Awaited) fact()     {}
func (*Interrupted) fact() {}
func (*Ticked) fact()      {}
