package observe

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv"
)

// stateOf is the state of the only worker.
func (f *feedOf) stateOf(t *testing.T) parti.State {
	t.Helper()
	g, _ := f.m.group()
	require.Len(t, g.Workers, 1)
	return g.Workers[0].State
}

func (f *feedOf) phase(phase kv.Phase) {
	f.put(kv.Assignments, kv.PlanKey, kv.Plan{Term: 1, Version: 1, Phase: phase, Lifecycle: "stable"})
}

func TestTheRecordsSayWhereAWorkerStands(t *testing.T) {
	f := &feedOf{m: newModel()}
	f.synced()
	f.put(kv.StableIDs, "worker-0", kv.Claim{}) // the revision is the session
	session := f.revision
	require.Equal(t, parti.StateClaimingID, f.stateOf(t))
	f.put(kv.Heartbeats, "worker-0", kv.Heartbeat{Session: session})
	require.Equal(t, parti.StateElection, f.stateOf(t), "nobody leads")
	f.put(kv.Assignments, kv.TermKey, kv.Term{Number: 1, Worker: "worker-0", Session: session})
	require.Equal(t, parti.StateWaitingAssignment, f.stateOf(t))
	f.phase(kv.PhaseScaling)
	require.Equal(t, parti.StateScaling, f.stateOf(t), "a window is open, and it has no assignment yet")
	f.put(kv.Heartbeats, "worker-0", kv.Heartbeat{Session: session, Applied: kv.Position{Term: 1, Version: 1}})
	for phase, state := range map[kv.Phase]parti.State{
		kv.PhaseRebalancing: parti.StateRebalancing, kv.PhaseEmergency: parti.StateEmergency, kv.PhaseIdle: parti.StateStable,
	} {
		f.phase(phase)
		require.Equal(t, state, f.stateOf(t))
	}
	f.put(kv.Assignments, kv.TermKey, kv.Term{Number: 2, Worker: "worker-1", Session: 99})
	f.phase(kv.PhaseIdle)
	require.Equal(t, parti.StateStable, f.stateOf(t), "whoever has an assignment keeps it while nobody leads")
	f.put(kv.Heartbeats, "worker-0", kv.Heartbeat{Session: session, Applied: kv.Position{Term: 1, Version: 1}, Leaving: true})
	require.Equal(t, parti.StateStable, f.stateOf(t), "leaving is a flag")
	f.expire("worker-0")
	require.Equal(t, parti.StateShutdown, f.stateOf(t), "the claim outlives the session")
	f.put(kv.StableIDs, "worker-0", kv.Claim{Session: session + 1000})
	require.Equal(t, parti.StateClaimingID, f.stateOf(t), "a new session")
}

func TestACrashBeforeTheObserverLookedIsNoClaim(t *testing.T) {
	f := &feedOf{m: newModel()}
	f.put(kv.StableIDs, "worker-0", kv.Claim{Session: 7})
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
