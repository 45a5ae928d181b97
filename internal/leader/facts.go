// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package leader

import (
	"fmt"
	"strings"
	"time"

	"github.com/parti-go/parti/internal/ledger"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/topology"
	"github.com/parti-go/parti/strategy"
)

// Fact is something that happened. It is sealed.
type Fact interface{ fact() }

type (
	// Restored is what earlier leaders have stored, complete up to this leader's term. Err ends the term.
	Restored struct {
		Plan       record.Plan // zero if there is none
		Records    []record.Assignment
		Unreadable []string // workers whose records cannot be read
		Problems   []error  // what is wrong with those, or with the plan
		Format     int      // the newest format among them; 0 means the oldest
		Err        error
	}
	// Listed is the answer of the source.
	Listed struct {
		List *Listing
		Err  error
	}
	// RefreshAsked says that somebody wants the source to be listed again, and wants to know when the leader has planned for the
	// new list.
	RefreshAsked struct{ ID uint64 }
	// SourceChanged says that the source's list may have changed.
	SourceChanged struct{}
	// Beat is a heartbeat.
	Beat struct {
		Worker   string
		Session  uint64
		Applied  int64    // version
		Shown    int64    // version, where it is newer than that; see [record.Heartbeat]
		Holding  []string // partitions whose handlers have not returned, sorted; see [record.Heartbeat]
		Capacity int64
		Labels   map[string]string
		Cordoned bool
		Leaving  bool
		Failed   bool      // the session follows one that ended in a panic
		Stuck    []string  // what the worker waits for past its deadline
		Reads    int       // the newest record format that the worker reads; 0 means the oldest
		Stored   time.Time // by the store's clock
	}
	// Garbled says that somebody has overwritten a heartbeat with something else.
	Garbled struct {
		Worker   string
		Revision uint64
		Stored   time.Time
		Err      error
	}
	// Gone says that a heartbeat was deleted (Clean) or expired.
	Gone struct {
		Worker string
		Clean  bool
	}
	// Synced says that every heartbeat in the store has been reported.
	Synced struct{}
	// Blind says that the heartbeats have not been verified since then. Synced takes it back.
	Blind struct{ Since time.Time }
	// Stale says that heartbeats come, but no listing has confirmed since a time that none is missing.
	Stale struct {
		Since time.Time
		Err   error // what went wrong last; nil for unknown
	}
	// LookedUp says how absent members left. Err ends the term.
	LookedUp struct {
		Left map[string]time.Time // those that deleted their heartbeats, and when, by the store's clock
		Err  error
	}
	// TargetMade is the answer to the question with that number.
	TargetMade struct {
		ID          uint64
		Next        []int // see strategy.Plan
		Waits       []strategy.Wait
		Certificate strategy.Certificate
		Uneven      bool // the strategy would also move what the plan leaves where it is
		Err         error
	}
	// Written is the outcome of the write with that number.
	Written struct {
		ID      uint64
		Outcome Outcome
		Err     error
	}
	// Foreign says that the leader has met a record of a newer format.
	Foreign struct{ Err error }
	// Ticked says that time has passed.
	Ticked struct{}
)

func (*Restored) fact()      {}
func (*Listed) fact()        {}
func (*RefreshAsked) fact()  {}
func (*SourceChanged) fact() {}
func (*Beat) fact()          {}
func (*Garbled) fact()       {}
func (*Gone) fact()          {}
func (*Synced) fact()        {}
func (*Blind) fact()         {}
func (*Stale) fact()         {}
func (*LookedUp) fact()      {}
func (*TargetMade) fact()    {}
func (*Written) fact()       {}
func (*Foreign) fact()       {}
func (*Ticked) fact()        {}

// Outcome is the outcome of a write.
type Outcome int

// The outcomes of a write.
const (
	Stored  Outcome = iota
	Refused         // definitely not stored: it may be tried again
	Lost            // a newer term is stored, or nobody knows what became of it: this term is over
)

// Reason is the reason why a term ends before its leader is asked to end it.
type Reason int

// The reasons.
const (
	FenceLost   Reason = iota // nothing may be written under this term any more
	RolledBack                // the store is older than what this session has seen
	NewerFormat               // the store holds what this release cannot read
	LostSight                 // the heartbeats are not seen any more
)

// String names the reason.
func (r Reason) String() string {
	return [...]string{"fence lost", "rolled back", "newer format", "lost sight"}[r]
}

// Effect is something to do. It prints as one line. Each except Answer, Say, Report, Wake and End is answered by a fact.
type Effect interface {
	fmt.Stringer
	effect()
}

