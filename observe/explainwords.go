// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/strategy/whatif"
)

// This file is what an explanation says to people.

// tell writes the sentences.
func (x *explainer) tell() {
	if at := x.group.Stale; !at.IsZero() {
		x.say("The store has not answered since %s. What follows was true then.", clock(at))
	}
	x.tellStanding()
	x.tellReason()
	x.tellOwner()
	x.tellStrategy()
	x.tellGroup()
}

func (x *explainer) tellStanding() {
	who, o := x.Owner.Worker, x.Owner
	switch x.Standing {
	case Owned:
		x.say("%s has it%s, in epoch %d.", who, since(o.Since), o.Epoch)
	case Releasing:
		if x.dropped {
			x.say("The source does not list it any more: %s has been asked to let go of it.", who)
		} else {
			x.say("It is on its way: %s has been asked to let go of it. Its next owner gets it when the handler has returned.", who)
		}
		x.say("%s has had it%s, in epoch %d.", who, since(o.Since), o.Epoch)
	case Awaited:
		how := "was lost: its heartbeat expired"
		if x.worker.Clean {
			how = "stopped"
		}
		if !x.worker.Ended.IsZero() {
			how += " at " + clock(x.worker.Ended)
		}
		x.say("Nobody works on it. Its owner %s %s.", who, how)
		switch {
		case x.Until.IsZero():
			x.say("Its place is kept for a while, in case %s comes back.", who)
		case x.Until.After(x.now):
			x.say("It waits for %s until %s, and then goes to another worker.", who, clock(x.Until))
		default:
			x.say("The leader is about to give it to another worker.")
		}
	case Unowned:
		x.say("Nobody has it. %s had it in epoch %d and is not there any more. The leader places it with its next plan.", who, o.Epoch)
	case Unlisted:
		if n := x.fleet.Unseen; x.dropped {
			x.say("The source does not list it any more.")
		} else if n > 0 {
			x.say("No record names it. It is one of the %d partitions of the plan that have no owner, or the source does not list it.", n)
		} else {
			x.say("No record names it, and every partition of the plan has an owner: the source does not list it.")
		}
	}
}

func (x *explainer) tellReason() {
	c := x.Granted
	switch {
	case x.Standing == Unlisted && x.Last.Partition != "":
		x.say("The newest change was at %s: from %s to %s in version %d, because of: %s.", clock(x.Last.At), orNone(x.Last.From), orNone(x.Last.To), x.Last.Version, x.Last.Why)
		return
	case x.Standing == Unlisted:
		return
	case c.Partition == "":
		x.say("The journal does not say how %s got it: it keeps the changes of the last day.", x.Owner.Worker)
		return
	}
	from := ""
	if c.From != "" && c.From != c.To {
		from = " from " + c.From
	}
	x.say("%s got it%s at %s, in version %d of leader %s, because of: %s.", c.To, from, clock(c.At), c.Version, c.By, c.Why)
	x.tellCertificate(c.Certificate)
}

// tellCertificate says what the version brought. Its moves are those between workers that stay. They exclude the partitions of
// workers that were lost or have left.
func (x *explainer) tellCertificate(c record.Certificate) {
	if c.Moves > 0 || c.LeastMoves > 0 {
		x.say("Beyond what had to move, that version moved %s between workers that stay (least possible: %d).", partitions(c.Moves), c.LeastMoves)
	}
	x.say("That version left the fullest worker at %.3f times its fair share (at best %.3f).", c.Imbalance, c.LeastImbalance)
}

func (x *explainer) tellOwner() {
	w := x.worker
	if w == nil || !w.Live {
		return
	}
	if len(w.Stuck) > 0 {
		x.say("%s is stuck: it %s.", w.ID, strings.Join(w.Stuck, "; it "))
	}
	switch {
	case w.Leaving && !x.open():
		x.say("%s leaves, and nobody can take over: it keeps the partition until a worker joins.", w.ID)
	case w.Leaving:
		x.say("%s leaves: everything it has goes to other workers.", w.ID)
	case w.Cordoned:
		x.say("%s is cordoned: it keeps what it has and gets nothing new.", w.ID)
	}
	if w.Damped.After(x.now) {
		x.say("%s is given nothing until %s, because it failed again and again.", w.ID, clock(w.Damped))
	}
}

func (x *explainer) tellStrategy() {
	here := x.Owner.Worker
	switch {
	case x.answer != nil:
		x.say("What the strategy would do is not known: %v.", x.answer)
	case x.Today == "":
	case x.Today == here:
		x.say("If the leader planned anew now, it would stay.")
	default:
		x.say("If the leader planned anew now, it would go to %s.", x.Today)
	}
	if x.Heir != "" {
		x.say("If %s crashed, it would go to %s.", here, x.Heir)
	}
}

func (x *explainer) tellGroup() {
	p := x.group.Plan
	if x.group.Leader == "" {
		x.say("The group has no leader now: nothing moves until it has one.")
		return
	}
	switch p.Lifecycle {
	case "cold_start":
		x.say("The group is starting: its leader %s waits for workers.", x.group.Leader)
	case "post_cold_start":
		x.say("The group has just started and is settling. Its leader is %s, its phase is %s.", x.group.Leader, p.Phase)
	default:
		x.say("The group is %s. Its leader is %s, its phase is %s.", orStable(p.Lifecycle), x.group.Leader, p.Phase)
	}
}

// open reports whether a worker can take partitions. If all such workers are cordoned, cordons do not count.
func (x *explainer) open() bool {
	return slices.ContainsFunc(x.fleet.Workers, func(w whatif.Worker) bool { return !w.Away && !w.Leaving })
}

func partitions(n int) string {
	if n == 1 {
		return "1 partition"
	}
	return fmt.Sprintf("%d partitions", n)
}

func orStable(lifecycle string) string {
	if lifecycle == "" {
		return "without a plan"
	}
	return lifecycle
}

// clock writes a time for people.
func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " since " + clock(t)
}
