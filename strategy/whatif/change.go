// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package whatif

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/parti-go/parti/strategy"
)

// Change describes what might happen to a fleet, all of it at once. The zero value is no change.
type Change struct {
	// Join is the number of workers that join. Capacity and Labels belong to them.
	Join     int
	Capacity int64
	Labels   map[string]string
	// Lose names workers that crash, Drain names workers that hand everything over and then leave, and Stop names workers
	// that stop cleanly and do not come back.
	Lose, Drain, Stop []string
	// Strategy is the new strategy; nil keeps the present one.
	Strategy strategy.Strategy
	// Weights are the new weights of partitions, by ID.
	Weights map[string]int64
	// Add are partitions that the source newly lists. Remove are partitions that it no longer lists.
	Add    []strategy.Partition
	Remove []string
}

// names are what Set knows.
const names = "workers, capacity, label, lose, drain, stop, strategy, weight, add, remove"

// Set sets a part of a change from text, as in a command line or a query:
//
//	workers   +5           how many join
//	capacity  200          of those that join
//	label     zone=a       of those that join; may be set again
//	lose      worker-3     likewise drain and stop; several with commas, and may be set again
//	strategy  sticky       as strategy.Named reads it
//	weight    orders.17=300  may be set again, likewise:
//	add       orders.99=300  the weight may be left out
//	remove    orders.17
func (c *Change) Set(name, value string) error {
	var err error
	switch name {
	case "workers":
		c.Join, err = strconv.Atoi(value)
		if !strings.HasPrefix(value, "+") || err != nil {
			return fmt.Errorf("%w: workers is %q, allowed: + and a number; to remove workers, name them with lose, drain or stop", ErrInvalidChange, value)
		}
	case "capacity":
		c.Capacity, err = number(name, value)
	case "label":
		key, text, is := strings.Cut(value, "=")
		if !is || key == "" {
			return fmt.Errorf("%w: label is %q, allowed: NAME=VALUE", ErrInvalidChange, value)
		}
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		c.Labels[key] = text
	case "lose":
		c.Lose = append(c.Lose, list(value)...)
	case "drain":
		c.Drain = append(c.Drain, list(value)...)
	case "stop":
		c.Stop = append(c.Stop, list(value)...)
	case "strategy":
		c.Strategy, err = strategy.Named(value)
		if err != nil {
			err = fmt.Errorf("strategy: %w", err)
		}
	case "weight", "add", "remove":
		err = c.setPartitions(name, value)
	default:
		return fmt.Errorf("%w: it has no %q, allowed: %s", ErrInvalidChange, name, names)
	}
	return err
}

func (c *Change) setPartitions(name, value string) error {
	for _, text := range list(value) {
		id, weight, weighed := strings.Cut(text, "=")
		var w int64
		if weighed {
			var err error
			if w, err = number(name+" of "+id, weight); err != nil {
				return err
			}
		}
		switch {
		case name == "remove" && !weighed:
			c.Remove = append(c.Remove, id)
		case name == "add":
			c.Add = append(c.Add, strategy.Partition{Keys: strings.Split(id, "."), Weight: w})
		case name == "weight" && weighed:
			if c.Weights == nil {
				c.Weights = map[string]int64{}
			}
			c.Weights[id] = w
		default:
			return fmt.Errorf("%w: %s is %q, allowed: PARTITION=WEIGHT for weight, PARTITION for remove", ErrInvalidChange, name, text)
		}
	}
	return nil
}

func number(name, value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 1 || n > strategy.MaxWeight {
		return 0, fmt.Errorf("%w: %s is %q, allowed: 1 to %d", ErrInvalidChange, name, value, int64(strategy.MaxWeight))
	}
	return n, nil
}

func list(value string) (out []string) {
	for text := range strings.SplitSeq(value, ",") {
		if text = strings.TrimSpace(text); text != "" {
			out = append(out, text)
		}
	}
	return out
}

// ParseChange reads a change from a query such as net/url.Values, as Set does. It ignores the names in except.
func ParseChange(query map[string][]string, except ...string) (Change, error) {
	var c Change
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if slices.Contains(except, name) {
			continue
		}
		for _, value := range query[name] {
			if err := c.Set(name, value); err != nil {
				return Change{}, err
			}
		}
	}
	return c, nil
}