type (
	// Read reads what earlier leaders have stored. The answer is Restored.
	Read struct{}
	// List lists the source. The answer is Listed.
	List struct{}
	// Follow follows the heartbeats. It is answered by Beat, Garbled, Gone, Synced and Blind.
	Follow struct{}
	// LookUp finds out how absent members left. The answer is LookedUp.
	LookUp struct{ Workers []string }
	// Ask asks the strategy, or the built-in one if the strategy has failed. The answer is TargetMade; Answered makes it.
	Ask struct {
		ID       uint64
		Question strategy.Question
		Moves    bool // otherwise whatever has an owner stays where it is
		BuiltIn  bool

		decision  topology.Decision
		list      *Listing
		why       string
		described string // how the members describe themselves
	}
	// Write stores a version of the plan. The answer is Written.
	Write struct {
		ID      uint64
		Records []record.Assignment
		Remove  []string // workers whose records go
		Plan    record.Plan
		Format  int // that the records may have at most
		Why     string
		By      string    // the leader
		At      time.Time // by its clock

		proposal ledger.Write
		changed  bool // it says more than that the phase is another
	}
	// Answer answers refreshes.
	Answer struct {
		Refreshes []uint64
		Err       error
	}
	// Wake says when to tick; the zero time means never. It replaces the last Wake.
	Wake struct{ At time.Time }
	// Say is a line for the log about what the leader waits for.
	Say struct{ Text string }
	// Report is an error that the leader survives.
	Report struct{ Err error }
	// End ends the term.
	End struct {
		Reason Reason
		Err    error
	}
)

func (*Read) effect()   {}
func (*List) effect()   {}
func (*Follow) effect() {}
func (*LookUp) effect() {}
func (*Ask) effect()    {}
func (*Write) effect()  {}
func (*Answer) effect() {}
func (*Wake) effect()   {}
func (*Say) effect()    {}
func (*Report) effect() {}
func (*End) effect()    {}

func (*Read) String() string     { return "read the records" }
func (*List) String() string     { return "list the source" }
func (*Follow) String() string   { return "follow the heartbeats" }
func (e *LookUp) String() string { return "look up " + strings.Join(e.Workers, " ") }

func (e *Ask) String() string {
	whom, what := "the strategy", "place what has no owner"
	if e.BuiltIn {
		whom = "the built-in strategy"
	}
	if e.Moves {
		what = "plan"
	}
	return fmt.Sprintf("ask %s to %s for %s", whom, what, describe(e.Question.Workers))
}

// describe lists workers; those that take nothing new are in brackets.
func describe(workers []strategy.Worker) string {
	var names []string
	for _, w := range workers {
		if w.Cordoned {
			names = append(names, "("+w.ID+")")
		} else {
			names = append(names, w.ID)
		}
	}
	return strings.Join(names, " ")
}

func (e *Write) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "write version %d, %s, %s, members %s", e.Plan.Version, e.Plan.Phase, e.Plan.Lifecycle, strings.Join(e.Plan.Members, " "))
	if v := e.Plan.SourceVersion; v > 0 {
		fmt.Fprintf(&b, ", source version %d", v)
	}
	if s := e.Plan.Strategy; s != "" {
		fmt.Fprintf(&b, ", strategy %s", s)
	}
	for _, r := range e.Records {
		fmt.Fprintf(&b, "; %s/%d:", r.Worker, r.Session)
		for _, o := range r.Owned {
			fmt.Fprintf(&b, " %s@%d", o.Partition, o.Epoch)
		}
		for _, o := range r.Releasing {
			fmt.Fprintf(&b, " -%s@%d", o.Partition, o.Epoch)
		}
	}
	if len(e.Remove) > 0 {
		fmt.Fprintf(&b, "; remove %s", strings.Join(e.Remove, " "))
	}
	return b.String()
}

// Changes counts the grants and the revokes.
func (e *Write) Changes() (grants, revokes int) {
	return len(e.proposal.Grants), len(e.proposal.Revokes)
}

// Journal returns who gets what, who has to let go of what, and why; nil if nothing moves.
func (e *Write) Journal() *record.Journal {
	grants, revokes := e.proposal.Grants, e.proposal.Revokes
	if len(grants)+len(revokes) == 0 {
		return nil
	}
	j := &record.Journal{
		Term: e.Plan.Term, Version: e.Plan.Version, At: e.At.UTC(), By: e.By, Why: e.Why, Certificate: e.Plan.Certificate,
	}
	for _, r := range revokes {
		j.Note(r.Partition, r.Worker, "", r.Epoch)
	}
	for _, g := range grants {
		j.Note(g.Partition, g.From, g.Worker, g.Epoch)
	}
	return j
}

func (e *Answer) String() string {
	if e.Err != nil {
		return fmt.Sprintf("answer %d refreshes: %v", len(e.Refreshes), e.Err)
	}
	return fmt.Sprintf("answer %d refreshes", len(e.Refreshes))
}

func (e *Wake) String() string {
	if e.At.IsZero() {
		return "sleep"
	}
	return "wake at " + e.At.Format("15:04:05.000")
}

func (e *Say) String() string    { return "say: " + e.Text }
func (e *Report) String() string { return "report: " + e.Err.Error() }
func (e *End) String() string    { return fmt.Sprintf("end the term (%s): %v", e.Reason, e.Err) }
