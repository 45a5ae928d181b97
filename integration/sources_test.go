// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/integration/fleet"
	"github.com/parti-go/parti/internal/bubble"
	"github.com/parti-go/parti/source"
	"github.com/parti-go/parti/strategy"
)

// seen is within what a change of a watched source is acted upon: the second for which the leader collects changes, and the
// listing, the plan and its storage.
const seen = 1500 * time.Millisecond

// watched is the fleet's source with a Watch.
type watched struct {
	*fleet.Source
	watch func(ctx context.Context, changed func()) error
}

func (w watched) Watch(ctx context.Context, changed func()) error { return w.watch(ctx, changed) }

// watches gives a process a source with this Watch.
func watches(watch func(ctx context.Context, changed func()) error) fleet.With {
	return func(s *fleet.Spec) {
		if list, is := s.Source.(*fleet.Source); is {
			s.Source = watched{list, watch}
		}
	}
}

// bell tells whoever watches that the list has changed.
type bell struct {
	mu      sync.Mutex
	changed map[int]func()
	next    int
}

func (b *bell) watch(ctx context.Context, changed func()) error {
	b.mu.Lock()
	me := b.next
	b.next++
	if b.changed == nil {
		b.changed = map[int]func(){}
	}
	b.changed[me] = changed
	b.mu.Unlock()
	<-ctx.Done()
	b.mu.Lock()
	delete(b.changed, me)
	b.mu.Unlock()
	return ctx.Err()
}

// watching counts those that watch.
func (b *bell) watching() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.changed)
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, changed := range b.changed {
		changed()
	}
}

// running counts the partitions that run.
func running(f *fleet.Fleet) (n int) {
	for _, p := range f.Live() {
		n += len(p.Running())
	}
	return n
}

func TestAWatchedSourceIsSeenOnTheLeaderOnlyAndWithinOneAndAHalfSeconds(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		var b bell
		f := fleet.New(t, s, 30, watches(b.watch))
		f.Begin(4)
		f.Rest()
		for i := range 2 {
			require.Equal(t, 1, b.watching())
			f.Source.Set(append(f.Source.List()[2:], fleet.Partition(100+i), fleet.Partition(200+i))...)
			b.ring()
			f.Settle(seen)
			f.Leader().Crash() // and the next leader watches as well
			f.Wait(leaderTTL+time.Second, "a new leader", func() bool { return f.Leader() != nil })
			f.Wait(time.Second, "a source that is watched", func() bool { return b.watching() == 1 })
			<-time.After(time.Minute)
		}
		f.Leader().Link.Stall()
		f.Wait(time.Minute, "nobody leads", func() bool { return f.Leader() != nil })
		<-time.After(time.Minute)
		require.Equal(t, 1, b.watching(), "a leader that was deposed watches no more")
	})
}

func TestABurstOfChangesIsListedOnceAndAStreamOnceASecond(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		var b bell
		f := fleet.New(t, s, 30, watches(b.watch))
		f.Begin(4)
		f.Rest()
		calls := f.Source.Calls()
		for range 10_000 {
			b.ring()
		}
		<-time.After(10 * time.Second)
		require.Equal(t, calls+1, f.Source.Calls())
		calls = f.Source.Calls()
		for range 600 {
			b.ring()
			<-time.After(100 * time.Millisecond)
		}
		require.InDelta(t, 55, f.Source.Calls()-calls, 6)
	})
}

func TestTenThousandPartitionsComeAndGoWhileTheFleetWorks(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds of CPU")
	}
	const all = 10_000
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		var b bell
		f := fleet.New(t, s, 100, fleet.Strategy(strategy.NewSticky()), watches(b.watch))
		f.Begin(5)
		f.Rest()
		first := f.Source.List()
		list := slices.Clone(first)
		for i := range all {
			list = append(list, fleet.Partition(100+i))
		}
		f.Source.Set(list...)
		b.ring()
		f.Settle(seen)
		require.Zero(t, f.Checker.Moves(), "what was there stays where it is")

		f.Source.Set(list[:60]...) // and most of them go again
		b.ring()
		<-time.After(2 * time.Second)
		require.Equal(t, len(list), running(f), "before that is confirmed everything stays")
		f.Settle(2 * time.Second)
		require.Equal(t, 60, running(f))
		require.True(t, f.Leader().Saw(parti.ErrSourceShrunk))
	})
}

