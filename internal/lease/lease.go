// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package lease decides about one hold on an entry of the store: when to write it again, what each answer means, and until when
// to trust it. It is a value: it has no goroutine, reads no clock, and does not know how the store works.
//
// The rules are the same for every hold, whether it is a claim, a heartbeat or the lease on leadership:
//
//   - One write is under way at a time. The next one is due an interval after the last acknowledged one was sent, however long
//     its answer took.
//   - A write that was refused or not answered extends nothing. The hold tries again after a pause.
//   - Trust counts from the send. It lasts until sent + TTL - TTL/4 of the last acknowledged write. When it ends, the hold
//     ends, whatever is under way. Before the first acknowledged write it counts from the beginning of the hold.
//   - Something urgent goes out with the next write that begins, which is at once if no write is under way. The hold repeats it
//     until a write that began after it is acknowledged.
//   - The hold ends if its entry is lost, late, or belongs to somebody else. After its end nothing is written.
package lease

import (
	"errors"
	"fmt"
	"time"

	"github.com/parti-go/parti/internal/store"
)

// Config says how one hold is kept.
type Config struct {
	TTL      time.Duration // that each write gives the entry
	Interval time.Duration // from one send to the next
	// Pause follows a failed write. It doubles with each further failure, up to LongestPause. Holders that all failed at the
	// same moment must not all try again at the same moment, so the pause is a fifth shorter, and the shell may add two fifths.
	Pause, LongestPause time.Duration
	// Shortest and Longest limit how long one write may take. Between them a write may take half of the remaining trust, so that
	// there is time for another one.
	Shortest, Longest time.Duration
}

// Outcome is the known result of a write.
type Outcome int

// The outcomes.
const (
	Done    Outcome = iota // it is stored
	NotDone                // it is not stored: the same write may be tried again
	Unknown                // it may be stored, now or later: the next write of the hold settles that
	Over                   // the hold has ended: the entry is gone or another's, or the answer came too late
)

// String names the outcome.
func (o Outcome) String() string { return [...]string{"done", "not done", "unknown", "over"}[o] }

// OutcomeOf says what an error of the store means for the hold that the write belongs to. For an unknown error it returns
// [Unknown].
func OutcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return Done
	case errors.Is(err, store.ErrLost), errors.Is(err, store.ErrLate), errors.Is(err, store.ErrTaken):
		return Over
	case errors.Is(err, store.ErrNotDone):
		return NotDone
	default:
		return Unknown
	}
}

// Effect is what to do now. It is one of [Write], [Wait] and [End], and prints as one line.
type Effect interface {
	fmt.Stringer
	effect()
}

type (
	// Write asks the shell to write the entry within Limit. [Hold.Answered] takes the answer.
	Write struct{ Limit time.Duration }
	// Wait asks the shell to call again at a time, or up to Spread later, but never earlier.
	Wait struct {
		At     time.Time
		Spread time.Duration
	}
	// End says, once, that the hold is over. Err is the answer that ended it; nil if the trust ran out.
	End struct{ Err error }
)

func (*Write) effect() {}
func (*Wait) effect()  {}
func (*End) effect()   {}

func (e *Write) String() string { return fmt.Sprintf("write within %s", e.Limit) }

func (e *Wait) String() string {
	switch {
	case e.At.IsZero():
		return "sleep"
	case e.Spread > 0:
		return fmt.Sprintf("wait until %s, or %s longer", e.At.Format("15:04:05.000"), e.Spread)
	default:
		return "wait until " + e.At.Format("15:04:05.000")
	}
}

func (e *End) String() string {
	if e.Err == nil {
		return "end: the trust has run out"
	}
	return "end: " + e.Err.Error()
}

// Hold is one hold on an entry. Its invariants, which valid checks:
//
//  1. a hold that lives and has no write under way has a time at which the next one is due;
//  2. what was asked for is never older than what a write carries, and what is answered never newer;
//  3. after the end nothing is under way.
//
// The zero value is a hold that has ended. A hold is begun by [New] or [Held].
type Hold struct {
	cfg      Config
	lives    bool
	told     bool      // that it has ended
	err      error     // why, if an answer ended it
	held     bool      // a write was acknowledged
	sent     time.Time // of the last acknowledged write; the beginning of the hold before the first
	writing  bool
	due      time.Time // of the next write, unless one is under way
	spread   time.Duration
	failures int // in a row

	asked    uint64 // requests so far
	carried  uint64 // how many of them the write under way, or the last one, goes with
	answered uint64 // how many of them an acknowledged write went with
}

