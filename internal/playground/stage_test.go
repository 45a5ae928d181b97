// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package playground

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parti-go/parti/internal/sim"
)

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// page is what a page knows that takes over everything it is told.
type page struct {
	seq     uint64
	workers map[string]worker
	held    map[[2]string]string // partition and worker: the rest
	last    frame
	news    []newsWords
	changes int
}

// look lets the page take over what is new.
func (p *page) look(t *testing.T, s *Stage) {
	t.Helper()
	var f frame
	require.NoError(t, json.Unmarshal(s.Look(), &f))
	p.last = f
	p.news = append(p.news, f.News...)
	p.changes += len(f.Changes)
	d := f.Delta
	if d == nil {
		return
	}
	require.Equal(t, p.seq+1, d.Seq)
	p.seq = d.Seq
	for _, w := range d.Workers {
		p.workers[w.ID] = w
	}
	for _, u := range d.Unset {
		delete(p.held, [2]string{u[0].(string), u[1].(string)})
	}
	for _, r := range d.Set {
		require.Contains(t, p.workers, r[1], "a partition of a worker that nobody told of")
		p.held[[2]string{r[0].(string), r[1].(string)}] = fmt.Sprint(r[2:]...)
	}
	for _, id := range d.Gone {
		delete(p.workers, id)
		for key := range p.held {
			if key[1] == id {
				delete(p.held, key)
			}
		}
	}
}

func staged(t *testing.T, workers, partitions int) (*Stage, *page) {
	t.Helper()
	s, err := New(start, workers, partitions, 1)
	require.NoError(t, err)
	p := &page{workers: map[string]worker{}, held: map[[2]string]string{}}
	p.look(t, s)
	require.True(t, p.last.Group)
	s.Advance(2 * time.Minute)
	p.look(t, s)
	require.False(t, p.last.Group)
	require.Equal(t, partitions, p.last.Running)
	require.Len(t, p.workers, workers)
	require.Len(t, p.held, partitions)
	require.Equal(t, partitions, p.changes)
	return s, p
}

// fresh asks another stage of the same play for everything, as a page would see it that has just been opened.
func fresh(t *testing.T, s *Stage) *page {
	p := &page{workers: map[string]worker{}, held: map[[2]string]string{}}
	p.look(t, &Stage{play: s.play, lanes: map[string]lane{}})
	return p
}

func TestWhatAPageIsToldAddsUpInEveryScene(t *testing.T) {
	for name := range scenes {
		s, p := staged(t, 6, 60)
		require.NoError(t, s.Scene(name), name)
		for range 600 {
			s.Advance(200 * time.Millisecond)
			p.look(t, s)
		}
		whole := fresh(t, s)
		require.Equal(t, whole.workers, p.workers, name)
		require.Equal(t, whole.held, p.held, name)
		require.Empty(t, p.last.Broken, name)
		require.Equal(t, 60, p.last.Running, "scene %s: not everything runs two minutes later", name)
		require.NotEmpty(t, p.news, name)
	}
}

// owners are the workers by their partitions.
func (p *page) owners() map[string]string {
	owners := map[string]string{}
	for key := range p.held {
		owners[key[0]] = key[1]
	}
	return owners
}

func TestAStoreOutageMovesNothing(t *testing.T) {
	s, p := staged(t, 6, 60)
	before := p.owners()
	require.NoError(t, s.Scene("store"))
	s.Advance(7 * time.Second)
	p.look(t, s)
	require.Zero(t, p.last.Running)
	s.Advance(2 * time.Minute)
	p.look(t, s)
	require.Equal(t, 60, p.last.Running)
	require.Equal(t, before, p.owners())
}

func TestARollingRestartMovesNothing(t *testing.T) {
	s, p := staged(t, 6, 60)
	before := p.owners()
	old := map[string]bool{}
	for _, process := range p.last.Fleet {
		old[process.Name] = true
	}
	require.NoError(t, s.Scene("rolling"))
	s.Advance(2 * time.Minute)
	p.look(t, s)
	require.Equal(t, before, p.owners())
	for _, process := range p.last.Fleet {
		require.False(t, old[process.Name], "%s was not restarted", process.Name)
	}
}

func TestAPlayIsRepeatedByItsSeedAndWhatIsDone(t *testing.T) {
	told := func() (all string) {
		s, _ := staged(t, 6, 60)
		for _, name := range slices.Sorted(maps.Keys(scenes)) {
			_ = s.Scene(name) // what is not possible is not possible again
			for range 20 {
				s.Advance(time.Second)
				all += string(s.Look())
			}
		}
		return all
	}
	require.Equal(t, told(), told())
}

func TestNothingIsToldTwice(t *testing.T) {
	s, p := staged(t, 4, 40)
	p.look(t, s)
	require.Nil(t, p.last.Delta)
	require.Empty(t, p.last.Changes)
	require.Empty(t, p.last.News)
}

func TestWhatIsKilledIsShownAtOnceAndWhatIsFrozenStandsStill(t *testing.T) {
	s, p := staged(t, 4, 40)
	killed, frozen := p.last.Fleet[0].Name, p.last.Fleet[1].Name
	require.NoError(t, s.Do("kill", killed))
	require.NoError(t, s.Do("freeze", frozen))
	p.look(t, s)
	require.Equal(t, 20, p.last.Running)
	require.Equal(t, 20, p.last.Delta.Unowned)
	require.Len(t, p.last.Delta.Workers, 2)
	moods := map[string]string{}
	for _, w := range p.last.Delta.Workers {
		moods[w.Host] = w.Mood
	}
	require.Equal(t, map[string]string{killed: "killed", frozen: "frozen"}, moods)
	require.Len(t, p.last.Delta.Set, 20, "what nobody runs is idle")
}

func TestAnUnknownActionOrSceneIsNamedWithWhatIsAllowed(t *testing.T) {
	s, _ := staged(t, 2, 4)
	require.ErrorIs(t, s.Do("explode", ""), sim.ErrImpossible)
	require.ErrorContains(t, s.Do("explode", ""), `"explode", allowed: add, cut, drain`)
	require.ErrorContains(t, s.Scene("flood"), `"flood", allowed: crash, cut`)
	s, err := New(start, 5, 10, 1)
	require.NoError(t, err)
	require.ErrorContains(t, s.Scene("mass"), "0 followers are well, needed: 1")
	require.ErrorContains(t, s.Scene("leader"), "no leader")
	_, err = New(start, 99, 1, 1)
	require.ErrorIs(t, err, sim.ErrImpossible)
}

func BenchmarkFrame(b *testing.B) {
	s, err := New(start, 20, 200, 1)
	require.NoError(b, err)
	s.Advance(2 * time.Minute)
	for b.Loop() {
		s.Advance(time.Second / 60)
		s.Look()
	}
}
