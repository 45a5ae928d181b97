// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/strategy"
)

// source is what the processes of a fleet list. Where it is versioned each process has the edition that it was deployed with; the
// others all ask the same source, which has the last one.
type source struct {
	versioned bool
	editions  [][]strategy.Partition
	made      int           // how many partitions were ever named
	takes     time.Duration // to list, at most
	fails     bool
	partial   bool // it answers with a third of its list
	watched   bool // leaders are told of changes
}

var errSource = errors.New("the source fails")

func (s *source) list() []strategy.Partition { return s.editions[len(s.editions)-1] }

// lists says that a partition is listed.
func (s *source) lists(id string) bool {
	for _, p := range s.list() {
		if p.ID() == id {
			return true
		}
	}
	return false
}

func (s *source) name() strategy.Partition {
	s.made++
	return strategy.Partition{Keys: []string{fmt.Sprintf("p-%d", s.made-1)}, Weight: 1}
}

// set makes another edition.
func (f *Fleet) set(list []strategy.Partition) {
	s := &f.source
	s.editions = append(s.editions, list)
	if s.watched && !s.versioned {
		f.leads(func(c *calculator) { c.step(&leader.SourceChanged{}) })
	}
}

// of is what the source of a process has, and its version.
func (s *source) of(w *Worker) (list []strategy.Partition, version uint64) {
	if s.versioned {
		return s.editions[w.edition], uint64(w.edition) + 1
	}
	return s.list(), 0
}

// suspects says of a plan whether it was made for another list than that of a process that starts. What they have in common is found out
// with the source, which may fail. Every edition has something in common with the others.
func (w *Worker) suspects() func(record.Plan) bool {
	own := leader.Unprepared(w.fleet.source.of(w))
	return own.Edition().Suspect
}

// lists asks the source of a process.
func (w *Worker) lists(done func([]strategy.Partition, uint64, error)) {
	s := &w.fleet.source
	list, version := s.of(w)
	err := error(nil)
	switch {
	case s.fails:
		list, version, err = nil, 0, errSource
		w.fleet.Seen["source fails"]++
	case s.partial:
		list = list[:len(list)/3]
		w.fleet.Seen["source partial"]++
	}
	w.client.After(w.client.Spread(s.takes), func() { done(list, version, err) })
}

// leads calls do for everyone that leads, or believes so.
func (f *Fleet) leads(do func(*calculator)) {
	for _, w := range f.Workers {
		if k := w.calculator; k != nil && !k.over() {
			k.client.After(0, func() { do(k) })
		}
	}
}

// Refresh asks whoever leads to list the source again. done is called for each answer.
func (f *Fleet) Refresh(done func(error)) {
	f.leads(func(c *calculator) {
		if c.over() {
			return
		}
		c.asked++
		c.refreshes[c.asked] = done
		c.step(&leader.RefreshAsked{ID: c.asked})
	})
}

// another makes another list: with a partition more, without one, or with another weight.
func (f *Fleet) another(*Worker) {
	list := slices.Clone(f.source.list())
	switch at := f.Draw(len(list)); {
	case f.Draw(3) == 0:
		list = append(list, f.source.name())
	case f.Draw(2) == 0:
		list[at].Weight = 1 + int64(f.Draw(250))
	case at > 0 && len(list) > 8: // some stay: a list with nothing in common is another application's
		list = slices.Delete(list, at, at+1)
	}
	f.changes(list)
}

// shrinks takes most of the list away, and gives it back later or not.
func (f *Fleet) shrinks(*Worker) {
	before := f.source.list()
	f.changes(slices.Clone(before[:max((len(before)+2)/3, min(len(before), 4))]))
	if f.Draw(2) == 0 {
		f.later(longest, func() { f.changes(before) })
	}
}

func (f *Fleet) changes(list []strategy.Partition) {
	f.set(list)
	for range f.Draw(4) {
		f.Refresh(func(err error) {
			if err == nil {
				f.Seen["refreshed"]++
			}
		})
	}
}

// ails makes the source slow, fail, or answer with a part of its list, and the strategy slow.
func (f *Fleet) ails(*Worker) {
	s := &f.source
	switch f.Draw(4) {
	case 0:
		s.takes = f.Spread(12 * time.Second)
	case 1:
		s.fails = true
	case 2:
		s.partial = true
	default:
		f.thinks = f.Spread(12 * time.Second)
	}
	f.changes(s.list())
	f.later(longest, func() { s.fails, s.partial, s.takes, f.thinks = false, false, 0, 0 })
}
