// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"fmt"
	"strings"
	"time"
)

// This file is how effects print: the lines of the debug log and of the golden scripts.

// clock prints a time of day.
func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }

// either prints one of two.
func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

func (e *Open) String() string { return "open the store" + either(e.Running, " again", "") }
func (e *Use) String() string  { return "use the store" }

func (e *Spawn) String() string {
	text := "spawn " + string(e.Kind)
	switch e.Kind {
	case Claimer:
		if e.Prefer != "" {
			text += ", prefer " + e.Prefer
		}
		if e.Prior != nil {
			text += fmt.Sprintf(", after claim %d of %s", e.Prior.Revision, e.Prior.Key)
		}
	case Heartbeat:
		text += either(e.Anew, ", after a panic", "") + e.Standing.String()
		if e.Shown > 0 {
			text += fmt.Sprintf(", shown version %d", e.Shown)
		}
	case Elector:
		text += fmt.Sprintf(", above term %d", e.Floor.Term)
	case Follower:
		text += fmt.Sprintf(", at term %d version %d", e.Highest.Term, e.Highest.Version)
		if e.Carried != 0 {
			text += fmt.Sprintf(", carry session %d", e.Carried)
		}
		text += either(e.First, ", compare the group first", "")
	case Calculator:
		text += fmt.Sprintf(" of term %d, above version %d, since heartbeat %d", e.Fence.Term, e.Floor.Version, e.Since)
		text += either(e.Heir, "", ", nobody led before")
	case Host:
	}
	return text
}

func (s Standing) String() string {
	return either(s.Leaving, ", leaving", "") + either(s.Cordoned, ", cordoned", "")
}

func (e *Stop) String() string { return "stop " + string(e.Kind) }

func (e *Begin) String() string {
	return fmt.Sprintf("begin session %d of %s", e.Number, e.Worker) + either(e.Keeps, ", keep what is held", "")
}

func (e *Trust) String() string {
	return "trust until " + clock(e.Until) + either(e.Takes, "", ", take nothing up")
}

func (e *Carry) String() string { return either(e.Does, "carry what is held", "carry nothing") }

func (e *Rejoin) String() string {
	return "rejoin after " + either(e.Before == "", "nothing", e.Before) + either(e.Carrying, ", carrying", "")
}

func (e *Beat) String() string { return fmt.Sprintf("beat for term %d", e.Fence.Term) }

func (e *Announce) String() string { return fmt.Sprintf("announce version %d", e.Version) }

func (e *Acknowledge) String() string {
	return fmt.Sprintf("acknowledge version %d", e.Position.Version) + either(e.Now, " at once", "")
}

func (e *Recount) String() string { return "say what is held" }
func (e *Reads) String() string   { return fmt.Sprintf("everybody reads format %d", e.Format) }
func (e *Stand) String() string {
	return "stand" + either(e.Standing == Standing{}, " as usual", e.Standing.String())
}

func (e *Complain) String() string {
	return fmt.Sprintf("complain of [%s]", strings.Join(e.Lines, "; "))
}
func (e *SawTerm) String() string { return fmt.Sprintf("saw term %d", e.Term) }
func (e *NewTerm) String() string {
	return fmt.Sprintf("begin a new term in place of %d", e.Fence.Term)
}

func (e *Abstain) String() string {
	return either(e.Until.IsZero(), "abstain no longer", "abstain until "+clock(e.Until))
}

func (e *Return) String() string { return "tell what runs to return: " + e.Why.Error() }
func (e *Void) String() string   { return "tell what runs that nothing may be done: " + e.Why.Error() }

func (e *GiveUp) String() string {
	return fmt.Sprintf("give everything up (%d) until %s: %v", e.ID, clock(e.Until), e.Why)
}

func (e *Drop) String() string    { return "drop what is carried: " + e.Why.Error() }
func (e *Hurry) String() string   { return "hurry the hook" }
func (e *Abandon) String() string { return fmt.Sprintf("wait for no handler (%d)", e.ID) }
func (e *Delete) String() string  { return fmt.Sprintf("delete from %s (%d)", e.Bucket, e.ID) }
func (e *Fire) String() string    { return fmt.Sprintf("fire %s: %s -> %s", e.Event, e.From, e.To) }

func (e *Publish) String() string {
	s := e.Status
	return fmt.Sprintf("publish %s %s/%d", s.State, s.Worker, s.Session) + either(s.Leader, ", leads", "") +
		either(s.Degraded, ", degraded", "") + either(s.Ready, ", ready", "") + s.Standing.String()
}

func (e *Lead) String() string {
	return fmt.Sprintf(either(e.Leads, "lead", "cease to lead")+" in term %d", e.Term)
}
func (*Ready) String() string      { return "tell that it is ready" }
func (e *Drained) String() string  { return "drained" }
func (e *NoteLeft) String() string { return "note what is not handed over" }

func (e *Show) String() string {
	keys := make([]string, 0, len(e.Waits))
	for _, w := range e.Waits {
		keys = append(keys, w.Key)
	}
	return fmt.Sprintf("await [%s]", strings.Join(keys, ", "))
}

func (e *Blame) String() string { return "blame: " + e.Err.Error() }
func (e *Leave) String() string {
	return "leave until " + clock(e.By) + either(e.Again, ", to be begun anew", "")
}
func (e *Report) String() string { return "report: " + e.Err.Error() }

func (e *Say) String() string {
	text := "say: " + e.Text
	for i := 0; i+1 < len(e.Args); i += 2 {
		text += fmt.Sprintf(" %v=%v", e.Args[i], e.Args[i+1])
	}
	return text
}

func (e *Wake) String() string { return either(e.At.IsZero(), "sleep", "wake at "+clock(e.At)) }

func (e *End) String() string {
	text := "end" + either(e.Hasty, ", wait for nobody", "")
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}
