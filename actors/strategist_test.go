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

func (f strategyFunc) Assign(workers []strategy.Worker, partitions []strategy.Partition, _ []int) ([]int, error) {
	return f(workers, partitions)
}

func put(t *testing.T, s *strategist) ([]int, error) {
	t.Helper()
	l := newListing([]strategy.Partition{{Keys: []string{"b"}}, {Keys: []string{"a"}}})
	defer func() { require.Equal(t, []string{"a", "b"}, []string{l.partitions[0].ID(), l.partitions[1].ID()}) }()
	none := []int{strategy.None, strategy.None}
	return s.ask(t.Context(), question{listing: l, workers: []strategy.Worker{{ID: "worker-0"}}, previous: none, home: none})
}

func TestAStrategyMayDoWhatItLikesWithItsList(t *testing.T) {
	next, err := put(t, newStrategist(strategyFunc(func(_ []strategy.Worker, partitions []strategy.Partition) ([]int, error) {
		clear(partitions)
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
