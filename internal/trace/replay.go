// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/parti-go/parti/internal/leader"
	"github.com/parti-go/parti/strategy"
)

// Moment is one thing that a value was told, and what it does.
type Moment struct {
	At   time.Time
	Life uint64 // values are numbered as they were made
	Kind Kind
	Fact string // its name, or what a life begins with
	Told string // what it says
	Did  []string
	// Recorded is what was done when it was recorded, each line cut to what is kept for reading. It is set where Differs is.
	Recorded []string
	// Differs says that this program does not do the same, and why where it is known. What follows in this segment is not
	// replayed.
	Differs string
	// Cut says why nothing is recorded of this life from here on.
	Cut string
}

// Replay has new values note all facts of the trace, and returns what happens in the order of time.
func (t *Trace) Replay() []Moment {
	var steps []Moment
	for _, p := range t.segments {
		steps = append(steps, (&replay{part: p, lists: map[string]*line{}}).run()...)
	}
	slices.SortStableFunc(steps, func(a, b Moment) int { return a.At.Compare(b.At) })
	return steps
}

// replay is the replay of one segment.
type replay struct {
	*part
	kind    kind
	machine machine
	lists   map[string]*line
	steps   []Moment
}

func (r *replay) run() []Moment {
	if r.begin.Begins != "" && !r.start() {
		return r.steps
	}
	for _, l := range r.lines {
		switch {
		case l.Cut != "":
			r.steps = append(r.steps, Moment{At: r.at(l), Life: l.Life, Kind: r.begin.Begins, Fact: "cut", Cut: l.Cut})
		case l.List != "":
			r.lists[l.List] = &l
		case !r.step(l):
			return r.steps
		}
	}
	return r.steps
}

// start makes the value.
func (r *replay) start() bool {
	b := r.begin
	s := Moment{At: r.at(b), Life: b.Life, Kind: b.Begins, Fact: "begins"}
	k, known := kinds[b.Begins]
	if !known {
		s.Differs = fmt.Sprintf("this release does not know values of kind %q", b.Begins)
		r.steps = append(r.steps, s)
		return false
	}
	r.kind = k
	if b.State != nil {
		s.Fact = "goes on"
		r.machine = k.empty()
		if err := (&decoder{epoch: r.epoch}).state(b.State, reflect.ValueOf(r.machine.value()).Elem()); err != nil {
			s.Differs = fmt.Sprintf("this release cannot read the state: %v", err)
		}
	} else {
		cfg := reflect.New(reflect.TypeOf(k.config).Elem())
		if err := (&decoder{epoch: r.epoch}).value(b.Config, cfg.Elem()); err != nil {
			s.Differs = fmt.Sprintf("this release cannot read what the value was made with: %v", err)
		} else {
			s.Told = describe(cfg.Elem())
			var panicked string
			s.Did, panicked = contained(func() (did []string) {
				r.machine, did = k.begin(r.at(b), cfg.Interface())
				return did
			})
			if s.compare(b); panicked != "" {
				s.Differs = "this release panics: " + panicked
			}
		}
	}
	r.steps = append(r.steps, s)
	return s.Differs == ""
}

// step has the value note a fact.
func (r *replay) step(l line) bool {
	s := Moment{At: r.at(l), Life: l.Life, Kind: r.begin.Begins, Fact: l.Fact}
	of, known := r.kind.facts[l.Fact]
	if !known {
		s.Differs = fmt.Sprintf("this release does not know the fact %q", l.Fact)
		r.steps = append(r.steps, s)
		return false
	}
	fact := reflect.New(of)
	if err := (&decoder{epoch: r.epoch, lists: r.list}).value(l.Is, fact.Elem()); err != nil {
		s.Differs = fmt.Sprintf("this release cannot read the fact: %v", err)
		r.steps = append(r.steps, s)
		return false
	}
	s.Told = describe(fact.Elem())
	var panicked string
	s.Did, panicked = contained(func() []string { return r.machine.step(s.At, fact.Interface()) })
	switch {
	case l.Panicked && panicked == "":
		s.Differs = "it panicked when it was recorded, and this release does not"
	case !l.Panicked && panicked != "":
		s.Differs = "this release panics: " + panicked
	case panicked != "":
		s.Did = []string{"panic: " + panicked}
	default:
		s.compare(l)
	}
	r.steps = append(r.steps, s)
	return s.Differs == "" && panicked == ""
}

// compare says whether the same was done.
func (s *Moment) compare(l line) {
	same := l.Sum == ""
	if len(s.Did) > 0 {
		same = sum(s.Did) == l.Sum
	}
	if !same {
		s.Differs, s.Recorded = "it did something else when it was recorded", l.Did
	}
}

func contained(step func() []string) (did []string, panicked string) {
	defer func() {
		if p := recover(); p != nil {
			panicked = fmt.Sprint(p)
		}
	}()
	return step(), ""
}

// list returns a list by its name. Each time it is another value, as each listing is.
func (r *replay) list(name string) (*leader.Listing, error) {
	l, known := r.lists[name]
	if !known {
		return nil, fmt.Errorf("the list %s is not there", name)
	}
	var partitions []strategy.Partition
	if err := json.Unmarshal(l.Partitions, &partitions); err != nil {
		return nil, fmt.Errorf("the list %s: %w", name, err)
	}
	return leader.NewListing(partitions, l.Edition)
}