// Relist sets the list that a fleet's source would return instead of its present list, weights included.
func (c *Change) Relist(f Fleet, list []strategy.Partition) {
	now := make(map[string]int64, len(f.Partitions))
	for _, p := range f.Partitions {
		now[p.ID()] = p.Load()
	}
	for _, p := range list {
		id := p.ID()
		load, listed := now[id]
		delete(now, id)
		switch {
		case !listed:
			c.Add = append(c.Add, p)
		case load != p.Load():
			if c.Weights == nil {
				c.Weights = map[string]int64{}
			}
			c.Weights[id] = p.Load()
		}
	}
	c.Remove = append(c.Remove, slices.Sorted(maps.Keys(now))...)
}

// goes lists the workers that go, each with how.
func (c Change) goes() map[string]departure {
	goes := map[string]departure{}
	for _, way := range []struct {
		ids []string
		how departure
	}{{c.Stop, stopped}, {c.Drain, drained}, {c.Lose, lost}} { // who is lost while it drains is lost
		for _, id := range way.ids {
			goes[id] = way.how
		}
	}
	return goes
}

// check reports what cannot happen to a fleet.
func (c Change) check(f *Fleet) error {
	if c.Join < 0 {
		return fmt.Errorf("%w: Join is %d, allowed: 0 or more", ErrInvalidChange, c.Join)
	}
	for id := range c.goes() {
		if f.worker(id) == nil {
			return fmt.Errorf("%w: %q is no worker of the group, allowed: %s", ErrInvalidChange, id, some(len(f.Workers), func(i int) string { return f.Workers[i].ID }))
		}
	}
	known := make(map[string]bool, len(f.Partitions))
	for _, p := range f.Partitions {
		known[p.ID()] = true
	}
	for _, p := range c.Add {
		if id := p.ID(); known[id] {
			return fmt.Errorf("%w: add names %q, allowed: partitions that the group does not have", ErrInvalidChange, id)
		}
	}
	for _, id := range slices.Concat(c.Remove, slices.Sorted(maps.Keys(c.Weights))) {
		if !known[id] {
			return fmt.Errorf("%w: %q is no partition of the group, allowed: one of the %d it has", ErrInvalidChange, id, len(known))
		}
	}
	return nil
}

// String says what changes.
func (c Change) String() string {
	var parts []string
	add := func(n int, one, more string) {
		if n == 1 {
			parts = append(parts, one)
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf(more, n))
		}
	}
	goes := c.goes()
	for _, how := range []departure{lost, drained, stopped} {
		var ids []string
		for _, id := range slices.Sorted(maps.Keys(goes)) {
			if goes[id] == how {
				ids = append(ids, id)
			}
		}
		who := some(len(ids), func(i int) string { return ids[i] })
		add(len(ids), who+" "+how.does(), "%d workers "+how.verb()+" ("+strings.ReplaceAll(who, "%", "%%")+")")
	}
	add(c.Join, "a worker joins", "%d workers join")
	add(len(c.Add), "a partition is added", "%d partitions are added")
	add(len(c.Remove), "a partition is removed", "%d partitions are removed")
	add(len(c.Weights), "the weight of a partition changes", "the weights of %d partitions change")
	if c.Strategy != nil {
		parts = append(parts, "another strategy plans")
	}
	if len(parts) == 0 {
		return "nothing changes"
	}
	return strings.Join(parts, ", ")
}

// departure is how a worker goes.
type departure int

const (
	stays departure = iota
	lost
	drained
	stopped
)

func (d departure) verb() string { return [...]string{"stay", "crash", "drain", "stop"}[d] }

func (d departure) does() string { return [...]string{"stays", "crashes", "drains", "stops"}[d] }

// some names the first few of a number of things.
func some(n int, name func(i int) string) string {
	const most = 5
	var names []string
	for i := range min(n, most) {
		names = append(names, name(i))
	}
	text := strings.Join(names, ", ")
	if n > most {
		text = fmt.Sprintf("%s and %d more", text, n-most)
	}
	return text
}
