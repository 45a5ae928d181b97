// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/strategy"
	"github.com/parti-go/parti/strategy/whatif"
)

// Standing says where a partition stands between two owners.
type Standing string

// The standings.
const (
	Owned     Standing = "owned"     // a live worker has it
	Releasing Standing = "releasing" // its owner has been asked to let go
	Awaited   Standing = "awaited"   // its owner is gone, and its place is kept for a while
	Unowned   Standing = "unowned"   // nobody has it, and nobody is awaited
	Unlisted  Standing = "unlisted"  // no record names it, or only as one that the source does not list
)

// Explanation says why a partition is where it is.
type Explanation struct {
	Partition string
	At        time.Time // of the explanation
	Standing  Standing
	// Owner is the worker that has the partition, or for which it is kept; the zero value if there is none.
	Owner Owner
	// Granted is the change by which the owner got the partition. Last is its newest change. Both are zero if the journal
	// has none.
	Granted, Last Change
	// Until is the time until which the partition is kept for its owner; zero if it is not kept, or if the time is not
	// known.
	Until time.Time
	// Today is the owner in a new plan made now, and Heir the owner if the present one crashed; "" if that is not known, or
	// if there would be none.
	Today, Heir string
	// Sentences say all of this to people, the most important first.
	Sentences []string
}

