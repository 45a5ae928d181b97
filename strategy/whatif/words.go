// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package whatif

import (
	"fmt"
	"strings"
	"time"

	"github.com/parti-go/parti/strategy"
)

// This file is what an answer says to people.

// move is one move, with its reason.
func (p *planner) move(i int, to, when string) Move {
	q := p.partitions[i]
	m := Move{Partition: q.ID(), From: q.Owner, To: to, Weight: q.Load(), When: when}
	if when == Later {
		m.Why = p.evens()
		return m
	}
	m.From = p.from[i]
	how := p.how[m.From]
	switch {
	case p.added[m.Partition]:
		m.Why = "it is new in the list"
	case m.From == "":
		m.Why = "it has no owner"
	case how != stays:
		m.Why = m.From + " " + how.does()
	default:
		m.Why = m.From + " leaves"
	}
	return m
}

// evens says why something moves for the sake of balance.
func (p *planner) evens() string {
	switch {
	case len(p.joining) == 1:
		return p.joining[0].ID + " joins"
	case len(p.joining) > 1:
		return fmt.Sprintf("%d workers join", len(p.joining))
	case p.change.Strategy != nil:
		return strategy.Describe(p.strategy) + " plans"
	case len(p.change.Weights) > 0:
		return "the weights are different"
	}
	return "the loads are uneven"
}

// notes are what else there is to know.
func (p *planner) notes(a Answer) []string {
	notes := []string{}
	say := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	t := p.fleet.Timing
	if p.fleet.Unseen > 0 {
		say("%s of the plan have no owner now. No record names them, so this answer leaves them out.", count(p.fleet.Unseen, "partition"))
	}
	if p.fleet.Moving > 0 {
		say("%s on the way to another worker now. This answer counts them for their present owners.", are(p.fleet.Moving, "partition"))
	}
	if p.mildly {
		say("The weights alone move nothing: the fullest worker has %.3f times its fair share, and the leader plans again from %.3f on"+
			" (MinRebalanceThreshold %g).", a.After.Imbalance, a.After.LeastImbalance*(1+t.MinRebalanceThreshold), t.MinRebalanceThreshold)
	}
	if p.change.Strategy != nil && len(a.Moves) > 0 {
		say("Starting the workers with another strategy moves nothing by itself. The next plan that may move partitions uses it.")
	}
	if len(p.joining) > 0 && len(p.members) > 0 {
		say("Workers that join get their share after PlannedScaleWindow (%s), or later, if RebalanceCooldown is not over.", t.PlannedScaleWindow)
	}
	if p.twoPlans {
		say("What has no owner is placed first. The rest moves for an even load, in a plan of its own after PlannedScaleWindow (%s).", t.PlannedScaleWindow)
	}
	for _, w := range p.waits {
		if len(w.Partitions) > 0 {
			say("%s without an owner: %s.", are(len(w.Partitions), "partition"), w.Cause)
		}
	}
	if p.closed && a.After.Unowned > 0 {
		say("Nobody is left who can take partitions. They have no owner until a worker joins.")
	}
	return notes
}

// verdict is the answer in one sentence.
func (p *planner) verdict(a Answer) string {
	var b strings.Builder
	if p.kept {
		b.WriteString("nobody can take over: a drain waits, and the worker keeps its partitions, until another joins (--within ends the wait)")
		if n := a.After.Unowned; n > 0 {
			fmt.Fprintf(&b, ", and %s left without an owner", are(n, ""))
		}
		return b.String()
	}
	if len(a.Moves) == 0 {
		b.WriteString("nothing moves")
	} else {
		fmt.Fprintf(&b, "%d of %s %s", len(a.Moves), count(a.After.Partitions, "partition"), verb(len(a.Moves), "moves", "move"))
		switch {
		case len(a.Moves) <= a.LeastMoves:
			b.WriteString(", the fewest possible")
		case a.LeastMoves > 0:
			fmt.Fprintf(&b, " (the fewest possible: %d)", a.LeastMoves)
		}
	}
	for _, o := range a.Ownerless {
		if o.Most > 0 {
			fmt.Fprintf(&b, "; %d %s no owner for %s", o.Partitions, verb(o.Partitions, "has", "have"), span(o))
		}
	}
	if n := a.After.Unowned; n > 0 {
		fmt.Fprintf(&b, "; %s left without an owner", are(n, ""))
	}
	if len(a.After.Workers) > 0 {
		b.WriteString("; the fullest worker ")
		if was, is := rounded(a.Before.Imbalance), rounded(a.After.Imbalance); was == is {
			fmt.Fprintf(&b, "stays at %s times its fair share", is)
		} else {
			fmt.Fprintf(&b, "goes from %s to %s times its fair share", was, is)
		}
		fmt.Fprintf(&b, " (the best possible: %s)", rounded(a.After.LeastImbalance))
	}
	return b.String()
}

func rounded(f float64) string { return fmt.Sprintf("%.3f", f) }

func span(o Ownerless) string {
	if o.Least == o.Most {
		return o.Most.String()
	}
	return fmt.Sprintf("about %s (%s to %s)", o.Typical.Round(10*time.Millisecond), o.Least.Round(10*time.Millisecond), o.Most.Round(10*time.Millisecond))
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func are(n int, what string) string {
	if what != "" {
		return count(n, what) + " " + verb(n, "is", "are")
	}
	return fmt.Sprintf("%d %s", n, verb(n, "is", "are"))
}

func verb(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}
