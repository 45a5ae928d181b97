// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// dawn is when plays begin.
var dawn = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// played returns a play whose cold start is over.
func played(t testing.TB, workers, partitions int) *Play {
	t.Helper()
	p, err := NewPlay(dawn, workers, partitions, 1)
	require.NoError(t, err)
	p.Advance(2 * time.Minute)
	v := p.Look()
	require.Equal(t, partitions, v.Running)
	require.Len(t, v.Processes, workers)
	p.News()
	return p
}

// first returns the first process that does or does not lead.
func (p *Play) first(leads bool) Process {
	for _, process := range p.Look().Processes {
		if process.Leader == leads && !process.Dead {
			return process
		}
	}
	panic("there is none")
}

func (p *Play) find(name string) Process {
	for _, process := range p.Look().Processes {
		if process.Name == name {
			return process
		}
	}
	return Process{}
}

// allRun lets time pass until everything runs, and returns how long that took.
func allRun(t testing.TB, p *Play, within time.Duration) time.Duration {
	t.Helper()
	began := p.Now()
	for p.Running() < len(p.source.list()) && p.Now().Sub(began) < within {
		p.Advance(pace)
	}
	require.Empty(t, p.Broken)
	require.Equal(t, len(p.source.list()), p.Running(), "not everything runs after %s", within)
	return p.Now().Sub(began)
}

func sentences(news []News) string {
	var text []string
	for _, n := range news {
		text = append(text, fmt.Sprintf("%s %d %s", n.At.Format("15:04:05.0"), n.Kind, n.Text))
	}
	return strings.Join(text, "\n")
}

func TestAPlayTellsWhoOwnsWhatAndForHowLongSessionsAreTrusted(t *testing.T) {
	p := played(t, 5, 60)
	v := p.Look()
	require.NotZero(t, v.Term)
	require.Equal(t, 60, v.Plan.Partitions)
	rows := 0
	for _, process := range v.Processes {
		require.Equal(t, "Stable", process.State)
		require.Greater(t, process.Trust, 2*time.Second)
		require.Greater(t, process.Lease, process.Trust)
		for _, row := range v.Records[process.Worker].Rows {
			rows++
			require.True(t, process.Runs(row.Partition))
			require.Equal(t, process.Owned[row.Partition], row.Epoch)
		}
	}
	require.Equal(t, 60, rows)
	require.NotEmpty(t, p.Journal(dawn))
}

func TestAKilledProcessesPartitionsRunElsewhereWithinTheirTime(t *testing.T) {
	for _, leads := range []bool{false, true} {
		p := played(t, 5, 60)
		require.NoError(t, p.Kill(p.first(leads).Name))
		took := allRun(t, p, 20*time.Second)
		require.Greater(t, took, 3*time.Second)
		require.Less(t, took, 8*time.Second)
		p.Advance(pace)
		require.Contains(t, sentences(p.News()), "All 60 partitions run, ")
	}
}

func TestAFrozenProcessIsFencedWhenItWakesUpAndComesBack(t *testing.T) {
	p := played(t, 5, 60)
	frozen := p.first(false)
	require.NoError(t, p.Freeze(frozen.Name))
	require.Equal(t, 48, p.Running(), "what is frozen does not run")
	require.ErrorIs(t, p.Stop(frozen.Name), ErrImpossible)
	allRun(t, p, 20*time.Second)
	p.Advance(10 * time.Second)
	require.Len(t, p.find(frozen.Name).Owned, 12, "it has noticed something in its sleep")
	require.NoError(t, p.Thaw(frozen.Name))
	require.Equal(t, 12, p.Look().Refused)
	require.Contains(t, sentences(p.News()), "The fence refuses 12 writes of ")
	p.Advance(time.Second)
	require.Empty(t, p.find(frozen.Name).Owned)
	p.Advance(2 * time.Minute)
	require.Empty(t, p.Broken)
	require.Equal(t, 60, p.Running())
	require.NotEmpty(t, p.find(frozen.Name).Owned, "it has not come back")
}