// New returns a hold that begins. Its first write is due. It must be acknowledged before the end of the trust in a write sent
// at begun.
func New(cfg Config, begun time.Time) Hold {
	return Hold{cfg: cfg, lives: true, sent: begun, due: begun}
}

// Held returns a hold whose first write was sent at that time and is acknowledged.
func Held(cfg Config, sent time.Time) Hold {
	return Hold{cfg: cfg, lives: true, held: true, sent: sent, due: sent.Add(cfg.Interval)}
}

// TrustedUntil returns the time from which the holder must not trust the hold any more.
func (h *Hold) TrustedUntil() time.Time {
	return store.Lease{Sent: h.sent, TTL: h.cfg.TTL}.TrustedUntil()
}

// Hurry reports something urgent that does not wait for the interval. The write that carries it begins now, or when the present
// write has been acknowledged. If that fails, the attempt after the pause carries it. Hurry returns the number of the request,
// for [Hold.Settled].
func (h *Hold) Hurry(now time.Time) (request uint64) {
	h.asked++
	if !h.writing && now.Before(h.due) {
		h.due, h.spread = now, 0
	}
	return h.asked
}

// Settled reports whether a write that began after the request is acknowledged.
func (h *Hold) Settled(request uint64) bool { return h.answered >= request }

// Answered takes the answer to the present write: the time of its sending, its lease if it is stored, and the error otherwise.
// It returns what the answer means for the hold. An answer that comes after the end of the hold means nothing.
func (h *Hold) Answered(now, sent time.Time, err error) Outcome {
	if !h.lives || !h.writing {
		return Over
	}
	h.writing = false
	outcome := OutcomeOf(err)
	switch {
	case outcome == Over:
		h.lives, h.err = false, err
	case outcome == Done && !h.held && !now.Before(h.TrustedUntil()):
		// It is stored, and may have expired. Others then consider the hold over, so it must not begin again.
		outcome, h.lives = Over, false
	case outcome == Done:
		h.held, h.sent, h.failures, h.answered = true, sent, 0, h.carried
		// The interval counts from the send, not from the answer, so a slow store does not make the writes rarer.
		h.due, h.spread = sent.Add(h.cfg.Interval), 0
		if h.asked > h.carried {
			h.due = now
		}
	default:
		pause := min(h.cfg.Pause<<min(h.failures, 10), h.cfg.LongestPause)
		h.failures++
		h.due, h.spread = now.Add(pause-pause/5), 2*pause/5
	}
	return outcome
}

// Next returns what to do now. A write counts as under way once Next has returned it.
func (h *Hold) Next(now time.Time) Effect {
	end := h.TrustedUntil()
	if h.lives && !now.Before(end) {
		h.lives = false
	}
	switch {
	case !h.lives && !h.told && h.cfg.TTL > 0:
		h.told, h.writing = true, false
		return &End{h.err}
	case !h.lives:
		return &Wait{}
	case h.writing, !h.due.Before(end):
		return &Wait{At: end}
	case now.Before(h.due):
		return &Wait{h.due, min(h.spread, end.Sub(h.due))}
	}
	h.writing, h.carried = true, h.asked
	return &Write{max(h.cfg.Shortest, min(end.Sub(now)/2, h.cfg.Longest))}
}

// valid returns the first invariant that is broken.
func (h *Hold) valid() error {
	switch {
	case h.lives && !h.writing && h.due.IsZero():
		return errors.New("no write is due")
	case h.carried > h.asked, h.answered > h.carried:
		return fmt.Errorf("%d requests asked, %d carried, %d answered", h.asked, h.carried, h.answered)
	case h.told && (h.lives || h.writing):
		return errors.New("it goes on after its end")
	}
	return nil
}
