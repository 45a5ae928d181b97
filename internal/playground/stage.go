// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

// Package playground lets a web page play with a fleet in simulated time. It runs the fleet of [sim.Play], does what the player
// asks for, and reports changes in the form in which package web reports those of a real group.
package playground

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parti-go/parti/internal/sim"
)

// Stage is a play and what was told of it.
type Stage struct {
	play    *sim.Play
	seq     uint64
	head    head
	lanes   map[string]lane
	plan    planWords
	journal time.Time // up to which it was told
	scratch []row
}

// New returns a stage on which the workers are about to start. The play begins at start.
func New(start time.Time, workers, partitions int, seed uint64) (*Stage, error) {
	play, err := sim.NewPlay(start, workers, partitions, seed)
	if err != nil {
		return nil, err
	}
	return &Stage{play: play, lanes: map[string]lane{}, journal: start}, nil
}

// Advance lets the fleet go on for a while.
func (s *Stage) Advance(d time.Duration) { s.play.Advance(d) }

// actions are what a player does to one process, or to the fleet.
var actions = map[string]func(p *sim.Play, process string) error{
	"kill":   (*sim.Play).Kill,
	"stop":   (*sim.Play).Stop,
	"drain":  (*sim.Play).Drain,
	"freeze": (*sim.Play).Freeze,
	"thaw":   (*sim.Play).Thaw,
	"cut":    (*sim.Play).Cut,
	"heal":   (*sim.Play).Heal,
	"jam":    (*sim.Play).Jam,
	"free":   (*sim.Play).Free,
	"add": func(p *sim.Play, _ string) error {
		_, err := p.Add()
		return err
	},
	"stop-store":  func(p *sim.Play, _ string) error { return p.StopStore() },
	"start-store": func(p *sim.Play, _ string) error { return p.StartStore() },
}

// Do does one thing. Those that concern no process take "".
func (s *Stage) Do(action, process string) error {
	do := actions[action]
	if do == nil {
		return fmt.Errorf("%w: action %q, allowed: %s", sim.ErrImpossible, action, names(actions))
	}
	return do(s.play, process)
}

func names[V any](m map[string]V) string {
	var list []string
	for name := range m {
		list = append(list, name)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// Look tells what has changed since it told last. The first time it tells everything.
func (s *Stage) Look() []byte {
	v, first := s.play.Look(), s.seq == 0
	f := frame{
		At: v.At.UnixMilli(), Running: v.Running, Partitions: v.Partitions, Refused: v.Refused, Broken: v.Broken, Down: v.Down,
		Group: first, Delta: s.delta(&v), Changes: s.changes(),
	}
	for _, n := range s.play.News() {
		f.News = append(f.News, newsWords{n.At.UnixMilli(), kinds[n.Kind], n.Text})
	}
	for i := range v.Processes {
		f.Fleet = append(f.Fleet, processOf(&v.Processes[i]))
	}
	b, err := json.Marshal(f)
	if err != nil {
		panic("playground: " + err.Error()) // nothing in these types can fail
	}
	return b
}

// changes tells what is new in the journal.
func (s *Stage) changes() (list []changeWords) {
	for _, v := range s.play.Journal(s.journal) {
		s.journal = v.Stored
		for _, c := range v.Changes {
			for _, p := range c.Partitions {
				list = append(list, changeWords{
					At: v.Stored.UnixMilli(), Partition: p, From: c.From, To: c.To, Epoch: c.Epoch, Version: v.Version, Term: v.Term, By: v.By, Why: v.Why,
				})
			}
		}
	}
	return list
}
