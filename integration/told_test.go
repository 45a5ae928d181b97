package integration

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

const handoff = 30 * time.Second

// told counts the errors of a process that wrap a sentinel, nil for any, and contain a text.
func told(p *fleet.Process, target error, text string) (n int) {
	for _, err := range p.Errors() {
		if (target == nil || errors.Is(err, target)) && strings.Contains(err.Error(), text) {
			n++
		}
	}
	return n
}

// gate is an assignment hook that hangs while it is shut.
type gate struct {
	shut atomic.Bool
	open chan struct{}
	over <-chan struct{} // the test
}

func newGate(f *fleet.Fleet) *gate { return &gate{open: make(chan struct{}), over: f.Closing()} }

func (g *gate) hook(context.Context, []parti.Partition, []parti.Partition) error {
	if g.shut.Load() {
		select {
		case <-g.open:
		case <-g.over:
		}
	}
	return nil
}

func TestAHookThatHangsWhileItAddsIsToldByItsWorkerAndByTheLeader(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(3)
		<-time.After(time.Minute)
		g := newGate(f)
		g.shut.Store(true)
		stuck := f.Start(1, fleet.Handler(g.hook))[0]
		f.Wait(window+10*time.Second, "it is given something", func() bool { return len(stuck.Manager.Status().Partitions) > 0 })
		granted := stuck.Manager.Status().Partitions
		require.Equal(t, parti.PhaseStarting, granted[0].Phase)
		require.NoError(t, stuck.Manager.Healthy(), "within its time")
		require.Empty(t, stuck.Manager.Status().Waits)

		<-time.After(handoff - 100*time.Millisecond)
		require.Zero(t, told(stuck, parti.ErrStuck, ""))
		<-time.After(3 * time.Second)
		id, first := stuck.Manager.WorkerID(), granted[0].Partition.ID()
		require.Equal(t, 1, told(stuck, parti.ErrStuck, first), "the worker says so once")
		require.Equal(t, 1, told(stuck, parti.ErrHandoffTimeout, id))
		waits := stuck.Manager.Status().Waits
		require.Len(t, waits, 1)
		require.Contains(t, waits[0].What, first)
		require.Equal(t, id, waits[0].Who)
		require.InDelta(t, handoff.Seconds(), time.Since(waits[0].Since).Seconds(), 4)
		require.ErrorIs(t, stuck.Manager.Healthy(), parti.ErrStuck)
		leader := f.Leader()
		require.Equal(t, 1, told(leader, parti.ErrHandoffTimeout, "worker "+id+" has not taken up"))
		require.Equal(t, 1, told(leader, parti.ErrStuck, "worker "+id+" says"))
		require.Equal(t, 2, told(leader, nil, first), "both name the partition")
		require.NoError(t, leader.Manager.Healthy(), "nothing is wrong with the leader")

		<-time.After(time.Hour)
		require.Equal(t, 1, told(stuck, parti.ErrStuck, ""), "not again and again")
		require.Equal(t, 2, told(leader, nil, id))
		close(g.open)
		f.Wait(time.Second, "it is healthy", func() bool { return stuck.Manager.Healthy() == nil })
		require.Empty(t, stuck.Manager.Status().Waits)
		require.Contains(t, f.Checker.Events(), "a wait is over")
		f.Settle(time.Second)
		require.Equal(t, parti.PhaseRunning, stuck.Manager.Status().Partitions[0].Phase)
	})
}

func TestAHookThatHangsAfterSelfFencingIsTold(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		g := newGate(f)
		f.Begin(3)
		stuck := f.Start(1, fleet.Handler(g.hook))[0]
		f.Settle(window + 11*time.Second)
		first := stuck.Running()[0]
		g.shut.Store(true)
		stuck.Link.Cut()
		f.Wait(heartbeatTTL, "its trust is over", func() bool { return stuck.Manager.State() == parti.StateClaimingID })
		stuck.Link.Heal()
		require.Zero(t, stuck.Manager.Status().TrustedFor)
		require.Equal(t, parti.PhaseStopping, stuck.Manager.Status().Partitions[0].Phase)
		<-time.After(handoff + time.Second)
		require.Equal(t, parti.StateClaimingID, stuck.Manager.State(), "what still runs must not run twice")
		require.Equal(t, 1, told(stuck, parti.ErrStuck, first))
		require.Equal(t, 1, told(stuck, parti.ErrStuck, "rejoin"))
		require.Len(t, stuck.Manager.Status().Waits, 2)
		require.ErrorIs(t, stuck.Manager.Healthy(), parti.ErrHandoffTimeout)
		close(g.open)
		f.Settle(2 * time.Minute)
		require.NoError(t, stuck.Manager.Healthy())
		require.NotEmpty(t, stuck.Running())
	})
}