func TestAShortFreezeChangesNothing(t *testing.T) {
	p := played(t, 5, 60)
	before := p.first(false)
	require.NoError(t, p.Freeze(before.Name))
	p.Advance(time.Second)
	require.NoError(t, p.Thaw(before.Name))
	p.Advance(20 * time.Second)
	require.Equal(t, before.Session, p.find(before.Name).Session)
	require.Equal(t, 60, p.Running())
	require.Zero(t, p.Look().Refused)
	require.Empty(t, p.Broken)
}

func TestAFrozenLeaderIsFollowedAndYields(t *testing.T) {
	p := played(t, 5, 60)
	frozen, term := p.first(true), p.Look().Term
	require.NoError(t, p.Freeze(frozen.Name))
	p.Advance(15 * time.Second)
	require.Greater(t, p.Look().Term, term)
	require.NoError(t, p.Thaw(frozen.Name))
	p.Advance(5 * time.Second)
	require.Equal(t, 1, p.Leaders())
	p.Advance(2 * time.Minute)
	require.Empty(t, p.Broken)
	require.Equal(t, 60, p.Running())
}

func TestAProcessThatIsCutOffGivesUpBeforeTheOthersTakeOver(t *testing.T) {
	p := played(t, 5, 60)
	cut := p.first(false)
	require.NoError(t, p.Cut(cut.Name))
	p.Advance(4900 * time.Millisecond)
	now := p.find(cut.Name)
	require.Empty(t, now.Owned)
	require.Zero(t, now.Trust)
	allRun(t, p, 20*time.Second)
	require.NoError(t, p.Heal(cut.Name))
	p.Advance(time.Minute)
	require.Empty(t, p.Broken)
	require.Len(t, p.find(cut.Name).Owned, 12)
}

func TestAStoppedProcessEndsAndOneThatTakesItsPlaceMovesNothing(t *testing.T) {
	p := played(t, 5, 60)
	before, versions := p.first(false), p.Look().Plan.Version
	require.NoError(t, p.Stop(before.Name))
	p.Advance(time.Second)
	require.True(t, p.find(before.Name).Clean)
	name, err := p.Add()
	require.NoError(t, err)
	p.Advance(5 * time.Second)
	require.Equal(t, before.Worker, p.find(name).Worker)
	require.Len(t, p.find(name).Owned, 12)
	require.Less(t, p.Look().Plan.Version, versions+5)
	p.Advance(time.Minute)
	require.Empty(t, p.find(before.Name).Name, "it is still shown")
	require.Equal(t, 60, p.Running())
}

func TestADrainLeavesNothingWithoutAnOwnerForLong(t *testing.T) {
	p := played(t, 5, 60)
	drained := p.first(false)
	require.NoError(t, p.Drain(drained.Name))
	least := 60
	for range 200 {
		p.Advance(pace)
		least = min(least, p.Running())
	}
	require.True(t, p.find(drained.Name).Clean, "it has not ended")
	require.Equal(t, 60, p.Running())
	require.GreaterOrEqual(t, least, 48)
	require.Empty(t, p.Broken)
}

func TestAStoreThatIsAwayFencesEveryoneAndComesBack(t *testing.T) {
	p := played(t, 5, 60)
	require.NoError(t, p.StopStore())
	require.ErrorIs(t, p.StopStore(), ErrImpossible)
	p.Advance(6 * time.Second)
	require.Zero(t, p.Running())
	require.NotZero(t, p.Look().Stale)
	require.NoError(t, p.StartStore())
	allRun(t, p, time.Minute)
	p.Advance(2 * time.Second)
	require.Zero(t, p.Look().Stale)
}

func TestAPlaySaysWhatIsNotPossible(t *testing.T) {
	_, err := NewPlay(dawn, 0, 60, 1)
	require.ErrorIs(t, err, ErrImpossible)
	_, err = NewPlay(dawn, 5, 0, 1)
	require.ErrorIs(t, err, ErrImpossible)
	p := played(t, 1, 3)
	require.ErrorContains(t, p.Kill("nobody"), `"nobody" is none that lives`)
	require.ErrorIs(t, p.Thaw(p.first(true).Name), ErrImpossible)
	require.ErrorIs(t, p.StartStore(), ErrImpossible)
	for range Most - 1 {
		_, err := p.Add()
		require.NoError(t, err)
	}
	_, err = p.Add()
	require.ErrorIs(t, err, ErrImpossible)
}

