// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fsm

import (
	"fmt"
	"slices"
	"strings"
)

// Option changes a drawing.
type Option func(*drawing)

type drawing struct {
	compact bool
	marked  State
}

// Compact leaves out the edges to Shutdown, because every state has one.
func Compact() Option { return func(d *drawing) { d.compact = true } }

// Mark highlights a state, as the one a worker is in.
func Mark(s State) Option { return func(d *drawing) { d.marked = s } }

// edge is one arrow of a drawing.
type edge struct {
	from, to State
	event    Event
}

func draw(opts []Option) (drawing, []edge) {
	var d drawing
	for _, o := range opts {
		o(&d)
	}
	var edges []edge
	for _, t := range table {
		for _, from := range t.From {
			if !d.compact || t.To != Shutdown {
				edges = append(edges, edge{from, t.To, t.Event})
			}
		}
	}
	return d, edges
}

// Mermaid draws the machine as a Mermaid state diagram.
func Mermaid(opts ...Option) string {
	d, edges := draw(opts)
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	fmt.Fprintf(&b, "    [*] --> %s\n", Init)
	for _, e := range edges {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", e.from, e.to, e.event)
	}
	fmt.Fprintf(&b, "    %s --> [*]\n", Shutdown)
	if d.compact { // last: Mermaid cannot draw a note beside a state that it has not met yet
		fmt.Fprintf(&b, "    note right of %s: from every state, on %s\n", Shutdown, EventStop)
	}
	if d.marked != "" {
		fmt.Fprintf(&b, "    classDef present stroke-width:3px\n    class %s present\n", d.marked)
	}
	return b.String()
}

// DOT draws the machine for Graphviz.
func DOT(opts ...Option) string {
	d, edges := draw(opts)
	var b strings.Builder
	b.WriteString("digraph fsm {\n    rankdir=LR\n    node [shape=box style=rounded]\n    start [shape=point]\n")
	for _, s := range states {
		switch s {
		case d.marked:
			fmt.Fprintf(&b, "    %s [penwidth=3]\n", s)
		case Shutdown:
			fmt.Fprintf(&b, "    %s [peripheries=2]\n", s)
		default:
			fmt.Fprintf(&b, "    %s\n", s)
		}
	}
	fmt.Fprintf(&b, "    start -> %s\n", Init)
	for _, e := range edges {
		fmt.Fprintf(&b, "    %s -> %s [label=%q]\n", e.from, e.to, e.event)
	}
	b.WriteString("}\n")
	return b.String()
}

// Markdown returns the table in the form of the docs.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| event | from | to | why |\n| --- | --- | --- | --- |\n")
	for _, t := range table {
		from := make([]string, len(t.From))
		for i, s := range t.From {
			from[i] = string(s)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", t.Event, strings.Join(from, ", "), t.To, t.Why)
	}
	return b.String()
}

// Validate checks the table for mistakes that looplab/fsm accepts without an error: an undeclared state or event, two rows
// for one event in one state, a state that cannot be reached, a state that cannot reach Shutdown, and an exit from
// Shutdown.
func Validate() error {
	seen := map[edge]bool{}
	for _, t := range table {
		for _, from := range append(slices.Clone(t.From), t.To) {
			if !slices.Contains(states, from) {
				return fmt.Errorf("event %s: state %q is not declared", t.Event, from)
			}
		}
		for _, from := range t.From {
			row := edge{from: from, event: t.Event}
			if seen[row] {
				return fmt.Errorf("event %s has two rows in state %s", t.Event, from)
			}
			seen[row] = true
			if from == Shutdown {
				return fmt.Errorf("event %s leaves %s", t.Event, Shutdown)
			}
		}
	}
	for _, s := range states {
		if !reaches(Init, s) {
			return fmt.Errorf("state %s cannot be reached", s)
		}
		if !reaches(s, Shutdown) {
			return fmt.Errorf("state %s cannot reach %s", s, Shutdown)
		}
	}
	return nil
}

func reaches(from, to State) bool {
	visited, queue := map[State]bool{from: true}, []State{from}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		for _, t := range table {
			if slices.Contains(t.From, s) && !visited[t.To] {
				visited[t.To] = true
				queue = append(queue, t.To)
			}
		}
	}
	return visited[to]
}
