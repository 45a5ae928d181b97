// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"flag"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

var (
	lives  = flag.Int("lives", 40, "how many random lives are lived")
	base   = flag.Uint64("base", 0, "the first seed")
	shrink = flag.Int("shrink", 300, "how many lives are lived to find the simplest form of a failure")
	update = flag.Bool("update", false, "write down what the golden lives do")
)

// healthy is a fleet on a healthy store, all of which owns everything.
func healthy(t *testing.T, workers, partitions int) *Fleet {
	t.Helper()
	return settled(t, model.Config{Start: Begin, Latency: 100 * time.Microsecond}, Defaults(workers, partitions))
}

// settled is a healthy fleet on some store.
func settled(t *testing.T, on model.Config, cfg Config) *Fleet {
	t.Helper()
	f := NewFleet(NewLoop(on), cfg)
	for range cfg.IDs {
		f.Start()
	}
	settle(t, f, time.Minute)
	f.Run(f.Now().Add(time.Minute)) // the windows are over
	require.Equal(t, 1, f.Leaders())
	return f
}

// settle lets time pass until everything has an owner.
func settle(t *testing.T, f *Fleet, within time.Duration) time.Duration {
	t.Helper()
	began := f.Now()
	for f.Missing() > 0 && f.Now().Sub(began) < within {
		f.Run(f.Now().Add(10 * time.Millisecond))
	}
	require.Empty(t, f.Broken)
	require.Zero(t, f.Missing(), "partitions without an owner after %s", within)
	return f.Now().Sub(began)
}

func (f *Fleet) leader() *Worker {
	for _, w := range f.Workers {
		if !w.dead && w.status.Leader {
			return w
		}
	}
	return nil
}

func (f *Fleet) follower() *Worker {
	for _, w := range f.Workers {
		if !w.dead && !w.status.Leader {
			return w
		}
	}
	return nil
}

func TestAFleetOwnsEverythingAfterItsColdStartAndEvenly(t *testing.T) {
	f := NewFleet(NewLoop(model.Config{Start: Begin}), Defaults(5, 60))
	for range 5 {
		f.Start()
	}
	took := settle(t, f, time.Minute)
	require.InDelta(t, 30, took.Seconds(), 0.2, "the window of the cold start")
	for _, w := range f.Workers {
		require.Len(t, w.Owned, 12, w.Name)
	}
}

func TestACrashedWorkersPartitionsAreOwnedAgainAfterItsHeartbeatExpired(t *testing.T) {
	for name, who := range map[string]func(*Fleet) *Worker{"follower": (*Fleet).follower, "leader": (*Fleet).leader} {
		f := healthy(t, 5, 60)
		who(f).Crash()
		took := settle(t, f, 20*time.Second)
		require.Greater(t, took, 3*time.Second, name)
		require.Less(t, took, 7*time.Second, name)
		f.Run(f.Now().Add(5 * time.Second))
		require.Equal(t, 1, f.Leaders(), name)
	}
}

func TestAWorkerThatLeavesLeavesNothingAndItsPartitionsWaitForTheWindow(t *testing.T) {
	f := healthy(t, 5, 60)
	w := f.follower()
	w.Leave()
	f.Run(f.Now().Add(time.Second))
	require.True(t, w.dead, "it has not ended")
	require.Empty(t, w.Owned)
	for _, b := range []store.Bucket{store.StableIDs, store.Heartbeats, store.Election} {
		require.Empty(t, w.client.left(b))
	}
	took := settle(t, f, 20*time.Second)
	require.InDelta(t, 9, took.Seconds(), 0.5, "the window, less the second above")
}

func TestAWorkerThatIsCutOffGivesEverythingUpBeforeAnyoneElseOwnsItAndComesBack(t *testing.T) {
	f := healthy(t, 5, 60)
	w := f.follower()
	f.Store.Cut(f.Now(), w.client.id)
	f.Run(f.Now().Add(4500 * time.Millisecond))
	require.Empty(t, w.Owned, "the trust is over")
	settle(t, f, 20*time.Second)
	f.Store.Heal(f.Now(), w.client.id)
	f.Run(f.Now().Add(time.Minute))
	require.Empty(t, f.Broken)
	require.Zero(t, f.Missing())
	require.NotEmpty(t, w.Owned)
}

func TestRandomLivesKeepWhatIsPromised(t *testing.T) {
	for seed := *base; seed < *base+uint64(*lives); seed++ {
		if f := Live(Expand(seed)); len(f.Broken) > 0 {
			t.Fatalf("seed %d: %s\n%s\n%s", seed, f.Broken[0], f.Stack, Golden("What must be true is to be written here.", Shrink(Expand(seed), *shrink)))
		}
	}
}

// told lives a life and returns everything that happened in it.
func told(s Script, prepare ...func(*Fleet)) string {
	var log strings.Builder
	Live(s, append(prepare, Traced(func(line string) { log.WriteString(line + "\n") }))...)
	return log.String()
}

func TestALifeIsRepeatedByItsSeedLineByLine(t *testing.T) {
	for seed := range uint64(3) {
		first := told(Expand(seed))
		require.NotEmpty(t, first)
		require.Equal(t, first, told(Expand(seed)), "seed %d", seed)
	}
}

// TestALifeIsTheSameWhenRecordsAreReadFromTheirBytes: what is kept as a record instead of bytes says the same, and nobody changes it.
func TestALifeIsTheSameWhenRecordsAreReadFromTheirBytes(t *testing.T) {
	for seed := range uint64(6) {
		inBytes := func(f *Fleet) { f.InBytes = true }
		require.Equal(t, told(Expand(seed), inBytes), told(Expand(seed)), "seed %d", seed)
	}
}

func TestANewcomerGetsItsShareOnceTheOthersHaveLetGo(t *testing.T) {
	f := healthy(t, 4, 60)
	f.cfg.IDs = append(f.cfg.IDs, "worker-4")
	w := f.Start()
	f.Run(f.Now().Add(5 * time.Second))
	require.Empty(t, w.Owned, "the planned window is open")
	f.Run(f.Now().Add(25 * time.Second))
	require.Empty(t, f.Broken)
	require.Zero(t, f.Missing())
	require.Len(t, w.Owned, 12)
}

func BenchmarkAnHourOfAHealthyFleet(b *testing.B) {
	f := NewFleet(NewLoop(model.Config{Start: Begin, Latency: 100 * time.Microsecond}), Defaults(20, 200))
	for range 20 {
		f.Start()
	}
	f.Run(Begin.Add(time.Minute))
	for b.Loop() {
		f.Run(f.Now().Add(time.Hour))
	}
}

// BenchmarkLives lives random lives: how many in a minute, and how many steps (see [Loop.Steps]) in a second, of processor time.
func BenchmarkLives(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // little lives long
	seed, steps, began := uint64(0), 0, used()
	for b.Loop() {
		f := Live(Expand(seed))
		require.Empty(b, f.Broken, "seed %d", seed)
		seed++
		steps += f.Steps
	}
	took := used() - began
	b.ReportMetric(float64(seed)/took.Minutes(), "lives/cpu-min")
	b.ReportMetric(float64(steps)/took.Seconds(), "steps/cpu-s")
	b.ReportMetric(float64(steps)/float64(seed), "steps/life")
}

// used is the processor time of this process.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