// MarshalJSON writes the names in camelCase and the times in milliseconds since 1970, 0 for unknown.
func (e Explanation) MarshalJSON() ([]byte, error) {
	type change struct {
		At          int64              `json:"at"`
		From        string             `json:"from"`
		To          string             `json:"to"`
		Epoch       int64              `json:"epoch"`
		Version     int64              `json:"version"`
		Term        uint64             `json:"term"`
		By          string             `json:"by"`
		Why         string             `json:"why"`
		Certificate record.Certificate `json:"certificate"`
	}
	of := func(c Change) *change {
		if c.Partition == "" {
			return nil
		}
		return &change{millis(c.At), c.From, c.To, c.Epoch, c.Version, c.Term, c.By, c.Why, c.Certificate}
	}
	return json.Marshal(struct {
		Partition string   `json:"partition"`
		At        int64    `json:"at"`
		Standing  Standing `json:"standing"`
		Owner     string   `json:"owner"`
		Host      string   `json:"host"`
		Session   uint64   `json:"session"`
		Epoch     int64    `json:"epoch"`
		Since     int64    `json:"since"`
		Until     int64    `json:"until"`
		Granted   *change  `json:"granted"`
		Last      *change  `json:"last"`
		Today     string   `json:"today"`
		Heir      string   `json:"heir"`
		Sentences []string `json:"sentences"`
	}{
		e.Partition, millis(e.At), e.Standing, e.Owner.Worker, e.Owner.Host, e.Owner.Session, e.Owner.Epoch, millis(e.Owner.Since), millis(e.Until),
		of(e.Granted), of(e.Last), e.Today, e.Heir, e.Sentences,
	})
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Explain says why a partition is where it is: its owner, since when and by which decision, what the strategy would do with
// it, and what it waits for. The strategy is as for [Observer.WhatIf]. If none is known, Explain leaves out that part. It
// reads the journal. If it cannot read the journal, it explains the rest and also returns the error.
func (o *Observer) Explain(ctx context.Context, partition string, s strategy.Strategy) (Explanation, error) {
	changes, err := o.History(ctx, Query{Partition: partition})
	g, now := o.Group(), time.Now()
	if s == nil {
		s, _ = g.strategy()
	}
	return g.explain(g.Fleet(o.group, now), partition, now, s, changes), err
}

// explain says why a partition is where it is. s is nil if no strategy is known.
func (g Group) explain(f whatif.Fleet, partition string, now time.Time, s strategy.Strategy, changes []Change) Explanation {
	x := explainer{group: g, fleet: f, now: now, Explanation: Explanation{Partition: partition, At: now}}
	x.stand()
	x.look(changes)
	if s == nil {
		x.answer = fmt.Errorf("the plan names %s", orNone(g.Plan.Strategy))
	} else {
		x.imagine(s)
	}
	x.tell()
	return x.Explanation
}

// explainer builds an explanation.
type explainer struct {
	Explanation
	group   Group
	fleet   whatif.Fleet
	now     time.Time
	worker  *Worker // the owner
	dropped bool    // a record says that the source does not list it any more
	answer  error   // why the strategy could not be asked
}

// stand finds out which worker has the partition.
func (x *explainer) stand() {
	x.Standing = Unlisted
	var held Partition
	for i := range x.group.Workers {
		w := &x.group.Workers[i]
		at, has := slices.BinarySearchFunc(w.Partitions, x.Partition, func(p Partition, id string) int { return compare(p.ID, id) })
		if !has || x.worker != nil && w.Partitions[at].Epoch < held.Epoch {
			continue
		}
		x.worker, held = w, w.Partitions[at]
	}
	if x.dropped = held.Unlisted; x.worker == nil || x.dropped && !x.worker.Live {
		x.worker = nil
		return
	}
	w := x.worker
	x.Owner = Owner{Worker: w.ID, Host: w.Host, Session: w.Session, Epoch: held.Epoch, Since: held.Since, Releasing: held.Releasing}
	_, member := slices.BinarySearch(x.group.Plan.Members, w.ID)
	switch {
	case w.Live && held.Releasing:
		x.Standing = Releasing
	case w.Live:
		x.Standing = Owned
	case member:
		x.Standing = Awaited
		if !w.Ended.IsZero() {
			x.Until = w.Ended.Add(x.window())
		}
	default:
		x.Standing = Unowned
	}
}

// window returns how long the owner's place is kept.
func (x *explainer) window() time.Duration {
	if x.worker.Clean {
		return x.fleet.Timing.PlannedScaleWindow
	}
	return x.fleet.Timing.EmergencyGracePeriod
}

// look finds the changes in the journal.
func (x *explainer) look(changes []Change) {
	for _, c := range changes {
		if c.Partition != x.Partition {
			continue // what an entry has left out
		}
		x.Last = c
		if c.To != "" && c.To == x.Owner.Worker && c.Epoch == x.Owner.Epoch {
			x.Granted = c
		}
	}
	if x.Owner.Since.IsZero() && x.Granted.Epoch == x.Owner.Epoch { // it was granted before the observer looked
		x.Owner.Since = x.Granted.At
	}
}

// imagine asks the strategy.
func (x *explainer) imagine(s strategy.Strategy) {
	if x.worker == nil || x.dropped {
		return
	}
	anew, err := whatif.Ask(x.fleet, whatif.Change{Strategy: s}, s)
	if err != nil {
		x.answer = err
		return
	}
	at := slices.IndexFunc(x.fleet.Partitions, func(p whatif.Partition) bool { return p.ID() == x.Partition })
	x.Today = x.fleet.Partitions[at].Owner
	if to, moves := destination(anew, x.Partition); moves {
		x.Today = to
	}
	if x.fleet.Partitions[at].Owner == "" || !x.worker.Live {
		return
	}
	without, err := whatif.Ask(x.fleet, whatif.Change{Lose: []string{x.Owner.Worker}}, s)
	if err == nil {
		x.Heir, _ = destination(without, x.Partition)
	} else if !errors.Is(err, whatif.ErrInvalidChange) {
		x.answer = err
	}
}

// destination returns the last owner of a partition in the answer.
func destination(a whatif.Answer, partition string) (to string, moves bool) {
	for _, m := range a.Moves {
		if m.Partition == partition {
			to, moves = m.To, true
		}
	}
	return to, moves
}

func (x *explainer) say(format string, args ...any) {
	x.Sentences = append(x.Sentences, fmt.Sprintf(format, args...))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return fmt.Sprintf("%q", s)
}
