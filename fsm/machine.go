// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package fsm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/looplab/fsm"
)

// ErrNotAllowed says that the table has no row for an event in a state.
var ErrNotAllowed = errors.New("event not allowed in this state")

// States returns all states in the order of a worker's life.
func States() []State { return slices.Clone(states) }

// Transitions returns the rows of the table in reading order.
func Transitions() []Transition {
	rows := slices.Clone(table)
	for i := range rows {
		rows[i].From = slices.Clone(rows[i].From)
	}
	return rows
}

// Allowed reports whether some event leads from one state directly to the other.
func Allowed(from, to State) bool {
	return slices.ContainsFunc(table, func(t Transition) bool { return t.To == to && slices.Contains(t.From, from) })
}

// Machine is one running state machine. Call Fire and Can from one goroutine at a time. You may call State from any
// goroutine.
type Machine struct {
	fsm   *fsm.FSM
	state atomic.Pointer[State]
}

// New returns a machine in state Init.
func New() *Machine {
	events := make(fsm.Events, 0, len(table))
	for _, t := range table {
		src := make([]string, len(t.From))
		for i, s := range t.From {
			src[i] = string(s)
		}
		events = append(events, fsm.EventDesc{Name: string(t.Event), Src: src, Dst: string(t.To)})
	}
	m := &Machine{fsm: fsm.NewFSM(string(Init), events, nil)}
	m.publish()
	return m
}

// Fire makes the step that the table has for event. If the table does not allow event, Fire changes nothing and returns an
// error that wraps ErrNotAllowed.
func (m *Machine) Fire(event Event) (from, to State, err error) {
	from = m.State()
	// Never a context that can end: looplab/fsm would stay blocked for good.
	if err := m.fsm.Event(context.Background(), string(event)); err != nil {
		return from, from, fmt.Errorf("%w: event %s in state %s", ErrNotAllowed, event, from)
	}
	return from, m.publish(), nil
}

// Can reports whether the table allows event now.
func (m *Machine) Can(event Event) bool { return m.fsm.Can(string(event)) }

// State returns the present state.
func (m *Machine) State() State { return *m.state.Load() }

func (m *Machine) publish() State {
	s := State(m.fsm.Current())
	m.state.Store(&s)
	return s
}
