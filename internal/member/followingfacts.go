// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"fmt"
	"strings"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
)

// FollowingFact is something that happened to a following. It is sealed.
type FollowingFact interface{ followingFact() }

type (
	// FollowingUpdate is what the feed of the term, the plan and the worker's own record tells.
	FollowingUpdate struct{ store.Update }
	// FollowingServed is what became of a FollowingShow. Err is survived: the user was shown it all the same.
	FollowingServed struct {
		Outcome FollowingOutcome
		Err     error
	}
	// FollowingCompared is what became of a FollowingCompare.
	FollowingCompared struct {
		Foreign bool // the source and the group have nothing in common
		Err     error
	}
	// FollowingTicked says that it is as late as was asked for.
	FollowingTicked struct{}
)

func (*FollowingUpdate) followingFact()   {}
func (*FollowingServed) followingFact()   {}
func (*FollowingCompared) followingFact() {}
func (*FollowingTicked) followingFact()   {}

// FollowingOutcome is what became of what was to be shown.
type FollowingOutcome int

// The outcomes.
const (
	FollowingShown      FollowingOutcome = iota
	FollowingRefused                     // the trust seemed to be over: the user was not shown it
	FollowingSuperseded                  // something else came first: the user was not shown it
)

// FollowingEffect is something to do. It prints as one line.
type FollowingEffect interface {
	fmt.Stringer
	followingEffect()
}

type (
	// FollowingShow shows the user what it owns from now on: FollowingServed. Shrink says that partitions may only be taken
	// away.
	FollowingShow struct {
		Record    record.Assignment
		Position  record.Position
		Lifecycle record.Lifecycle
		Shrink    bool
	}
	// FollowingCompare compares the source with the group: FollowingCompared.
	FollowingCompare struct{}
	// FollowingSeen says that the store has reached this position.
	FollowingSeen struct{ Position record.Position }
	// FollowingPhase says what the leader wrote in its plan.
	FollowingPhase struct {
		Phase     record.Phase
		Lifecycle record.Lifecycle
		Reads     int
	}
	// FollowingApplied says that the record of this position is in force; Acknowledge, that somebody waits for it; Asks, that it only
	// asks what this worker holds, and is no assignment yet.
	FollowingApplied struct {
		Position    record.Position
		Acknowledge bool
		Asks        bool
	}
	// FollowingHeld says until when the leader gives this worker nothing.
	FollowingHeld struct{ Until time.Time }
	// FollowingVacated says that the leader has nothing recorded for this worker any more, or that this is over.
	FollowingVacated struct{ Is bool }
	// FollowingFormat says that records of an unknown format were met; nil, that they are gone.
	FollowingFormat struct{ Err error }
	// FollowingForeign says that the group belongs to another application. Nothing is shown any more.
	FollowingForeign struct{ Err error }
	// FollowingLost says that the store ends this session.
	FollowingLost struct{ Err error }
	// FollowingProblem is survived.
	FollowingProblem struct{ Err error }
	// FollowingWake says when to tick. It replaces the one before; the zero time means never.
	FollowingWake struct{ At time.Time }
)

func (*FollowingShow) followingEffect()    {}
func (*FollowingCompare) followingEffect() {}
func (*FollowingSeen) followingEffect()    {}
func (*FollowingPhase) followingEffect()   {}
func (*FollowingApplied) followingEffect() {}
func (*FollowingHeld) followingEffect()    {}
func (*FollowingVacated) followingEffect() {}
func (*FollowingFormat) followingEffect()  {}
func (*FollowingForeign) followingEffect() {}
func (*FollowingLost) followingEffect()    {}
func (*FollowingProblem) followingEffect() {}
func (*FollowingWake) followingEffect()    {}

func (e *FollowingShow) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "show session %d version %d at term %d version %d:", e.Record.Session, e.Record.Version, e.Position.Term, e.Position.Version)
	for _, o := range e.Record.Owned {
		fmt.Fprintf(&b, " %s@%d", o.Partition, o.Epoch)
	}
	for _, o := range e.Record.Releasing {
		fmt.Fprintf(&b, " -%s@%d", o.Partition, o.Epoch)
	}
	if e.Shrink {
		b.WriteString(" (taking away only)")
	}
	return b.String()
}

func (*FollowingCompare) String() string { return "compare the source with the group" }

func (e *FollowingSeen) String() string {
	return fmt.Sprintf("seen term %d version %d", e.Position.Term, e.Position.Version)
}

func (e *FollowingPhase) String() string {
	return fmt.Sprintf("the leader is %s, the group %s", e.Phase, e.Lifecycle)
}

func (e *FollowingApplied) String() string {
	waits := ""
	if e.Acknowledge {
		waits = ", which somebody waits for"
	}
	if e.Asks {
		waits = ", which only asks"
	}
	return fmt.Sprintf("applied term %d version %d%s", e.Position.Term, e.Position.Version, waits)
}

func (e *FollowingHeld) String() string {
	return "given nothing until " + e.Until.Format("15:04:05.000")
}

func (e *FollowingVacated) String() string {
	if e.Is {
		return "vacated"
	}
	return "not vacated any more"
}

func (e *FollowingFormat) String() string {
	if e.Err == nil {
		return "every format is known again"
	}
	return "unknown format: " + e.Err.Error()
}

func (e *FollowingForeign) String() string { return "foreign: " + e.Err.Error() }
func (e *FollowingLost) String() string    { return "lost: " + e.Err.Error() }
func (e *FollowingProblem) String() string { return "problem: " + e.Err.Error() }

func (e *FollowingWake) String() string {
	if e.At.IsZero() {
		return "sleep"
	}
	return "wake at " + e.At.Format("15:04:05.000")
}