var plays = flag.Int("plays", 3, "how many random plays are played")

// TestTwentyMinutesOfPlay: whatever a player does, no partition has two owners, and everything runs in the end.
func TestTwentyMinutesOfPlay(t *testing.T) {
	for seed := range uint64(*plays) {
		p, err := NewPlay(dawn, 6, 40, seed)
		require.NoError(t, err)
		for p.Now().Before(dawn.Add(20 * time.Minute)) {
			p.Advance(p.Spread(6 * time.Second))
			p.anything()
		}
		if p.down {
			require.NoError(t, p.StartStore())
		}
		for _, process := range p.Look().Processes {
			_, _, _ = p.Thaw(process.Name), p.Heal(process.Name), p.Free(process.Name) // what is not frozen or has ended says so
		}
		_, _ = p.Add() // so that somebody is there
		p.Advance(6 * time.Minute)
		require.Empty(t, p.Broken, "seed %d", seed)
		require.Equal(t, 40, p.Running(), "seed %d", seed)
	}
}

// anything does one thing that a player may do. What is not possible is not done.
func (p *Play) anything() {
	v := p.Look()
	name := ""
	if n := len(v.Processes); n > 0 {
		name = v.Processes[p.Draw(n)].Name
	}
	switch n := p.Draw(23); {
	case n < 2:
		_ = p.Kill(name)
	case n < 4 && len(v.Processes) < 10:
		_, _ = p.Add()
	case n < 7:
		_ = p.Freeze(name)
	case n < 10:
		_ = p.Thaw(name)
	case n < 12:
		_ = p.Cut(name)
	case n < 16:
		_ = p.Heal(name)
	case n < 17:
		_ = p.Stop(name)
	case n < 18:
		_ = p.Drain(name)
	case n < 19:
		_ = p.StopStore()
	case n < 21:
		_ = p.Jam(name)
	case n < 22:
		_ = p.Free(name)
	default:
		_ = p.StartStore()
	}
}

func BenchmarkAnHourOfPlay(b *testing.B) {
	p := played(b, 20, 200)
	for b.Loop() {
		p.Advance(time.Hour)
	}
}

// TestAFrozenProcessDoesNothing freezes one while what it has asked for is under way, and one that is told of every heartbeat.
func TestAFrozenProcessDoesNothing(t *testing.T) {
	for _, workers := range []int{1, 5} {
		p := played(t, workers, 20)
		for workers == 1 && len(p.waits) == 0 {
			p.Run(p.Now().Add(100 * time.Microsecond))
		}
		frozen := p.first(true).Name
		require.NoError(t, p.Freeze(frozen))
		var did []string
		p.Trace = func(_ time.Time, line string) {
			if strings.HasPrefix(line, frozen+":") {
				did = append(did, line)
			}
		}
		p.Advance(time.Minute)
		require.Empty(t, did)
		require.NoError(t, p.Thaw(frozen))
		require.NotEmpty(t, did)
	}
}

func TestHandlersThatDoNotReturnAreReportedAndKeepTheirPartitions(t *testing.T) {
	p := played(t, 4, 20)
	jammed := p.first(false).Name
	require.NoError(t, p.Jam(jammed))
	require.NoError(t, p.Drain(jammed))
	p.Advance(40 * time.Second)
	now := p.find(jammed)
	require.Len(t, now.Owned, 5)
	require.Equal(t, 20, p.Running())
	require.Contains(t, strings.Join(now.Stuck, " "), "handler of ")
	require.NoError(t, p.Free(jammed))
	p.Advance(10 * time.Second)
	require.True(t, p.find(jammed).Clean)
	require.Equal(t, 20, p.Running())
	require.Empty(t, p.Broken)
}
