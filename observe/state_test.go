// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/internal/record"
	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/kv"
)

// stateOf is the state of the only worker.
func (f *feedOf) stateOf(t *testing.T) parti.State {
	t.Helper()
	g, _ := f.m.group()
	require.Len(t, g.Workers, 1)
	return g.Workers[0].State
}

func (f *feedOf) phase(phase record.Phase) {
	f.put(store.Assignments, store.PlanKey, record.Plan{Term: 1, Version: 1, Phase: phase, Lifecycle: "stable"})
}

func TestTheRecordsSayWhereAWorkerStands(t *testing.T) {
	f := &feedOf{m: newModel()}
	f.synced()
	f.put(store.StableIDs, "worker-0", record.Claim{}) // the revision is the session
	session := f.revision
	require.Equal(t, parti.StateClaimingID, f.stateOf(t))
	f.put(store.Heartbeats, "worker-0", record.Heartbeat{Session: session})
	require.Equal(t, parti.StateElection, f.stateOf(t), "nobody leads")
	f.put(store.Assignments, store.TermKey, record.Term{Number: 1, Worker: "worker-0", Session: session})
	require.Equal(t, parti.StateWaitingAssignment, f.stateOf(t))
	f.phase(record.PhaseScaling)
	require.Equal(t, parti.StateScaling, f.stateOf(t), "a window is open, and it has no assignment yet")
	f.put(store.Heartbeats, "worker-0", record.Heartbeat{Session: session, Applied: record.Position{Term: 1, Version: 1}})
	for phase, state := range map[record.Phase]parti.State{
		record.PhaseRebalancing: parti.StateRebalancing, record.PhaseEmergency: parti.StateEmergency, record.PhaseIdle: parti.StateStable,
	} {
		f.phase(phase)
		require.Equal(t, state, f.stateOf(t))
	}
	f.put(store.Assignments, store.TermKey, record.Term{Number: 2, Worker: "worker-1", Session: 99})
	f.phase(record.PhaseIdle)
	require.Equal(t, parti.StateStable, f.stateOf(t), "whoever has an assignment keeps it while nobody leads")
	f.put(store.Heartbeats, "worker-0", record.Heartbeat{Session: session, Applied: record.Position{Term: 1, Version: 1}, Leaving: true})
	require.Equal(t, parti.StateStable, f.stateOf(t), "leaving is a flag")
	f.expire("worker-0")
	require.Equal(t, parti.StateShutdown, f.stateOf(t), "the claim outlives the session")
	f.put(store.StableIDs, "worker-0", record.Claim{Session: session + 1000})
	require.Equal(t, parti.StateClaimingID, f.stateOf(t), "a new session")
}

func TestACrashBeforeTheObserverLookedIsNoClaim(t *testing.T) {
	f := &feedOf{m: newModel()}
	f.put(store.StableIDs, "worker-0", record.Claim{Session: 7})
	f.grant("worker-0", 7, 1, "a")
	f.synced()
	require.Equal(t, parti.StateShutdown, f.stateOf(t))
}

func TestAGroupSaysWhichItIs(t *testing.T) {
	o := &Observer{group: parti.Config{Group: "orders"}, cfg: kv.Config{Assignment: "parti-orders-assignment"}}
	g, _ := o.newModel().group()
	require.Equal(t, "orders", g.Name)
	require.Equal(t, "parti-orders-assignment", g.Bucket)
}
