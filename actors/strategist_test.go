// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/strategy"
)

// strategyFunc is a strategy in one function.
type strategyFunc func(workers []strategy.Worker, partitions []strategy.Partition) ([]int, error)

func (f strategyFunc) Assign(workers []strategy.Worker, partitions []strategy.Partition, previous []int) ([]int, error) {
	next, err := f(workers, partitions)
	for i := range workers {
		clear(workers[i].Labels)
	}
	for i := range partitions {
		clear(partitions[i].Keys)
	}
	clear(workers)
	clear(partitions)
	for i := range previous {
		previous[i] = 99
	}
	return next, err
}

func put(t *testing.T, s *strategist) ([]int, error) {
	t.Helper()
	list, err := strategy.Prepare([]strategy.Partition{{Keys: []string{"a"}}, {Keys: []string{"b"}}})
	require.NoError(t, err)
	defer func() {
		for i, id := range []string{"a", "b"} {
			require.Equal(t, id, list.Partitions()[i].ID())
		}
	}()
	q := strategy.Question{
		Workers: []strategy.Worker{{ID: "worker-0", Labels: map[string]string{"zone": "1"}}}, List: list, Previous: []int{0, 0}, Home: []int{0, 0},
	}
	defer func() {
		require.Equal(t, []int{0, 0}, q.Previous)
		require.Equal(t, []strategy.Worker{{ID: "worker-0", Labels: map[string]string{"zone": "1"}}}, q.Workers)
	}()
	plan, err := s.ask(t.Context(), q)
	return plan.Owners, err
}

func TestAStrategyMayScribbleOnWhatItIsGiven(t *testing.T) {
	next, err := put(t, newStrategist(strategyFunc(func([]strategy.Worker, []strategy.Partition) ([]int, error) {
		return []int{0, 0}, nil
	}), time.Minute))
	require.NoError(t, err)
	require.Equal(t, []int{0, 0}, next)
}

func TestAStrategyThatHangsIsNotCalledASecondTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		release := make(chan struct{})
		s := newStrategist(strategyFunc(func([]strategy.Worker, []strategy.Partition) ([]int, error) {
			calls.Add(1)
			<-release
			return []int{0, 0}, nil
		}), 10*time.Second)
		for _, expected := range []struct {
			text string
			took time.Duration
		}{{"no answer within OperationTimeout 10s", 10 * time.Second}, {"an earlier call has not returned", 0}} {
			began := time.Now()
			_, err := put(t, s)
			require.ErrorIs(t, err, ErrStrategyFailed)
			require.ErrorContains(t, err, expected.text)
			require.Equal(t, expected.took, time.Since(began))
		}
		require.Equal(t, int64(1), calls.Load())
		close(release)
		synctest.Wait()
		next, err := put(t, s)
		require.NoError(t, err)
		require.Equal(t, []int{0, 0}, next)
	})
}

func TestALeaderThatEndsDoesNotWaitForItsStrategy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		defer close(release)
		s := newStrategist(strategyFunc(func([]strategy.Worker, []strategy.Partition) ([]int, error) {
			<-release
			return nil, nil
		}), time.Hour)
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		_, err := s.ask(ctx, strategy.Question{List: &strategy.Prepared{}})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, time.Second, time.Since(began))
	})
}
