// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// Effect is something to do. It prints as one line. Open, Spawn, Stop, GiveUp, Delete and Wake are answered by facts.
type Effect interface {
	fmt.Stringer
	effect()
}

type (
	// Open opens the store: Opened. Running says that this worker has been ready in this life.
	Open struct{ Running bool }
	// Use takes the store into use that was opened last.
	Use struct{}
	// Spawn begins an actor. What it ends with is Stopped, after a panic Failed and Stopped in any order.
	Spawn struct {
		Kind Kind

		Prefer string       // claimer: the ID that is tried first; "" for none
		Prior  *store.Lease // claimer: the claim of the session before; nil for none

		Anew     bool      // heartbeat: the session before ended in a panic
		Shown    int64     // heartbeat: the version by which partitions run that are kept from the session before; 0 for none
		Standing Standing  // heartbeat
		Begun    time.Time // heartbeat: when the claim was sent

		Floor   record.Position // elector, calculator: terms and versions go on above it
		Highest record.Position // follower, calculator: seen in the store as it is
		Carried uint64          // follower: the session whose partitions are kept; 0 for none
		First   bool            // follower: the group is compared with the source before the first record is applied

		Fence  store.Fence // calculator
		Heir   bool        // calculator: somebody has led the group before
		Joined time.Time   // calculator: when the first heartbeat was sent
		Since  uint64      // calculator: the heartbeat that was sent after the term was stored
	}
	// Stop stops an actor: Stopped.
	Stop struct{ Kind Kind }

	// Begin begins a session, without any trust yet. Keeps says that it keeps what the one before holds.
	Begin struct {
		Worker string
		Number uint64
		Keeps  bool
	}
	// Trust says until when the session may act, whether it may take anything new, and when it must have let go of everything
	// if the trust is not extended.
	Trust struct {
		Until time.Time
		Takes bool
		LetGo time.Time
	}
	// Carry says whether the partitions of the session before are kept while the trust is over.
	Carry struct{ Does bool }
	// Rejoin forgets the session that is over.
	Rejoin struct {
		Before   string
		Carrying bool
	}

	// Beat has a heartbeat sent that serves a fence: Heard.
	Beat struct{ Fence store.Fence }
	// Announce has the next heartbeat say which version the user is being shown.
	Announce struct{ Version int64 }
	// Acknowledge has the heartbeat carry a position, at once where somebody waits.
	Acknowledge struct {
		Position record.Position
		Now      bool
	}
	// Recount has the heartbeat say at once what is held.
	Recount struct{}
	// Reads tells the heartbeat which format everybody reads.
	Reads struct{ Format int }
	// Stand tells a change of the standing, to the heartbeat as well.
	Stand struct {
		Standing Standing
	}
	// Complain has the heartbeat say what is waited for past its deadline.
	Complain struct{ Lines []string }
	// SawTerm tells the elector which term is in the store.
	SawTerm struct{ Term uint64 }
	// NewTerm has the elector begin a new term in place of a fence: Elected or Deposed.
	NewTerm struct{ Fence store.Fence }
	// Abstain has the elector leave the lead to others until a time; the zero time ends it.
	Abstain struct{ Until time.Time }

	// Return tells hooks and handlers to return; they may finish what they have begun. Void tells them that nothing may be
	// done any more.
	Return struct{ Why error }
	Void   struct{ Why error }
	// GiveUp ends the handlers and tells the hook that everything is removed: HookDone. The context of that call ends at Until.
	GiveUp struct {
		ID     uint64
		Worker string
		Why    error
		Until  time.Time
	}
	// Drop does the same for what an earlier session has left, and nobody waits for it.
	Drop struct{ Why error }
	// Hurry ends the contexts of all hooks that give up.
	Hurry struct{}
	// Abandon ends the wait of GiveUp of that number for handlers that do not return.
	Abandon struct{ ID uint64 }
	// Delete deletes what this worker has in a bucket, until nothing is left: Deleted.
	Delete struct {
		ID     uint64
		Bucket store.Bucket
	}

	// Fire makes a step of the state machine and tells the user.
	Fire struct {
		Event    fsm.Event
		From, To fsm.State
	}
	// Publish says how this worker stands.
	Publish struct{ Status Status }
	// Lead says that this worker begins or ceases to lead.
	Lead struct {
		Worker string
		Leads  bool
		Term   uint64
	}
	// Ready says that a first assignment was applied in this life.
	Ready struct{}
	// Drained says that everything was handed over, or that there was nothing to hand over.
	Drained struct{}
	// NoteLeft notes what is not handed over yet, because somebody ends a drain.
	NoteLeft struct{}
	// Show shows what is waited for, the oldest first.
	Show struct{ Waits []Wait }
	// Blame says why this worker ends. Quiet says that the user has been told.
	Blame struct {
		Err   error
		Quiet bool
	}
	// Leave says that this worker leaves, and when that must be done. Again says that a supervisor may begin it anew.
	Leave struct {
		By    time.Time
		Again bool
	}
	// Report tells what went wrong and is survived.
	Report struct{ Err error }
	// Say tells something for the log.
	Say struct {
		Level slog.Level
		Text  string
		Args  []any
	}
	// Wake says when to tick; the zero time means never. It replaces the one before.
	Wake struct{ At time.Time }
	// End ends the tree. Hasty says that it waits for nobody; Err goes to the supervisor above, nil for nothing.
	End struct {
		Hasty bool
		Err   error
	}
)

// Status is how a worker stands.
type Status struct {
	State    fsm.State
	Worker   string
	Session  uint64
	Leader   bool
	Degraded bool
	Ready    bool
	Standing Standing
}

// Standing is what a worker says of itself that can change while it lives.
type Standing struct {
	Leaving  bool // it drains: it will not come back
	Cordoned bool // it takes nothing new
}

func (*Open) effect()        {}
func (*Use) effect()         {}
func (*Spawn) effect()       {}
func (*Stop) effect()        {}
func (*Begin) effect()       {}
func (*Trust) effect()       {}
func (*Carry) effect()       {}
func (*Rejoin) effect()      {}
func (*Beat) effect()        {}
func (*Announce) effect()    {}
func (*Acknowledge) effect() {}
func (*Recount) effect()     {}
func (*Reads) effect()       {}
func (*Stand) effect()       {}
func (*Complain) effect()    {}
func (*SawTerm) effect()     {}
func (*NewTerm) effect()     {}
func (*Abstain) effect()     {}
func (*Return) effect()      {}
func (*Void) effect()        {}
func (*GiveUp) effect()      {}
func (*Drop) effect()        {}
func (*Hurry) effect()       {}
func (*Abandon) effect()     {}
func (*Delete) effect()      {}
func (*Fire) effect()        {}
func (*Publish) effect()     {}
func (*Lead) effect()        {}
func (*Ready) effect()       {}
func (*Drained) effect()     {}
func (*NoteLeft) effect()    {}
func (*Show) effect()        {}
func (*Blame) effect()       {}
func (*Leave) effect()       {}
func (*Report) effect()      {}
func (*Say) effect()         {}
func (*Wake) effect()        {}
func (*End) effect()         {}
