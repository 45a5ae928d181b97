package kv

import (
	"fmt"

	"github.com/parti-go/parti/internal/inject"
	"github.com/parti-go/parti/internal/record"
)

// The records of the store.
type (
	// Record is a value that a lease can hold: a [Claim], a [Leader] or a [Heartbeat].
	Record = record.Record
	// Claim says who holds a worker ID.
	Claim = record.Claim
	// Leader says who leads, or is about to: only the term makes a leader.
	Leader = record.Leader
	// Position is a place in the history of plans.
	Position = record.Position
	// Heartbeat says that a session lives, and what it has applied and let go.
	Heartbeat = record.Heartbeat
	// Term is the entry that fences: who wrote it last leads.
	Term = record.Term
	// Phase is what the leader is doing.
	Phase = record.Phase
	// Lifecycle is the phase of life of the whole group.
	Lifecycle = record.Lifecycle
	// Plan is the leader's last word to everyone.
	Plan = record.Plan
	// Certificate says what a plan costs and what it brings, each beside the least that is possible.
	Certificate = record.Certificate
	// Assignment is everything one worker has, not a difference.
	Assignment = record.Assignment
	// Owned is a partition that its worker runs.
	Owned = record.Owned
	// Journal says why a version of the plan was written, and who got or lost what by it.
	Journal = record.Journal
	// Change is what a version does to one partition.
	Change = record.Change
	// Releasing is a partition that its worker has to let go, since the version that took it.
	Releasing = record.Releasing
)

// FormatHolding is the format of a heartbeat that lists partitions as held.
const FormatHolding = record.FormatHolding

// The phases.
const (
	PhaseIdle        = record.PhaseIdle
	PhaseScaling     = record.PhaseScaling
	PhaseRebalancing = record.PhaseRebalancing
	PhaseEmergency   = record.PhaseEmergency
)

// The phases of life.
const (
	ColdStart     = record.ColdStart
	PostColdStart = record.PostColdStart
	Stable        = record.Stable
)

// DecodeClaim reads a claim; [ErrFormat] and [ErrCorrupt] tell a newer writer from garbage, as for all Decode functions.
func DecodeClaim(b []byte) (Claim, error) { return record.DecodeClaim(b) }

// DecodeLeader reads a leader's record.
func DecodeLeader(b []byte) (Leader, error) { return record.DecodeLeader(b) }

// DecodeHeartbeat reads a heartbeat. A negative capacity, which no strategy could plan with, is [ErrCorrupt].
func DecodeHeartbeat(b []byte) (Heartbeat, error) { return record.DecodeHeartbeat(b) }

// DecodeTerm reads a term.
func DecodeTerm(b []byte) (Term, error) { return record.DecodeTerm(b) }

// DecodeAssignment reads a worker's assignment.
func DecodeAssignment(b []byte) (Assignment, error) { return record.DecodeAssignment(b) }

// DecodeJournal reads an entry of the journal, packed or not.
func DecodeJournal(b []byte) (Journal, error) { return record.DecodeJournal(b) }

// DecodePlan reads a plan. An unknown phase or lifecycle is [ErrCorrupt].
func DecodePlan(b []byte) (Plan, error) { return record.DecodePlan(b) }

// encode makes the value that is stored for a record.
func encode(t token, r any) ([]byte, error) {
	value, err := record.Encode(t, r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotDone, err)
	}
	if change := inject.Encode.Load(); change != nil {
		value = (*change)(value)
	}
	return value, nil
}
