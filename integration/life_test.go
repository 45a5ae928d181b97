// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
)

func TestStartAndStopAreForOneLife(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 3)
		p := f.Begin(1)[0]
		require.ErrorIs(t, p.Manager.Start(background()), parti.ErrAlreadyStarted)
		require.NoError(t, p.Manager.Stop(background()))
		require.NoError(t, p.Manager.Stop(background()))
		require.ErrorIs(t, p.Manager.Start(background()), parti.ErrAlreadyStarted)
		require.ErrorIs(t, p.Manager.RefreshPartitions(background()), parti.ErrNotJoined)
		unborn := f.Make()
		require.ErrorIs(t, unborn.Manager.RefreshPartitions(background()), parti.ErrNotJoined)
		require.NoError(t, unborn.Manager.Stop(background()))
		require.ErrorIs(t, unborn.Manager.Start(background()), parti.ErrStopped)
		<-unborn.Manager.Done()
		require.NoError(t, unborn.Manager.Err())
	})
}

func TestStopIsSafeInEveryStateAndFromManyGoroutines(t *testing.T) {
	// How long after Start: from the very first instant over the cold start, a window, a rebalance, to calm.
	for _, after := range []time.Duration{
		0, time.Microsecond, time.Millisecond, 30 * time.Millisecond, 60 * time.Millisecond, time.Second,
		9*time.Second + 999*time.Millisecond, 10 * time.Second, 10*time.Second + 30*time.Millisecond, 11 * time.Second, time.Minute,
	} {
		t.Run(after.String(), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 40, fleet.SlowHandler(20*time.Millisecond))
				f.Begin(3)
				f.Rest()
				p := f.Start(1)[0]
				if after > 0 {
					<-time.After(after)
				}
				var stops sync.WaitGroup
				for range 8 {
					stops.Go(func() { require.NoError(t, p.Manager.Stop(background())) })
				}
				stops.Wait()
				<-p.Manager.Done()
				require.NoError(t, p.Manager.Err())
				if err := p.Begun(); err != nil {
					require.ErrorIs(t, err, parti.ErrStopped)
				}
				f.Settle(window + 15*time.Second)
			})
		})
	}
}

func TestAStartWhoseContextEndsCleansUp(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 10)
		p := f.Make()
		ctx, cancel := context.WithTimeoutCause(background(), 5*time.Second, errors.New("enough"))
		defer cancel()
		err := p.Manager.Start(ctx)
		require.ErrorContains(t, err, "enough")
		<-p.Manager.Done()
		keys, err := f.JS.KeyValue(background(), parti.DefaultConfig().KVBuckets.StableID)
		require.NoError(t, err)
		_, err = keys.Get(background(), "worker-0")
		require.Error(t, err, "the claim is released")
	})
}

func TestTheStartTellsWhatIsWrongWithTheSource(t *testing.T) {
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'x'
	}
	for name, c := range map[string]struct {
		list []parti.Partition
		want error
	}{
		"empty":     {nil, parti.ErrNoPartitions},
		"no keys":   {[]parti.Partition{{}}, parti.ErrNoKeys},
		"dot":       {[]parti.Partition{{Keys: []string{"a.b"}}}, parti.ErrInvalidKey},
		"star":      {[]parti.Partition{{Keys: []string{"*"}}}, parti.ErrInvalidKey},
		"space":     {[]parti.Partition{{Keys: []string{"a b"}}}, parti.ErrInvalidKey},
		"nothing":   {[]parti.Partition{{Keys: []string{""}}}, parti.ErrInvalidKey},
		"long":      {[]parti.Partition{{Keys: []string{string(long)}}}, parti.ErrInvalidKey},
		"duplicate": {[]parti.Partition{{Keys: []string{"a"}}, {Keys: []string{"a"}}}, parti.ErrDuplicateID},
		"weight":    {[]parti.Partition{{Keys: []string{"a"}, Weight: -1}}, parti.ErrInvalidWeight},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				f := fleet.New(t, s, 1)
				f.Source.Set(c.list...)
				err := f.Start(1)[0].Begun()
				require.ErrorIs(t, err, c.want)
				require.ErrorIs(t, err, parti.ErrSourceFailed)
				require.ErrorContains(t, err, "allowed")
			})
		})
	}
}

func TestTheVersionSeenNeverFalls(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 40)
		f.Begin(6)
		highest := map[string]string{}
		look := func() {
			for _, p := range f.Live() {
				a := p.Manager.Assignment()
				now := fmt.Sprintf("%06d/%06d", a.Term, a.Version)
				require.GreaterOrEqual(t, now, highest[p.Name])
				highest[p.Name] = now
			}
		}
		for i := range 120 {
			<-time.After(500 * time.Millisecond)
			look()
			switch i {
			case 10, 60:
				f.Leader().Crash()
			case 30:
				f.Start(1)
			}
		}
		f.Settle(time.Minute)
		look()
	})
}
