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
	clear(workers)
	clear(partitions)
	for i := range previous {
		previous[i] = 99
	}
	return next, err
}

func put(t *testing.T, s *strategist) ([]int, error) {
	t.Helper()
	l := newListing([]strategy.Partition{{Keys: []string{"b"}}, {Keys: []string{"a"}}})
	defer func() { require.Equal(t, []string{"a", "b"}, []string{l.partitions[0].ID(), l.partitions[1].ID()}) }()
	q := question{listing: l, workers: []strategy.Worker{{ID: "worker-0"}}, previous: []int{0, 0}, home: []int{0, 0}}
	defer func() { require.Equal(t, []int{0, 0}, q.previous); require.Equal(t, "worker-0", q.workers[0].ID) }()
	return s.ask(t.Context(), q)
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
		for _, text := range []string{"no answer within OperationTimeout 10s", "an earlier call has not returned"} {
			began := time.Now()
			_, err := put(t, s)
			require.ErrorIs(t, err, ErrStrategyFailed)
			require.ErrorContains(t, err, text)
			require.Equal(t, 10*time.Second, time.Since(began))
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
		_, err := s.ask(ctx, question{listing: newListing(nil)})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, time.Second, time.Since(began))
	})
}
