// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

func TestPartitionsThatComeAndGoAreTakenUpAtOnceByRefresh(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(3)
		f.Rest()
		list := f.Source.List()
		for i := 30; i < 40; i++ {
			list = append(list, fleet.Partition(i))
		}
		f.Source.Set(list[5:]...)
		began := time.Now()
		require.NoError(t, f.Followers()[0].Refresh())
		f.Settle(time.Second)
		require.Less(t, time.Since(began), 500*time.Millisecond)
	})
}

func TestARefreshThatChangesNothingWritesNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(3)
		f.Rest()
		versions, calls, plans := f.Checker.Versions(), f.Checker.Calls(), len(f.Checker.Plans())
		for _, p := range f.Live() {
			require.NoError(t, p.Refresh())
		}
		<-time.After(time.Minute)
		require.Equal(t, versions, f.Checker.Versions())
		require.Equal(t, calls, f.Checker.Calls())
		require.Len(t, f.Checker.Plans(), plans)
	})
}

func TestOtherWeightsWaitForAPlannedWindow(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(3)
		f.Rest()
		heavy := f.Followers()[0].Manager.Assignment().Partitions
		list := f.Source.List()
		for i := range list {
			for _, h := range heavy {
				if h.ID() == list[i].ID() {
					list[i].Weight = 1000
				}
			}
		}
		f.Source.Set(list...)
		moves := f.Checker.Moves()
		require.NoError(t, f.Followers()[0].Refresh())
		<-time.After(window / 2)
		require.Equal(t, moves, f.Checker.Moves())
		f.Wait(window, "heavy partitions spread", func() bool { return f.Checker.Moves() > moves })
		f.Settle(time.Second)
		for _, p := range f.Live() {
			for _, q := range p.Manager.Assignment().Partitions {
				for _, h := range heavy {
					if h.ID() == q.ID() {
						require.Equal(t, int64(1000), q.Weight)
					}
				}
			}
		}
	})
}

func TestASourceThatFailsOrListsNothingTakesNothingAway(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30)
		f.Begin(4)
		f.Rest()
		cause := errors.New("the database of topics is down")
		f.Source.Fail(cause)
		err := f.Followers()[0].Refresh()
		require.ErrorIs(t, err, parti.ErrRefused)
		require.ErrorContains(t, err, cause.Error())
		list := f.Source.List()
		f.Source.Fail(nil)
		f.Source.Set()
		require.ErrorContains(t, f.Followers()[0].Refresh(), "no partitions")
		f.Source.Set(list...)
		require.NoError(t, f.Unsettled())
		f.Source.Fail(cause)
		leader := f.Leader()
		leader.Crash() // the next leader has never seen a good list
		f.Settle(heartbeatTTL + time.Second)
		f.Wait(time.Minute, "OnError says so", func() bool {
			for _, err := range f.Leader().Errors() {
				if errors.Is(err, parti.ErrSourceFailed) {
					return true
				}
			}
			return false
		})
		f.Source.Fail(nil)
		f.Wait(time.Minute, "source listed again", func() bool { return f.Unsettled() == nil })
	})
}
