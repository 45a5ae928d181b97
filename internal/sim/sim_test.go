package sim

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/store"
	"github.com/parti-go/parti/internal/store/model"
)

var lives = flag.Int("lives", 40, "how many random lives are lived")

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// healthy is a fleet on a healthy store, all of which owns everything.
func healthy(t *testing.T, workers, partitions int) *Fleet {
	t.Helper()
	f := NewFleet(NewLoop(1, model.Config{Start: start, Latency: 100 * time.Microsecond}, model.Benign{}), Defaults(workers, partitions))
	for range workers {
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
	f := NewFleet(NewLoop(1, model.Config{Start: start}, model.Benign{}), Defaults(5, 60))
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

// life lives a random life: some minutes of faults, and then a calm in which everything must get an owner.
func life(t *testing.T, seed uint64, trace bool) (lines string) {
	t.Helper()
	cfg := model.Config{
		Start: start, Replicas: 1 + 2*int(seed%2), Latency: 300 * time.Microsecond, Jitter: 3 * time.Millisecond, Commit: 2 * time.Millisecond,
	}
	moody := &moods{Random: model.NewRandom(seed, badDay())}
	f := NewFleet(NewLoop(seed, cfg, moody), Defaults(8, 40))
	var log strings.Builder
	if trace {
		f.Trace = func(now time.Time, line string) { log.WriteString(now.UTC().Format("15:04:05.000000 ") + line + "\n") }
	}
	for range 3 + f.Draw(4) {
		f.Start()
	}
	for end := start.Add(5 * time.Minute); f.Now().Before(end); {
		f.Run(f.Now().Add(time.Duration(f.Draw(8000)) * time.Millisecond))
		f.fault()
	}
	moody.over = true
	f.Store.Start(f.Now())
	for _, w := range f.Workers {
		f.Store.Heal(f.Now(), w.client.id)
	}
	f.Start()
	f.Run(f.Now().Add(3 * time.Minute))
	require.Empty(t, f.Broken, "seed %d", seed)
	require.Zero(t, f.Missing(), "seed %d: partitions without an owner three minutes after the last fault", seed)
	require.Equal(t, 1, f.Leaders(), "seed %d", seed)
	return log.String()
}

// moods is a source that is benign once the faults are over.
type moods struct {
	*model.Random
	over bool
}

func (m *moods) Draw(c model.Choice, n int) int {
	if m.over {
		return 0
	}
	return m.Random.Draw(c, n)
}

func badDay() model.Odds {
	o := model.Even(1 << 13)
	o[model.Fate], o[model.Sight] = 1<<10, 1<<9
	return o
}

// fault does one thing to the fleet.
func (f *Fleet) fault() {
	alive := 0
	for _, w := range f.Workers {
		if !w.dead {
			alive++
		}
	}
	w := f.Workers[f.Draw(len(f.Workers))]
	switch n := f.Draw(12); {
	case n < 2 && alive > 2:
		w.Crash()
	case n < 3 && alive > 2:
		w.Leave()
	case n < 5 && alive < 8:
		f.Start()
	case n < 6:
		f.Store.Cut(f.now, w.client.id)
	case n < 7:
		f.Store.Stall(f.now, w.client.id, f.Draw(2) == 0, f.Draw(2) == 0)
	case n < 10:
		f.Store.Heal(f.now, w.client.id)
	case n < 11:
		f.Store.Elect(f.now, store.Bucket(f.Draw(int(store.Buckets))), f.now.Add(f.Spread(4*time.Second)))
	default:
		f.Store.Stop(f.now)
		f.After(f.Spread(10*time.Second), func() { f.Store.Start(f.now) })
	}
}

func TestRandomLivesKeepWhatIsPromised(t *testing.T) {
	for seed := range uint64(*lives) {
		life(t, seed, false)
	}
}

func TestALifeIsRepeatedByItsSeedLineByLine(t *testing.T) {
	for seed := range uint64(3) {
		first := life(t, seed, true)
		require.NotEmpty(t, first)
		require.Equal(t, first, life(t, seed, true), "seed %d", seed)
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
	f := NewFleet(NewLoop(1, model.Config{Start: start, Latency: 100 * time.Microsecond}, model.Benign{}), Defaults(20, 200))
	for range 20 {
		f.Start()
	}
	f.Run(start.Add(time.Minute))
	for b.Loop() {
		f.Run(f.Now().Add(time.Hour))
	}
}