func TestASourceThatFlapsTakesNothingAwayAndWhatItAddsGetsAnOwner(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		var b bell
		var gone atomic.Int64
		f := fleet.New(t, s, 60, watches(b.watch), fleet.Handler(func(_ context.Context, _, removed []parti.Partition) error {
			gone.Add(int64(len(removed)))
			return nil
		}))
		f.Begin(4)
		f.Rest()
		whole := f.Source.List()
		for i := range 20 {
			added := fleet.Partition(100 + i)
			whole = append(whole, added)
			f.Source.Set(append(slices.Clone(whole[i:i+10]), added)...)
			b.ring()
			<-time.After(seen)
			require.True(t, allRun(f, []string{added.ID()}), "what is new has an owner")
			f.Source.Set(whole...)
			b.ring()
			<-time.After(seen)
			require.NoError(t, f.Unsettled())
		}
		require.Zero(t, gone.Load())
		require.Zero(t, f.Checker.Moves())
	})
}

func TestARefreshIsAnsweredWhenTheLossOfMostIsConfirmedAndPlannedFor(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60)
		f.Begin(4)
		f.Rest()
		f.Source.Set(f.Source.List()[:20]...)
		began := time.Now()
		require.NoError(t, f.Followers()[0].Refresh())
		require.GreaterOrEqual(t, time.Since(began), 2*time.Second)
		f.Settle(100 * time.Millisecond)
		require.Less(t, time.Since(began), 3*time.Second)
	})
}

func TestALeaderThatEndsWhileItConfirmsLeavesNothingTakenAway(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 60, fleet.Config(func(c *parti.Config) { c.SourceShrinkConfirmations = 5 }))
		f.Begin(4)
		f.Rest()
		calls := f.Checker.Calls()
		list := f.Source.List()
		f.Source.Set(list[:20]...)
		leader := f.Leader()
		asked := make(chan error, 1)
		go func() { asked <- f.Live()[0].Refresh() }()
		<-time.After(3500 * time.Millisecond) // four listings
		require.Equal(t, calls, f.Checker.Calls())
		require.NoError(t, leader.Stop())
		f.Wait(leaderTTL+time.Second, "a new leader", func() bool { return f.Leader() != nil })
		<-time.After(1500 * time.Millisecond)
		require.GreaterOrEqual(t, running(f), 60-20, "one that begins counts from one")
		f.Settle(time.Minute)
		<-asked
	})
}

func TestASourceThatSaysNothingIsListedEveryRelistInterval(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 30, fleet.Config(func(c *parti.Config) { c.RelistInterval = 20 * time.Second }))
		f.Begin(3)
		f.Rest()
		f.Source.Set(append(f.Source.List()[1:], fleet.Partition(100))...)
		f.Settle(20*time.Second + 100*time.Millisecond)
		f.Source.Fail(errors.New("the database of topics is down"))
		<-time.After(time.Minute)
		require.True(t, f.Leader().Saw(parti.ErrSourceFailed))
		f.Source.Set(append(f.Source.List()[1:], fleet.Partition(101))...)
		f.Source.Fail(nil)
		f.Settle(31 * time.Second)
	})
}

