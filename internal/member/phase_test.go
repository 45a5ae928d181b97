// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/fsm"
	"github.com/parti-go/parti/internal/record"
)

// TestEveryPhaseIsReachedOverEdgesOfTheTable: from wherever a worker stands, following any phase takes allowed steps
// only, ends, and ends in the state that the phase asks for.
func TestEveryPhaseIsReachedOverEdgesOfTheTable(t *testing.T) {
	want := map[record.Phase]fsm.State{
		record.PhaseIdle: fsm.Stable, record.PhaseScaling: fsm.Scaling, record.PhaseRebalancing: fsm.Rebalancing, record.PhaseEmergency: fsm.Emergency,
	}
	target := func(from fsm.State, event fsm.Event) (fsm.State, bool) {
		for _, row := range fsm.Transitions() {
			for _, s := range row.From {
				if s == from && row.Event == event {
					return row.To, true
				}
			}
		}
		return "", false
	}
	for _, from := range []fsm.State{fsm.WaitingAssignment, fsm.Stable, fsm.Scaling, fsm.Rebalancing, fsm.Emergency} {
		for phase, end := range want {
			state := from
			for steps := 0; ; steps++ {
				require.Less(t, steps, 5, "%s at %s", phase, from)
				event, more := towards(state, phase, true)
				if !more {
					break
				}
				next, allowed := target(state, event)
				require.True(t, allowed, "%s in %s", event, state)
				state = next
			}
			require.Equal(t, end, state, "%s at %s", phase, from)
		}
		_, more := towards(from, record.PhaseIdle, false)
		require.False(t, more, "without an assignment nobody becomes Stable")
	}
	for _, from := range []fsm.State{fsm.Init, fsm.ClaimingID, fsm.Election, fsm.Shutdown} {
		for phase := range want {
			_, more := towards(from, phase, true)
			require.False(t, more, "%s at %s", phase, from)
		}
	}
}

// TestAnInterruptionGoesByTheStepsThatWereMade: who failed while it performed effects has not made every step. The next
// incarnation gives up what is held only if it begins in ClaimingID.
func TestAnInterruptionGoesByTheStepsThatWereMade(t *testing.T) {
	for _, reached := range fsm.States() {
		for _, restarts := range []bool{true, false} {
			m := New(Config{Before: Before{State: fsm.Emergency}})
			var fired []*Fire
			for _, e := range m.Step(start, &Interrupted{reached, restarts}, nil) {
				if f, is := e.(*Fire); is {
					fired = append(fired, f)
				}
			}
			end := fsm.Shutdown
			if restarts && reached != fsm.Shutdown {
				end = fsm.ClaimingID
			}
			if reached == fsm.Shutdown || restarts && (reached == fsm.Init || reached == fsm.ClaimingID) {
				require.Empty(t, fired, "%s", reached)
				continue
			}
			require.Len(t, fired, 1)
			require.Equal(t, reached, fired[0].From)
			require.Equal(t, end, fired[0].To)
			require.Empty(t, m.Step(start, &Interrupted{fired[0].To, true}, nil))
		}
	}
}
