package kv

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/inject"
)

// format is the only record format there is so far. It is the first field of every record.
const format = 1

// Record is a value that a lease can hold: a [Claim], a [Leader] or a [Heartbeat].
type Record interface{ record() }

// Claim says who holds a worker ID.
type Claim struct {
	// Session is the number of the session; 0 in its first claim, whose revision then is the number.
	Session uint64    `json:"session"`
	Host    string    `json:"host"`
	Process int       `json:"process"`
	Since   time.Time `json:"since"`
}

// Leader says who leads, or is about to: only the term makes a leader.
type Leader struct {
	Worker  string    `json:"worker"`
	Session uint64    `json:"session"`
	Since   time.Time `json:"since"`
}

// Position is a place in the history of plans.
type Position struct {
	Term    uint64 `json:"term"`
	Version int64  `json:"version"`
}

// Heartbeat says that a session lives, and what it has applied and let go.
type Heartbeat struct {
	Session uint64   `json:"session"`
	Applied Position `json:"applied"`
	Leaving bool     `json:"leaving,omitempty"`
	// Cordoned says that the worker takes nothing new.
	Cordoned bool              `json:"cordoned,omitempty"`
	Capacity int64             `json:"capacity,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
}

func (Claim) record()     {}
func (Leader) record()    {}
func (Heartbeat) record() {}

// Term is the entry that fences: who wrote it last leads.
type Term struct {
	Number  uint64 `json:"number"`
	Worker  string `json:"worker"`
	Session uint64 `json:"session"`
}

// Phase is what the leader is doing.
type Phase string

// The phases.
const (
	PhaseIdle        Phase = "idle"
	PhaseScaling     Phase = "scaling"
	PhaseRebalancing Phase = "rebalancing"
	PhaseEmergency   Phase = "emergency"
)

// Lifecycle is the phase of life of the whole group.
type Lifecycle string

// The phases of life.
const (
	ColdStart     Lifecycle = "cold_start"
	PostColdStart Lifecycle = "post_cold_start"
	Stable        Lifecycle = "stable"
)

// Plan is the leader's last word to everyone.
type Plan struct {
	Term       uint64    `json:"term"`
	Version    int64     `json:"version"`
	Phase      Phase     `json:"phase"`
	Lifecycle  Lifecycle `json:"lifecycle"`
	Members    []string  `json:"members"`
	Partitions int       `json:"partitions"`
	Digest     string    `json:"digest"`
	// Workers is how the members described themselves when the plan was made, as a hash; "" where that is not known.
	Workers string `json:"workers,omitempty"`
	// Certificate is that of the last plan that anything was calculated for.
	Certificate Certificate `json:"certificate"`
}

// Certificate says what a plan costs and what it brings, each beside the least that is possible.
type Certificate struct {
	Moves          int     `json:"moves"`
	LeastMoves     int     `json:"leastMoves"`
	Imbalance      float64 `json:"imbalance"`
	LeastImbalance float64 `json:"leastImbalance"`
}

// Assignment is everything one worker has, not a difference.
type Assignment struct {
	Worker    string      `json:"worker"`
	Session   uint64      `json:"session"`
	Term      uint64      `json:"term"`
	Version   int64       `json:"version"`
	Owned     []Owned     `json:"owned,omitempty"`
	Releasing []Releasing `json:"releasing,omitempty"`
	// Unread is the version that the session has to acknowledge because an earlier record of it could not be read.
	Unread int64 `json:"unread,omitempty"`
}

// Owned is a partition that its worker runs.
type Owned struct {
	Partition string `json:"partition"`
	Weight    int64  `json:"weight"`
	Epoch     int64  `json:"epoch"`
}

// Releasing is a partition that its worker has to let go, since the version that took it.
type Releasing struct {
	Partition string `json:"partition"`
	Weight    int64  `json:"weight"`
	Epoch     int64  `json:"epoch"`
	Since     int64  `json:"since"`
}

// DecodeClaim reads a claim; [ErrFormat] and [ErrCorrupt] tell a newer writer from garbage, as for all Decode functions.
func DecodeClaim(b []byte) (Claim, error) { return decode[Claim]("claim", b) }

// DecodeLeader reads a leader's record.
func DecodeLeader(b []byte) (Leader, error) { return decode[Leader]("leader", b) }

// DecodeHeartbeat reads a heartbeat. A negative capacity, which no strategy could plan with, is [ErrCorrupt].
func DecodeHeartbeat(b []byte) (Heartbeat, error) {
	h, err := decode[Heartbeat]("heartbeat", b)
	if err == nil && h.Capacity < 0 {
		return Heartbeat{}, fmt.Errorf("%w: heartbeat: capacity %d, allowed: 0 or more", ErrCorrupt, h.Capacity)
	}
	return h, err
}

// DecodeTerm reads a term.
func DecodeTerm(b []byte) (Term, error) { return decode[Term]("term", b) }

// DecodeAssignment reads a worker's assignment.
func DecodeAssignment(b []byte) (Assignment, error) { return decode[Assignment]("assignment", b) }

// DecodePlan reads a plan. An unknown phase or lifecycle is [ErrCorrupt].
func DecodePlan(b []byte) (Plan, error) {
	p, err := decode[Plan]("plan", b)
	if err != nil {
		return Plan{}, err
	}
	switch p.Phase {
	case PhaseIdle, PhaseScaling, PhaseRebalancing, PhaseEmergency:
	default:
		return Plan{}, fmt.Errorf("%w: plan: phase %q", ErrCorrupt, p.Phase)
	}
	switch p.Lifecycle {
	case ColdStart, PostColdStart, Stable:
	default:
		return Plan{}, fmt.Errorf("%w: plan: lifecycle %q", ErrCorrupt, p.Lifecycle)
	}
	return p, nil
}

// envelope is what every record begins with.
type envelope struct {
	Format int   `json:"format"`
	Token  token `json:"token"`
}

// encode puts the envelope in front of a record, whose encoding is an object with at least one field.
func encode(t token, record any) ([]byte, error) {
	body, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("%w: encode %T: %w", ErrNotDone, record, err)
	}
	value := fmt.Appendf(nil, `{"format":%d,"token":%q,%s`, format, t, body[1:])
	if change := inject.Encode.Load(); change != nil {
		value = (*change)(value)
	}
	return value, nil
}

func decode[T any](kind string, b []byte) (record T, err error) {
	var none T
	var e envelope
	if err := json.Unmarshal(b, &e); err != nil {
		return none, fmt.Errorf("%w: %s: %w", ErrCorrupt, kind, err)
	}
	if e.Format < format { // every record has had one from the first release on
		return none, fmt.Errorf("%w: %s: no format, allowed: %d", ErrCorrupt, kind, format)
	}
	if e.Format > format {
		return none, fmt.Errorf("%w: %s: found %d, known %d", ErrFormat, kind, e.Format, format)
	}
	if err := json.Unmarshal(b, &record); err != nil {
		return none, fmt.Errorf("%w: %s: %w", ErrCorrupt, kind, err)
	}
	return record, nil
}

// tokenOf returns the token of a value of whatever format, "" if it has none.
func tokenOf(value []byte) token {
	var e envelope
	if json.Unmarshal(value, &e) != nil {
		return ""
	}
	return e.Token
}