// TestAWatchThatMisbehavesIsContained: whatever Watch does, the worker leads on, says so, and leaves as fast as ever.
func TestAWatchThatMisbehavesIsContained(t *testing.T) {
	for name, c := range map[string]struct {
		watch func(stuck chan struct{}) error
		says  string
	}{
		"panics":       {func(chan struct{}) error { panic("nil map") }, "nil map"},
		"fails":        {func(chan struct{}) error { return errors.New("no such bucket") }, "no such bucket"},
		"ends early":   {func(chan struct{}) error { return nil }, "before its context ended"},
		"ignores ends": {func(stuck chan struct{}) error { <-stuck; return nil }, "after its context ended"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T, s *bubble.Server) {
				var watching atomic.Int64
				stuck := make(chan struct{})
				f := fleet.New(t, s, 30)
				f.Begin(4, func(spec *fleet.Spec) {
					mine := &atomic.Int64{}
					watches(func(_ context.Context, changed func()) error {
						require.EqualValues(t, 1, mine.Add(1), "one Watch for a worker at a time")
						defer mine.Add(-1)
						watching.Add(1)
						defer watching.Add(-1)
						changed()
						return c.watch(stuck)
					})(spec)
				})
				<-time.After(time.Minute)
				leader := f.Leader()
				if name == "ignores ends" {
					leader.Link.Stall() // it leads no more, and its source is still watched
					f.Wait(leaderTTL+time.Second, "another leader", func() bool { return f.Leader() != nil && f.Leader() != leader })
					leader.Link.Heal()
					<-time.After(time.Minute)
				}
				f.Settle(time.Second)
				told := 0
				for _, err := range leader.Errors() {
					if errors.Is(err, parti.ErrSourceFailed) && strings.Contains(err.Error(), c.says) {
						told++
					}
				}
				require.Equal(t, 1, told, "%v", leader.Errors())
				// It goes on leading, or another one does, and the list is followed.
				f.Source.Set(f.Source.List()[1:]...)
				require.NoError(t, f.Followers()[0].Refresh())
				f.Settle(time.Second)
				leader = f.Leader()
				began := time.Now()
				require.NoError(t, leader.Stop())
				require.Less(t, time.Since(began), time.Second)
				close(stuck)
				f.Wait(time.Minute, "a group that is whole", func() bool { return f.Unsettled() == nil && watching.Load() <= 4 })
			})
		})
	}
}

// TestABucketThatSeveralEditAtOnceIsTheListOfTheGroup runs a fleet on source.KV: each edit is acted upon a second later, a
// value that is no weight takes nothing away, and a bucket that is emptied takes nothing away either.
func TestABucketThatSeveralEditAtOnceIsTheListOfTheGroup(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		nc, err := nats.Connect("", append(parti.ConnectOptions(), nats.InProcessServer(s))...)
		require.NoError(t, err)
		t.Cleanup(nc.Close)
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		bucket, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "topics"})
		require.NoError(t, err)
		put := func(p parti.Partition, value string) {
			_, err := bucket.PutString(t.Context(), p.ID(), value)
			require.NoError(t, err)
		}
		f := fleet.New(t, s, 20, func(spec *fleet.Spec) { spec.Source = source.KV(js, "topics") })
		for _, p := range f.Source.List() {
			put(p, "")
		}
		f.Begin(3)
		f.Rest()

		list := f.Source.List()
		var editors sync.WaitGroup
		for i := range 4 {
			editors.Go(func() {
				for j := range 10 {
					put(fleet.Partition(100+10*i+j), "200")
				}
			})
			for j := range 10 {
				list = append(list, fleet.Partition(100+10*i+j))
			}
		}
		f.Source.Set(list...)
		editors.Wait()
		f.Settle(seen)

		calls := f.Checker.Calls()
		put(list[0], "much")
		<-time.After(seen)
		require.Equal(t, calls, f.Checker.Calls())
		require.True(t, f.Leader().Saw(parti.ErrInvalidWeight), "%v", f.Leader().Errors())
		put(list[0], "1")
		<-time.After(time.Minute)

		calls = f.Checker.Calls()
		for _, p := range list {
			require.NoError(t, bucket.Delete(t.Context(), p.ID()))
		}
		<-time.After(time.Minute)
		require.Equal(t, calls, f.Checker.Calls())
		require.True(t, f.Leader().Saw(parti.ErrNoPartitions))
		require.NoError(t, f.Unsettled())
		for _, p := range list {
			put(p, "")
		}
		<-time.After(time.Minute)
		require.NoError(t, f.Unsettled())
	})
}

func TestABadArgumentOfASourceEndsTheStart(t *testing.T) {
	bubble.Run(t, func(t *testing.T, s *bubble.Server) {
		f := fleet.New(t, s, 1, func(spec *fleet.Spec) { spec.Source = source.File("") })
		err := f.Start(1)[0].Begun()
		require.ErrorIs(t, err, parti.ErrInvalidConfig)
		require.ErrorIs(t, err, parti.ErrSourceFailed)
		require.ErrorContains(t, err, "path")
	})
}
